// Functions with parameters have no value while compiling; errors are stored in the mapping.

use hidet::mapping::{TaskMapping, repeat, spatial};
use hidet::task_mapping;

#[task_mapping(workers = 256, tasks = [rows, 8])]
fn load(rows: u32) -> TaskMapping<2> {
    repeat([rows / 32, 1]) * spatial([32, 8])
}

#[task_mapping(workers = 32 * WARPS, tasks = [WARPS, 32])]
fn warps<const WARPS: u32>() -> TaskMapping<2> {
    spatial([WARPS, 32])
}

fn main() {
    assert_eq!(load(128).tasks_per_worker(), 4);
    assert_eq!(
        load(100).check().unwrap_err().to_string(),
        "declared tasks = [100, 8], but the mapping covers [96, 8]: task [96, 0] is done by nobody"
    );
    assert_eq!(warps::<8>().workers(), 256);
}
