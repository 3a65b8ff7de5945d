//! Matrix product, third step: each thread owns a tile of the result in registers, assigned by task mappings.
//!
//! The layout of the register tile is derived from the mapping: axes distributed over workers are local here.

use hidet::prelude::*;

/// 256 threads cover a 64 x 64 tile of c: warps, lanes, and 4 x 4 elements per thread.
#[task_mapping(workers = 256, tasks = [64, 64])]
fn own_c() -> TaskMapping<2> {
    spatial([4, 2]) * spatial([4, 8]) * repeat([4, 4])
}

/// 256 threads load a 64 x 16 tile of a.
#[task_mapping(workers = 256, tasks = [64, 16])]
fn load_a() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([16, 16])
}

/// 256 threads load a 16 x 64 tile of b.
#[task_mapping(workers = 256, tasks = [16, 64])]
fn load_b() -> TaskMapping<2> {
    repeat([4, 1]) * spatial([4, 64])
}

kernel! {
    /// c = a * b, computed in f32, in tiles of 64 x 64 x 16.
    #[launch(grid = (n.div_ceil(64), m.div_ceil(64)), block = 256)]
    pub fn matmul_register_tiled<T: Float>(a: In<T, [m, k]>, b: In<T, [k, n]>, c: Out<T, [m, n]>) {
        let a_tile = shared::<f32>([64, 17]);
        let b_tile = shared::<f32>([16, 64]);
        let sums = registers::<f32>(own_c().register_layout());
        let (row0, col0) = (block_idx().y * 64, block_idx().x * 64);
        sums.fill(0.0);
        for k0 in (0..k).step_by(16) {
            for (i, p) in load_a().on(thread_id()) {
                a_tile[[i, p]] = a.get((row0 + i, k0 + p)) as f32;
            }
            for (p, j) in load_b().on(thread_id()) {
                b_tile[[p, j]] = b.get((k0 + p, col0 + j)) as f32;
            }
            sync_threads();
            for p in 0..16 {
                for (i, j) in own_c().on(thread_id()) {
                    sums[[i, j]] += a_tile[[i, p]] * b_tile[[p, j]];
                }
            }
            sync_threads();
        }
        for (i, j) in own_c().on(thread_id()) {
            c.set((row0 + i, col0 + j), sums[[i, j]] as T);
        }
    }
}

/// Multiplies two matrices of awkward shape.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (37, 41, 29);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_register_tiled::<f32>().compile(device)?;
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
