//! The cost of a barrier of the whole grid, as part of `hidet bench launch`.

use hidet::prelude::*;
use hidet::tune::Summary;
use std::fmt::Write;
use std::time::Instant;

/// Blocks, one per multiprocessor of an H200, and threads per block.
const GRID: [u32; 2] = [132, 256];
/// Barriers of a long launch; a short one has one.
const BARRIERS: i32 = 2001;
/// Launches of each length.
const ROUNDS: usize = 21;

kernel! {
    /// Barriers alone, or in each round a store, a barrier, and a load of what the next block stored.
    #[launch(grid = GRID[0], block = GRID[1], cooperative)]
    fn barriers(#[meta] exchange: bool, rounds: i32, x: InOut<f32, [3, 132, 256]>) {
        let (block, t) = (block_idx().x, thread_id());
        let mut value = 0.0;
        for round in 0..rounds {
            if exchange {
                x[[round % 2, block, t]] = value;
            }
            grid_sync();
            if exchange {
                value = x[[round % 2, (block + 1) % 132, t]] + 1.0;
            }
        }
        x[[2, block, t]] = value;
    }
}

/// Adds the times of a barrier to the text.
pub fn run(device: &Device, text: &mut String) -> hidet::Result<()> {
    let _ = writeln!(
        text,
        "\nbarriers of a grid of {} blocks of {} threads, us each, median of {ROUNDS}",
        GRID[0], GRID[1]
    );
    for (name, exchange) in [("grid_sync", false), ("store, grid_sync, load", true)] {
        let kernel = barriers(exchange).compile(device)?;
        let mut x = device.zeros([3, 132, 256])?;
        let mut time = |rounds: i32| -> hidet::Result<f64> {
            device.synchronize()?;
            let start = Instant::now();
            kernel.launch(rounds, &mut x)?;
            device.synchronize()?;
            Ok(start.elapsed().as_secs_f64() * 1e6)
        };
        let mut times = Vec::new();
        for _ in 0..=ROUNDS {
            let (short, long) = (time(1)?, time(BARRIERS)?);
            times.push((long - short) / f64::from(BARRIERS - 1));
        }
        let time = Summary::of(&times[1..]);
        let _ = writeln!(text, "{name:<34} {:>8.3} {:>7.3} {:>7.3}", time.median, time.lower, time.upper);
    }
    Ok(())
}
