//! `hidet check`: every kernel of the examples against references in `f64`, on a chosen device.
//!
//! Inputs are random, rounded to the element type first; shapes are awkward: 0, 1, primes, one more than a tile.

mod activations;
mod bandwidth;
mod bench;
mod convolution;
mod dependent;
pub mod edges;
mod faults;
mod hard;
mod hopper;
pub mod intrinsics;
mod matmul;
mod memory;
pub mod numbers;
#[cfg(feature = "models")]
pub mod operators;
mod prints;
pub mod random;
pub mod rows;
mod runtime;
mod strided;
mod wide;

pub use bench::Bench;
use hidet::prelude::*;

/// Runs the checks of kernels whose names begin with `named` on a device; a GPU is compared with the simulated device too if
/// `compare`. Returns the report, and true if all passed.
pub fn run(device: Device, compare: bool, named: &str) -> (String, bool) {
    let mut bench = Bench::new(device, compare).named(named);
    memory::check(&mut bench);
    rows::check(&mut bench);
    activations::check(&mut bench);
    bandwidth::check(&mut bench);
    matmul::check(&mut bench);
    hard::check(&mut bench);
    hopper::check(&mut bench);
    strided::check(&mut bench);
    faults::check(&mut bench);
    prints::check(&mut bench);
    dependent::check(&mut bench);
    runtime::check(&mut bench);
    wide::check(&mut bench);
    bench.report()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use hidet::ir::{Arch, Function};
    use hidet::{codegen, cuda, passes, testing};

    /// A check passes on the simulated device.
    pub fn passes(check: impl FnOnce(&mut Bench)) {
        let mut bench = Bench::new(Device::sim(), false);
        check(&mut bench);
        let (report, passed) = bench.report();
        assert!(passed, "{report}");
    }

    /// A kernel of a check compiles for an H200.
    pub fn compiles(function: &Function, options: &passes::LoweringOptions) {
        if testing::nvrtc::available().unwrap() {
            let arch = Arch { number: 90, specific: true };
            let source = codegen::cuda(&passes::lower(function, options).unwrap(), arch).unwrap();
            let compiled = cuda::nvrtc::compile(&source, arch);
            assert!(compiled.is_ok(), "{}: {}\n{}", function.name, compiled.err().unwrap(), source.text);
        }
    }
}
