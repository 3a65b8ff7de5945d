//! A model of ONNX: the network of example 14, as `digits/export.py` wrote it, beside the kernels of that example.
//!
//! Its six nodes become few kernels, as if the operators were written here. Runs on a GPU if there is one, or else on the
//! simulated device.

use hidet::prelude::*;
use hidet_examples::digits;
use hidet_onnx::{Model, Result};
use hidet_ops::Tensor;

/// Returns how many of the held-out digits the model classifies correctly on a device.
fn classify(device: &Device) -> Result<usize> {
    let session = Model::load(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digits/digits.onnx"))?.on(device)?;
    let (images, labels) = digits::digits(true);
    let images = Tensor::from(&device.tensor(&images, [labels.len(), 64])?);
    let [(name, chances)] = &session.lazy(&[("images", images)])?[..] else { unreachable!("it has one output") };
    println!("`{name}` of the model is computed by: {}", chances.kernels().join(", "));
    let guesses = chances.argmax(&[1], false)?.to_vec::<i64>()?;
    Ok(guesses.iter().zip(&labels).filter(|(guess, label)| **guess == i64::from(**label)).count())
}

/// Classifies 597 digits that were not used in training by the kernels of example 14 and by the model, which must agree.
pub fn run(device: &Device) -> Result<()> {
    println!("device: {device}");
    let (by_kernels, count) = digits::classify(device, true)?;
    let by_model = classify(device)?;
    for (what, right) in [("kernels of example 14", by_kernels), ("model of ONNX", by_model)] {
        println!("{what:>21}: {right} of {count} digits right, {:.2}%", 100.0 * right as f64 / count as f64);
    }
    assert!(by_model * 100 >= count * 97, "{by_model} of {count}");
    assert!(by_model.abs_diff(by_kernels) <= 1, "{by_model} by the model, {by_kernels} by kernels");
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    run(&Device::best()?)
}
