//! How fast the simulated device is: active-lane operations a second a core, with the checkers off and on.
//!
//! `cargo run --release -p hidet-core --example sim_speed`. Operations are those of the lowered kernels, constants not
//! counted. On one thread the time is that of the core, on two that of the clock on the wall.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_core::ir::text;
use hidet_core::passes;
use hidet_core::sim::{self, LaunchArguments, Memory, Options, TensorArg};
use std::sync::Arc;
use std::time::Instant;

const MATMUL: &str = include_str!("sim_speed/matmul.hir");
const SOFTMAX: &str = include_str!("sim_speed/softmax.hir");
const SUM: &str = include_str!("sim_speed/sum.hir");
const TRANSPOSE: &str = include_str!("sim_speed/transpose.hir");
const SAXPY: &str = include_str!("sim_speed/saxpy.hir");
const STENCIL: &str = include_str!("sim_speed/stencil.hir");

fn tensor(elements: usize, set: bool) -> TensorArg {
    let memory = if set {
        let bytes: Vec<u8> = (0..elements).flat_map(|i| ((i * 7 % 23) as f32 / 16.0).to_le_bytes()).collect();
        Memory::from_bytes(&bytes).unwrap()
    } else {
        Memory::uninit(elements * 4).unwrap()
    };
    TensorArg { memory: Arc::new(memory), offset: 0 }
}

/// What this thread has used, where the system tells.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    // Name, text, dims, elements of each tensor (negative: an output).
    let kernels: [(&str, &str, &[i64], &[i64]); 6] = [
        ("matmul 512", MATMUL, &[], &[512 * 512, 512 * 512, -512 * 512]),
        ("softmax 2048x1000", SOFTMAX, &[2048, 1000], &[2048 * 1000, -2048 * 1000]),
        ("sum 4096x1024", SUM, &[4096], &[4096 * 1024, -4096]),
        ("transpose 2048", TRANSPOSE, &[2048], &[2048 * 2048, -2048 * 2048]),
        ("saxpy 4M", SAXPY, &[1 << 22], &[1 << 22, 1 << 22, -(1 << 22)]),
        ("stencil 2048", STENCIL, &[2048], &[2048 * 2048, -2048 * 2048]),
    ];
    let mut figures = [Vec::new(), Vec::new()];
    for (name, source, dims, sizes) in kernels {
        if !name.contains(&only) {
            continue;
        }
        let function = text::parse(source).unwrap();
        for (column, checked) in [false, true].into_iter().enumerate() {
            let options = passes::LoweringOptions { checks: checked, ..passes::LoweringOptions::default() };
            let lowered = passes::lower(&function, &options).unwrap();
            let mut line = format!("{name:20} {}", if checked { "checked  " } else { "unchecked" });
            for threads in [1, 2] {
                let mut best = f64::MAX;
                let mut operations = 0;
                for _ in 0..3 {
                    let tensors = sizes.iter().map(|size| tensor(size.unsigned_abs() as usize, *size > 0)).collect();
                    let arguments = LaunchArguments { tensors, dims: dims.to_vec(), ..LaunchArguments::default() };
                    let base = if checked { Options::default() } else { Options::fast() };
                    let options = Options { threads: Some(threads), ..base };
                    let (start, busy) = (Instant::now(), cpu_seconds());
                    let report = sim::run(&lowered, &arguments, &options).unwrap();
                    let wall = start.elapsed().as_secs_f64();
                    // On one thread the time of the core is what counts, whatever else the machine does.
                    let time =
                        if threads == 1 { cpu_seconds().zip(busy).map(|(end, start)| end - start) } else { None };
                    best = best.min(time.unwrap_or(wall));
                    operations = report.counters.lane_operations;
                }
                let rate = operations as f64 / best / 1e6;
                line += &format!("   {threads} threads: {best:.3} s, {rate:6.0} M/s");
                if threads == 1 {
                    figures[column].push(rate);
                }
            }
            println!("{line}");
        }
    }
    for (rates, name) in figures.iter_mut().zip(["off", "on"]) {
        rates.sort_by(f64::total_cmp);
        println!("median, checkers {name}: {:.0} million lane operations a second a core", rates[rates.len() / 2]);
    }
}
