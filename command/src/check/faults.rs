//! Kernels that fault on purpose, checked while they run: the error names the line, and the device stays usable.
//!
//! In each of them some threads wait for one that exits: at barriers of the block, of the cluster, of the grid and of
//! some threads, at mbarriers, for a bulk copy or a product that never starts.

use super::bench::{Bench, Limit};
use crate::examples::vector_add::vector_add;
use hidet::Error;
use hidet::kernel::CompileOptions;
use hidet::prelude::*;

kernel! {
    #[launch(grid = m, block = 64)]
    fn outside(x: Out<f32, [m, n]>) {
        x[[block_idx().x, thread_id() + n - 32]] = 1.0; // fault: outside
        sync_threads();
    }

    #[launch(grid = 4, block = 64)]
    fn asserted(x: InOut<i32, [n]>) {
        let i = block_idx().x * 64 + thread_id();
        assert!(x.get((i,)) < 200, "x is too large"); // fault: asserted
        sync_threads();
        x.set((i,), 0);
    }

    #[launch(grid = 1, block = 64)]
    fn misaligned(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let at = thread_id() + n - n / 4 * 4;
        let four: Expr<Vector<f32, 4>> = x.load((at,)); // fault: misaligned
        y[[thread_id()]] = four.lane(0);
    }

    #[launch(grid = 2, block = 128)]
    fn barrier_left(x: In<i32, [n]>, y: Out<i32, [n]>) {
        #[threads(0..64)]
        {
            assert!(x[[thread_id()]] >= 0, "x is negative"); // fault: barrier_left
            barrier_arrive(1, 128);
        }
        #[threads(64..128)]
        {
            barrier_sync(1, 128);
            y[[thread_id() - 64]] = 1;
        }
    }

    #[launch(grid = 2, block = 128)]
    fn mbarrier_left(x: In<i32, [n]>, y: Out<i32, [n]>) {
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 64);
        }
        sync_threads();
        #[threads(0..64)]
        {
            let v = x[[thread_id() * 2]]; // fault: mbarrier_left
            if v >= 0 {
                full.arrive(0);
            }
        }
        #[threads(64..128)]
        {
            full.wait(0, 0);
            y[[thread_id() - 64]] = 1;
        }
    }

    #[launch(grid = 4, block = 64, cooperative)]
    fn grid_left(x: In<i32, [n]>, y: Out<i32, [n]>) {
        let i = block_idx().x * 64 + thread_id();
        assert!(x[[i]] >= 0, "a block does not come"); // fault: grid_left
        grid_sync();
        y[[i]] = x[[i]] + 1;
    }

    #[launch(grid = 1, block = 128)]
    fn copy_outside(x: In<f32, [m, n]>, y: Out<f32, [n]>) {
        let map = x.tensor_map([8, 32], Swizzle::None);
        let tile = shared::<f32>([2, 8, 32]);
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 8 * 32 * 4);
            tma_load(&tile[[m / 8, 0, 0]], map, (0, 0), full.at(0)); // fault: copy_outside
        }
        full.wait(0, 0);
        if thread_id() < 32 {
            y[[thread_id()]] = tile[[0, 0, thread_id()]];
        }
    }

    /// A warp group waits for the other, whose product it is.
    #[launch(grid = 1, block = 256)]
    fn product_outside(x: In<bf16, [m, n]>, y: Out<f32, [256]>) {
        let map = x.tensor_map([64, 64], Swizzle::B128);
        let tile = shared::<bf16>([2, 64, 64]);
        let (full, done) = (mbarriers(1), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            done.init(0, 128);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 2 * 64 * 64 * 2);
            for stage in unroll(0..2) {
                tma_load(&tile[[stage, 0, 0]], map, (stage * 64, 0), full.at(0));
            }
        }
        #[warp_group(0)]
        {
            let sums = registers::<f32>([32]);
            sums.fill(0.0);
            full.wait(0, 0);
            wgmma_fence();
            wgmma::<64>(&sums[[0]], &tile[[m / 64, 0, 0]], &tile[[0, 0, 0]]); // fault: product_outside
            wgmma_commit();
            wgmma_wait(0);
            y[[thread_id()]] = sums[[0]];
            done.arrive(0);
        }
        #[warp_group(1)]
        {
            done.wait(0, 0);
            y[[thread_id()]] = 0.0;
        }
    }

    /// A block waits for the data that the other block of its cluster was to copy to both, and at the cluster's
    /// barrier.
    #[launch(grid = 2, block = 128, cluster = 2)]
    fn cluster_left(x: In<f32, [m, n]>, rows: In<i32, [k]>, y: Out<f32, [2, 128]>) {
        let map = x.tensor_map([8, 32], Swizzle::None);
        let tile = shared::<f32>([2, 8, 32]);
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        cluster_sync();
        let rank = cluster_rank();
        if thread_id() == 0 {
            full.arrive_expect(0, 2 * 8 * 32 * 4);
            let row = rows[[rank]]; // fault: cluster_left
            tma_load_multicast(&tile[[rank, 0, 0]], map, (row, 0), full.at(0), 0b11);
        }
        full.wait(0, 0);
        y[[rank, thread_id()]] = tile[[1, thread_id() / 32, thread_id() % 32]];
        cluster_sync();
    }
}

