//! Tensors: shaped memory on a device, row-major and contiguous.

use super::shape_key::ShapeKey;
use super::{Device, DeviceKind, Storage, refuse_in_capture};
use crate::error::{Error, Result};
use crate::types::{Element, Scalar};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A tensor whose type and rank are known at run time. Its elements are within its memory, which launches rely on.
#[derive(Clone, Debug)]
pub struct RawTensor {
    pub(crate) device: Device,
    pub(crate) storage: Storage,
    pub(crate) offset: usize,
    pub(crate) scalar: Scalar,
    pub(crate) shape: Vec<usize>,
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
        let bytes = elements(device, scalar, shape)? * scalar.bytes();
        let len = storage.len();
        let is_there = match (device.kind(), &storage) {
            (DeviceKind::Sim(_), Storage::Sim(_)) => true,
            (DeviceKind::Cuda(context), Storage::Cuda(memory)) => std::ptr::eq(*context, memory.context()),
            _ => false,
        };
        if !is_there || offset.checked_add(bytes).is_none_or(|end| end > len) {
            let whose = if is_there { "" } else { " of another device" };
            return Err(device.error(format!(
                "a tensor of shape {shape:?} of {scalar} from byte {offset} on does not fit in an allocation of {len} \
                 bytes{whose}"
            )));
        }
        Ok(RawTensor::placed(device, storage, offset, scalar, shape))
    }

    /// Returns a tensor that is known to fit.
    pub(crate) fn placed(
        device: &Device,
        storage: Storage,
        offset: usize,
        scalar: Scalar,
        shape: &[usize],
    ) -> RawTensor {
        static IDENTITIES: AtomicU64 = AtomicU64::new(0);
        let identity = IDENTITIES.fetch_add(1, Relaxed);
        let (address, first) = (storage.address() + offset as u64, storage.data() + offset as u64);
        let span = (first, first + (shape.iter().product::<usize>() * scalar.bytes()) as u64);
        let shape_key = ShapeKey::tensor(device, scalar, shape);
        let (device, shape) = (device.clone(), shape.to_vec());
        RawTensor { device, storage, offset, scalar, shape, identity, address, span, shape_key }
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

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns its size in bytes.
    pub fn bytes(&self) -> usize {
        self.len() * self.scalar.bytes()
    }

    /// Returns the address of its first element.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Returns true if it shares a byte with another tensor.
    pub fn overlaps(&self, other: &RawTensor) -> bool {
        overlap(self.span(), other.span())
    }

    /// Returns a tensor of another shape over some of the same elements, from element number `first` on. It shares
    /// memory, and counts as the same tensor for [`RawTensor::forget`].
    pub fn view(&self, first: usize, shape: &[usize]) -> Result<RawTensor> {
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

/// A tensor of `R` axes with elements of type `T` on a device, row-major.
#[derive(Debug)]
pub struct Tensor<T, const R: usize> {
    raw: RawTensor,
    elem: PhantomData<T>,
}

/// Returns the number of elements of a shape, or an error if it or its size in bytes is too large for the host.
pub(super) fn size<T: Element, const R: usize>(device: &Device, shape: [usize; R]) -> Result<usize> {
    elements(device, T::SCALAR, &shape)
}

fn elements(device: &Device, scalar: Scalar, shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent));
    count
        .filter(|count| count.checked_mul(scalar.bytes()).is_some_and(|bytes| bytes <= isize::MAX as usize))
        .ok_or_else(|| device.error(format!("a tensor of shape {shape:?} is too large")))
}

/// Returns the bytes of elements.
pub(super) fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: the elements are numbers without padding (the trait is sealed), and every byte may be read.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), std::mem::size_of_val(elements)) }
}

