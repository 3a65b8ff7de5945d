use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 256, tasks = [129, 8])]
fn load() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

#[task_mapping(workers = 256, tasks = [128, 4])]
fn too_much() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

fn main() {}
