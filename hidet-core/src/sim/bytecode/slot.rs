//! The slots and rows of special values (thread and block indices), which are set before a warp runs.

/// Scalar slots set for each block and warp.
pub const BLOCK_X: u32 = 0;
pub const BLOCK_Y: u32 = 1;
pub const BLOCK_Z: u32 = 2;
pub const WARP: u32 = 3;
pub const CLUSTER_RANK: u32 = 4;
/// Thread indices that are uniform in a warp.
pub const WARP_Y: u32 = 5;
pub const WARP_Z: u32 = 6;
pub const FIRST_FREE: u32 = 7;
/// Rows set for each warp.
pub const THREAD: u32 = 0;
pub const LANE: u32 = 1;
pub const THREAD_X: u32 = 2;
pub const THREAD_Y: u32 = 3;
pub const THREAD_Z: u32 = 4;
pub const FIRST_FREE_ROW: u32 = 5;
