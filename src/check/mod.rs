//! `hidet check`: every kernel of the examples against references in `f64`, on a chosen device.
//!
//! Inputs are random, rounded to the element type first; shapes are awkward: 0, 1, primes, one more than a tile.

mod bench;
mod matmul;
mod memory;
mod numbers;
mod rows;

pub use bench::Bench;
use hidet::prelude::*;

/// Runs all checks on a device; the report, and whether all passed.
pub fn run(device: Device) -> (String, bool) {
    let mut bench = Bench::new(device);
    memory::check(&mut bench);
    rows::check(&mut bench);
    matmul::check(&mut bench);
    bench.report()
}
