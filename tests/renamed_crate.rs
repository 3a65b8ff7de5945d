//! The crate under another name, and through a re-export.

pub extern crate hidet as tensors;

mod facade {
    pub use tensors as inner;
}

use facade::inner::mapping::{Index, TaskMapping, Worker, spatial};
use facade::inner::task_mapping;

mod hidet {}

#[task_mapping(workers = 4, tasks = [4], crate = crate::facade::inner)]
fn reversed(w: Worker) -> [Index; 1] {
    [3 - w]
}

#[task_mapping(workers = 4, tasks = [4], crate = tensors)]
fn plain() -> TaskMapping<1> {
    spatial([4])
}

#[test]
fn mappings_find_the_crate_under_other_names() {
    assert_eq!(reversed().task(0), Ok([3]));
    assert_eq!(plain().task(0), Ok([0]));
}
