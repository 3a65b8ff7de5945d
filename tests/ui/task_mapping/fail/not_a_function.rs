use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 256, tasks = [128, 8])]
struct Load;

#[task_mapping(workers = 256, tasks = [128, 8])]
const LOAD: TaskMapping<2> = spatial([128, 8]);

fn main() {}
