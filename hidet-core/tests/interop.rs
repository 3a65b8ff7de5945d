//! Foreign memory as tensors and back: sharing, ownership, and refusals.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use hidet::device::dlpack::{DataType, DlTensor, Unversioned, VERSION, Versioned};
use hidet::prelude::*;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

type Done = hidet::Result<()>;

kernel! {
    /// y = x * s
    #[launch(grid = n.div_ceil(4), block = 4)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        if i < n { y[[i]] = x[[i]] * s; }
    }
}

#[test]
fn a_tensor_goes_out_and_comes_in_again() -> Done {
    out_and_in(&Device::sim(), 1)
}

#[test]
fn a_tensor_of_a_gpu_goes_out_and_comes_in_again() -> Done {
    match stub::on_stubs("a_tensor_of_a_gpu_goes_out_and_comes_in_again") {
        Some(_) => Ok(()),
        None => out_and_in(&Device::cuda(0)?, 2),
    }
}

fn out_and_in(device: &Device, kind: i32) -> Done {
    let (x, mut y) = (device.tensor(&[1f32, 2.0, 3.0, 4.0], [4])?, device.zeros([4])?);
    let kernel = scale().compile(device)?;
    kernel.launch(&x, &mut y, 2.0)?;
    let managed = y.view(0, [2, 2])?.to_dlpack()?;
    // SAFETY: it was made here and not consumed yet.
    let tensor = unsafe { &managed.as_ref().tensor };
    assert_eq!((tensor.device_type, tensor.device_id, tensor.axes), (kind, 0, 2));
    assert_eq!(tensor.dtype, DataType { code: 2, bits: 32, lanes: 1 });
    // SAFETY: there are two axes.
    let (shape, strides) = unsafe { (*tensor.shape.cast::<[i64; 2]>(), *tensor.strides.cast::<[i64; 2]>()) };
    assert_eq!((shape, strides), ([2, 2], [2, 1]));
    // SAFETY: as above; nothing else uses the tensor.
    let back: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!(back.to_vec()?, [2.0, 4.0, 6.0, 8.0]);
    // Each sees what the other writes.
    kernel.launch(&x, &mut y, 10.0)?;
    assert_eq!(back.to_vec()?, [10.0, 20.0, 30.0, 40.0]);
    drop(y);
    assert_eq!(back.to_vec()?, [10.0, 20.0, 30.0, 40.0]);
    // A part of a tensor, in the older form.
    let part = back.view(2, [2])?.to_dlpack_unversioned()?;
    drop(back);
    // SAFETY: as above.
    let part: Tensor<f32, 1> = unsafe { Tensor::from_dlpack_unversioned(part) }?;
    assert_eq!(part.to_vec()?, [30.0, 40.0]);
    // Addresses reveal that two arguments share memory.
    let managed = x.to_dlpack()?;
    // SAFETY: as above.
    let mut same: Tensor<f32, 1> = unsafe { Tensor::from_dlpack(managed) }?;
    let aliased = kernel.launch(&x, &mut same, 1.0);
    assert!(aliased.unwrap_err().to_string().contains("shares memory with argument `x`"));
    Ok(())
}

kernel! {
    /// y = x * s by rows.
    #[launch(grid = (n.div_ceil(4), m), block = 4)]
    fn scale_rows(x: In<f32, [m, n]>, y: Out<f32, [m, n]>, s: f32) {
        let at = (block_idx().y, block_idx().x * 4 + thread_idx().x);
        y.set(at, x.get(at) * s);
    }
}

#[test]
fn an_empty_tensor_has_strides_whatever_its_extents() -> Done {
    let managed = Device::sim().empty::<f32, 3>([0, 1 << 40, 1 << 40])?.to_dlpack()?;
    // SAFETY: it was made just now.
    let back: Tensor<f32, 3> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!(back.shape(), [0, 1 << 40, 1 << 40]);
    Ok(())
}

#[test]
fn host_out_of_memory_is_an_error() {
    for tensor in [Device::sim().empty::<u8, 1>([1 << 52]), Device::sim().zeros([1 << 52])] {
        let error = tensor.unwrap_err().to_string();
        assert!(error.starts_with("the simulated device: out of memory: 4503599627370496 bytes requested"), "{error}");
    }
}

/// A managed tensor over a host array, as another framework would export it. `DELETED` counts deletions.
struct Other {
    data: Vec<f32>,
    shape: [i64; 2],
    strides: [i64; 2],
}

static DELETED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn delete(managed: *mut Versioned) {
    // SAFETY: both come from boxes, and are deleted once.
    unsafe { drop(Box::from_raw((*managed).context.cast::<Other>())) };
    drop(unsafe { Box::from_raw(managed) });
    DELETED.fetch_add(1, SeqCst);
}

