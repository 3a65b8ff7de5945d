use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 4, tasks = [4])]
async fn later() -> TaskMapping<1> {
    spatial([4])
}

#[task_mapping(workers = 4, tasks = [4])]
unsafe fn dangerous() -> TaskMapping<1> {
    spatial([4])
}

fn main() {}
