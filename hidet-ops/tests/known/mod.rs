//! Tensors of known elements, and results that are known.

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
