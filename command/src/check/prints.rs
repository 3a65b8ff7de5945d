//! Lines that kernels print, compared with Rust's `format!` of the same values on the host.
//!
//! Threads of one warp print in an order that the hardware chooses, so lines of several threads are compared sorted.

use super::bench::{Bench, Limit};
use hidet::kernel::{CompileOptions, Printer};
use hidet::prelude::*;
use hidet::{Error, Result};
use std::fmt;
use std::sync::mpsc::channel;

macro_rules! kernels {
    ($each:ident: $($name:ident $ty:ty;)*) => {$( $each! { $name $ty } )*};
}
macro_rules! whole {
    ($name:ident $ty:ty) => {
        kernel! {
            #[launch(grid = 1, block = 1)]
            fn $name(x: In<$ty, [n]>) {
                for i in 0..n {
                    let v = x[[i]];
                    print!("{v} {v:?} [{v:14}] [{v:<14}] [{v:*^+14}] [{v:014}] {v:e} {v:.2E}");
                    print!("{v:x} {v:#X} {v:#b} {v:o} [{v:#020x}] [{v:>70b}]");
                }
            }
        }
    };
}
macro_rules! float {
    ($name:ident $ty:ty) => {
        kernel! {
            #[launch(grid = 1, block = 1)]
            fn $name(x: In<$ty, [n]>) {
                for i in 0..n {
                    let v = x[[i]];
                    print!("{v} {v:?} [{v:14}] [{v:<14}] [{v:*^+14}] [{v:014}] {v:e} {v:.2E}");
                    print!("{v:.0} {v:.3} [{v:12.4}] [{v:-^+12.1}] [{v:012.2}] [{v:14.3e}] {v:.1?}");
                }
            }
        }
    };
}
kernels! { whole: of_i8 i8; of_i16 i16; of_i32 i32; of_i64 i64; of_u8 u8; of_u16 u16; of_u32 u32; of_u64 u64; }
kernels! { float: of_f16 f16; of_bf16 bf16; of_f32 f32; of_f64 f64; }

/// Formats a whole number as the host prints it.
fn whole<T>(v: T) -> [String; 2]
where
    T: fmt::Display + fmt::Debug + fmt::LowerExp + fmt::UpperExp,
    T: fmt::LowerHex + fmt::UpperHex + fmt::Binary + fmt::Octal,
{
    [
        format!("{v} {v:?} [{v:14}] [{v:<14}] [{v:*^+14}] [{v:014}] {v:e} {v:.2E}"),
        format!("{v:x} {v:#X} {v:#b} {v:o} [{v:#020x}] [{v:>70b}]"),
    ]
}

/// Formats a float as the host prints it.
fn float<T: fmt::Display + fmt::Debug + fmt::LowerExp + fmt::UpperExp>(v: T) -> [String; 2] {
    [
        format!("{v} {v:?} [{v:14}] [{v:<14}] [{v:*^+14}] [{v:014}] {v:e} {v:.2E}"),
        format!("{v:.0} {v:.3} [{v:12.4}] [{v:-^+12.1}] [{v:012.2}] [{v:14.3e}] {v:.1?}"),
    ]
}

kernel! {
    /// Several values per line, from all threads of several blocks.
    #[launch(grid = (3, 2), block = 48)]
    fn threads(x: In<f32, [48]>, y: In<i64, [48]>, scale: f32) {
        let (t, known) = (thread_id(), 2.5);
        let block = block_idx().y * 3 + block_idx().x;
        if t % 5 != 3 {
            print!("{block}: {t:02} {:?} {:>7} {known:.2} {:.1} {:#x}", x[[t]], t < 7, x[[t]] * scale, y[[t]] - (block as i64));
        }
    }

    /// One line per block, so that their order is known.
    #[launch(grid = (3, 4, 2), block = 64)]
    fn blocks() {
        if thread_id() == 40 {
            let block = block_idx();
            print!("{} {} {}", block.z, block.y, block.x);
        }
    }

    /// More lines than fit the buffer of a GPU.
    #[launch(grid = 100, block = 500)]
    fn crowded() {
        print!("{}", block_idx().x * 500 + thread_id());
    }

    /// Lines printed before a fault are not lost.
    #[launch(grid = 1, block = 1)]
    fn before_fault(x: In<i32, [n]>) {
        for i in 0..n {
            print!("{i}: {}", x[[i]]);
            assert!(x[[i]] < 3, "x is too large");
        }
    }
}

/// Launches with options that collect the printed lines, and returns these.
fn lines_of(launch: &dyn Fn(&CompileOptions) -> Result<()>) -> Result<Vec<String>> {
    let (send, lines) = channel();
    let printer = Printer::new(move |line| drop(send.send(line.to_owned())));
    launch(&CompileOptions { printer, ..CompileOptions::default() })?;
    Ok(lines.try_iter().collect())
}

/// The lines of a launch must be these.
fn prints(
    bench: &mut Bench,
    name: &'static str,
    expected: &[String],
    sorted: bool,
    launch: &dyn Fn(&Device, &CompileOptions) -> Result<()>,
) {
    let count = expected.len() as f64;
    bench.case::<i32>(name, &[expected.len()], Limit::Ulps(0.0), &[count], |device| {
        let mut lines = lines_of(&|options| launch(device, options))?;
        let mut expected = expected.to_vec();
        if sorted {
            lines.sort_unstable();
            expected.sort_unstable();
        }
        match lines.iter().zip(&expected).find(|(line, expected)| line != expected) {
            Some((line, expected)) => {
                let message = format!("printed\n      `{line}`, expected\n      `{expected}`");
                Err(Error::Device { device: device.to_string(), message })
            }
            None => Ok(vec![lines.len() as i32]),
        }
    });
}

