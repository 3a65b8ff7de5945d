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
        // Rows that see nothing of the last keys.
        ([2, 2, 70, 150, 64, 32], true, None),
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

/// Heads that are too wide, scores that something else changes: kernel by kernel.
#[test]
fn other_chains_are_several_kernels() -> Result<()> {
    let (q, k, v) = (tensor(&[2, 9, 16], 1)?, tensor(&[2, 11, 16], 2)?, tensor(&[2, 11, 136], 3)?);
    let wide = q.attention(&k, &v, &Attention::default())?;
    is_right(&wide, &["matmul_wgmma", "rows", "matmul_wgmma"]);
    let capped = q.matmul(&k.t()?)?.tanh()?.softmax(2)?.matmul(&tensor(&[2, 11, 16], 3)?)?;
    assert_eq!(capped.templates()?.len(), 3);
    Ok(())
}

/// Masks of numbers and of `bool`, of all axes or broadcast; rows that see nothing are 0, and those that see everything equally
/// little are means.
#[test]
fn masked_attention_is_one_kernel() -> Result<()> {
    let device = Device::best()?;
    let shapes: [(&[usize], bool); 5] = [
        (&[2, 3, 70, 150], false),
        (&[1, 1, 150], false),
        (&[70, 1], true),
        (&[2, 1, 1, 150], true),
        (&[70, 150], false),
    ];
    for (at, (shape, causal)) in shapes.into_iter().enumerate() {
        let (q, k, v) = (tensor(&[2, 3, 70, 64], 1)?, tensor(&[2, 3, 150, 64], 2)?, tensor(&[2, 3, 150, 32], 3)?);
        let count: usize = shape.iter().product();
        let number = |at: usize| match at * 7 % 11 {
            0 | 1 => f32::NEG_INFINITY,
            2 => f32::MIN,
            other => other as f32 / 4.0,
        };
        let mut numbers: Vec<f32> = (0..count).map(number).collect();
        if shape == [70, 150] {
            numbers[..150].fill(f32::NEG_INFINITY);
            numbers[150..300].fill(f32::MIN);
        }
        let mask = Tensor::from(&device.tensor(&numbers, [count])?).reshape(shape)?;
        let y = q.attention(&k, &v, &Attention { mask: Some(&mask), causal, scale: None })?;
        is_right(&y, &["attention_wgmma"]);
        if at == 0 {
            let kept = Tensor::from(mask.greater(0.0)?.compute()?);
            let y = q.attention(&k, &v, &Attention { mask: Some(&kept), causal: true, scale: Some(0.5) })?;
            is_right(&y, &["attention_wgmma"]);
        }
    }
    Ok(())
}

/// Queries, keys and values that are parts of one product, and a result in the order in which the next product reads it.
#[test]
fn parts_of_a_tensor_are_attended_to_in_place() -> Result<()> {
    for (batch, length, heads, width) in [(1, 40, 3, 16), (2, 33, 2, 64)] {
        let size = heads * width;
        let all = tensor(&[batch, length, 3 * size], 1)?;
        let part = |number: usize| {
            let first = (number * size) as i64;
            let own = all.slice(&[(2, first, first + size as i64, 1)])?;
            own.reshape(&[batch, length, heads, width])?.permute(&[0, 2, 1, 3])
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let y = || q.attention(&k, &v, &Attention::default());
        is_right(&y()?, &["attention_wgmma"]);
        is_right(&y()?.permute(&[0, 2, 1, 3])?, &["attention_wgmma"]);
        is_right(&y()?.permute(&[0, 2, 1, 3])?.reshape(&[batch, length, size])?, &["attention_wgmma"]);
        // The same of f32, by several kernels.
        let wide = q.cast(Scalar::F32)?;
        let y = wide.attention(&k.cast(Scalar::F32)?, &v.cast(Scalar::F32)?, &Attention::default())?;
        let y = y.permute(&[0, 2, 1, 3])?;
        let wanted = y.reference()?;
        assert!(y.elements()?.iter().zip(&wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-4));
    }
    Ok(())
}

/// Of f32, attention is three kernels, which read parts of a joined product where they are, and of which the last one gives its
/// result as the next product reads it: nothing is copied.
#[test]
fn parts_of_a_joined_product_of_f32_are_not_copied() -> Result<()> {
    let wide = |shape: &[usize], seed: usize| Ok::<_, hidet_ops::Error>(known::numbers(shape, seed, 1.0 / 16.0)?.0);
    for ([batch, length, heads, width], causal, masked) in [
        ([1, 40, 3, 16], true, false),
        ([2, 33, 2, 64], true, true),
        ([3, 130, 2, 5], false, true),
        ([2, 1, 4, 8], true, false),
        ([1, 70, 1, 20], true, false),
        ([2, 7, 5, 1], false, false),
    ] {
        let size = heads * width;
        let (x, weights) = (wide(&[batch, length, 12], 1)?, wide(&[12, 3 * size], 2)?);
        let all = Tensor::from(x.matmul(&weights)?.compute()?);
        let part = |number: usize| {
            let first = (number * size) as i64;
            let own = all.slice(&[(2, first, first + size as i64, 1)])?;
            own.reshape(&[batch, length, heads, width])?.permute(&[0, 2, 1, 3])
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let mask = wide(&[batch, 1, 1, length], 3)?;
        let how = Attention { causal, mask: masked.then_some(&mask), scale: None };
        for y in [q.attention(&k, &v, &how)?, q.attention(&k, &v, &how)?.permute(&[0, 2, 1, 3])?] {
            let (names, wanted) = (y.templates()?, y.reference()?);
            // The softmax of one key is not a chain, and neither is what has one feature.
            let is_chain = length > 1 && width > 1;
            assert!(!is_chain || names.len() == 3, "{batch}x{length}x{heads}x{width}: {names:?} of {:?}", y.kernels());
            for (at, (found, wanted)) in y.elements()?.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() <= 2e-5, "element {at} of {y:?} is {found} instead of {wanted}");
            }
        }
    }
    Ok(())
}
