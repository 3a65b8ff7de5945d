use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 256, tasks = [128, 8])]
fn load() {
    repeat([4, 1]) * spatial([32, 8])
}

fn main() {}
