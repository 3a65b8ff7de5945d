//! [`Load`]: a place in the names of weights while a model is made, and the way of its numbers to the device.

use crate::error::{Error, Result};
use crate::weights::{Draw, Weights};
use hidet::device::Device;
use hidet::prelude::{bf16, f16};
use hidet::types::{Element, Scalar};
use hidet_ops::Tensor;

/// Where a part of a model takes its weights from: names are behind a prefix.
pub(crate) struct Load<'a> {
    device: &'a Device,
    dtype: Scalar,
    weights: &'a mut dyn Weights,
    prefix: String,
}

impl<'a> Load<'a> {
    pub(crate) fn new(device: &'a Device, dtype: Scalar, weights: &'a mut dyn Weights) -> Load<'a> {
        Load { device, dtype, weights, prefix: String::new() }
    }

    /// Returns the place behind a further part of the names.
    pub(crate) fn at(&mut self, name: impl ToString) -> Load<'_> {
        let prefix = format!("{}{}.", self.prefix, name.to_string());
        Load { device: self.device, dtype: self.dtype, weights: self.weights, prefix }
    }

    /// Returns the elements of a weight.
    pub(crate) fn numbers(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Vec<f32>> {
        let name = format!("{}{name}", self.prefix);
        let numbers = self.weights.tensor(&name, shape, draw)?;
        let count: usize = shape.iter().product();
        if numbers.len() != count {
            let why = format!("it has {} elements, but {shape:?} are {count}", numbers.len());
            return Err(Error::Weight { name, why });
        }
        Ok(numbers)
    }

    /// Returns a weight on the device as it is.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Tensor> {
        let numbers = self.numbers(name, shape, draw)?;
        self.store(&numbers, shape)
    }

    /// Returns numbers on the device.
    pub(crate) fn store(&self, numbers: &[f32], shape: &[usize]) -> Result<Tensor> {
        stored(self.device, self.dtype, numbers, shape)
    }
}

/// Returns numbers on a device as elements of a type, each rounded once.
pub(crate) fn stored(device: &Device, dtype: Scalar, numbers: &[f32], shape: &[usize]) -> Result<Tensor> {
    match dtype {
        Scalar::F32 => placed(device, numbers, shape),
        Scalar::F16 => placed(device, &numbers.iter().map(|number| f16::from_f32(*number)).collect::<Vec<_>>(), shape),
        Scalar::BF16 => {
            placed(device, &numbers.iter().map(|number| bf16::from_f32(*number)).collect::<Vec<_>>(), shape)
        }
        _ => Err(Error::Config { field: "dtype", why: format!("models compute in f32, f16 and bf16, not in {dtype}") }),
    }
}

/// Returns elements on a device.
pub(crate) fn placed<T: Element>(device: &Device, elements: &[T], shape: &[usize]) -> Result<Tensor> {
    let flat = device.tensor(elements, [elements.len()]).map_err(hidet_ops::Error::from)?;
    Ok(Tensor::from(flat.raw().view(0, shape).map_err(hidet_ops::Error::from)?))
}
