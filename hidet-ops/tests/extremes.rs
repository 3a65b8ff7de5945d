//! Tensors without axes and with nine, extents and sizes beyond what there is: right results, or errors that say why.

#![allow(clippy::unwrap_used)]

mod known;

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Attention, Result, Tensor, Window};
use known::{counted, is, says, tensor};

#[test]
fn tensors_without_axes_and_with_nine() -> Result<()> {
    let device = Device::best()?;
    let one = tensor(&device, &[3i32], &[]);
    is(one.add(4.0), &[], &[7]);
    is(one.sum(&[], false), &[], &[3]);
    is(one.reshape(&[1, 1]), &[1, 1], &[3]);
    says(one.matmul(&one), "`matmul` of i32[] and i32[]: both need two axes or more");
    says(one.sum(&[0], false), "`sum` of i32[]: [0] are not different axes of 0 axes, counted from 0");
    let nine = [1, 2, 1, 2, 1, 3, 1, 2, 1];
    let x = counted(&device, &nine);
    is(x.add(&x)?.sum(&[1, 3], false), &[1, 1, 1, 3, 1, 2, 1], &[72, 80, 88, 96, 104, 112]);
    let order = [8, 7, 6, 5, 4, 3, 2, 1, 0];
    let turned = x.permute(&order)?;
    assert_eq!(turned.shape(), [1, 2, 1, 3, 1, 2, 1, 2, 1]);
    assert_eq!(turned.permute(&order)?.add(0.0)?.to_vec::<i32>()?, (0..24).collect::<Vec<i32>>());
    Ok(())
}

#[test]
fn results_are_refused_that_are_too_large() -> Result<()> {
    let device = Device::best()?;
    let x = tensor(&device, &[1.0f32], &[1]);
    let error = x.expand(&[1 << 31]).unwrap_err().to_string();
    assert!(error.contains("an extent of the result is 2147483648: extents are less than 2^31"), "{error}");
    let error = x.expand(&[1 << 20, 1 << 21]).unwrap_err().to_string();
    assert!(error.contains("would have more than 2^40 elements"), "{error}");
    // 4 TiB.
    let error = x.expand(&[1 << 20, 1 << 20])?.add(1.0)?.compute().unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
    // The device goes on.
    is(x.add(1.0), &[1], &[2.0f32]);
    Ok(())
}

#[test]
fn tensors_without_channels_are_normalised_to_nothing() -> Result<()> {
    let device = Device::best()?;
    let empty =
        |shape: &[usize]| -> Result<Tensor> { Tensor::from(&device.tensor::<f32, 1>(&[], [0])?).reshape(shape) };
    let (x, scale) = (empty(&[2, 0, 8, 8])?, empty(&[0])?);
    assert_eq!(x.instance_norm(Some(&scale), Some(&scale), 1e-5)?.to_vec::<f32>()?, []);
    assert_eq!(x.group_norm(1, None, None, 1e-5)?.to_vec::<f32>()?, []);
    Ok(())
}

#[test]
fn of_no_conditions_none_is_true_and_all_are() -> Result<()> {
    let device = Device::best()?;
    let empty = Tensor::from(&device.tensor::<bool, 2>(&[], [2, 0])?);
    is(empty.any(&[1], false), &[2], &[false, false]);
    is(empty.all(&[1], false), &[2], &[true, true]);
    Ok(())
}

#[test]
fn the_largest_of_none_is_the_least_of_the_type() -> Result<()> {
    let device = Device::best()?;
    let empty = Tensor::from(&device.tensor::<i8, 2>(&[], [2, 0])?);
    is(empty.max(&[1], false), &[2], &[i8::MIN; 2]);
    is(empty.min(&[1], true), &[2, 1], &[i8::MAX; 2]);
    let empty = Tensor::from(&device.tensor::<f32, 2>(&[], [2, 0])?);
    is(empty.max(&[1], false), &[2], &[f32::NEG_INFINITY; 2]);
    Ok(())
}

#[test]
fn products_of_nothing_are_zero() -> Result<()> {
    let device = Device::best()?;
    for dtype in [Scalar::F16, Scalar::F32, Scalar::I8] {
        let empty = |shape: &[usize]| tensor::<f32>(&device, &[], shape).cast(dtype);
        let product = empty(&[1, 2, 0])?.matmul(&empty(&[7, 0])?.t()?)?.cast(Scalar::F32)?;
        assert_eq!((product.shape(), product.to_vec::<f32>()?), (&[1, 2, 7][..], vec![0.0; 14]), "{dtype}");
    }
    Ok(())
}

#[test]
fn convolutions_and_attention_of_nothing_are_zero() -> Result<()> {
    let device = Device::best()?;
    for dtype in [Scalar::F16, Scalar::F32] {
        let empty = |shape: &[usize]| tensor::<f32>(&device, &[], shape).cast(dtype);
        let window = Window::new(2).padding(&[1, 1]);
        let y = empty(&[1, 4, 4, 0])?.conv_channels_last(&empty(&[8, 3, 3, 0])?, &window, 1)?.cast(Scalar::F32)?;
        assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[1, 4, 4, 8][..], vec![0.0; 128]), "{dtype}");
        let (q, none) = (tensor(&device, &[1f32; 128], &[1, 1, 2, 64]).cast(dtype)?, empty(&[1, 1, 0, 64])?);
        let y = q.attention(&none, &none, &Attention::default())?.cast(Scalar::F32)?;
        assert_eq!(y.to_vec::<f32>()?, [0.0; 128], "{dtype}");
        let x = empty(&[1, 2, 8, 0])?;
        assert_eq!(x.attention(&x, &x, &Attention::default())?.shape(), [1, 2, 8, 0], "{dtype}");
    }
    Ok(())
}
