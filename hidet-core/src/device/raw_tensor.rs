//! Tensors whose type and rank are known at run time: shaped memory on a device.
//!
//! The elements of the last axis are consecutive, so that they can be accessed in vectors and copied by TMA. The other axes
//! have strides: those of a row-major, contiguous tensor, unless the tensor is a part of another one.

use super::shape_key::ShapeKey;
use super::tensor::element;
use super::{Device, DeviceKind, Storage, refuse_in_capture, strides};
use crate::error::Result;
use crate::types::{Element, Scalar};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A tensor whose type and rank are known at run time. Its elements are within its memory, which launches rely on.
#[derive(Clone, Debug)]
pub struct RawTensor {
    pub(crate) device: Device,
    pub(crate) storage: Storage,
    pub(crate) offset: usize,
    pub(crate) scalar: Scalar,
    pub(crate) shape: Vec<usize>,
    /// The distance of consecutive coordinates in elements, per axis.
    pub(crate) strides: Vec<usize>,
    /// A number that its clones and views share, and no other tensor.
    pub(super) identity: u64,
    // Derived from the rest, computed once for all launches.
    address: u64,
    span: ByteRange,
    shape_key: ShapeKey,
}

impl RawTensor {
    /// Returns a tensor in memory of a device, from byte `offset` on, or an error if it does not fit there.
    pub fn new(device: &Device, storage: Storage, offset: usize, scalar: Scalar, shape: &[usize]) -> Result<RawTensor> {
        elements(device, scalar, shape)?;
        RawTensor::strided(device, storage, offset, scalar, shape, &strides::row_major(shape))
    }

    /// Returns a tensor whose consecutive coordinates along an axis are a stride of elements apart, in memory of a device
    /// from byte `offset` on. Several coordinates may be one element (a stride of 0 repeats it), which makes the tensor
    /// one that kernels can only read. Returns an error if it does not fit there, or if the elements of the last axis are
    /// not consecutive, which vectors and TMA need.
    pub fn strided(
        device: &Device,
        storage: Storage,
        offset: usize,
        scalar: Scalar,
        shape: &[usize],
        strides: &[usize],
    ) -> Result<RawTensor> {
        if shape.len() != strides.len() {
            return Err(device.error(format!("{} strides were given for the shape {shape:?}", strides.len())));
        }
        let settled = strides::settled(shape, strides);
        if settled.last().is_some_and(|last| *last != 1) {
            return Err(device.error(format!(
                "a tensor of shape {shape:?} has the strides {strides:?}; the stride of the last axis must be 1: exchange \
                 the axes, or copy the elements"
            )));
        }
        let reach = strides::reach(shape, &settled).and_then(|reach| reach.checked_mul(scalar.bytes()));
        let len = storage.len();
        let is_there = match (device.kind(), &storage) {
            (DeviceKind::Sim(_), Storage::Sim(_)) => true,
            (DeviceKind::Cuda(context), Storage::Cuda(memory)) => std::ptr::eq(*context, memory.context()),
            _ => false,
        };
        let end = reach.and_then(|reach| offset.checked_add(reach));
        if !is_there || end.is_none_or(|end| end > len) {
            let whose = if is_there { "" } else { " of another device" };
            let apart = if settled == strides::row_major(shape) {
                String::new()
            } else {
                format!(", with strides {strides:?},")
            };
            return Err(device.error(format!(
                "a tensor of shape {shape:?} of {scalar}{apart} from byte {offset} on does not fit in an allocation of \
                 {len} bytes{whose}"
            )));
        }
        Ok(RawTensor::placed_at(device, storage, offset, scalar, shape.to_vec(), settled))
    }

    /// Returns a tensor that is known to fit.
    pub(crate) fn placed(
        device: &Device,
        storage: Storage,
        offset: usize,
        scalar: Scalar,
        shape: &[usize],
    ) -> RawTensor {
        RawTensor::placed_at(device, storage, offset, scalar, shape.to_vec(), strides::row_major(shape))
    }

