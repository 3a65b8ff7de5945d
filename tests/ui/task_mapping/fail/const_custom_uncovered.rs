use hidet::mapping::*;
use hidet::task_mapping;

const WIDTH: u32 = 8;

#[task_mapping(workers = 32, tasks = [4, WIDTH], overlap)]
fn half(w: Worker) -> [Index; 2] {
    [w / WIDTH, w % (WIDTH / 2)]
}

fn main() {}
