use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(worker = 256, tasks = [128, 8], workers = 256, workers = 128)]
fn load() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

fn main() {}
