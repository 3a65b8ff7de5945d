// Functions of the worker.

use hidet::mapping::{Index, TaskMapping, Worker, repeat, spatial};
use hidet::task_mapping;

const WIDTH: u32 = 8;

/// The matmul atom: 32 workers over 4 x 8.
#[task_mapping(workers = 32, tasks = [4, 8])]
fn atom(w: Worker) -> [Index; 2] {
    [w / 16 * 2 + w % 2, w / 2 % 8]
}

#[task_mapping(workers = 32, tasks = [4, WIDTH])]
pub fn by_name(lane: Worker) -> [Index; 2] {
    let (row, column) = (lane / WIDTH, lane % WIDTH);
    let swizzled = column ^ row;
    [row, swizzled]
}

#[task_mapping(workers = 4, tasks = [8])]
fn two_each(w: Worker) -> [[Index; 1]; 2] {
    [[w], [(7 - w).max(4)]]
}

#[task_mapping(workers = 32, tasks = [8], overlap)]
fn clamped(w: Worker) -> [Index; 1] {
    [(w >> 1 & 15).min(7)]
}

#[task_mapping(workers = 8, tasks = [4, 2])]
fn shifted(w: u32) -> [u32; 2] {
    let high = (w >> 1) as u32;
    [high, w - (high << 1)]
}

#[task_mapping(workers = 128, tasks = [16, 32])]
fn composed() -> TaskMapping<2> {
    spatial([2, 2]) * repeat([2, 2]) * atom()
}

const ATOM: TaskMapping<2> = atom();

fn main() {
    let same = spatial([2, 1]) * spatial([1, 8]) * spatial([2, 1]);
    for w in 0..33 {
        assert_eq!(ATOM.task_at(w, 0), same.task_at(w, 0));
    }
    assert_eq!(by_name().task(9), Ok([1, 0]));
    assert_eq!(two_each().tasks(1).collect::<Vec<_>>(), [[1], [6]]);
    assert_eq!(clamped().task(31), Ok([7]));
    assert_eq!(shifted().task(5), Ok([2, 1]));
    assert_eq!(composed().tasks(33).next(), Some([1, 16]));
}
