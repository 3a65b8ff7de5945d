use hidet::mapping::*;
use hidet::task_mapping;

#[task_mapping(workers = 4, tasks = [4])]
fn branch(w: Worker) -> [Index; 1] {
    [if w < 2 { w + 2 } else { w - 2 }]
}

#[task_mapping(workers = 4, tasks = [4])]
fn changed(w: Worker) -> [Index; 1] {
    let mut i = w;
    i = 3 - i;
    [i]
}

#[task_mapping(workers = 4, tasks = [4])]
fn called(w: Worker) -> [Index; 1] {
    [other(w)]
}

#[task_mapping(workers = 4, tasks = [4])]
fn or(w: Worker) -> [Index; 1] {
    [w % 2 | w / 2 * 2]
}

#[task_mapping(workers = 4, tasks = [4])]
fn power(w: Worker) -> [Index; 1] {
    [w.pow(2)]
}

#[task_mapping(workers = 4, tasks = [4])]
fn shift(w: Worker) -> [Index; 1] {
    [1 << w]
}

#[task_mapping(workers = 4, tasks = [4])]
fn float(w: Worker) -> [Index; 1] {
    [w * 1.0]
}

#[task_mapping(workers = 4, tasks = [4, 1])]
fn one_coordinate(w: Worker) -> [Index; 2] {
    [w]
}

#[task_mapping(workers = 4, tasks = [4])]
fn no_list(w: Worker) -> [Index; 1] {
    w
}

#[task_mapping(workers = 4, tasks = [8])]
fn no_list_of_lists(w: Worker) -> [[Index; 1]; 2] {
    let first = w;
    first
}

#[task_mapping(workers = 4, tasks = [4])]
fn ends(w: Worker) -> [Index; 1] {
    let _i = w;
}

fn main() {}
