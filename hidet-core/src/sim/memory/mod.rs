//! Bytes: allocations of global memory, elements in memory to and from registers, and the geometry of tiles.
//!
//! What belongs here works on addresses and coordinates alone. What checks an access belongs to [`checks`](super::checks),
//! what a thread does to make one to [`interp`](super::interp).

pub mod allocation;
pub mod elements;
pub mod tiles;