pub(super) fn check(bench: &mut Bench) {
    macro_rules! numbers {
        ($($name:ident $ty:ty, $lines:expr, $values:expr;)*) => {$(
            let values: &[$ty] = &$values;
            let expected: Vec<String> = values.iter().copied().flat_map($lines).collect();
            prints(bench, concat!("print!, ", stringify!($ty)), &expected, false, &|device, options| {
                $name().compile_with(device, options)?.launch(&device.tensor(values, [values.len()])?)
            });
        )*};
    }
    let small = f32::from_bits(1);
    let singles =
        [0.0, -0.0, 1.0, -2.5, 0.1, 1e-8, 16_777_216.0, -1e30, small, f32::MIN_POSITIVE, f32::MAX, f32::EPSILON, -0.05];
    let singles: Vec<f32> =
        singles.into_iter().chain([f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).collect();
    let doubles = singles.iter().map(|value| f64::from(*value)).chain([0.1, -1.0 / 3.0, 5e-324, f64::MAX, 1e16, 1e15]);
    let doubles: Vec<f64> = doubles.collect();
    let halves: Vec<f16> = singles.iter().map(|value| f16::from_f32(*value)).chain([f16::from_bits(1)]).collect();
    let brains: Vec<bf16> = singles.iter().map(|value| bf16::from_f32(*value)).chain([bf16::from_bits(1)]).collect();
    numbers! {
        of_i8 i8, whole, [0, 7, -1, i8::MIN, i8::MAX];
        of_i16 i16, whole, [0, 7, -1, i16::MIN, i16::MAX];
        of_i32 i32, whole, [0, 42, -1, i32::MIN, i32::MAX];
        of_i64 i64, whole, [0, 42, -1, i64::MIN, i64::MAX, 1 << 40];
        of_u8 u8, whole, [0, 7, u8::MAX];
        of_u16 u16, whole, [0, 7, u16::MAX];
        of_u32 u32, whole, [0, 42, u32::MAX];
        of_u64 u64, whole, [0, 42, u64::MAX, 1 << 63];
        of_f16 f16, |v: f16| float(v.to_f32()), halves;
        of_bf16 bf16, |v: bf16| float(v.to_f32()), brains;
        of_f32 f32, float, singles;
        of_f64 f64, float, doubles;
    }

    let x: Vec<f32> = (0..48).map(|t| t as f32 * 0.75 - 11.0).collect();
    let y: Vec<i64> = (0..48).map(|t| (t - 20) << 33).collect();
    let mut expected = Vec::new();
    for block in 0..6 {
        for t in (0..48usize).filter(|t| t % 5 != 3) {
            let (x, y) = (x[t], y[t] - block);
            expected.push(format!("{block}: {t:02} {x:?} {:>7} 2.50 {:.1} {y:#x}", t < 7, x * 3.0));
        }
    }
    prints(bench, "print!, threads", &expected, true, &|device, options| {
        let (x, y) = (device.tensor(&x, [48])?, device.tensor(&y, [48])?);
        threads().compile_with(device, options)?.launch(&x, &y, 3.0)
    });
    let places = (0..24).map(|block| format!("{} {} {}", block / 12, block / 3 % 4, block % 3));
    prints(bench, "print!, blocks", &places.collect::<Vec<_>>(), false, &|device, options| {
        blocks().compile_with(device, options)?.launch()
    });
    // As many lines as fit in 1 MiB are printed, by block, each once and complete.
    bench.case::<i32>("print!, too much", &[50_000], Limit::Ulps(0.0), &[1.0], |device| {
        let lines = lines_of(&|options| crowded().compile_with(device, options)?.launch())?;
        let numbers: Option<Vec<u32>> = lines.iter().map(|line| line.parse().ok()).collect();
        let mut numbers = numbers.unwrap_or_default();
        let room = if device.is_sim() { 50_000 } else { (1 << 17) / 3 };
        let ordered = numbers.is_sorted_by_key(|number| number / 500);
        numbers.sort_unstable();
        numbers.dedup();
        let fine = ordered && numbers.len() == room && numbers.iter().all(|number| *number < 50_000);
        Ok(vec![i32::from(fine)])
    });
    let expected = ["0: 1", "1: 2", "2: 3"].map(str::to_owned);
    prints(bench, "print!, before a fault", &expected, false, &|device, options| {
        let launched = before_fault().compile_with(device, options)?.launch(&device.tensor(&[1, 2, 3, 4], [4])?);
        match launched {
            Err(Error::Fault { report, .. }) if report.contains("x is too large") => Ok(()),
            other => {
                Err(Error::Device { device: device.to_string(), message: format!("{other:?} instead of a fault") })
            }
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_rust_words_them() {
        super::super::tests::passes(check);
    }

    #[test]
    fn they_compile() {
        let functions = [of_i8().build(), of_u64().build(), of_bf16().build(), of_f64().build(), threads().build()];
        for function in functions.into_iter().chain([blocks().build(), before_fault().build()]) {
            super::super::tests::compiles(&function.unwrap(), &Default::default());
        }
    }
}
