//! Matrix product, fourth step: the double-buffered kernel of the paper, at its default schedule.
//!
//! While one tile is multiplied, the next one is copied from global to shared memory, and while one column of a tile is
//! multiplied, the next column is loaded to registers: `hidet::blocks::multiply_by_threads`. A tile that would extend
//! beyond c is moved inwards and stores only elements that no other block stores.
//!
//! Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, figure 8.

use hidet::blocks::{CopiedInput, Route, ThreadTile, multiply_by_threads};
use hidet::prelude::*;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// What a block computes.
    pub tile: ThreadTile,
    /// Depth of a tile along k.
    pub block_k: u32,
    /// The least number of resident blocks per multiprocessor, which bounds the registers per thread.
    pub min_blocks: u32,
    /// Copies a asynchronously if true. Its tile is stored transposed, so a warp requests eight elements of four rows,
    /// and an asynchronous copy writes shared memory once per row: profilers report bank conflicts, yet it is faster.
    pub asynchronous: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::PAPER
    }
}

impl Schedule {
    /// The default of the paper: 128 x 128 x 8, 256 threads, and two blocks per multiprocessor.
    pub const PAPER: Schedule = Schedule {
        tile: ThreadTile { block_warps: [4, 2], warp_outer: [2, 2] },
        block_k: 8,
        min_blocks: 2,
        asynchronous: false,
    };

    /// The same with asynchronous copies of a.
    pub const fn asynchronous(self) -> Schedule {
        Schedule { asynchronous: true, ..self }
    }

    /// Returns how tiles of a and b are copied. Copies that begin together delay each other.
    fn routes(&self) -> [Route; 2] {
        match self.asynchronous {
            true => [Route::Asynchronous(0), Route::Asynchronous(0)],
            false => [Route::Registers, Route::Asynchronous(self.block_k as i32 / 2)],
        }
    }
}

kernel! {
    /// c = a * b.
    #[launch(
        grid = (n.div_ceil(s.tile.extents()[1]), m.div_ceil(s.tile.extents()[0])),
        block = s.tile.threads(),
        min_blocks = s.min_blocks
    )]
    pub fn matmul_double_buffered(
        #[meta] s: Schedule,
        a: In<f32, [m, k]>,
        b: In<f32, [k, n]>,
        c: Out<f32, [m, n]>,
    ) {
        let ([rows, cols], threads) = (s.tile.extents(), s.tile.threads());
        let [a_route, b_route] = s.routes();
        let first = [block_idx().y * rows as i32, block_idx().x * cols as i32];
        let origin = s.tile.inwards(first, [m, n]);
        let a = CopiedInput::new(a, (1, a_route), [rows, s.block_k], threads, origin[0]);
        let b = CopiedInput::new(b, (0, b_route), [cols, s.block_k], threads, origin[1]);
        let sums = s.tile.registers();
        sums.fill(0.0);
        multiply_by_threads(&s.tile, sums, (&a, &b), k);
        s.tile.store(sums, c, 1, origin, first);
    }
}

/// Multiplies two matrices of awkward shape.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (37, 41, 29);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_double_buffered(Schedule::default()).compile(device)?;
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
