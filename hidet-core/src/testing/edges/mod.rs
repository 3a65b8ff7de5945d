//! Every operation of device values at the edges of its types, with what Rust computes.
//!
//! [`operations`] is the table: an operation each for every type it has, built as a user would write it, and the same
//! expression on the host. [`kernels`] makes kernels of them which compute all cases at once; what they must leave in
//! memory is known, so any device can be checked: the simulated one, one that runs lowered IR, a GPU.

mod casts;
mod floats;
mod integers;
mod kernel;
mod loops;
mod operation;
mod program;
mod values;

pub use kernel::{EdgeKernel, kernels};
pub use operation::{Host, Operation};
pub use program::edges_program;

/// Every operation with every type it has.
pub fn operations() -> Vec<Operation> {
    let mut list = operation::List::default();
    integers::add(&mut list);
    floats::add(&mut list);
    casts::add(&mut list);
    loops::add(&mut list);
    list.0
}

#[cfg(test)]
mod tests;