    /// Returns a tensor with these strides that is known to fit.
    pub(crate) fn placed_at(
        device: &Device,
        storage: Storage,
        offset: usize,
        scalar: Scalar,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> RawTensor {
        static IDENTITIES: AtomicU64 = AtomicU64::new(0);
        let identity = IDENTITIES.fetch_add(1, Relaxed);
        let (address, first) = (storage.address() + offset as u64, storage.data() + offset as u64);
        let reach = strides::reach(&shape, &strides).unwrap_or(usize::MAX);
        let span = (first, first.saturating_add(reach.saturating_mul(scalar.bytes()) as u64));
        let shape_key = ShapeKey::tensor(device, scalar, &shape, strides != strides::row_major(&shape));
        let device = device.clone();
        RawTensor { device, storage, offset, scalar, shape, strides, identity, address, span, shape_key }
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns its memory.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Returns its offset in that memory, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the type of its elements.
    pub fn scalar(&self) -> Scalar {
        self.scalar
    }

    /// Returns its extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the distance of consecutive coordinates in elements, per axis. The stride of an axis of one element is the
    /// one that it would have in a contiguous tensor.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// Returns true if its elements are contiguous in row-major order.
    pub fn is_contiguous(&self) -> bool {
        !self.shape_key.is_strided()
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of its elements in bytes.
    pub fn bytes(&self) -> usize {
        self.len() * self.scalar.bytes()
    }

    /// Returns the address of its first element.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Returns the number of elements of memory from its first element to its last one.
    pub(crate) fn reach(&self) -> usize {
        (self.span.1 - self.span.0) as usize / self.scalar.bytes()
    }

    /// Returns true if several of its coordinates may be one element.
    pub(crate) fn may_repeat(&self) -> bool {
        strides::may_repeat(&self.shape, &self.strides)
    }

    /// Returns the bytes of its allocation that are its elements, as ranges in row-major order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<usize>> {
        let (offset, size) = (self.offset, self.scalar.bytes());
        strides::runs(&self.shape, &self.strides).map(move |run| offset + run.start * size..offset + run.end * size)
    }

    /// Returns true if it shares a byte with another tensor, or may do so: interleaved rows of two tensors are known to
    /// be apart if they repeat with one period.
    pub fn overlaps(&self, other: &RawTensor) -> bool {
        let rows = |tensor: &RawTensor| -> Vec<u64> {
            let rows = tensor.shape.iter().zip(&tensor.strides).rev().skip(1).filter(|(extent, _)| **extent > 1);
            rows.map(|(_, stride)| (*stride * tensor.scalar.bytes()) as u64).collect()
        };
        let row = |tensor: &RawTensor| (tensor.shape.last().unwrap_or(&1) * tensor.scalar.bytes()) as u64;
        let apart = || {
            let ((a, b), (own, others)) = ((self.span.0, other.span.0), (rows(self), rows(other)));
            strides::are_apart((a, &own, row(self)), (b, &others, row(other)))
        };
        overlap(self.span(), other.span()) && (self.is_contiguous() && other.is_contiguous() || !apart())
    }

    /// Returns a tensor of another shape over some of the same elements, from element number `first` on. It shares
    /// memory, and counts as the same tensor for [`RawTensor::forget`]. Returns an error if this tensor is not
    /// contiguous; see [`RawTensor::strided_view`].
    pub fn view(&self, first: usize, shape: &[usize]) -> Result<RawTensor> {
        if !self.is_contiguous() {
            return Err(self.device.error(format!(
                "a view of another shape is of a contiguous tensor; this one has the strides {:?} for the shape {:?}: use \
                 `strided_view`",
                self.strides, self.shape
            )));
        }
        let RawTensor { device, storage, offset, scalar, .. } = self;
        let count = elements(device, *scalar, shape)?;
        if first.checked_add(count).is_none_or(|end| end > self.len()) {
            return Err(device.error(format!(
                "a view of shape {shape:?} from element {first} on does not fit in a tensor of {} elements",
                self.len()
            )));
        }
        let view = RawTensor::placed(device, storage.clone(), offset + first * scalar.bytes(), *scalar, shape);
        Ok(RawTensor { identity: self.identity, ..view })
    }

    /// Returns a tensor of another shape whose consecutive coordinates are `strides` elements apart in memory, from
    /// `first` elements behind the first one of this tensor on. It shares memory, and counts as the same tensor for
    /// [`RawTensor::forget`]. Returns an error if it is not within the memory between the first and the last element of
    /// this tensor, or if the stride of the last axis is not 1.
    pub fn strided_view(&self, first: usize, shape: &[usize], strides: &[usize]) -> Result<RawTensor> {
        let RawTensor { device, storage, offset, scalar, .. } = self;
        let reach = || strides::reach(shape, &strides::settled(shape, strides))?.checked_add(first);
        if shape.len() == strides.len() && reach().is_none_or(|end| end > self.reach()) {
            return Err(device.error(format!(
                "a view of shape {shape:?} and strides {strides:?} from element {first} on does not fit in a tensor of {} \
                 elements",
                self.reach()
            )));
        }
        let offset = offset + first * scalar.bytes();
        let view = RawTensor::strided(device, storage.clone(), offset, *scalar, shape, strides)?;
        Ok(RawTensor { identity: self.identity, ..view })
    }

    /// Returns the same memory as elements of another type of the same size. It counts as the same tensor for
    /// [`RawTensor::forget`].
    ///
    /// # Errors
    ///
    /// If elements of that type have another size, or are `bool`, of which not all bits are valid.
    pub fn bits_as(&self, scalar: Scalar) -> Result<RawTensor> {
        if scalar.bytes() != self.scalar.bytes() || scalar == Scalar::Bool && self.scalar != Scalar::Bool {
            let message =
                format!("elements of {} cannot be read as those of {scalar}: they have other bits", self.scalar);
            return Err(self.device.error(message));
        }
        Ok(RawTensor { scalar, ..self.clone() })
    }

    /// Returns its elements in row-major order, as [`Tensor::to_vec`](super::Tensor::to_vec), or an error if they are of
    /// another type than `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if self.scalar != T::SCALAR {
            return Err(self.device.error(format!("a tensor of {} is read as one of {}", self.scalar, T::SCALAR)));
        }
        self.read_elements()
    }

