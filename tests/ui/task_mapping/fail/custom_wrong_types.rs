use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 4, tasks = [4])]
fn name(w: Wroker) -> [Index; 1] {
    [w]
}

fn main() {}
