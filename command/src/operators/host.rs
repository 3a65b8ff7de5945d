//! The time of the host for an operator that is run at once, beside that of its launches alone; and that of compiling many.

use crate::bench::problem::say;
use crate::command::Outcome;
use hidet::kernel::compiling;
use hidet::prelude::*;
use hidet_ops::Tensor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Calls of a round: fewer than a stream takes before the host waits.
const CALLS: usize = 100;

/// Prints microseconds of the host per call of operators whose kernels are compiled, and of their launches.
pub fn bench(device: &Device, rounds: usize) -> Outcome {
    let tensor = |shape: &[usize]| -> Result<Tensor, String> {
        let zeros = device.tensor(&vec![0.5f32; shape.iter().product()], [shape.iter().product()]).map_err(say)?;
        Ok(Tensor::from(zeros.raw().view(0, shape).map_err(say)?))
    };
    let (x, row, other) = (tensor(&[64, 256])?, tensor(&[256])?, tensor(&[256])?);
    let square = tensor(&[256, 256])?;
    let add = || x.add(&row);
    let softmax = || x.softmax(1);
    let linear = || x.matmul(&square)?.add(&row)?.relu();
    let norm = || x.layer_norm(1, Some(&row), Some(&other), 1e-5);
    let cases: [(&str, &dyn Fn() -> hidet_ops::Result<Tensor>); 4] =
        [("add", &add), ("softmax", &softmax), ("matmul, add, relu", &linear), ("layer norm", &norm)];
    println!("{:<24} {:>12} {:>12} {:>10}", "host us per call", "operators", "launches", "more");
    for (name, case) in cases {
        let (_, launches) = case().and_then(|y| y.prepare()).map_err(say)?;
        let operators = median(device, rounds, || case()?.compute().map(drop))?;
        let bare = median(device, rounds, || Ok(launches.iter().try_for_each(|launch| launch.launch())?))?;
        println!("{name:<24} {operators:>12.2} {bare:>12.2} {:>10.2}", operators - bare);
    }
    let (count, start) = (50, Instant::now());
    let all =
        (0..count).map(|number| elementwise(&tensor(&[64, 256 + number])?, number)).collect::<Result<Vec<_>, _>>()?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while let Some(tensor) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            tensor.compute().map_err(say)?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    compiling(count, || {
        thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            all.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread failed".to_owned())?)
        })
    })?;
    println!("{count} fused kernels compiled and run on {threads} threads in {:.3} s", start.elapsed().as_secs_f64());
    Ok(true)
}

/// Returns one of many kernels: some operators on elements, fused.
fn elementwise(x: &Tensor, number: usize) -> Result<Tensor, String> {
    let scaled = x.mul(0.5 + number as f64).and_then(|x| x.add(1.0)).map_err(say)?;
    let made = match number % 4 {
        0 => scaled.relu(),
        1 => scaled.tanh(),
        2 => scaled.gelu(),
        _ => scaled.sigmoid(),
    };
    made.and_then(|y| y.mul(x)).map_err(say)
}

/// Returns the median of rounds, in microseconds per call.
fn median(device: &Device, rounds: usize, call: impl Fn() -> hidet_ops::Result<()>) -> Result<f64, String> {
    let mut times = Vec::new();
    for round in 0..rounds + 1 {
        let start = Instant::now();
        for _ in 0..CALLS {
            call().map_err(say)?;
        }
        let time = start.elapsed().as_secs_f64() * 1e6 / CALLS as f64;
        device.synchronize().map_err(say)?;
        // The first round warms up.
        if round > 0 {
            times.push(time);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
