//! Matrix products by every template, on shapes around its tiles.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::testing::Inputs;
use hidet_ops::{Precision, Result, Tensor};
use std::process::Command;

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
    Tensor::from(tensor.reshape(&[tensor.ty().len()])?.compute()?).reshape(tensor.shape())
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

/// Rows that are not multiples of 16 bytes, either operand transposed, parts of tensors, results of another type, and products
/// that are split along k.
#[test]
fn awkward_products_on_tensor_cores() -> Result<()> {
    let device = Device::best()?;
    let shapes =
        [[0, 45, 47, 51], [0, 33, 64, 64], [0, 64, 66, 64], [2, 33, 30, 35], [0, 5, 64, 2048], [0, 32, 64, 8192]];
    for (number, [batch, m, n, k]) in shapes.into_iter().enumerate() {
        let mut inputs = Inputs::new(&device, [Scalar::F16, Scalar::BF16][number % 2], number as u64);
        let front: &[usize] = if batch == 0 { &[] } else { &[batch] };
        let mut tensor = |last: &[usize]| -> Result<Tensor> { stored(inputs.within(&[front, last].concat(), 0.5)?) };
        let (a, at, b, bt) = (tensor(&[m, k])?, tensor(&[k, m])?.t()?, tensor(&[k, n])?, tensor(&[n, k])?.t()?);
        let bias = tensor(&[m, n])?;
        let bound = if number % 2 == 0 { 4e-3 } else { 3e-2 };
        let ways = [(&a, &b), (&at, &b), (&a, &bt)];
        let (x, w) = ways[number % 3];
        for result in [x.matmul(w)?.add(&bias)?, x.matmul(w)?.cast(Scalar::F32)?] {
            let names = result.templates()?;
            assert!(names.len() == 1 && names[0] == "matmul_wgmma", "{names:?}");
            let again = if result.dtype() == Scalar::F32 {
                x.matmul(w)?.cast(Scalar::F32)?
            } else {
                x.matmul(w)?.add(&bias)?
            };
            agrees(&result, &again, bound)?;
        }
    }
    // Rows that begin anywhere.
    let mut inputs = Inputs::new(&device, Scalar::F16, 9);
    let whole = stored(inputs.within(&[40, 72], 0.5)?)?.compute()?;
    let part = Tensor::from(whole.strided_view(3, &[33, 64], &[72, 1])?);
    let b = stored(inputs.within(&[64, 24], 0.5)?)?;
    assert_eq!(part.matmul(&b)?.templates()?, ["matmul_wgmma"]);
    agrees(&part.matmul(&b)?, &part.matmul(&b)?, 4e-3)
}

/// A factor that is the same number everywhere, which no kernel of products reads.
#[test]
fn numbers_are_multiplied() -> Result<()> {
    let device = Device::best()?;
    for dtype in [Scalar::F32, Scalar::F16, Scalar::I32] {
        let mut inputs = Inputs::new(&device, dtype, 3);
        let (number, w) = (Tensor::full(&device, dtype, &[3, 5], 2.0)?, stored(inputs.within(&[5, 7], 1.0)?)?);
        let product = number.matmul(&w)?.add(1.0)?;
        agrees(&product, &product, 2e-3)?;
    }
    Ok(())
}

/// Few rows times weights that are converted and scaled as they are read, around the tiles, with what follows.
#[test]
fn few_rows_by_computed_weights() -> Result<()> {
    let device = Device::best()?;
    for (number, [m, n, k]) in
        [[16, 72, 2128], [1, 8, 16], [5, 33, 64], [31, 64, 400], [32, 1, 1040]].iter().enumerate()
    {
        let dtype = [Scalar::F16, Scalar::BF16][number % 2];
        let mut inputs = Inputs::new(&device, dtype, number as u64);
        let (x, scale) = (stored(inputs.within(&[*m, *k], 0.5)?)?, stored(inputs.within(&[*n], 0.5)?)?);
        let mut weights = Inputs::new(&device, [Scalar::I8, Scalar::U8][number / 2 % 2], number as u64);
        let weights = stored(weights.within(&[*n, *k], 16.0)?)?;
        let w = if number == 4 { weights.cast(dtype)?.mul(&scale.unsqueeze(1)?)? } else { weights.cast(dtype)? };
        let y = x.matmul(&w.t()?)?.mul(&scale)?.relu()?;
        assert_eq!((y.kernels().len(), y.templates()?), (1, vec!["matmul_narrow"]), "{m}x{n}x{k}");
        agrees(&y, &y, if dtype == Scalar::F16 { 4e-3 } else { 3e-2 })?;
    }
    Ok(())
}

