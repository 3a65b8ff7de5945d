//! Blocks that wait for each other: a prefix sum in one pass, by decoupled look-back.
//!
//! Source: Merrill and Garland, "Single-pass Parallel Prefix Scan with Decoupled Look-back", NVIDIA NVR-2016-002.

use hidet::prelude::*;

kernel! {
    /// `y[i] = x[0] + ... + x[i]`. `ticket` and `state` must start at 0.
    #[launch(grid = n.div_ceil(256), block = 256)]
    pub fn prefix_sum(
        x: In<i32, [n]>,
        y: Out<i32, [n]>,
        ticket: InOut<u32, [1]>,
        state: InOut<u32, [tiles]>,
        aggregate: InOut<i32, [tiles]>,
        prefix: InOut<i32, [tiles]>,
    ) {
        // Blocks take tiles in the order in which they start, so all blocks with earlier tiles have started.
        let shared_tile = shared::<i32>([1]);
        if thread_idx().x == 0 {
            shared_tile[[0]] = atomic_add(&ticket[[0]], 1) as i32;
        }
        sync_threads();
        let tile = shared_tile[[0]];
        let i = tile * 256 + thread_idx().x;

        // Inclusive sums within the warp, then over the warps.
        let mut sum = x.get((i,));
        for step in unroll([1, 2, 4, 8, 16]) {
            let below = shuffle_up(sum, step);
            if lane_id() >= step {
                sum += below;
            }
        }
        let warps = shared::<i32>([8]);
        if lane_id() == 31 {
            warps[[warp_id()]] = sum;
        }
        sync_threads();
        let mut total = 0;
        for w in unroll(0..8) {
            if warp_id() == w {
                sum += total;
            }
            total += warps[[w]];
        }

        // One thread looks back until it finds a tile whose prefix is known.
        let before = shared::<i32>([1]);
        if thread_idx().x == 0 {
            let mut exclusive = 0;
            if tile > 0 {
                aggregate[[tile]] = total;
                store_release(&state[[tile]], 1);
                let mut look = tile - 1;
                loop {
                    let mut known = load_acquire(&state[[look]]);
                    while known == 0 {
                        known = load_acquire(&state[[look]]);
                    }
                    if known == 2 {
                        exclusive += prefix[[look]];
                        break;
                    }
                    exclusive += aggregate[[look]];
                    look -= 1;
                }
            }
            prefix[[tile]] = exclusive + total;
            store_release(&state[[tile]], 2);
            before[[0]] = exclusive;
        }
        sync_threads();
        y.set((i,), sum + before[[0]]);
    }
}

/// The prefix sums of a vector.
pub fn run(device: &Device) -> hidet::Result<()> {
    let host: Vec<i32> = (0..3000).map(|i| i % 11 - 5).collect();
    let tiles = host.len().div_ceil(256);
    let x = device.tensor(&host, [host.len()])?;
    let mut y = device.empty([host.len()])?;
    let (mut ticket, mut state) = (device.zeros([1])?, device.zeros([tiles])?);
    let (mut aggregate, mut prefix) = (device.zeros([tiles])?, device.zeros([tiles])?);
    let kernel = prefix_sum().compile(device)?;
    kernel.launch(&x, &mut y, &mut ticket, &mut state, &mut aggregate, &mut prefix)?;
    let mut sum = 0;
    for (&x, y) in host.iter().zip(y.to_vec()?) {
        sum += x;
        assert_eq!(y, sum);
    }
    println!("the last of 3000 prefix sums is {sum}");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
