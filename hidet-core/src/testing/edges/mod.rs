//! Every operation on device values at the edges of its types, with Rust's result.
//!
//! [`operations`] is the table: each operation with each of its types, written as a user would write it, and the same
//! expression on the host. [`kernels`] turns them into kernels that compute all cases at once. Their expected output is
//! known, so that any device can be checked: the simulated one, with IR as written or lowered, and a GPU.

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

/// Returns every operation with every type it has.
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
