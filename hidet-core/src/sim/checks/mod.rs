//! What the checkers know and report: happens-before by vector clocks, shadow memory, proxies, counters, and the memory
//! that a launch or the kernel ahead of it has written.
//!
//! What belongs here observes accesses and orders them, and changes no memory and no register. It knows memory, but no
//! instruction, barrier or copy; those call it.

pub mod byte_ranges;
pub mod clocks;
pub mod dependent_launch;
pub mod global_shadow;
pub mod knowledge;
pub mod observe;
pub mod proxies;
pub mod shadow;
pub mod unwritten;