/// Types of 8 bits, and `f32` by tf32 and by three products of it: with an epilogue, a batch, odd rows, operands by rows and by
/// columns, one that is computed, and few rows, which are split along k.
#[test]
fn products_of_other_types_on_tensor_cores() -> Result<()> {
    let device = Device::best()?;
    let ways = [
        (Scalar::F32, Precision::Tf32, 4e-3),
        (Scalar::F32, Precision::Tf32x3, 4e-6),
        (Scalar::E4M3, Precision::F32, 2e-3),
        (Scalar::E5M2, Precision::F32, 2e-3),
        (Scalar::I8, Precision::F32, 0.0),
        (Scalar::U8, Precision::F32, 0.0),
    ];
    let shapes = [[0, 72, 136, 96], [2, 65, 33, 47], [0, 200, 264, 64], [0, 5, 64, 2048]];
    for (kind, (dtype, precision, bound)) in ways.into_iter().enumerate() {
        // The simulated device, which takes its time, has every second one.
        let chosen = |(number, _): &(usize, [usize; 4])| device.as_cuda().is_some() || (kind + number) % 2 == 0;
        for (number, [batch, m, n, k]) in shapes.into_iter().enumerate().filter(chosen) {
            let mut inputs = Inputs::new(&device, dtype, (kind * 10 + number) as u64);
            let front: &[usize] = if batch == 0 { &[] } else { &[batch] };
            let mut tensor = |last: &[usize]| -> Result<Tensor> { stored(inputs.tensor(&[front, last].concat())?) };
            let a = tensor(&[m, k])?;
            let b = if number % 2 == 0 { tensor(&[n, k])?.t()? } else { tensor(&[k, n])? };
            // Results are as large as the roots of k, of which bounds are parts.
            let bound = bound * (k as f64).sqrt();
            let product = || a.matmul_by(&b, precision);
            assert_eq!(product()?.templates()?, ["matmul_wgmma"], "{dtype} {precision:?}");
            agrees(&product()?, &product()?, bound)?;
            let fused = || match dtype {
                Scalar::I8 | Scalar::U8 => product()?.cast(Scalar::F32)?.mul(0.25)?.relu(),
                _ => product()?.mul(0.5)?.relu(),
            };
            assert_eq!((fused()?.kernels().len(), fused()?.templates()?), (1, vec!["matmul_wgmma"]));
            agrees(&fused()?, &fused()?, bound)?;
            if dtype == Scalar::F32 {
                let computed = || a.add(1.0)?.matmul_by(&b, precision);
                agrees(&computed()?, &computed()?, 3.0 * bound)?;
            }
        }
    }
    Ok(())
}

/// Products of few rows, divided along k, whose result has more axes than a matrix.
#[test]
fn divided_products_of_any_rank() -> Result<()> {
    let device = Device::best()?;
    for (dtype, precision, bound) in [(Scalar::F32, Precision::Tf32x3, 1e-4), (Scalar::F16, Precision::F32, 4e-3)] {
        let mut inputs = Inputs::new(&device, dtype, 3);
        let mut drawn = |shape: &[usize]| stored(inputs.within(shape, 1.0)?);
        let k = if dtype == Scalar::F32 { 512 } else { 16384 };
        let (a, b, bias) = (drawn(&[1, 3, 4, k])?, drawn(&[24, k])?, drawn(&[24])?);
        let y = || match precision {
            Precision::F32 => a.matmul(&b.t()?)?.add(&bias)?.relu(),
            _ => a.matmul_by(&b.t()?, precision)?.add(&bias)?.relu(),
        };
        assert_eq!((y()?.templates()?, y()?.functions()?.len()), (vec!["matmul_wgmma"], 2), "{dtype}");
        agrees(&y()?, &y()?, bound)?;
    }
    Ok(())
}

