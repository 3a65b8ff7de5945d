//! The interpreter: warps and their strands, the loop over instructions, and intrinsics whose effect is complete when
//! the instruction is.
//!
//! What belongs here computes, loads and stores for one warp or warp group. What makes threads wait for threads of other
//! warps belongs to [`sync`](super::sync), what goes on after its instruction to [`async_ops`](super::async_ops).

pub mod cluster_memory;
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
