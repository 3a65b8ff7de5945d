//! DLPack: tensors handed between frameworks by pointer, as its published ABI (version 1) lays them out.
//!
//! Whoever takes a managed tensor calls its deleter when done with it. Both forms are known: the one with a version and
//! flags, and the older one without.

use super::super::{Device, DeviceKind, RawTensor, Storage, Tensor, refuse_in_capture};
use crate::error::{Error, Result};
use crate::types::{Element, Scalar};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The version of the ABI; tensors of another major version are not touched.
pub const VERSION: [u32; 2] = [1, 0];

const CPU: i32 = 1;
const CUDA: i32 = 2;
const CUDA_HOST: i32 = 3;
/// The flag of tensors that must not be written.
const READ_ONLY: u64 = 1;

/// `DLDataType`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DataType {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

/// `DLTensor`.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)]
pub struct DlTensor {
    pub data: *mut c_void,
    pub device_type: i32,
    pub device_id: i32,
    pub axes: i32,
    pub dtype: DataType,
    pub shape: *mut i64,
    /// In elements; null where the tensor is row-major and contiguous.
    pub strides: *mut i64,
    pub byte_offset: u64,
}

/// `DLManagedTensor`, without a version.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Unversioned {
    pub tensor: DlTensor,
    pub context: *mut c_void,
    pub deleter: Option<unsafe extern "C" fn(*mut Unversioned)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Versioned {
    pub version: [u32; 2],
    pub context: *mut c_void,
    pub deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    pub flags: u64,
    pub tensor: DlTensor,
}

/// A managed tensor of either form.
trait Managed: Sized + 'static {
    fn tensor(&self) -> &DlTensor;
    /// # Safety
    /// Called once, by the last who has it.
    unsafe fn delete(this: *mut Self);
    fn with(tensor: DlTensor, context: *mut c_void) -> Self;
    fn context(&self) -> *mut c_void;
}

macro_rules! managed {
    ($name:ident, $($field:ident: $value:expr),*) => {
        impl Managed for $name {
            fn tensor(&self) -> &DlTensor {
                &self.tensor
            }
            unsafe fn delete(this: *mut Self) {
                // SAFETY: the caller's duty.
                unsafe {
                    if let Some(deleter) = (*this).deleter {
                        deleter(this);
                    }
                }
            }
            fn with(tensor: DlTensor, context: *mut c_void) -> Self {
                $name { tensor, context, deleter: Some(delete_own::<$name>), $($field: $value),* }
            }
            fn context(&self) -> *mut c_void {
                self.context
            }
        }
    };
}
managed!(Unversioned,);
managed!(Versioned, version: VERSION, flags: 0);

/// A managed tensor of someone else, deleted when dropped.
struct Taken<M: Managed>(NonNull<M>);

// SAFETY: a managed tensor may be deleted by any thread; nothing else is done with it here.
unsafe impl<M: Managed> Send for Taken<M> {}
unsafe impl<M: Managed> Sync for Taken<M> {}

impl<M: Managed> Drop for Taken<M> {
    fn drop(&mut self) {
        // SAFETY: it was taken by whoever made this, and is deleted once.
        unsafe { M::delete(self.0.as_ptr()) }
    }
}

/// What a managed tensor made here keeps.
struct Kept {
    _storage: Storage,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

unsafe extern "C" fn delete_own<M: Managed>(managed: *mut M) {
    // SAFETY: both were made by `export` and are given back once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context().cast::<Kept>()));
    }
}

/// The data type of a scalar; nothing for those that DLPack does not have.
fn data_type(scalar: Scalar) -> Option<DataType> {
    let code = match scalar {
        Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64 => 0,
        Scalar::U8 | Scalar::U16 | Scalar::U32 | Scalar::U64 => 1,
        Scalar::F16 | Scalar::F32 | Scalar::F64 => 2,
        Scalar::BF16 => 4,
        Scalar::Bool => 6,
        Scalar::E4M3 => 10,
        Scalar::E5M2 => 12,
        Scalar::TF32 => return None,
    };
    Some(DataType { code, bits: scalar.bytes() as u8 * 8, lanes: 1 })
}

fn fail(message: String) -> Error {
    Error::Device { device: "DLPack".to_owned(), message }
}

impl<T: Element, const R: usize> Tensor<T, R> {
    /// The tensor of another framework, which shares its memory. It is taken also where this is an error: the deleter is
    /// called then, and otherwise when nothing uses the memory any more. Memory of the host gives a tensor of the simulated
    /// device.
    ///
    /// # Safety
    /// The pointer must come from an exporter of DLPack and not have been taken by anyone. What others do with the memory
    /// must have ended or come before the default stream's work, and must not begin again while a kernel uses the tensor.
    pub unsafe fn from_dlpack(managed: NonNull<Versioned>) -> Result<Tensor<T, R>> {
        let taken = Taken(managed);
        // SAFETY: the caller's duty. The version comes first in every version.
        let (version, flags) = unsafe { ((*managed.as_ptr()).version, (*managed.as_ptr()).flags) };
        if version[0] != VERSION[0] {
            let (theirs, ours) = (version[0], VERSION[0]);
            return Err(fail(format!("the tensor is of version {theirs} of DLPack; version {ours} is understood")));
        }
        if flags & READ_ONLY != 0 {
            return Err(fail("the tensor must not be written, and a tensor here may be: give a copy".to_owned()));
        }
        import(taken)
    }

