use hidet::mapping::*;
use hidet::task_mapping;

const WORKERS: u32 = 1024;

#[task_mapping(workers = WORKERS, tasks = [WORKERS, 16], overlap)]
fn large(w: Worker) -> [Index; 2] {
    [w, 0]
}

fn main() {}
