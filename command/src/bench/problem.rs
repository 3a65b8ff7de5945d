//! A problem to measure: inputs in memory, the kernels that solve it, the work it takes, and a check of the result.

use super::contestant::Contestant;
use super::gemm::Gemm;
use super::kernels::fill;
use hidet::device::{RawTensor, Storage};
use hidet::prelude::*;
use hidet::tune::Repeatable;

/// The unit of the device that does the arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Tensor cores, bf16 or f16 in, f32 sums.
    Tensor,
    /// Fused multiply and add in f32.
    #[default]
    Fma,
}

/// The least work of a problem, for any kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Operations on floats; a multiplication and an addition are two.
    pub flops: f64,
    /// The unit that does them.
    pub engine: Engine,
    /// Bytes of global memory read and written, each element once.
    pub bytes: f64,
}

impl Work {
    /// Returns true if speed is given as operations rather than bytes per second: if there are many operations per
    /// byte.
    pub fn in_flops(&self) -> bool {
        self.flops / self.bytes > 10.0
    }
}

/// Makes a contestant from a kernel, on any thread.
pub type Make = Box<dyn Fn() -> Result<Contestant, String> + Send + Sync>;

/// A problem on a device.
pub struct Problem {
    /// The work of the problem.
    pub work: Work,
    /// The kernels that solve it.
    pub kernels: Vec<(String, Make)>,
    /// The tensor that they write the result to.
    pub output: RawTensor,
    /// Returns the worst error of the result as a share of the tolerance, or an error if it is exceeded.
    pub check: Box<dyn Fn() -> Result<f64, String>>,
    /// The product, for libraries.
    pub gemm: Option<Gemm>,
}

impl Problem {
    /// Checks that a contestant solves the problem: overwrites the result with NaN, launches, and checks.
    pub fn verify(&self, contestant: &mut Contestant) -> Result<f64, String> {
        let output = &self.output;
        match output.storage() {
            Storage::Cuda(memory) => memory.fill_on(memory.context().stream(), 0xff).map_err(say)?,
            storage => storage.write(output.offset(), &vec![0xff; output.bytes()]).map_err(say)?,
        }
        contestant.launch().map_err(say)?;
        output.device().synchronize().map_err(|error| format!("{}: {error}", contestant.name))?;
        (self.check)().map_err(|why| format!("{} gives a wrong result: {why}", contestant.name))
    }
}

/// Opens a problem of some shape.
pub type Open = fn(&Device, &[usize]) -> Result<Problem, String>;

/// Problems that differ only in their shape.
pub struct Family {
    /// The names of the kernels that solve them.
    pub kernels: Vec<String>,
    /// The baselines that make sense.
    pub baselines: &'static [&'static str],
    /// The names of the extents of a shape.
    pub axes: &'static [&'static str],
    /// The shapes measured by default.
    pub shapes: Vec<Vec<usize>>,
    /// The shape for the simulated device, which measures no time.
    pub small: Vec<usize>,
    /// Opens a problem of the family.
    pub open: Open,
}

impl Family {
    /// Returns an error if a shape has another number of extents.
    pub fn fits(&self, shape: &[usize]) -> Result<(), String> {
        if shape.len() == self.axes.len() {
            return Ok(());
        }
        let (axes, given) = (self.axes.join(" x "), super::shape_text(shape));
        Err(format!("{given} is not a shape of these kernels, which take {axes}"))
    }
}

/// A tensor of random numbers, nearly normal with mean 0 and variance 1, made on the device.
pub fn random<T: Float, const R: usize>(device: &Device, shape: [usize; R], seed: u32) -> Result<Tensor<T, R>, String> {
    let tensor: Tensor<T, R> = device.empty(shape).map_err(say)?;
    let mut flat = tensor.view(0, [tensor.len()]).map_err(say)?;
    let kernel = fill::<T>().compile(device).map_err(say)?;
    kernel.launch(&mut flat, seed.wrapping_mul(0x9e37_79b9)).map_err(say)?;
    Ok(tensor)
}

/// Another handle to the same tensor.
pub fn share<T: Element, const R: usize>(tensor: &Tensor<T, R>) -> Result<Tensor<T, R>, String> {
    tensor.view(0, tensor.shape()).map_err(say)
}

/// Returns an error as text.
pub fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}
