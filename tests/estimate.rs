//! Estimates of a kernel's resources without compiling it. `kernels.rs` compares them with what ptxas reports.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::ir::Arch;
use hidet::kernel::Estimate;
use hidet::prelude::*;

kernel! {
    /// Loops that carry 300 sums per thread: more than there are registers.
    #[launch(grid = 1, block = 256)]
    pub fn too_many_sums(x: In<f32, [n, 300]>, y: Out<f32, [300]>) {
        let sums = registers::<f32, 1>([300]);
        sums.fill(0.0);
        for i in 0..n {
            for j in 0..300 {
                sums[[j]] += x[[i, j]];
            }
        }
        for j in 0..300 {
            y[[j]] = sums[[j]];
        }
    }

    /// The number of sums is a meta value; each thread has its own row of shared memory.
    #[launch(grid = 1, block = 128)]
    pub fn sums(#[meta] count: i32, x: In<f32, [n, 128]>, y: Out<f32, [128]>) {
        let rows = shared::<f32>([n, 128]);
        let sums = registers::<f32, 1>([count]);
        sums.fill(0.0);
        for i in 0..n {
            rows[[i, thread_id()]] = x[[i, thread_id()]];
            for j in unroll(0..count) {
                sums[[j]] += rows[[i, thread_id()]] * (j as f32);
            }
        }
        let mut sum = 0.0;
        for j in unroll(0..count) {
            sum += sums[[j]];
        }
        y[[thread_id()]] = sum;
    }
}

#[test]
fn a_schedule_that_cannot_run_is_found_without_compiling() -> hidet::Result<()> {
    let hopper = "sm_90a".parse::<Arch>()?;
    let estimate = Estimate::of(&too_many_sums().build()?, &[])?;
    assert_eq!((estimate.registers_at_least, estimate.blocks_at_most(hopper)), (300, Some(0)));
    Ok(())
}

#[test]
fn accumulators_and_shared_memory_limit_the_blocks() -> hidet::Result<()> {
    let hopper = "sm_90a".parse::<Arch>()?;
    let estimate = |count, n| Estimate::of(&sums(count).build()?, &[n]);
    let (few, many, large) = (estimate(8, 8)?, estimate(120, 8)?, estimate(8, 160)?);
    assert_eq!([few.registers_at_least, many.registers_at_least], [8, 120]);
    assert_eq!([few.shared(), large.shared()], [8 * 512, 160 * 512]);
    // 65536 registers hold 4 blocks of 128 threads with 120 registers; 228 KiB hold 2 blocks of 80 KiB.
    assert_eq!([&few, &many, &large].map(|estimate| estimate.blocks_at_most(hopper)), [Some(16), Some(4), Some(2)]);
    let error = Estimate::of(&sums(8).build()?, &[]).unwrap_err().to_string();
    assert!(error.contains("kernel `sums`") && error.contains("the size of its shared memory"), "{error}");
    let error = estimate(8, 1 << 30).unwrap_err().to_string();
    assert!(error.contains("549755813888 bytes are not possible"), "{error}");
    assert_eq!(few.blocks_at_most(Arch { number: 60, specific: false }), None);
    Ok(())
}
