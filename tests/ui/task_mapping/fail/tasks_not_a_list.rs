use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 256, tasks = (128, 8))]
fn load() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

#[task_mapping(workers = 256, tasks = [])]
fn empty() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

#[task_mapping(workers 256)]
fn syntax() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

fn main() {}
