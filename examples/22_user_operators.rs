//! Operators of your own, in three ways. Each fuses like those that are there: with what is before it, and behind it.

use hidet::prelude::*;
use hidet_ops::{Input, ReduceOp, Result, Tensor, TensorType};

/// By composition: a function of operators. Fusion sees through it.
mod by_composition {
    use super::*;

    /// x * tanh(ln(1 + exp(x)))
    pub fn mish(x: &Tensor) -> Result<Tensor> {
        x.exp()?.add(1.0)?.log()?.tanh()?.mul(x)
    }
}

/// By definition: what one element of the result is. The library makes the kernel.
mod by_definition {
    use super::*;

    /// The sum of absolute differences of each row of x, `[m, k]`, and each row of y, `[n, k]`: `[m, n]`.
    pub fn distances(x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let (m, [n, k]) = (x.shape()[0], [y.shape()[0], y.shape()[1]]);
        let output = TensorType::new(x.dtype(), &[m, n]);
        Tensor::define_reduction("distances", &[x, y], output, (ReduceOp::Sum, &[k]), |inputs: &[Input], at| {
            // Coordinates are those of the result, and k.
            let a = inputs[0].at([at[0].clone(), at[2].clone()]);
            let b = inputs[1].at([at[1].clone(), at[2].clone()]);
            (&a - &b).lt(0.0).select(&(&b - &a), &(&a - &b))
        })
    }
}

/// By a kernel: whatever the language can do. Operators before and behind it become part of it, through its views.
mod by_kernel {
    use super::*;

    kernel! {
        /// y = x with each row divided by its Euclidean length, one warp per row.
        #[launch(grid = rows.div_ceil(warps), block = warps * 32)]
        fn unit_rows(#[meta] warps: u32, x: In<f32, [rows, cols]>, y: Out<f32, [rows, cols]>) {
            let row = block_idx().x * warps as i32 + warp_id();
            if row < rows {
                let mut squares = 0.0;
                for col in lanes(cols) {
                    squares += x[[row, col]] * x[[row, col]];
                }
                let scale = 1.0 / warp_sum(squares).sqrt();
                for col in lanes(cols) {
                    y[[row, col]] = x[[row, col]] * scale;
                }
            }
        }
    }

    /// Rows of unit length. The meaning, by operators that are there, is the reference of the kernel, and is not run.
    pub fn unit_length(x: &Tensor) -> Result<Tensor> {
        let meaning = x.div(&x.mul(x)?.sum(&[1], true)?.sqrt()?)?;
        Tensor::by_kernel("unit_length", &[x], &meaning, 4, unit_rows)
    }
}

/// Runs each between other operators, and compares with their definitions on the host.
pub fn run(device: &Device) -> Result<()> {
    let values: Vec<f32> = (0..5 * 12).map(|i| (i * 37 % 101) as f32 / 25.0 - 2.0).collect();
    let x = Tensor::from(&device.tensor(&values, [5, 12])?);
    let bias = Tensor::from(&device.tensor(&values[..12], [12])?);
    let before = x.add(&bias)?;
    let all = [
        by_composition::mish(&before)?.mul(2.0)?,
        by_definition::distances(&before, &x)?.mul(2.0)?,
        by_kernel::unit_length(&before)?.mul(2.0)?,
    ];
    for y in &all {
        println!("{}", y.kernels().join(", "));
        assert_eq!(y.kernels().len(), 1, "it is not one kernel with what is around it");
        for (found, wanted) in y.elements()?.iter().zip(y.reference()?) {
            assert!((found - wanted).abs() < 1e-4, "{found} instead of {wanted}");
        }
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    run(&Device::best()?)
}
