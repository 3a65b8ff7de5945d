//! Tensors of more than 2^31 elements, whose offsets need 64 bits: only on GPUs, because the simulated device counts
//! elements of a tensor in 32 bits. Only a sample of the elements is compared.

use super::bench::{Bench, Limit};
use crate::examples::transpose::transpose;

/// Returns a value that does not repeat with period 2^8, 2^31 or 2^32.
fn element(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as u8
}

/// Returns positions all over a tensor, including its ends and both sides of 2^31.
fn sample(len: usize) -> Vec<usize> {
    let border = 1 << 31;
    let mut places: Vec<usize> = (0..10_000).map(|i| (i * (len / 10_000) + i) % len).collect();
    places.extend([0, 1, border - 1, border, border + 1, len - 2, len - 1]);
    places
}

pub(super) fn check(bench: &mut Bench) {
    if bench.arch().is_none() {
        return;
    }
    let [rows, cols] = [32_771, 65_531];
    let places = sample(rows * cols);
    let elements: Vec<u8> = (0..rows * cols).map(element).collect();
    let turned: Vec<f64> = places.iter().map(|at| f64::from(element(at % rows * cols + at / rows))).collect();
    bench.case_alone::<u8>("transpose, wide", &[rows, cols], Limit::Ulps(0.0), &turned, |device| {
        let x = device.tensor(&elements, [rows, cols])?;
        let mut y = device.empty::<u8, 2>([cols, rows])?;
        transpose::<u8>().compile(device)?.launch(&x, &mut y)?;
        let y = y.to_vec()?;
        Ok(places.iter().map(|at| y[*at]).collect())
    });
}
