use hidet::mapping::*;
use hidet::task_mapping;

const WARPS: u32 = 8;

#[task_mapping(workers = WARPS * 16, tasks = [128, 8])]
fn load() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([WARPS * 4, 8])
}

fn main() {}
