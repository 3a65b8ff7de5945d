use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 16, tasks = [4, 2])]
fn twice(w: Worker) -> [Index; 2] {
    [w % 8 / 2, w % 2]
}

fn main() {}
