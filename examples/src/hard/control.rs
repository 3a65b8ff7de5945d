//! Control flow of the device and of building, nested in each other: labels, `while`, `loop`, `match`, `return`.

use hidet::prelude::*;

/// The function applied to a value, chosen while building.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    /// Nothing.
    Plain,
    /// Negative values become 0.
    Relu,
    /// Values are kept in `0..=top`.
    Clamp(f32),
}

#[device]
fn activate<T: Float>(mode: Mode, v: Expr<T>) -> Expr<T> {
    match mode {
        Mode::Plain => v,
        Mode::Relu => {
            if v > 0.0 {
                v
            } else {
                lit(0.0)
            }
        }
        Mode::Clamp(top) => v.min(lit(top)).max(lit(0.0)),
    }
}

kernel! {
    /// Steps of the Collatz sequence, at most LIMIT, in rounds whose lengths are meta values.
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn collatz<const LIMIT: i32>(#[meta] mode: Mode, #[meta] rounds: &'static [i32], x: In<i32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        if i >= n {
            return;
        }
        let mut v = x[[i]];
        let mut steps = 0;
        #[meta]
        let mut unrolled = 0;
        'outer: for &round in rounds {
            unrolled += 1;
            for _ in 0..round {
                if v == 1 || steps >= LIMIT {
                    break;
                }
                let odd = v % 2 == 1;
                v = if odd { v * 3 + 1 } else { v / 2 };
                steps += 1;
            }
            if unrolled > 4 {
                break 'outer;
            }
        }
        'rows: loop {
            let mut j = 0;
            while j < 4 {
                j += 1;
                if steps > 100 {
                    break 'rows;
                }
                if j == 2 {
                    continue;
                }
                if j == 3 && v > 1 {
                    steps += 1000;
                    continue 'rows;
                }
            }
            break;
        }
        y[[i]] = activate(mode, steps as f32);
    }
}
