//! Synchronization of threads: atomics and fences, barriers of all kinds, and reports of threads that wait forever.
//!
//! Files here order accesses of different warps, and update their clocks. The block barrier is in [`super::block`], the
//! cluster barrier in [`super::cluster`]. Barriers do not know the asynchronous operations that arrive at them, which
//! belong to [`async_ops`](super::async_ops).

pub mod atomics;
pub mod deadlock;
pub mod grid_barrier;
pub mod mbarrier;
pub mod named_barrier;
