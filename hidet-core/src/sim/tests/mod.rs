//! Tests of the simulated device: kernels in the text form.

mod endless;
mod good;
mod options;

use super::{Failure, LaunchArguments, Memory, Options, Report, TensorArg, run};
use crate::ir::{Function, text};
use std::sync::Arc;

/// Returns the kernel of a text, with the positions of its statements.
pub fn kernel(source: &str) -> Function {
    text::parse_file(source, "kernel").unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// Returns a tensor that holds these numbers.
pub fn floats(values: &[f32]) -> TensorArg {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorArg { memory: Arc::new(Memory::from_bytes(&bytes).unwrap()), offset: 0 }
}

/// Returns an uninitialised tensor.
pub fn empty(elements: usize) -> TensorArg {
    TensorArg { memory: Arc::new(Memory::uninit(elements * 4).unwrap()), offset: 0 }
}

fn words(tensor: &TensorArg) -> Vec<[u8; 4]> {
    let mut bytes = vec![0; tensor.memory.len()];
    tensor.memory.read(0, &mut bytes);
    bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect()
}

/// Returns the contents of a tensor.
pub fn as_floats(tensor: &TensorArg) -> Vec<f32> {
    words(tensor).into_iter().map(f32::from_le_bytes).collect()
}

/// Returns the contents of a tensor.
pub fn as_ints(tensor: &TensorArg) -> Vec<i32> {
    words(tensor).into_iter().map(i32::from_le_bytes).collect()
}

/// Runs a kernel that must have no faults.
pub fn good(source: &str, tensors: &[TensorArg], dims: &[i64], options: &Options) -> Report {
    try_run(source, tensors, dims, options).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs a kernel.
pub fn try_run(source: &str, tensors: &[TensorArg], dims: &[i64], options: &Options) -> Result<Report, Failure> {
    let arguments = LaunchArguments { tensors: tensors.to_vec(), dims: dims.to_vec(), ..LaunchArguments::default() };
    run(&kernel(source), &arguments, options)
}
