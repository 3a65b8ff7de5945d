// Compositions, with every way to write one.

use hidet::mapping::{TaskMapping, auto_map, col_spatial, repeat, spatial};
use hidet::task_mapping;

const TILE: u32 = 64;
const WARPS: u32 = 4;

#[task_mapping(workers = 256, tasks = [128, 8])]
fn load_a() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([32, 8])
}

// Other numbers are checked by const evaluation; their own `*` stays.
#[task_mapping(workers = WARPS * 32, tasks = [TILE, 8])]
pub fn named() -> TaskMapping<2> {
    repeat([TILE / 16, 1]) * spatial([2 * WARPS * 2, 8])
}

#[task_mapping(workers = 32 * 8, tasks = [128, 8])]
fn chained() -> TaskMapping<2> {
    repeat([4, 1]).attrs("u+ .").spatial([32, 8])
}

#[task_mapping]
fn nothing_declared() -> TaskMapping<1> {
    spatial([8]) * repeat([2])
}

#[task_mapping(workers = 12)]
fn workers_only() -> TaskMapping<2> {
    col_spatial([3, 4])
}

#[task_mapping(tasks = [8, 96])]
fn automatic() -> TaskMapping<2> {
    auto_map([8, 96], 64)
}

#[task_mapping(workers = 8, tasks = [4, 1], overlap)]
fn shared() -> TaskMapping<2> {
    spatial([4, 2]).project([1])
}

#[task_mapping(workers = 1024, tasks = [1024, 8])]
fn of_others() -> TaskMapping<2> {
    let outer = load_a();
    let inner = spatial([4, 1]) * repeat([2, 1]);
    outer * inner
}

#[task_mapping(workers = 16, tasks = [4, 2, 2])]
const fn branches() -> TaskMapping<3> {
    if TILE > 32 { repeat([1, 1, 1]) * spatial([4, 2, 2]) } else { spatial([4, 2, 2]) * repeat([1, 1, 2]) }
}

const LOAD: TaskMapping<2> = load_a();
const WORKERS: u32 = chained().workers();

fn main() {
    assert_eq!(LOAD.tasks(9).collect::<Vec<_>>(), [[1, 1], [33, 1], [65, 1], [97, 1]]);
    assert_eq!(WORKERS, 256);
    assert_eq!(named().to_string(), "repeat([4, 1]) * spatial([16, 8])");
    assert_eq!(nothing_declared().tasks_per_worker(), 2);
    assert_eq!(workers_only().task(1), Ok([1, 0]));
    assert_eq!(automatic().workers(), 64);
    assert_eq!(shared().task(3), Ok([1, 0]));
    assert_eq!(of_others().tasks_per_worker(), 8);
    assert_eq!(branches().workers(), 16);
}
