//! The baselines of a kernel: libraries, copies of as many bytes, other kernels of the same problem.

use super::contestant::Contestant;
use super::problem::{Problem, random, say, share};
use super::{cublas, cublaslt};
use crate::examples::streams::{Copies, copy16};
use hidet::device::Storage;
use hidet::prelude::*;
use hidet::tune;

/// The baselines that are not kernels.
pub const NAMES: [(&str, &str); 3] = [
    ("cublaslt", "cuBLASLt, the fastest algorithm its heuristics propose"),
    ("cublas", "cuBLAS in f32 without TF32, the fastest way to call it"),
    ("copy", "a copy of as many bytes by the driver, and one by a kernel of ours with accesses of 16 bytes"),
];

/// Returns the contestants of that name; a copy gives two.
pub fn named(name: &str, device: &Device, problem: &Problem) -> Result<Vec<Contestant>, String> {
    let gemm = || problem.gemm.as_ref().ok_or(format!("{name} multiplies matrices, which this kernel does not"));
    match name {
        "cublaslt" => Ok(vec![cublaslt::best(device, gemm()?)?]),
        "cublas" => Ok(vec![cublas::best(device, gemm()?)?]),
        "copy" => copies(device, problem.work.bytes as usize),
        name => match problem.kernels.iter().find(|kernel| kernel.0 == name) {
            Some((_, make)) => Ok(vec![make()?]),
            None => {
                let kernels: Vec<&str> = problem.kernels.iter().map(|kernel| kernel.0.as_str()).collect();
                Err(format!(
                    "`{name}` is not a baseline here; there are cublaslt, cublas, copy, and the kernels of the same \
                     problem ({})",
                    kernels.join(", ")
                ))
            }
        },
    }
}

/// Copies that read and write as many bytes in total: the driver's, and the fastest of ours.
pub fn copies(device: &Device, bytes: usize) -> Result<Vec<Contestant>, String> {
    let words = (bytes / 2).div_ceil(4).max(1);
    let from = random::<f32, 1>(device, [words], 7)?;
    let to: Tensor<f32, 1> = device.empty([words]).map_err(say)?;
    let (Storage::Cuda(source), Storage::Cuda(sink)) = (from.raw().storage(), to.raw().storage()) else {
        return Err("copies are measured on a GPU".to_owned());
    };
    let (source, sink) = (source.clone(), sink.clone());
    let launch = move || sink.copy_from(&source).map_err(say);
    let driver = Contestant::new("copy (driver)", "cuMemcpyDtoDAsync".to_owned(), launch);
    let mut ours = Vec::new();
    for pieces in [1, 2, 4, 8] {
        let (from, mut to) = (share(&from)?, share(&to)?);
        let template = copy16::<f32>(Copies::of::<f32>(16, pieces));
        let kernel = Contestant::kernel("copy (ours)", device, template, move |kernel| kernel.launch(&from, &mut to))?;
        ours.push(kernel.called("copy (ours)", format!("{pieces} accesses of 16 bytes in flight")));
    }
    let (ours, _) = tune::fastest(device, ours).map_err(say)?;
    Ok(vec![driver.unchecked(), ours.unchecked()])
}