pub(super) fn check(bench: &mut Bench) {
    let checked = CompileOptions { checks: true, ..CompileOptions::default() };
    faults(bench, "outside", "x[[0, 1000]] is outside of x, whose shape is [1, 1000]", |device| {
        outside().compile_with(device, &checked)?.launch(&mut device.zeros([1, 1000])?)
    });
    let numbers: Vec<i32> = (0..256).collect();
    faults(bench, "asserted", "x is too large", |device| {
        asserted().compile_with(device, &checked)?.launch(&mut device.tensor(&numbers, [256])?)
    });
    faults(bench, "misaligned", "of x is not aligned to 16 bytes", |device| {
        let x = device.zeros([127])?;
        misaligned().compile_with(device, &checked)?.launch(&x, &mut device.zeros([127])?)
    });
    let mut negative = vec![1; 64];
    negative[7] = -1;
    faults(bench, "barrier_left", "x is negative", |device| {
        let x = device.tensor(&negative, [64])?;
        barrier_left().compile_with(device, &checked)?.launch(&x, &mut device.zeros([64])?)
    });
    faults(bench, "mbarrier_left", "x[[64]] is outside of x, whose shape is [64]", |device| {
        let x = device.zeros([64])?;
        mbarrier_left().compile_with(device, &checked)?.launch(&x, &mut device.zeros([64])?)
    });
    let mut some = numbers.clone();
    some[64] = -1;
    faults(bench, "grid_left", "a block does not come", |device| {
        let (kernel, mut y) = (grid_left().compile(device)?, device.zeros([256])?);
        let fault = kernel.launch(&device.tensor(&some, [256])?, &mut y);
        // The barrier is in its initial state.
        kernel.launch(&device.tensor(&numbers, [256])?, &mut y)?;
        let right = y.to_vec()?.iter().zip(&numbers).all(|(y, x)| *y == x + 1);
        if right { fault } else { Ok(()) }
    });
    if bench.arch().is_none_or(|arch| arch.number >= 90) {
        let words = "tile[[2, 0..8, 0..32]] is outside of tile, whose shape is [2, 8, 32]";
        faults(bench, "copy_outside", words, |device| {
            let x = device.zeros([16, 32])?;
            copy_outside().compile_with(device, &checked)?.launch(&x, &mut device.zeros([32])?)
        });
        faults(bench, "cluster_left", "rows[[1]] is outside of rows, whose shape is [1]", |device| {
            let (x, rows) = (device.zeros([16, 32])?, device.zeros([1])?);
            cluster_left().compile_with(device, &checked)?.launch(&x, &rows, &mut device.zeros([2, 128])?)
        });
    }
    if bench.arch().is_none_or(|arch| arch.to_string() == "sm_90a") {
        let words = "tile[[2, 0..64, 0..16]] is outside of tile, whose shape is [2, 64, 64]";
        faults(bench, "product_outside", words, |device| {
            let x = device.zeros([128, 64])?;
            product_outside().compile_with(device, &checked)?.launch(&x, &mut device.zeros([256])?)
        });
    }
}

/// The launch must fail with these words at the line marked with the name; the next kernel must give its result.
fn faults(bench: &mut Bench, name: &'static str, words: &str, launch: impl Fn(&Device) -> hidet::Result<()>) {
    let (x, y): (Vec<i32>, Vec<i32>) = ((0..1000).collect(), (0..1000).map(|i| i * i).collect());
    let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| f64::from(x + y)).collect();
    let marked = include_str!("faults.rs").lines().position(|line| line.ends_with(&format!("// fault: {name}")));
    let place = format!("faults.rs:{}:", marked.map_or(0, |line| line + 1));
    bench.case::<i32>(name, &[], Limit::Ulps(0.0), &expected, |device| {
        let report = match launch(device) {
            Err(error @ Error::Fault { .. }) => error.to_string(),
            other => format!("{other:?} instead of a fault"),
        };
        if !(report.contains(words) && report.contains(&place)) {
            let report = format!("{report}\nwhere `{words}` at {place} was expected");
            return Err(Error::Fault { kernel: name.to_owned(), report });
        }
        let (x, y) = (device.tensor(&x, [1000])?, device.tensor(&y, [1000])?);
        let mut z = device.empty::<i32, 1>([1000])?;
        vector_add::<i32>().compile(device)?.launch(&x, &y, &mut z)?;
        z.to_vec()
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_reported_at_its_line() {
        super::super::tests::passes(check);
    }

    #[test]
    fn they_compile() {
        let checked = hidet::passes::LoweringOptions { checks: true, ..Default::default() };
        for function in [
            mbarrier_left().build(),
            grid_left().build(),
            copy_outside().build(),
            cluster_left().build(),
            product_outside().build(),
        ] {
            super::super::tests::compiles(&function.unwrap(), &checked);
        }
    }
}
