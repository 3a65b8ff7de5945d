//! Helpers that tests of this crate and of crates above it share.

pub mod edges;
pub mod folder;
pub mod nvrtc;
pub mod order;
pub mod random;
