//! What kernels of operators look like, whichever they are: how they are launched, and how they read.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::prelude::f16;
use hidet_ops::{Result, Tensor};

/// Kernels of operators begin beside the end of those ahead of them, and wait before they access global memory.
#[test]
fn kernels_are_dependent_launches() -> Result<()> {
    let device = Device::best()?;
    let x = Tensor::from(&device.tensor(&[1.0f32; 64 * 64], [64, 64])?);
    let y = x.matmul(&x)?.softmax(1)?.t()?.matmul(&x)?.sum(&[0], false)?;
    let functions = y.functions()?;
    assert!(functions.len() > 2);
    for function in &functions {
        let lowered = hidet::passes::lower(function, &Default::default())?;
        assert!(function.launch.dependent && lowered.first_wait().is_some(), "{}", function.name);
    }
    Ok(())
}

/// Of rows that are looked up, adjacent threads read adjacent elements, though the largest tensor at coordinates is the list of
/// indices.
#[test]
fn rows_that_are_looked_up_are_read_in_vectors() -> Result<()> {
    let device = Device::best()?;
    let rows = |count: usize| -> Result<Tensor> {
        let values: Vec<f16> = (0..count * 64).map(|at| f16::from_f32((at * 37 % 101) as f32 * 0.02 - 1.0)).collect();
        Ok(Tensor::from(&device.tensor(&values, [count, 64])?))
    };
    let (table, kinds) = (rows(50)?, rows(3)?);
    let indices = |most: i64| -> Result<Tensor> {
        let all: Vec<i64> = (0..150).map(|at| at * 7 % most).collect();
        Ok(Tensor::from(&device.tensor(&all, [3, 50])?))
    };
    let y = table.take(&indices(50)?, 0)?.add(&kinds.take(&indices(3)?, 0)?)?.softmax(2)?;
    let functions = y.functions()?;
    assert_eq!((functions.len(), y.templates()?), (1, vec!["rows"]));
    let text = hidet::ir::text::print(&functions[0]);
    assert!(text.contains("f16x8"), "{text}");
    for (found, wanted) in y.elements()?.iter().zip(y.reference()?) {
        assert!((found - wanted).abs() <= 2e-3 * wanted.abs().max(1.0), "{found}, not {wanted}");
    }
    Ok(())
}

/// Rows of scales in front of a product, and of what is behind it, are copied to shared memory: tiles leave room for them.
#[test]
fn rows_beside_tiles_fit_shared_memory() -> Result<()> {
    let device = Device::sim();
    let zeros = |shape: &[usize]| -> Result<Tensor> {
        let count = shape.iter().product();
        Tensor::from(&device.tensor(&vec![f16::ZERO; count], [count])?).reshape(shape)
    };
    for [m, n, k] in [[128, 4096, 4096], [128, 1024, 4096], [4096, 4096, 128]] {
        let (a, b, scale, bias) = (zeros(&[m, k])?, zeros(&[n, k])?.t()?, zeros(&[k])?, zeros(&[n])?);
        let scaled = a.mul(&scale)?;
        let products = [a.matmul(&b)?, scaled.matmul(&b)?, scaled.mul(&scale)?.matmul(&b)?, a.mul(&a)?.matmul(&b)?];
        for product in products {
            let y = product.add(&bias)?.gelu()?.mul(&bias)?.add(&bias)?;
            for function in [&product, &y].into_iter().map(Tensor::functions).collect::<Result<Vec<_>>>()?.concat() {
                let problems = hidet::ir::verify::verify(&hidet::passes::lower(&function, &Default::default())?);
                assert!(problems.is_ok(), "{} of {m} x {n} x {k}: {problems:?}", function.name);
            }
            assert!(y.templates()?.contains(&"matmul_wgmma"), "{:?}", y.templates()?);
        }
    }
    Ok(())
}
