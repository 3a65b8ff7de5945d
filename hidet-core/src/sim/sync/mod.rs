//! Synchronization of threads: atomics and fences, barriers of all kinds, and reports of threads that wait in vain.
//!
//! What belongs here orders accesses of different warps, and updates their clocks. The barrier of a block stands with the
//! block ([`super::block`]), that of a cluster with the cluster ([`super::cluster`]). Barriers know nothing of the
//! asynchronous operations that arrive at them ([`async_ops`](super::async_ops) does).

pub mod atomics;
pub mod deadlock;
pub mod grid_barrier;
pub mod mbarrier;
pub mod named_barrier;
