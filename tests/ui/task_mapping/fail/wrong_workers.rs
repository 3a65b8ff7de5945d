use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 128, tasks = [128, 8])]
fn load() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

fn main() {}
