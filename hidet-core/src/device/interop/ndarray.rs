//! Arrays of ndarray (feature `ndarray`).

use super::super::{Device, Tensor};
use super::HOST_ALIGN;
use crate::error::{Error, Result};
use crate::types::Element;
use ndarray::{Array, ArrayView, Dim, Dimension, Ix};

impl Device {
    /// Returns a tensor with the elements of an array of any layout, by one copy if the array is row-major and
    /// contiguous.
    pub fn from_array<T: Element, const R: usize>(&self, array: &ArrayView<T, Dim<[Ix; R]>>) -> Result<Tensor<T, R>>
    where
        Dim<[Ix; R]>: Dimension,
    {
        let shape = shape(array.shape());
        match array.as_slice() {
            Some(elements) => self.tensor(elements, shape),
            None => self.tensor(&array.iter().copied().collect::<Vec<T>>(), shape),
        }
    }

    /// Converts an array to a tensor: without a copy on the simulated device if the array is row-major, contiguous and
    /// aligned to 8 bytes, by one copy otherwise.
    pub fn take_array<T: Element, const R: usize>(&self, array: Array<T, Dim<[Ix; R]>>) -> Result<Tensor<T, R>>
    where
        Dim<[Ix; R]>: Dimension,
    {
        let first = array.as_ptr() as usize;
        if !self.is_sim() || !array.is_standard_layout() || !first.is_multiple_of(HOST_ALIGN) || array.is_empty() {
            return self.from_array(&array.view());
        }
        let mut array = array;
        let (address, shape) = (array.as_mut_ptr() as u64, shape(array.shape()));
        // SAFETY: the array has these elements, and is owned from here on.
        unsafe { Tensor::from_foreign(self, address, shape, Box::new(array)) }
    }
}

fn shape<const R: usize>(extents: &[usize]) -> [usize; R] {
    std::array::from_fn(|axis| extents.get(axis).copied().unwrap_or(1))
}

impl<T: Element, const R: usize> Tensor<T, R> {
    /// Returns an array with its elements, by one copy. An array cannot share memory with a tensor, because a kernel
    /// could write it through another view while it is read.
    pub fn to_array(&self) -> Result<Array<T, Dim<[Ix; R]>>>
    where
        Dim<[Ix; R]>: Dimension,
        [Ix; R]: ndarray::IntoDimension<Dim = Dim<[Ix; R]>>,
    {
        let fail = |error: ndarray::ShapeError| Error::Device {
            device: self.device().to_string(),
            message: error.to_string(),
        };
        Array::from_shape_vec(self.shape(), self.to_vec()?).map_err(fail)
    }
}
