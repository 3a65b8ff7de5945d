//! Matrix products by every template, on shapes around its tiles.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::testing::Inputs;
use hidet_ops::{Result, Tensor};

fn agrees(result: &Tensor, wanted: &Tensor, bound: f64) -> Result<()> {
    let (found, wanted) = (result.elements()?, wanted.reference()?);
    for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!((found - wanted).abs() <= bound * wanted.abs().max(1.0), "element {at}: {found}, not {wanted}");
    }
    assert_eq!(found.len(), wanted.len());
    Ok(())
}

/// In memory, whatever the inputs draw.
fn stored(tensor: Tensor) -> Result<Tensor> {
    Ok(Tensor::from(tensor.reshape(&[tensor.ty().len()])?.compute()?).reshape(tensor.shape())?)
}

/// Operands by rows and by columns, one and several matrices, with a prologue and an epilogue.
#[test]
fn products_on_tensor_cores() -> Result<()> {
    let device = Device::best()?;
    for (number, [batch, m, n, k]) in
        [[0, 64, 64, 64], [0, 200, 264, 136], [3, 72, 40, 24], [0, 129, 320, 8], [2, 256, 136, 72]]
            .into_iter()
            .enumerate()
    {
        for dtype in [Scalar::F16, Scalar::BF16] {
            let mut inputs = Inputs::new(&device, dtype, number as u64);
            let front: &[usize] = if batch == 0 { &[] } else { &[batch] };
            let mut tensor =
                |last: &[usize]| -> Result<Tensor> { stored(inputs.within(&[front, last].concat(), 0.5)?) };
            let (a, b, t, r) = (tensor(&[m, k])?, tensor(&[k, n])?, tensor(&[n, k])?, tensor(&[m, n])?);
            let (bias, scale) = (stored(inputs.within(&[n], 0.5)?)?, stored(inputs.within(&[k], 1.0)?)?);
            let bound = if dtype == Scalar::F16 { 4e-3 } else { 3e-2 };
            let bare = |b: &Tensor| a.matmul(b);
            let fused = |b: &Tensor| a.mul(&scale)?.matmul(b)?.add(&bias)?.gelu()?.add(&r);
            for (number, b) in [&b, &t.t()?].into_iter().enumerate() {
                assert!(bare(b)?.templates()?.iter().all(|name| *name == "matmul_wgmma"), "{:?}", bare(b)?.templates());
                assert_eq!((fused(b)?.kernels().len(), fused(b)?.templates()?), (1, vec!["matmul_wgmma"]));
                // The definition is evaluated for one of both, which takes longer than the kernel.
                match number {
                    0 => agrees(&bare(b)?, &bare(b)?, bound)?,
                    _ => agrees(&fused(b)?, &fused(b)?, bound)?,
                }
            }
        }
    }
    Ok(())
}
