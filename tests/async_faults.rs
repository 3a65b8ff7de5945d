//! A warp-specialised pipeline, correct and with one fault each: the simulated device names the Rust lines.
//!
//! The number of a fault selects, while the kernel is built, what is left out or done wrong. `// FAULT 3` marks every
//! line that the report of fault 3 must name.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::prelude::*;
use hidet::sim::Options;

kernel! {
    /// c = a * transposed b: one warp group fills two stages by bulk copies, the other multiplies and stores by a bulk
    /// copy.
    #[launch(grid = 1, block = 256, min_blocks = 1)]
    pub fn pipeline<const FAULT: i32>(a: In<bf16, [64, k]>, b: In<bf16, [8, k]>, c: Out<f32, [64, 8]>) {
        require(k.multiple_of(64), "k must be a multiple of 64");
        let a_map = a.tensor_map([64, 64], Swizzle::B128);
        let b_map = b.tensor_map([8, 64], Swizzle::B128);
        let c_map = c.tensor_map([64, 8], Swizzle::None);
        let a_shared = shared::<bf16>([2, 64, 64]);
        let b_shared = shared::<bf16>([2, 8, 64]);
        let c_shared = shared::<f32>([64, 8]);
        let (full, empty) = (mbarriers(2), mbarriers(2));
        if thread_id() == 0 {
            for s in unroll(0..2) {
                full.init(s, if FAULT == 16 { 2 } else { 1 }); // FAULT 1 // FAULT 3 // FAULT 4
                empty.init(s, 1);
            }
            if FAULT != 1 {
                mbarrier_init_fence();
            }
        }
        sync_threads();
        let steps = k / 64;
        #[warp_group(0)]
        {
            set_max_registers(if FAULT == 13 { 42 } else { 40 }); // FAULT 13
            if thread_id() == 0 {
                let mut stage = 0;
                let mut phase = 0;
                for step in 0..steps {
                    if FAULT != 3 {
                        empty.wait(stage, phase ^ 1); // FAULT 11 // FAULT 12
                    }
                    full.arrive_expect(stage, if FAULT == 4 { 8192 } else if FAULT == 14 { 9728 } else { 9216 }); // FAULT 3
                    tma_load(&a_shared[[stage, 0, 0]], a_map, (0, step * 64), full.at(stage)); // FAULT 1 // FAULT 2 // FAULT 5
                    tma_load(&b_shared[[stage, 0, 0]], b_map, (0, step * 64), full.at(stage)); // FAULT 4
                    stage += 1;
                    if stage == 2 {
                        stage = 0;
                        phase = phase ^ 1;
                    }
                }
            }
        }
        #[warp_group(1)]
        {
            set_max_registers(240);
            let sums = registers::<f32>([4]);
            sums.fill(0.0); // FAULT 6
            let mut stage = 0;
            let mut phase = 0;
            for _step in 0..steps {
                full.wait(stage, if FAULT == 2 { phase ^ 1 } else { phase ^ 0 }); // FAULT 11 // FAULT 14 // FAULT 16
                if FAULT != 6 {
                    wgmma_fence();
                }
                for p in unroll((0..64).step_by(16)) {
                    wgmma::<8>(&sums[[0]], &a_shared[[stage, 0, p]], &b_shared[[stage, 0, p]]); // FAULT 2 // FAULT 5 // FAULT 6 // FAULT 7 // FAULT 15
                }
                if FAULT == 15 {
                    sums[[0]] += 1.0; // FAULT 15
                }
                wgmma_commit();
                if FAULT == 5 && thread_id() % 128 == 0 {
                    empty.arrive(stage);
                }
                wgmma_wait(if FAULT == 7 { 1 } else { 0 });
                if FAULT == 12 {
                    empty.arrive(stage);
                } else if FAULT != 5 && FAULT != 11 && thread_id() % 128 == 0 {
                    empty.arrive(stage);
                }
                stage += 1;
                if stage == 2 {
                    stage = 0;
                    phase = phase ^ 1;
                }
            }
            let row = warp_id() % 4 * 16 + lane_id() / 4;
            let col = lane_id() % 4 * 2;
            for half in unroll(0..2i32) {
                for part in unroll(0..2i32) {
                    c_shared[[row + half * 8, col + part]] = sums[[half * 2 + part]]; // FAULT 7 // FAULT 8
                }
            }
            if FAULT != 8 {
                fence_proxy_async();
            }
            barrier_sync(1, 128);
            if thread_id() == 128 {
                tma_store(c_map, (0, 0), &c_shared[[0, 0]]); // FAULT 8 // FAULT 9 // FAULT 10
                if FAULT != 9 {
                    bulk_commit();
                }
                if FAULT == 10 {
                    c_shared[[0, 0]] = 1.0; // FAULT 10
                }
                bulk_wait(0);
            }
        }
    }
}

