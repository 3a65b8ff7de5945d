//! Bytes: allocations of global memory, elements in memory to and from registers, and the geometry of tiles.
//!
//! Files here work on addresses and coordinates alone. The checks of an access belong to [`checks`](super::checks), the
//! access of a thread to [`interp`](super::interp).

pub mod allocation;
mod claims;
pub mod elements;
pub mod pixels;
pub mod tiles;
