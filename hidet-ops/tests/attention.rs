//! Attention as one kernel: which chains become one, and that they are right.

#![allow(clippy::unwrap_used)]

mod known;

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Attention, Result, Tensor};

/// Returns small numbers of 16 bits.
fn tensor(shape: &[usize], seed: usize) -> Result<Tensor> {
    let tensor = known::numbers(shape, seed, 1.0 / 8.0)?.0.cast(Scalar::F16)?;
    Ok(Tensor::from(tensor.compute()?))
}

/// Checks the elements beside the definitions, and the implementations.
#[track_caller]
fn is_right(y: &Tensor, templates: &[&str]) {
    let (wanted, own) = (y.reference().unwrap(), y.templates().unwrap());
    let found = y.elements().unwrap();
    for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        // Powers and the result are rounded to f16.
        assert!((found - wanted).abs() <= 4e-3, "element {at} of {y:?} is {found} instead of {wanted}");
    }
    // A GPU of another generation has other templates.
    if Device::best().unwrap().as_cuda().is_none() {
        assert_eq!(own, templates);
    }
}

#[test]
fn attention_is_one_kernel() -> Result<()> {
    for ([heads, kv, lq, lk, d, e], causal, scale) in [
        ([2, 2, 70, 70, 64, 64], true, None),
        ([1, 1, 200, 200, 128, 128], true, Some(0.25)),
        ([2, 1, 131, 200, 72, 40], false, None),
        ([2, 1, 64, 331, 16, 8], true, None),
        ([4, 2, 20, 150, 128, 64], true, None),
        ([8, 2, 1, 300, 128, 128], false, None),
        ([4, 1, 1, 9, 8, 8], true, None),
    ] {
        let (q, k, v) = (tensor(&[2, heads, lq, d], 1)?, tensor(&[2, kv, lk, d], 2)?, tensor(&[2, kv, lk, e], 3)?);
        let y = q.attention(&k, &v, &Attention { scale, causal, mask: None })?;
        is_right(&y, &["attention_wgmma"]);
    }
    Ok(())
}

/// Written by hand, with operands that lie in memory in another order, and something behind it.
#[test]
fn products_around_a_softmax_are_attention() -> Result<()> {
    let (q, k) = (tensor(&[2, 40, 3, 64], 1)?, tensor(&[2, 50, 3, 64], 2)?);
    let (v, bias) = (tensor(&[2, 3, 50, 32], 3)?, tensor(&[32], 4)?);
    let (q, k) = (q.permute(&[0, 2, 1, 3])?, k.permute(&[0, 2, 3, 1])?);
    let scores = q.matmul(&k)?.mul(0.125)?;
    let y = scores.softmax(3)?.matmul(&v)?.add(&bias)?.relu()?;
    is_right(&y, &["attention_wgmma"]);
    Ok(())
}

/// The softmax of other matrices than those of the result, in another order or one for all.
#[test]
fn matrices_of_the_softmax_in_another_order() -> Result<()> {
    let (q, k, v) = (tensor(&[2, 2, 9, 16], 1)?, tensor(&[2, 2, 11, 16], 2)?, tensor(&[2, 2, 11, 24], 3)?);
    let shares = q.matmul(&k.permute(&[0, 1, 3, 2])?)?.softmax(3)?;
    let turned = shares.permute(&[1, 0, 2, 3])?.matmul(&v)?;
    let one = tensor(&[1, 2, 9, 16], 4)?.matmul(&tensor(&[1, 2, 16, 11], 5)?)?.softmax(3)?.matmul(&v)?;
    for y in [turned, one] {
        let wanted = y.reference()?;
        for (at, (found, wanted)) in y.elements()?.iter().zip(&wanted).enumerate() {
            assert!((found - wanted).abs() <= 4e-3, "element {at} of {y:?} is {found} instead of {wanted}");
        }
    }
    Ok(())
}

/// Scores that something else reads, a mask, heads that are too wide: kernel by kernel.
#[test]
fn other_chains_are_several_kernels() -> Result<()> {
    let (q, k, v) = (tensor(&[2, 9, 16], 1)?, tensor(&[2, 11, 16], 2)?, tensor(&[2, 11, 136], 3)?);
    let wide = q.attention(&k, &v, &Attention::default())?;
    is_right(&wide, &["matmul_wgmma", "rows", "matmul_wgmma"]);
    let (v, mask) = (tensor(&[2, 11, 16], 3)?, tensor(&[9, 11], 4)?);
    let masked = q.attention(&k, &v, &Attention { mask: Some(&mask), ..Attention::default() })?;
    assert_eq!(masked.kernels().len(), 3);
    is_right(&masked, &["matmul_wgmma", "rows", "matmul_wgmma"]);
    Ok(())
}
