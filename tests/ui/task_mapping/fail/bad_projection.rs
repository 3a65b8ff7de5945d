use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(overlap)]
fn third() -> TaskMapping<2> {
    spatial([8, 1]).project([2])
}

fn main() {}