    /// Returns the bytes of its elements in row-major order, as [`RawTensor::to_vec`] does the elements.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        refuse_in_capture(&self.device, "reading a tensor")?;
        self.check_given_away("reading a tensor")?;
        let mut bytes = vec![0u8; self.bytes()];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns its elements, which have type `T`.
    pub(super) fn read_elements<T: Element>(&self) -> Result<Vec<T>> {
        Ok(self.to_bytes()?.chunks_exact(T::SCALAR.bytes()).map(element).collect())
    }

    /// Copies its elements to the host, in row-major order.
    pub(super) fn read(&self, to: &mut [u8]) -> Result<()> {
        if self.is_contiguous() {
            return self.storage.read(self.offset, to);
        }
        // One copy, with the elements between its rows, is faster than one per row.
        let mut all = vec![0u8; self.reach() * self.scalar.bytes()];
        self.storage.read(self.offset, &mut all)?;
        let mut rest = to;
        for run in self.runs() {
            let (part, behind) = rest.split_at_mut(run.len());
            part.copy_from_slice(&all[run.start - self.offset..run.end - self.offset]);
            rest = behind;
        }
        Ok(())
    }

    /// Replaces its elements by those of the host, in row-major order. Elements between its rows are not touched.
    pub(super) fn write(&self, from: &[u8]) -> Result<()> {
        let mut rest = from;
        for run in self.runs() {
            let (part, behind) = rest.split_at(run.len());
            self.storage.write(run.start, part)?;
            rest = behind;
        }
        Ok(())
    }

    /// Returns the range of its addresses. Addresses are compared instead of allocations because foreign memory may be
    /// wrapped twice, as two allocations.
    #[inline]
    pub(crate) fn span(&self) -> ByteRange {
        self.span
    }

    /// Returns the key that launches compare.
    #[inline]
    pub(crate) fn shape_key(&self) -> &ShapeKey {
        &self.shape_key
    }
}

/// The start and the end of a range of addresses.
pub(crate) type ByteRange = (u64, u64);

/// Returns true if two ranges share a byte. An empty range shares none.
#[inline]
pub(crate) fn overlap(a: ByteRange, b: ByteRange) -> bool {
    a.0.max(b.0) < a.1.min(b.1)
}

/// Returns the number of elements of a shape, or an error if it or its size in bytes is too large for the host.
pub(super) fn elements(device: &Device, scalar: Scalar, shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent));
    count
        .filter(|count| count.checked_mul(scalar.bytes()).is_some_and(|bytes| bytes <= isize::MAX as usize))
        .ok_or_else(|| device.error(format!("a tensor of shape {shape:?} is too large")))
}
