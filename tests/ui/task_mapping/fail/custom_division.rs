use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 4, tasks = [4])]
fn zero(w: Worker) -> [Index; 1] {
    [12 / w]
}

fn main() {}
