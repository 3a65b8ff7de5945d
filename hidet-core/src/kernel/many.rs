//! Compilation of many kernels at once, on all cores.

use super::{CompileOptions, Compiled, Kernel};
use crate::cuda::{cores, nvrtc};
use crate::device::Device;
use crate::dsl::Template;
use crate::error::Result;
use crate::ir::Function;

/// Builds kernels one after another, compiles them on all cores, and returns the result of each.
///
/// ```
/// use hidet::prelude::*;
/// use hidet::kernel::{CompileOptions, compile_all};
///
/// kernel! {
///     #[launch(grid = n.div_ceil(block), block = block)]
///     pub fn double(#[meta] block: u32, x: In<f32, [n]>, y: Out<f32, [n]>) {
///         let i = block_idx().x * (block as i32) + thread_idx().x;
///         if i < n { y[[i]] = x[[i]] * 2.0; }
///     }
/// }
///
/// let device = Device::sim();
/// let kernels = compile_all(&device, [64, 128, 256].map(double), &CompileOptions::default());
/// for kernel in kernels {
///     let x = device.tensor(&[1.0, 2.0, 3.0], [3])?;
///     let mut y = device.empty([3])?;
///     kernel?.launch(&x, &mut y)?;
///     assert_eq!(y.to_vec()?, [2.0, 4.0, 6.0]);
/// }
/// # Ok::<(), hidet::Error>(())
/// ```
pub fn compile_all<Args>(
    device: &Device,
    templates: impl IntoIterator<Item = Template<Args>>,
    options: &CompileOptions,
) -> Vec<Result<Kernel<Args>>> {
    let functions: Vec<Result<Function>> = templates.into_iter().map(Template::build).collect();
    let compile = |function: &Result<Function>| Compiled::new(function.clone()?, device, options);
    let weight = |function: &Result<Function>| function.as_ref().map_or(0, |function| function.stmts.len());
    let compiled = nvrtc::expecting(functions.len(), || cores::each(&functions, weight, compile));
    compiled.into_iter().map(|compiled| compiled.map(Kernel::of)).collect()
}

/// Runs `work`, which compiles about `kernels` kernels on several threads: NVRTC serves few threads at a time, so that for many
/// kernels copies of it are loaded. [`compile_all`] does so itself.
pub fn compiling<R>(kernels: usize, work: impl FnOnce() -> R) -> R {
    nvrtc::expecting(kernels, work)
}
