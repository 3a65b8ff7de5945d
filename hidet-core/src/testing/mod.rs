//! What tests of this crate and of those above it share.

pub mod folder;
pub mod nvrtc;
pub mod edges;
pub mod random;
