use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn many() -> TaskMapping<1> {
    spatial([2]) * spatial([2]) * spatial([2]) * spatial([2]) * spatial([2]) * spatial([2]) * spatial([2]) * spatial([2])
        * spatial([2])
}

fn main() {}