fn other(change: impl FnOnce(&mut Versioned, &mut Other)) -> NonNull<Versioned> {
    let data = (0..8).map(|index| index as f32).collect();
    let mut other = Box::new(Other { data, shape: [2, 3], strides: [3, 1] });
    let tensor = DlTensor {
        data: other.data.as_mut_ptr().cast(),
        device_type: 1,
        device_id: 0,
        axes: 2,
        dtype: DataType { code: 2, bits: 32, lanes: 1 },
        shape: other.shape.as_mut_ptr(),
        strides: other.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let context = (&raw mut *other).cast::<c_void>();
    let mut managed = Box::new(Versioned { version: VERSION, context, deleter: Some(delete), flags: 0, tensor });
    change(&mut managed, &mut other);
    let _ = Box::into_raw(other);
    NonNull::from(Box::leak(managed))
}

#[test]
fn foreign_tensors_are_shared_and_released_once() -> Done {
    let before = DELETED.load(SeqCst);
    let managed = other(|managed, _| managed.tensor.byte_offset = 8);
    // SAFETY: it was made just now.
    let data = unsafe { managed.as_ref().tensor.data.cast::<f32>() };
    // SAFETY: as above.
    let mut tensor: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!(tensor.to_vec()?, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    tensor.write(&[9.0; 6])?;
    // SAFETY: the array lives as long as the tensor.
    assert_eq!(unsafe { [*data.add(1), *data.add(2), *data.add(7)] }, [1.0, 9.0, 9.0]);
    let view = tensor.view(1, [2])?;
    drop(tensor);
    assert_eq!(DELETED.load(SeqCst), before);
    drop(view);
    assert_eq!(DELETED.load(SeqCst), before + 1);

    let refused = |change: fn(&mut Versioned, &mut Other), message: &str| {
        let before = DELETED.load(SeqCst);
        // SAFETY: as above.
        let result: hidet::Result<Tensor<f32, 2>> = unsafe { Tensor::from_dlpack(other(change)) };
        assert_eq!(result.unwrap_err().to_string(), message);
        assert_eq!(DELETED.load(SeqCst), before + 1);
    };
    refused(
        |managed, _| managed.version = [2, 0],
        "DLPack: the tensor has DLPack version 2; the supported version is 1",
    );
    refused(
        |managed, _| managed.flags = 1,
        "DLPack: the tensor is read-only, but tensors of hidet may be written: pass a copy",
    );
    refused(
        |managed, _| managed.tensor.dtype.bits = 64,
        "DLPack: the elements have type code 2, 64 bits and 1 lanes, which is not f32",
    );
    refused(|managed, _| managed.tensor.axes = 1, "DLPack: the tensor has 1 axes, not 2");
    refused(
        |managed, _| managed.tensor.device_type = 10,
        "DLPack: the tensor is on a device of type 10; supported are CPU (1) and CUDA (2)",
    );
    refused(
        |_, other| other.strides = [1, 2],
        "DLPack: the strides are [1, 2] for shape [2, 3]; the last one must be 1: exchange the axes, or pass a contiguous \
         copy",
    );
    refused(
        |_, other| other.strides = [-3, 1],
        "DLPack: the strides are [-3, 1] for shape [2, 3]; none may be negative: pass a contiguous copy",
    );
    refused(|_, other| other.shape = [2, -3], "DLPack: the shape is [2, -3]");
    // An axis of extent 1 may have any stride.
    let managed = other(|_, other| (other.shape, other.strides) = ([1, 3], [77, 1]));
    // SAFETY: as above.
    let tensor: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!(tensor.to_vec()?, [0.0, 1.0, 2.0]);
    // Rows that are further apart, or the same, are shared as well.
    let managed = other(|_, other| other.strides = [5, 1]);
    // SAFETY: as above.
    let data = unsafe { managed.as_ref().tensor.data.cast::<f32>() };
    // SAFETY: as above.
    let mut tensor: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!((tensor.strides(), tensor.to_vec()?), ([5, 1], vec![0.0, 1.0, 2.0, 5.0, 6.0, 7.0]));
    tensor.write(&[9.0; 6])?;
    // SAFETY: the array lives as long as the tensor.
    assert_eq!(unsafe { [*data.add(2), *data.add(3), *data.add(4), *data.add(5)] }, [9.0, 3.0, 4.0, 9.0]);
    let again = tensor.to_dlpack()?;
    // SAFETY: it was made just now and has two strides.
    assert_eq!(unsafe { *again.as_ref().tensor.strides.cast::<[i64; 2]>() }, [5, 1]);
    // SAFETY: as above.
    let again: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(again) }?;
    assert_eq!(again.raw().data(), tensor.raw().data());
    // A kernel reads it where it is.
    let mut y = again.device().empty([2, 3])?;
    scale_rows().compile(again.device())?.launch(&again, &mut y, 2.0)?;
    assert_eq!(y.to_vec()?, [18.0; 6]);
    let managed = other(|_, other| other.strides = [0, 1]);
    // SAFETY: as above.
    let mut tensor: Tensor<f32, 2> = unsafe { Tensor::from_dlpack(managed) }?;
    assert_eq!(tensor.to_vec()?, [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert!(tensor.write(&[0.0; 6]).unwrap_err().to_string().contains("several coordinates are one element"));
    let managed = other(|managed, _| managed.tensor.byte_offset = 4);
    // SAFETY: as above.
    let unaligned: hidet::Result<Tensor<f32, 2>> = unsafe { Tensor::from_dlpack(managed) };
    assert!(unaligned.unwrap_err().to_string().contains("is not aligned to 8 bytes, which the simulated device needs"));
    let tf32: Tensor<TF32, 1> = Device::sim().empty([1])?;
    assert_eq!(tf32.to_dlpack().unwrap_err().to_string(), "DLPack: the format has no type for tf32");
    Ok(())
}

#[test]
fn the_older_form_is_laid_out_as_published() {
    // On 64-bit platforms: a tensor of 48 bytes, then the context and the deleter; with a version, the tensor comes
    // last.
    assert_eq!((size_of::<DlTensor>(), size_of::<Unversioned>(), size_of::<Versioned>()), (48, 64, 80));
    assert_eq!(std::mem::offset_of!(Versioned, tensor), 32);
    assert_eq!(std::mem::offset_of!(DlTensor, byte_offset), 40);
}

#[test]
fn arrays_of_cudarc() -> Done {
    if stub::on_stubs("arrays_of_cudarc").is_some() {
        return Ok(());
    }
    let context = cudarc::driver::CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let array = stream.clone_htod(&[1f32, 2.0, 3.0, 4.0]).unwrap();
    let x = Tensor::from_cudarc(array, [4])?;
    let device = Device::cuda(0)?;
    let kernel = scale().compile(&device)?;
    let mut y = device.empty([4])?;
    kernel.launch(&x, &mut y, 2.0)?;
    assert_eq!(y.to_vec()?, [2.0, 4.0, 6.0, 8.0]);
    kernel.launch(&x, &mut y, 5.0)?;
    // An array is not written while another stream still reads it.
    let (array, other) = (stream.clone_htod(&[1f32, 2.0]).unwrap(), context.new_stream().unwrap());
    let copy = other.clone_dtod(&array).unwrap();
    Tensor::from_cudarc(array, [2])?.write(&[7.0, 7.0])?;
    device.synchronize()?;
    assert_eq!(other.clone_dtoh(&copy).unwrap(), [1.0, 2.0]);
    let array = y.into_cudarc(&stream)?;
    assert_eq!(stream.clone_dtoh(&array).unwrap(), [5.0, 10.0, 15.0, 20.0]);
    let refused = |tensor: Tensor<f32, 1>, message: &str| {
        let error = tensor.into_cudarc(&stream).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    let z = device.tensor(&[1f32; 4], [4])?;
    refused(z.view(1, [2])?, "it is not a whole allocation");
    refused(z.view(0, [4])?, "another tensor or a graph uses its memory");
    refused(x, "it has foreign memory");
    refused(Device::sim().zeros([4])?, "it is not on a GPU");
    Ok(())
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_ndarray() -> Done {
    use ndarray::{Array, array};
    let device = Device::sim();
    let values = array![[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let tensor = device.from_array(&values.view())?;
    assert_eq!((tensor.shape(), tensor.to_vec()?), ([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    // Elements are read in logical order, whatever the layout.
    let turned = device.from_array(&values.t())?;
    assert_eq!((turned.shape(), turned.to_vec()?), ([3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    assert_eq!(turned.to_array()?, values.t());
    // A moved array is not copied.
    let large = Array::from_elem((100, 10), 2f64);
    let address = large.as_ptr() as u64;
    let tensor = device.take_array(large)?;
    assert_eq!(tensor.raw().data(), address);
    assert_eq!(tensor.to_vec()?, vec![2.0; 1000]);
    assert_eq!(device.take_array(Array::<f32, _>::zeros((0, 3)))?.shape(), [0, 3]);
    Ok(())
}
