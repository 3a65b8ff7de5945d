use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 8, tasks = [4, 4])]
fn half(w: Worker) -> [Index; 2] {
    [w / 4, w % 4]
}

fn main() {}
