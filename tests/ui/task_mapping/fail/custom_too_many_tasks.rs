use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 1024, tasks = [1024, 128], overlap)]
fn large(w: Worker) -> [Index; 2] {
    [w, 0]
}

fn main() {}
