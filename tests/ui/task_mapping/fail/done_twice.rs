use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 8, tasks = [4, 1])]
fn shared() -> TaskMapping<2> {
    spatial([4, 2]).project([1])
}

#[task_mapping]
fn by_one_worker() -> TaskMapping<2> {
    spatial([4, 2]) * repeat([2, 2]).project([0])
}

fn main() {}
