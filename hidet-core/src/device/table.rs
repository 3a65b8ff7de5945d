//! Tables of tensors: arguments for parameters such as `InTable`.

use super::shape_key::ShapeKey;
use super::{Device, RawTensor, Storage, Tensor};
use crate::error::Result;
use crate::ir::LARGEST_EXTENT;
use crate::types::{Element, Scalar};
use std::marker::PhantomData;
use std::sync::Arc;

/// A table of tensors whose type and rank are known at run time. It keeps their memory alive, and has the addresses and the
/// first extents of all of them in memory of the device.
#[derive(Clone, Debug)]
pub struct RawTable {
    /// The entries, then the table itself.
    parts: Arc<[RawTensor]>,
    /// The bits that are set in some address of an entry.
    address_bits: u64,
    shape_key: ShapeKey,
}

/// Bytes of an entry: the first extent in 4, 4 of padding, the address in 8.
const ENTRY: usize = 16;

impl RawTable {
    /// Returns the table of these tensors, or an error if there are none, if one is not contiguous, or if they differ in
    /// device, type or rank.
    pub fn new(device: &Device, entries: Vec<RawTensor>) -> Result<RawTable> {
        let first = entries.first().ok_or_else(|| device.error("a table of tensors needs at least one of them"))?;
        let (scalar, rank) = (first.scalar, first.shape.len());
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (number, tensor) in entries.iter().enumerate() {
            let wrong = if !tensor.device.is_same(device) {
                format!("is on {}", tensor.device)
            } else if (tensor.scalar, tensor.shape.len()) != (scalar, rank) {
                format!(
                    "has {} axes of {}, but entry 0 has {rank} of {scalar}: all entries have one type and rank",
                    tensor.shape.len(),
                    tensor.scalar
                )
            } else if !tensor.is_contiguous() {
                format!(
                    "has the strides {:?} for the shape {:?}; entries are contiguous: pass a copy, by `to_device`",
                    tensor.strides, tensor.shape
                )
            } else if rank == 0 {
                "is a tensor without axes, but the entries of a table have at least one".to_owned()
            } else if tensor.shape[0] as u64 > LARGEST_EXTENT as u64 {
                format!("has the extent {}; extents are at most {LARGEST_EXTENT}", tensor.shape[0])
            } else {
                bytes.extend((tensor.shape[0] as u64).to_le_bytes());
                bytes.extend(tensor.address().to_le_bytes());
                continue;
            };
            return Err(device.error(format!("entry {number} of a table of tensors {wrong}")));
        }
        let storage = Storage::from_bytes(device, &bytes)?;
        let table = RawTensor::placed(device, storage, 0, Scalar::U64, &[entries.len(), ENTRY / 8]);
        Ok(RawTable {
            address_bits: entries.iter().fold(0, |bits, tensor| bits | tensor.address()),
            shape_key: ShapeKey::table(device, scalar, rank, entries.len()),
            parts: entries.into_iter().chain([table]).collect(),
        })
    }

    /// Returns the entries.
    pub fn entries(&self) -> &[RawTensor] {
        &self.parts[..self.parts.len() - 1]
    }

    /// Returns the memory that launches use: the entries, and the table itself.
    #[inline]
    pub(crate) fn parts(&self) -> &[RawTensor] {
        &self.parts
    }

    /// Returns the table itself.
    pub(crate) fn table(&self) -> &RawTensor {
        &self.parts[self.parts.len() - 1]
    }

    /// Returns a number with as many trailing zeros as the addresses of all entries have.
    pub(crate) fn address_bits(&self) -> u64 {
        self.address_bits
    }

    /// Returns the key that launches compare.
    pub(crate) fn shape_key(&self) -> &ShapeKey {
        &self.shape_key
    }
}

/// A table of tensors that kernels read. It borrows the tensors.
#[derive(Clone, Debug)]
pub struct TensorTable<'t, T, const R: usize> {
    raw: RawTable,
    of: PhantomData<&'t Tensor<T, R>>,
}

/// A table of tensors that kernels write. It borrows the tensors mutably, so they can be read when it is dropped.
#[derive(Debug)]
pub struct TensorTableMut<'t, T, const R: usize> {
    raw: RawTable,
    of: PhantomData<&'t mut Tensor<T, R>>,
}

impl<T, const R: usize> TensorTable<'_, T, R> {
    /// Returns the same table without its static type and rank.
    pub fn raw(&self) -> &RawTable {
        &self.raw
    }
}

impl<T, const R: usize> TensorTableMut<'_, T, R> {
    /// Returns the same table without its static type and rank.
    pub fn raw(&self) -> &RawTable {
        &self.raw
    }
}

impl Device {
    /// Returns a table of tensors that a kernel can read, for a parameter `InTable`. It allocates memory, so make it once for
    /// many launches. Returns an error if there are no tensors, or if one is not contiguous or on another device.
    pub fn table<'t, T: Element, const R: usize>(
        &self,
        tensors: impl IntoIterator<Item = &'t Tensor<T, R>>,
    ) -> Result<TensorTable<'t, T, R>> {
        let entries = tensors.into_iter().map(|tensor| tensor.raw().clone()).collect();
        Ok(TensorTable { raw: RawTable::new(self, entries)?, of: PhantomData })
    }

    /// Returns a table of tensors that a kernel can write, for a parameter `OutTable` or `InOutTable`; see
    /// [`table`](Device::table).
    pub fn table_mut<'t, T: Element, const R: usize>(
        &self,
        tensors: impl IntoIterator<Item = &'t mut Tensor<T, R>>,
    ) -> Result<TensorTableMut<'t, T, R>> {
        let entries = tensors.into_iter().map(|tensor| tensor.raw().clone()).collect();
        Ok(TensorTableMut { raw: RawTable::new(self, entries)?, of: PhantomData })
    }
}
