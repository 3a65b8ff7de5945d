//! Matrix product, first step: one thread per element, everything from global memory.

use hidet::prelude::*;

kernel! {
    /// c = a * b, computed in f32.
    #[launch(grid = (n.div_ceil(16), m.div_ceil(16)), block = (16, 16))]
    pub fn matmul_naive<T: Float>(a: In<T, [m, k]>, b: In<T, [k, n]>, c: Out<T, [m, n]>) {
        let row = block_idx().y * 16 + thread_idx().y;
        let col = block_idx().x * 16 + thread_idx().x;
        if row < m && col < n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += a[[row, p]] as f32 * b[[p, col]] as f32;
            }
            c[[row, col]] = sum as T;
        }
    }
}

/// Multiplies two matrices of awkward shape.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (37, 41, 29);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_naive::<f32>().compile(device)?;
    kernel.launch(&device.tensor(&a, [m, k])?, &device.tensor(&b, [k, n])?, &mut c)?;
    let c = c.to_vec()?;
    for i in 0..m {
        for j in 0..n {
            assert_eq!(c[i * n + j], (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum::<f32>());
        }
    }
    println!("c[0, 0] = {}", c[0]);
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
