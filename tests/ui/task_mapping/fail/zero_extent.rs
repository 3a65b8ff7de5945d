use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 0, tasks = [4, 0])]
fn none() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([1, 0])
}

fn main() {}
