use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn huge() -> TaskMapping<2> {
    repeat([65536, 65536]) * spatial([1, 1])
}

#[task_mapping]
fn negative() -> TaskMapping<1> {
    spatial([4 - 8])
}

fn main() {}
