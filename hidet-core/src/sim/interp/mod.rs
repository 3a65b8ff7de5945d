//! The interpreter: warps and their strands, the loop over instructions, and intrinsics that are complete when their
//! instruction is.
//!
//! Files here compute, load and store for one warp or warp group. Waiting for threads of other warps belongs to
//! [`sync`](super::sync), operations that continue after their instruction to [`async_ops`](super::async_ops).

pub mod cluster_memory;
pub mod entries;
pub mod exec;
pub mod intrinsics;
pub mod load_store;
pub mod mma;
pub mod print;
pub mod repetition;
pub mod vector;
pub mod warp;
pub mod warp_group;
pub mod warp_ops;