impl Device {
    /// Allocates a tensor with these elements, in row-major order.
    pub fn tensor<T: Element, const R: usize>(&self, elements: &[T], shape: [usize; R]) -> Result<Tensor<T, R>> {
        let count = size::<T, R>(self, shape)?;
        if count != elements.len() {
            return Err(Error::Device {
                device: self.to_string(),
                message: format!(
                    "a tensor of shape {shape:?} has {count} elements, but {} were passed",
                    elements.len()
                ),
            });
        }
        Ok(Tensor::new(self, Storage::from_bytes(self, bytes_of(elements))?, shape))
    }

    /// Allocates a tensor whose elements are uninitialised: reading one before a kernel wrote it is a fault.
    pub fn empty<T: Element, const R: usize>(&self, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let bytes = size::<T, R>(self, shape)? * T::SCALAR.bytes();
        Ok(Tensor::new(self, Storage::uninit(self, bytes)?, shape))
    }

    /// Allocates a tensor of zeros.
    pub fn zeros<T: Element, const R: usize>(&self, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let bytes = size::<T, R>(self, shape)? * T::SCALAR.bytes();
        Ok(Tensor::new(self, Storage::zeros(self, bytes)?, shape))
    }
}

impl<T: Element, const R: usize> Tensor<T, R> {
    pub(super) fn new(device: &Device, storage: Storage, shape: [usize; R]) -> Self {
        Tensor { raw: RawTensor::placed(device, storage, 0, T::SCALAR, &shape), elem: PhantomData }
    }

    /// Returns its extents.
    pub fn shape(&self) -> [usize; R] {
        std::array::from_fn(|axis| self.raw.shape[axis])
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.raw.device
    }

    /// Returns the same tensor without its static type and rank.
    pub fn raw(&self) -> &RawTensor {
        &self.raw
    }

    /// Returns its elements in row-major order, after all kernels launched so far. Elements that were never written are
    /// 0 on the simulated device and arbitrary on a GPU.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        refuse_in_capture(&self.raw.device, "reading a tensor")?;
        self.raw.check_given_away("reading a tensor")?;
        let mut bytes = vec![0u8; self.raw.bytes()];
        self.raw.storage.read(self.raw.offset, &mut bytes)?;
        Ok(bytes.chunks_exact(T::SCALAR.bytes()).map(element).collect())
    }

    /// Replaces its elements; `elements` are in row-major order.
    pub fn write(&mut self, elements: &[T]) -> Result<()> {
        if elements.len() != self.len() {
            let (device, count) = (self.raw.device.to_string(), self.len());
            let message = format!("{} elements cannot be written to a tensor of {count} elements", elements.len());
            return Err(Error::Device { device, message });
        }
        refuse_in_capture(&self.raw.device, "writing a tensor from the host")?;
        self.raw.check_given_away("writing a tensor from the host")?;
        self.raw.storage.write(self.raw.offset, bytes_of(elements))
    }

    /// Returns a copy of it on a device, directly between two GPUs. On the same device it is a copy too.
    pub fn to_device(&self, device: &Device) -> Result<Tensor<T, R>> {
        let target = device.empty(self.shape())?;
        match (&self.raw.storage, &target.raw.storage) {
            (Storage::Cuda(from), Storage::Cuda(to)) => {
                to.copy_on(to.context().stream(), 0, from, self.raw.offset, self.raw.bytes(), false)?;
            }
            (_, to) => to.write(0, bytes_of(&self.to_vec()?))?,
        }
        Ok(target)
    }

    /// Returns a tensor of another shape over some of the same elements, from element number `first` on. It shares
    /// memory: writes through one are visible through the other.
    pub fn view<const S: usize>(&self, first: usize, shape: [usize; S]) -> Result<Tensor<T, S>> {
        Ok(Tensor { raw: self.raw.view(first, &shape)?, elem: PhantomData })
    }
}

/// Returns the element with these bytes.
fn element<T: Element>(bytes: &[u8]) -> T {
    let mut word = [0u8; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    T::from_bits64(u64::from_le_bytes(word))
}
