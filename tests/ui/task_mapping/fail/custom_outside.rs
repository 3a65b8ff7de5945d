use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 32, tasks = [4, 4])]
fn beyond(w: Worker) -> [Index; 2] {
    [w / 4, w % 4]
}

#[task_mapping(workers = 4, tasks = [4])]
fn below(w: Worker) -> [Index; 1] {
    [w - 1]
}

fn main() {}
