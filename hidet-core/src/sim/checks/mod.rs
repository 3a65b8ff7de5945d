//! The checkers and counters: happens-before by vector clocks, shadow memory, proxies, counters of accesses, dependent
//! launches, and outputs that were not written.
//!
//! Files here observe and order accesses, and change no memory and no registers. They know memory, but no instructions,
//! barriers or copies, which call them.

pub mod byte_ranges;
pub mod clocks;
pub mod dependent_launch;
pub mod global_shadow;
pub mod knowledge;
pub mod observe;
pub mod proxies;
pub mod shadow;
pub mod unwritten;
