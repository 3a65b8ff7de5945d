//! Arguments of launches without their types: tensors, tables of tensors, and numbers.

use crate::device::{RawTable, RawTensor, ShapeKey, Tensor, TensorTable, TensorTableMut};
use crate::types::{Const, Element};

/// An argument of a launch.
#[derive(Clone, Copy, Debug)]
pub enum RawArg<'a> {
    /// A tensor.
    Tensor(&'a RawTensor),
    /// A table of tensors.
    Table(&'a RawTable),
    /// A number.
    Scalar(Const),
}

impl<'a> From<&'a RawTensor> for RawArg<'a> {
    fn from(tensor: &'a RawTensor) -> Self {
        RawArg::Tensor(tensor)
    }
}

impl<'a, T: Element, const R: usize> From<&'a Tensor<T, R>> for RawArg<'a> {
    fn from(tensor: &'a Tensor<T, R>) -> Self {
        RawArg::Tensor(tensor.raw())
    }
}

impl<'a, T: Element, const R: usize> From<&'a mut Tensor<T, R>> for RawArg<'a> {
    fn from(tensor: &'a mut Tensor<T, R>) -> Self {
        RawArg::Tensor(tensor.raw())
    }
}

impl<'a, T: Element, const R: usize> From<&'a TensorTable<'_, T, R>> for RawArg<'a> {
    fn from(table: &'a TensorTable<'_, T, R>) -> Self {
        RawArg::Table(table.raw())
    }
}

impl<'a, T: Element, const R: usize> From<&'a TensorTableMut<'_, T, R>> for RawArg<'a> {
    fn from(table: &'a TensorTableMut<'_, T, R>) -> Self {
        RawArg::Table(table.raw())
    }
}

impl<T: Element> From<T> for RawArg<'_> {
    fn from(number: T) -> Self {
        RawArg::Scalar(number.constant())
    }
}

impl<'a> RawArg<'a> {
    /// Returns the key that launches compare.
    #[inline]
    pub(super) fn shape_key(&self) -> ShapeKey {
        match self {
            RawArg::Tensor(tensor) => *tensor.shape_key(),
            RawArg::Table(table) => *table.shape_key(),
            RawArg::Scalar(value) => ShapeKey::number(value.scalar),
        }
    }

    /// Returns the tensors that it consists of.
    #[inline]
    pub(super) fn tensors(&self) -> &'a [RawTensor] {
        match self {
            RawArg::Tensor(tensor) => std::slice::from_ref(tensor),
            RawArg::Table(table) => table.parts(),
            RawArg::Scalar(_) => &[],
        }
    }

    /// Returns the value that a kernel on a GPU receives: the address, or the number.
    #[inline]
    pub(super) fn word(&self) -> u64 {
        match self {
            RawArg::Tensor(tensor) => tensor.address(),
            RawArg::Table(table) => table.table().address(),
            RawArg::Scalar(value) => value.bits,
        }
    }
}

/// An argument that a graph or a prepared launch owns.
pub(super) enum OwnedArg {
    Tensor(RawTensor),
    Table(RawTable),
    Scalar(Const),
}

impl From<&RawArg<'_>> for OwnedArg {
    fn from(arg: &RawArg) -> Self {
        match arg {
            RawArg::Tensor(tensor) => OwnedArg::Tensor((*tensor).clone()),
            RawArg::Table(table) => OwnedArg::Table((*table).clone()),
            RawArg::Scalar(value) => OwnedArg::Scalar(*value),
        }
    }
}

impl OwnedArg {
    pub(super) fn borrow(&self) -> RawArg<'_> {
        match self {
            OwnedArg::Tensor(tensor) => RawArg::Tensor(tensor),
            OwnedArg::Table(table) => RawArg::Table(table),
            OwnedArg::Scalar(value) => RawArg::Scalar(*value),
        }
    }
}
