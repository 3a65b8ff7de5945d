use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn automatic() -> TaskMapping<2> {
    auto_map([8, 41], 64)
}

fn main() {}
