//! Measures how much more arithmetic all cores do than one. Cores that share execution units, or lower their clock when
//! all are busy, count for less than one.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Independent multiplications, so that a core's multiplier is always busy.
fn multiply() -> Duration {
    let start = Instant::now();
    let mut numbers = black_box([1u64, 2, 3, 4, 5, 6, 7, 8]);
    for _ in 0..10_000_000 {
        for number in &mut numbers {
            *number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555;
        }
    }
    black_box(numbers);
    start.elapsed()
}

/// Returns how many times the arithmetic of one thread `threads` threads do: the median of five rounds.
pub fn worth(threads: usize) -> f64 {
    let all = || {
        std::thread::scope(|scope| {
            let each: Vec<_> = (0..threads).map(|_| scope.spawn(multiply)).collect();
            each.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
        })
    };
    let mut ratios: Vec<f64> =
        (0..5).map(|_| threads as f64 * multiply().as_secs_f64() / all().as_secs_f64().max(1e-9)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_core_is_worth_about_one() {
        let worth = super::worth(1);
        assert!((0.2..5.0).contains(&worth), "{worth}");
    }
}
