//! Matrix product, second step: tiles in shared memory, so that a block reads each element from global memory once.

use hidet::prelude::*;

kernel! {
    /// c = a * b, computed in f32.
    #[launch(grid = (n.div_ceil(16), m.div_ceil(16)), block = (16, 16))]
    pub fn matmul_tiled<T: Float>(a: In<T, [m, k]>, b: In<T, [k, n]>, c: Out<T, [m, n]>) {
        let a_tile = shared::<T>([16, 16]);
        let b_tile = shared::<T>([16, 16]);
        let (tx, ty) = (thread_idx().x, thread_idx().y);
        let (row, col) = (block_idx().y * 16 + ty, block_idx().x * 16 + tx);
        let mut sum = 0.0;
        for k0 in (0..k).step_by(16) {
            a_tile[[ty, tx]] = a.get((row, k0 + tx));
            b_tile[[ty, tx]] = b.get((k0 + ty, col));
            sync_threads();
            for p in unroll(0..16) {
                sum += a_tile[[ty, p]] as f32 * b_tile[[p, tx]] as f32;
            }
            sync_threads();
        }
        c.set((row, col), sum as T);
    }
}

/// Multiplies two matrices of awkward shape.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (37, 41, 29);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_tiled::<f32>().compile(device)?;
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