/// Three products of tf32 are about as exact as one of `f32`, at any depth, for numbers of one sign and of both.
#[test]
fn three_products_of_tf32_are_as_exact_as_f32() -> Result<()> {
    let device = Device::best()?;
    // The greatest depth takes the simulated device a minute: with `HIDET_ALL=1`.
    let all = device.as_cuda().is_some() || std::env::var_os("HIDET_ALL").is_some();
    let depths: &[usize] = if all { &[64, 2048, 8192] } else { &[64, 2048] };
    for (k, kind) in depths.iter().flat_map(|k| ["from -1", "from 0", "normal"].map(|kind| (*k, kind))) {
        let mut state = 12345u64;
        let mut numbers = |count: usize| -> Vec<f32> {
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 40) as f32 / (1u32 << 24) as f32
            };
            let one = |_| match kind {
                "from -1" => next() * 2.0 - 1.0,
                "from 0" => next(),
                // Of twelve uniform ones the variance is 1.
                _ => (0..12).map(|_| next()).sum::<f32>() - 6.0,
            };
            (0..count).map(one).collect()
        };
        let (m, n) = (16, 32);
        let (a, b) = (numbers(m * k), numbers(n * k));
        let [x, y] = [(&a, m), (&b, n)].map(|(all, rows)| device.tensor(all, [rows, k]).map(|x| Tensor::from(&x)));
        let (x, y) = (x?, y?.t()?);
        let wanted: Vec<f64> = (0..m * n)
            .map(|at| (0..k).map(|p| f64::from(a[at / n * k + p]) * f64::from(b[at % n * k + p])).sum())
            .collect();
        let error = |precision| -> Result<f64> {
            let found = x.matmul_by(&y, precision)?.elements()?;
            let squares = found.iter().zip(&wanted).map(|(found, wanted)| (found - wanted).powi(2));
            Ok((squares.sum::<f64>() / wanted.len() as f64).sqrt())
        };
        // One number after the other, as a thread adds them.
        let chain = |at: usize| (0..k).fold(0.0f32, |sum, p| a[at / n * k + p].mul_add(b[at % n * k + p], sum));
        let squares: f64 = (0..m * n).map(|at| (f64::from(chain(at)) - wanted[at]).powi(2)).sum();
        let single = (squares / wanted.len() as f64).sqrt();
        let (own, three) = (error(Precision::F32)?, error(Precision::Tf32x3)?);
        println!("k {k}, {kind}: f32 {single:.3e}, in parts {own:.3e}, three of tf32 {three:.3e}");
        assert!(three <= 1.5 * single, "k {k}, {kind}: {three:e}, not {single:e}");
    }
    Ok(())
}

/// The implementations of sm_80, which another process chooses: shapes around their tiles, batches, operands by rows and by
/// columns, what follows, and operands that are computed or have odd rows.
#[test]
fn products_by_instructions_of_sm_80() -> Result<()> {
    let name = "products_by_instructions_of_sm_80";
    if std::env::var_os("HIDET_OPS_ARCH").is_none() {
        let own = std::env::current_exe().unwrap();
        let run = Command::new(own).args(["--exact", name]).env("HIDET_OPS_ARCH", "80").output().unwrap();
        assert!(
            run.status.success(),
            "{}{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
        return Ok(());
    }
    let device = Device::best()?;
    let shapes = [[0, 64, 64, 32], [0, 200, 264, 136], [2, 72, 40, 24], [0, 33, 47, 51], [0, 129, 130, 8]];
    for (number, [batch, m, n, k]) in shapes.into_iter().enumerate() {
        let mut inputs = Inputs::new(&device, [Scalar::F16, Scalar::BF16][number % 2], number as u64);
        let front: &[usize] = if batch == 0 { &[] } else { &[batch] };
        let mut tensor = |last: &[usize]| -> Result<Tensor> { stored(inputs.within(&[front, last].concat(), 0.5)?) };
        let (a, b, t, bias) = (tensor(&[m, k])?, tensor(&[k, n])?, tensor(&[n, k])?.t()?, tensor(&[1, n])?);
        let bound = if number % 2 == 0 { 4e-3 } else { 3e-2 };
        for b in [&b, &t] {
            let fused = || a.matmul(b)?.add(&bias)?.relu();
            assert_eq!((fused()?.kernels().len(), fused()?.templates()?), (1, vec!["matmul_mma"]));
            agrees(&fused()?, &fused()?, bound)?;
        }
        let computed = || a.mul(2.0)?.matmul(&b);
        agrees(&computed()?, &computed()?, bound)?;
    }
    Ok(())
}

/// Products along one element, which a reshape has made and no tensor in memory has.
#[test]
fn products_of_columns_with_rows() -> Result<()> {
    let device = Device::best()?;
    for dtype in [Scalar::F32, Scalar::F16] {
        let mut inputs = Inputs::new(&device, dtype, 5);
        for (batch, m, n) in [(vec![], 4, 6), (vec![2], 5, 3), (vec![2, 3], 70, 33)] {
            let shape = |rows: usize| [batch.as_slice(), &[rows]].concat();
            let (x, y) = (inputs.within(&shape(m), 0.5)?, inputs.within(&shape(n), 0.5)?);
            let column = x.softmax(batch.len())?.reshape(&[batch.as_slice(), &[m, 1]].concat())?;
            let row = y.softmax(batch.len())?.add(1.0)?.reshape(&[batch.as_slice(), &[1, n]].concat())?;
            let product = column.mul(2.0)?.matmul(&row)?.relu()?;
            agrees(&product, &product, 4e-3)?;
        }
    }
    Ok(())
}
