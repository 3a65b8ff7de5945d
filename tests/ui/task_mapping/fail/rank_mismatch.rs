use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 8, tasks = [8, 4])]
fn mixed() -> TaskMapping<2> {
    repeat([1, 4]) * spatial([8])
}

#[task_mapping(workers = 8, tasks = [8])]
fn declared() -> TaskMapping<2> {
    spatial([8, 1])
}

fn main() {}