/// Launches with extents that use each stage twice.
fn launch<const FAULT: i32>(options: Options) -> hidet::Result<Vec<f32>> {
    let device = Device::sim_with(options);
    let small = |count: usize| -> Vec<bf16> { (0..count).map(|i| bf16::from_f32((i * 7 % 5) as f32 - 2.0)).collect() };
    let (a, b) = (device.tensor(&small(64 * 256), [64, 256])?, device.tensor(&small(8 * 256), [8, 256])?);
    let mut c = device.empty::<f32, 2>([64, 8])?;
    pipeline::<FAULT>().compile(&device)?.launch(&a, &b, &mut c)?;
    c.to_vec()
}

#[test]
fn the_pipeline_is_right_under_fifty_seeds() {
    let number = |i: usize| (i * 7 % 5) as i32 - 2;
    let entry = |at: usize| (0..256).map(|k| number(at / 8 * 256 + k) * number(at % 8 * 256 + k)).sum::<i32>() as f32;
    let expected: Vec<f32> = (0..64 * 8).map(entry).collect();
    for seed in 0..50 {
        let c = launch::<0>(Options { seed, ..Options::default() });
        assert_eq!(c.unwrap_or_else(|error| panic!("seed {seed}: {error}")), expected, "seed {seed}");
    }
}

/// The report of the fault names every line marked for it, and `words`; other seeds may find another consequence.
#[track_caller]
fn faulty<const FAULT: i32>(words: &str) {
    for seed in 1..5 {
        launch::<FAULT>(Options { seed, ..Options::default() }).expect_err("the kernel is faulty");
    }
    let report = launch::<FAULT>(Options::default()).expect_err("the kernel is faulty").to_string();
    assert!(report.contains(words), "fault {FAULT}: expected `{words}` in\n{report}");
    let mark = format!("FAULT {FAULT}");
    let mut count = 0;
    for (number, line) in include_str!("async_faults.rs").lines().enumerate() {
        let marked = line.contains(';') && line.split(" // ").skip(1).any(|part| part == mark);
        let place = format!("tests/async_faults.rs:{}:", number + 1);
        count += marked as u32;
        assert!(!marked || report.contains(&place), "fault {FAULT}: {place} is not named in\n{report}");
    }
    assert!(count > 0, "fault {FAULT} has no marked line");
}

#[test]
fn every_fault_is_found_and_names_its_lines() {
    faulty::<1>("may not be visible to bulk copies");
    faulty::<2>("race");
    faulty::<3>("more than 1 arrivals");
    faulty::<4>("too few bytes were expected");
    faulty::<5>("accessed by a wgmma and a bulk copy");
    faulty::<6>("without a fence");
    faulty::<7>("while a wgmma changes it");
    faulty::<8>("missing proxy fence");
    faulty::<9>("is not committed");
    faulty::<10>("accessed by a bulk copy from shared memory and a thread");
    faulty::<11>("deadlock");
    // 128 arrivals complete 128 phases, which the producer cannot distinguish from none.
    faulty::<12>("deadlock");
    faulty::<13>("must be a multiple of 8");
    faulty::<14>("512 bytes");
    faulty::<15>("while a wgmma changes it");
    faulty::<16>("1 of 2 arrivals are missing");
}