    /// The same for the older form, which has no version.
    ///
    /// # Safety
    /// As for [`Tensor::from_dlpack`].
    pub unsafe fn from_dlpack_unversioned(managed: NonNull<Unversioned>) -> Result<Tensor<T, R>> {
        import(Taken(managed))
    }

    /// The tensor for another framework, which shares its memory and calls the deleter when done with it. Waits for
    /// everything asked so far that uses the memory; what is asked later, by either, is the caller's to order.
    pub fn to_dlpack(&self) -> Result<NonNull<Versioned>> {
        export(self.raw())
    }

    /// The same in the older form, which has no version.
    pub fn to_dlpack_unversioned(&self) -> Result<NonNull<Unversioned>> {
        export(self.raw())
    }
}

fn import<M: Managed, T: Element, const R: usize>(taken: Taken<M>) -> Result<Tensor<T, R>> {
    // SAFETY: the caller of the caller gave a whole managed tensor, which lives as long as `taken`.
    let tensor = unsafe { taken.0.as_ref() }.tensor();
    let device = match tensor.device_type {
        CPU | CUDA_HOST => Device::sim(),
        CUDA => Device::cuda(usize::try_from(tensor.device_id).unwrap_or(usize::MAX))?,
        other => {
            return Err(fail(format!("the tensor is on a device of kind {other}; CPU (1) and CUDA (2) are known")));
        }
    };
    if data_type(T::SCALAR) != Some(tensor.dtype) {
        let DataType { code, bits, lanes } = tensor.dtype;
        return Err(fail(format!(
            "the elements are of code {code} with {bits} bits and {lanes} lanes, which is not {}",
            T::SCALAR
        )));
    }
    if tensor.axes != R as i32 {
        return Err(fail(format!("the tensor has {} axes, not {R}", tensor.axes)));
    }
    // SAFETY: there are as many items as axes; no axes need no array.
    let array = |items: *mut i64| if R == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(items, R) } };
    let extents = array(tensor.shape);
    let mut shape = [0; R];
    for (extent, given) in shape.iter_mut().zip(extents) {
        *extent = usize::try_from(*given).map_err(|_| fail(format!("the shape is {extents:?}")))?;
    }
    if !tensor.strides.is_null() && !shape.contains(&0) {
        let strides = array(tensor.strides);
        let mut contiguous = 1i64;
        for (extent, stride) in extents.iter().zip(strides).rev() {
            // The stride of an axis with one coordinate means nothing.
            if *extent != 1 && *stride != contiguous {
                return Err(fail(format!(
                    "the strides are {strides:?} for shape {extents:?}; a tensor here is row-major and contiguous: give a \
                     contiguous copy"
                )));
            }
            contiguous = contiguous.saturating_mul(*extent);
        }
    }
    let address = (tensor.data as u64).wrapping_add(tensor.byte_offset);
    // An empty tensor may have no address.
    let address = if shape.contains(&0) && device.is_sim() { super::HOST_ALIGN as u64 } else { address };
    // SAFETY: the caller of the caller's duty.
    unsafe { Tensor::from_foreign(&device, address, shape, Box::new(taken)) }
}

fn export<M: Managed>(tensor: &RawTensor) -> Result<NonNull<M>> {
    refuse_in_capture(&tensor.device, "handing a tensor to another framework")?;
    let Some(dtype) = data_type(tensor.scalar) else {
        return Err(fail(format!("there is no type for {}", tensor.scalar)));
    };
    tensor.wait()?;
    let (device_type, device_id) = match tensor.device.kind() {
        DeviceKind::Sim(_) => (CPU, 0),
        DeviceKind::Cuda(context) => (CUDA, context.ordinal as i32),
    };
    let shape: Vec<i64> = tensor.shape.iter().map(|extent| *extent as i64).collect();
    let mut strides = vec![1i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        // An empty tensor may have extents whose product no number holds; its strides mean nothing.
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    let mut kept = Box::new(Kept { _storage: tensor.storage.clone(), shape, strides });
    let dl = DlTensor {
        data: tensor.data() as *mut c_void,
        device_type,
        device_id,
        axes: tensor.shape.len() as i32,
        dtype,
        shape: kept.shape.as_mut_ptr(),
        strides: kept.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let managed = Box::new(M::with(dl, Box::into_raw(kept).cast()));
    Ok(NonNull::from(Box::leak(managed)))
}
