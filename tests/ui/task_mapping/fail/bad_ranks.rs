use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn order() -> TaskMapping<2> {
    repeat([1, 4]) * spatial([8, 1]).ranks([0, 2])
}

fn main() {}
