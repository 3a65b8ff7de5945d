//! Estimates of a kernel's resources beside what ptxas reports, for every kernel of the registry: shared memory is equal,
//! registers are a lower bound. Without NVRTC this is skipped with a message, or fails on CI.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::cuda::nvrtc;
use hidet::ir::Arch;
use hidet::kernel::Estimate;
use hidet::passes::{self, LoweringOptions};
use hidet::prelude::*;
use hidet::testing::nvrtc::available;
use hidet::{codegen, ir};
use hidet_examples::registry;

/// Extents for kernels whose shared memory depends on them.
fn dims(function: &ir::Function) -> Vec<i64> {
    vec![64; function.dims.len()]
}

/// With checks, every third kernel: `HIDET_ALL=1` has all.
#[test]
fn estimates_agree_with_ptxas() {
    if !available().unwrap() {
        return;
    }
    let (mut wrong, mut kernels, mut tight, mut largest) = (Vec::new(), 0, 0, 0);
    println!("{:<38} {:>8} {:>9} {:>9} {:>9} {:>9}", "kernel", "arch", "shared", "dynamic", "registers", "at least");
    let all = std::env::var_os("HIDET_ALL").is_some();
    for (number, entry) in registry::all().into_iter().enumerate() {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        for checks in [false, true].into_iter().filter(|checks| !checks || all || number % 3 == 0) {
            let lowered = passes::lower(&built, &LoweringOptions { checks, ..Default::default() }).unwrap();
            let arch = codegen::archs(&lowered).pop().unwrap();
            let source = codegen::cuda(&lowered, arch).unwrap();
            let usage = nvrtc::compile(&source, arch).unwrap().usage;
            let dynamic = source.dynamic_shared.eval(&dims(&built)).unwrap();
            let estimate = Estimate::of(&lowered, &dims(&lowered)).unwrap();
            println!(
                "{:<38} {arch:>8} {:>9} {dynamic:>9} {:>9} {:>9}",
                entry.name, usage.shared, usage.registers, estimate.registers_at_least
            );
            let mut expect = |what: &str, holds: bool| {
                if !holds {
                    wrong.push(format!("{} (checks {checks}) on {arch}: {what}: {estimate:?}, {usage:?}", entry.name));
                }
            };
            // Some of a spilling kernel's data is in local memory.
            let local = (usage.stack + usage.spill_stores).div_ceil(4);
            let exact = |shared: &Estimate| {
                (u64::from(shared.static_shared), i64::from(shared.dynamic_shared)) == (usage.shared.into(), dynamic)
            };
            expect("shared memory", exact(&estimate));
            let fits = estimate.registers_at_least <= usage.registers + local || estimate.moves_registers;
            expect("registers", fits);
            // Without checks, the function as it was written says the same.
            let early = Estimate::of(&built, &dims(&built)).unwrap();
            expect("shared memory as built", checks || exact(&early));
            expect("registers as built", early.registers_at_least <= usage.registers + local || early.moves_registers);
            kernels += 1;
            tight += usize::from(2 * estimate.registers_at_least >= usage.registers);
            largest = largest.max(estimate.registers_at_least);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{kernels} kernels; of {tight} the estimate is at least half of the registers; the largest is {largest}");
    assert!(kernels >= 100 && tight >= 10 && largest >= 128, "{kernels}, {tight}, {largest}");
}

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
