//! DLPack: tensors exchanged between frameworks by pointer, following its published ABI (version 1).
//!
//! The consumer of a managed tensor calls its deleter when done with it. Both forms are supported: the one with a
//! version and flags, and the older one without.

use super::super::{Device, DeviceKind, RawTensor, Storage, Tensor, refuse_in_capture};
use crate::error::{Error, Result};
use crate::types::{Element, Scalar};
use std::ffi::c_void;
use std::ptr::NonNull;

/// The version of the ABI; tensors of another major version are refused.
pub const VERSION: [u32; 2] = [1, 0];

const CPU: i32 = 1;
const CUDA: i32 = 2;
const CUDA_HOST: i32 = 3;
/// The flag of read-only tensors.
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
    /// In elements; null if the tensor is row-major and contiguous.
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
    /// Must be called once, by the last owner.
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

/// A managed tensor of another framework, deleted when dropped.
struct Taken<M: Managed>(NonNull<M>);

// SAFETY: a managed tensor may be deleted by any thread; nothing else is done with it here.
unsafe impl<M: Managed> Send for Taken<M> {}
unsafe impl<M: Managed> Sync for Taken<M> {}

impl<M: Managed> Drop for Taken<M> {
    fn drop(&mut self) {
        // SAFETY: this owns the tensor, and deletes it once.
        unsafe { M::delete(self.0.as_ptr()) }
    }
}

/// What an exported tensor keeps alive.
struct Kept {
    _storage: Storage,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

unsafe extern "C" fn delete_own<M: Managed>(managed: *mut M) {
    // SAFETY: both were made by `export` and are freed once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context().cast::<Kept>()));
    }
}

/// Returns the data type of a scalar, or `None` if DLPack does not have it.
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
    /// Imports a tensor of another framework, sharing its memory. It keeps its strides, so a part of a larger tensor or one
    /// with exchanged axes comes in without a copy; an error says so if the stride of its last axis is not 1, or if one
    /// is negative. Ownership is taken even if this returns an error: the
    /// deleter is called then, and otherwise when nothing uses the memory any more. Host memory becomes a tensor of the
    /// simulated device.
    ///
    /// # Safety
    /// The pointer must come from a DLPack exporter and not have been consumed. Accesses of others to the memory must
    /// have ended or be ordered before the default stream's work, and must not begin again while a kernel uses the
    /// tensor.
    pub unsafe fn from_dlpack(managed: NonNull<Versioned>) -> Result<Tensor<T, R>> {
        let taken = Taken(managed);
        // SAFETY: the caller's duty. The version is the first field in every version.
        let (version, flags) = unsafe { ((*managed.as_ptr()).version, (*managed.as_ptr()).flags) };
        if version[0] != VERSION[0] {
            let (theirs, ours) = (version[0], VERSION[0]);
            return Err(fail(format!("the tensor has DLPack version {theirs}; the supported version is {ours}")));
        }
        if flags & READ_ONLY != 0 {
            return Err(fail("the tensor is read-only, but tensors of hidet may be written: pass a copy".to_owned()));
        }
        import(taken)
    }

    /// Imports a tensor in the older form, which has no version.
    ///
    /// # Safety
    /// As for [`Tensor::from_dlpack`].
    pub unsafe fn from_dlpack_unversioned(managed: NonNull<Unversioned>) -> Result<Tensor<T, R>> {
        import(Taken(managed))
    }

    /// Exports the tensor to another framework, which shares its memory and calls the deleter when done with it. Waits
    /// for all work submitted so far that uses the memory. The caller orders later work of either side.
    pub fn to_dlpack(&self) -> Result<NonNull<Versioned>> {
        export(self.raw())
    }

    /// Exports the tensor in the older form, which has no version.
    pub fn to_dlpack_unversioned(&self) -> Result<NonNull<Unversioned>> {
        export(self.raw())
    }
}

fn import<M: Managed, T: Element, const R: usize>(taken: Taken<M>) -> Result<Tensor<T, R>> {
    // SAFETY: the caller's caller passed a complete managed tensor, which lives as long as `taken`.
    let tensor = unsafe { taken.0.as_ref() }.tensor();
    let device = match tensor.device_type {
        CPU | CUDA_HOST => Device::sim(),
        CUDA => Device::cuda(usize::try_from(tensor.device_id).unwrap_or(usize::MAX))?,
        other => {
            return Err(fail(format!("the tensor is on a device of type {other}; supported are CPU (1) and CUDA (2)")));
        }
    };
    if data_type(T::SCALAR) != Some(tensor.dtype) {
        let DataType { code, bits, lanes } = tensor.dtype;
        return Err(fail(format!(
            "the elements have type code {code}, {bits} bits and {lanes} lanes, which is not {}",
            T::SCALAR
        )));
    }
    if tensor.axes != R as i32 {
        return Err(fail(format!("the tensor has {} axes, not {R}", tensor.axes)));
    }
    // SAFETY: there is one item per axis; a tensor without axes needs no array.
    let array = |items: *mut i64| if R == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(items, R) } };
    let extents = array(tensor.shape);
    let mut shape = [0; R];
    for (extent, given) in shape.iter_mut().zip(extents) {
        *extent = usize::try_from(*given).map_err(|_| fail(format!("the shape is {extents:?}")))?;
    }
    // Without strides the tensor is contiguous; those of an empty one have no meaning.
    let mut strides = shape;
    if tensor.strides.is_null() || shape.contains(&0) {
        super::strides::make_row_major(&mut strides);
    } else {
        let given = array(tensor.strides);
        let refused = |why: &str| fail(format!("the strides are {given:?} for shape {extents:?}; {why}"));
        for ((stride, given), extent) in strides.iter_mut().zip(given).zip(&shape) {
            // The stride of an axis of extent 1 has no meaning.
            let given = if *extent == 1 { 1 } else { *given };
            *stride = usize::try_from(given).map_err(|_| refused("none may be negative: pass a contiguous copy"))?;
        }
        if strides.last().is_some_and(|last| *last != 1) {
            return Err(refused("the last one must be 1: exchange the axes, or pass a contiguous copy"));
        }
    }
    let address = (tensor.data as u64).wrapping_add(tensor.byte_offset);
    // An empty tensor may have no address.
    let address = if shape.contains(&0) && device.is_sim() { super::HOST_ALIGN as u64 } else { address };
    // SAFETY: the duty of the caller's caller.
    unsafe { Tensor::from_foreign_strided(&device, address, shape, strides, Box::new(taken)) }
}

fn export<M: Managed>(tensor: &RawTensor) -> Result<NonNull<M>> {
    refuse_in_capture(&tensor.device, "exporting a tensor to another framework")?;
    let Some(dtype) = data_type(tensor.scalar) else {
        return Err(fail(format!("the format has no type for {}", tensor.scalar)));
    };
    tensor.wait()?;
    let (device_type, device_id) = match tensor.device.kind() {
        DeviceKind::Sim(_) => (CPU, 0),
        DeviceKind::Cuda(context) => (CUDA, context.ordinal as i32),
    };
    let shape: Vec<i64> = tensor.shape.iter().map(|extent| *extent as i64).collect();
    // An empty tensor may have strides that are too large; they have no meaning.
    let strides = tensor.strides.iter().map(|stride| i64::try_from(*stride).unwrap_or(i64::MAX)).collect();
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
