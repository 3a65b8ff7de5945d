//! Tensors of known elements, and results that are known.

// Each test file uses some of these.
#![allow(dead_code)]

use hidet::device::Device;
use hidet::types::Element;
use hidet_ops::{Result, Tensor};

/// Returns a tensor of these elements.
pub fn tensor<T: Element>(device: &Device, values: &[T], shape: &[usize]) -> Tensor {
    let flat = device.tensor(values, [values.len()]).unwrap();
    Tensor::from(flat.raw().view(0, shape).unwrap())
}

/// Returns a tensor of the numbers from 0 on.
pub fn counted(device: &Device, shape: &[usize]) -> Tensor {
    let values: Vec<i32> = (0..shape.iter().product::<usize>() as i32).collect();
    tensor(device, &values, shape)
}

/// Checks the shape and the elements of a result.
#[track_caller]
pub fn is<T: Element + PartialEq + std::fmt::Debug>(result: Result<Tensor>, shape: &[usize], values: &[T]) {
    let result = result.unwrap();
    assert_eq!((result.shape(), result.to_vec::<T>().unwrap().as_slice()), (shape, values));
}

/// Checks the message of an error.
#[track_caller]
pub fn says<T: std::fmt::Debug>(result: Result<T>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

/// Returns small numbers on a device and on the host: `unit` times whole ones from -12 to 10.
pub fn numbers(shape: &[usize], seed: usize, unit: f32) -> Result<(Tensor, Vec<f64>)> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|at| (((at * 7 + at / 5 + seed * 5) % 23) as f32 - 12.0) * unit).collect();
    let elements = values.iter().map(|value| f64::from(*value)).collect();
    Ok((tensor(&Device::best()?, &values, shape), elements))
}

/// Checks the shape of a result, and its elements within the bound of `f32`.
#[track_caller]
pub fn agrees(tensor: &Tensor, shape: &[usize], wanted: &[f64]) {
    assert_eq!(tensor.shape(), shape);
    let found = tensor.elements().unwrap();
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let near = (found - wanted).abs() <= 2e-5 * wanted.abs().max(1.0);
        assert!(near || found == wanted, "element {at} of {tensor:?} is {found} instead of {wanted}");
    }
}
