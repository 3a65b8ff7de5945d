use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping]
fn undeclared(w: Worker) -> [Index; 1] {
    [w]
}

#[task_mapping(workers = 4, tasks = [4])]
fn two(w: Worker, n: u32) -> [Index; 1] {
    [w * n]
}

#[task_mapping(workers = 4, tasks = [4])]
fn generic<const N: u32>(w: Worker) -> [Index; 1] {
    [w % N]
}

#[task_mapping(workers = 4, tasks = [4])]
fn pattern(_: Worker) -> [Index; 1] {
    [0]
}

#[task_mapping(workers = 4, tasks = [4])]
fn another_rank(w: Worker) -> [Index; 2] {
    [w, 0]
}

fn main() {}
