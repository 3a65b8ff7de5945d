//! Grouped products, as in a mixture of experts: one launch multiplies the matrices of all groups, which are tensors of their
//! own, of as many rows as each group has.
//!
//! A table of tensors has the address and the rows of each. The grid is made for the largest group; blocks beyond the rows of
//! their group do nothing.

use hidet::blocks::{CopiedInput, Route, ThreadTile, multiply_by_threads};
use hidet::prelude::*;

const TILE: ThreadTile = ThreadTile { block_warps: [2, 2], warp_outer: [1, 2] };

kernel! {
    /// c = a * transposed b in each group.
    #[launch(grid = (n.div_ceil(TILE.extents()[1]), _m.div_ceil(TILE.extents()[0]), groups), block = TILE.threads())]
    pub fn grouped_product(
        a: InTable<f32, [groups, _m, k]>,
        b: InTable<f32, [groups, n, k]>,
        c: OutTable<f32, [groups, _m, n]>,
    ) {
        let ([rows, cols], threads) = (TILE.extents(), TILE.threads());
        let (a, b, c) = (a.at(block_idx().z), b.at(block_idx().z), c.at(block_idx().z));
        let first = [block_idx().y * rows as i32, block_idx().x * cols as i32];
        if first[0] < c.extent(0) {
            let origin = TILE.inwards(first, [c.extent(0), n]);
            let a = CopiedInput::new(a, (1, Route::Registers), [rows, 8], threads, origin[0]);
            let b = CopiedInput::new(b, (1, Route::Asynchronous(2)), [cols, 8], threads, origin[1]);
            let sums = TILE.registers();
            sums.fill(0.0);
            multiply_by_threads(&TILE, sums, (&a, &b), k);
            TILE.store(sums, c, 1, origin, first);
        }
    }
}

/// Multiplies groups of 40, 1, 0 and 33 rows.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, n, k) = ([40, 1, 0, 33], 70, 19);
    let numbers = |count: usize, of: usize| (0..count).map(|i| (i % of) as f32 - 3.0).collect::<Vec<_>>();
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for (group, m) in rows.into_iter().enumerate() {
        a.push(device.tensor(&numbers(m * k, 5 + group), [m, k])?);
        b.push(device.tensor(&numbers(n * k, 7 + group), [n, k])?);
        c.push(device.empty([m, n])?);
    }
    let kernel = grouped_product().compile(device)?;
    kernel.launch(&device.table(&a)?, &device.table(&b)?, &device.table_mut(&mut c)?)?;
    for ((a, b), c) in a.iter().zip(&b).zip(&c) {
        let (a, b) = (a.to_vec()?, b.to_vec()?);
        for (i, c) in c.to_vec()?.into_iter().enumerate() {
            let (a, b) = (&a[i / n * k..][..k], &b[i % n * k..][..k]);
            assert_eq!(c, a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
        }
    }
    println!("{} groups", c.len());
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
