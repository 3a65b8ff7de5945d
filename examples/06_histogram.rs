//! Atomics: each block counts in shared memory, then adds its counts to the global ones.

use hidet::prelude::*;

kernel! {
    /// Adds the number of times that `b` occurs in `x` to `counts[b]`. Values of BINS and above are not counted.
    #[launch(grid = n.div_ceil(4096).min(1024), block = 256)]
    pub fn histogram<const BINS: i32>(x: In<u8, [n]>, counts: InOut<u32, [BINS]>) {
        let local = shared::<u32>([BINS]);
        for b in (thread_idx().x..BINS).step_by(256) {
            local[[b]] = 0;
        }
        sync_threads();
        for i in (block_idx().x * 256 + thread_idx().x..n).step_by(grid_dim().x * 256) {
            let bin = x[[i]] as i32;
            if bin < BINS {
                atomic_add(&local[[bin]], 1);
            }
        }
        sync_threads();
        for b in (thread_idx().x..BINS).step_by(256) {
            let count = local[[b]];
            if count > 0 {
                atomic_add(&counts[[b]], count);
            }
        }
    }
}

/// Counts bytes.
pub fn run(device: &Device) -> hidet::Result<()> {
    let host: Vec<u8> = (0..10_000u32).map(|i| (i * i % 251) as u8).collect();
    let x = device.tensor(&host, [host.len()])?;
    let mut counts = device.zeros([256])?;
    histogram::<256>().compile(device)?.launch(&x, &mut counts)?;
    let counts = counts.to_vec()?;
    for (bin, &count) in counts.iter().enumerate() {
        assert_eq!(count as usize, host.iter().filter(|&&v| v as usize == bin).count());
    }
    println!("{} values counted", counts.iter().sum::<u32>());
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
