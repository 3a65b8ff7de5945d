//! Measures the speed of the simulated device on the kernels of the examples: active-lane operations per second and core,
//! with the checkers off and on.
//!
//! `cargo bench --bench sim_speed`, or with `-- softmax` only the kernels whose names begin so. Operations are those of the
//! lowered kernels, without constants; the time is that of one core, over runs of a quarter of a second in total.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../tests/filetests/simulate.rs"]
mod simulate;

use hidet::ir::Function;
use hidet::passes;
use hidet::sim::{self, Options};
use hidet_examples::registry;
use std::time::Instant;

/// Extents of a size that keeps a core busy for a while, by the names the examples use.
fn dims(function: &Function) -> Vec<i64> {
    let names: Vec<&str> = function.dims.iter().map(|(_, dim)| dim.name.as_str()).collect();
    let extent = |name: &&str| match (*name, names.contains(&"m")) {
        ("rows" | "height" | "width", _) => 512,
        ("cols", _) => 1024,
        ("m" | "n" | "k", true) => 256,
        ("n", false) => 1 << 18,
        // A tile of the prefix sum has 256 elements, one of the split product 16 x 16.
        ("tiles", false) => (1 << 18) / 256,
        ("tiles", true) => 256,
        ("seq", _) => 256,
        _ => 2,
    };
    names.iter().map(extent).collect()
}

/// Returns the processor time of this thread, or `None` if the system does not report it.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// Returns million lane operations per second, or `None` if the simulated device refuses the kernel.
fn rate(built: &Function, checked: bool) -> Option<f64> {
    let lowered = passes::lower(built, &passes::LoweringOptions { checks: checked, ..Default::default() }).ok()?;
    let base = if checked { Options::default() } else { Options::fast() };
    let options = Options { threads: Some(1), ..base };
    let (mut operations, mut seconds) = (0.0, 0.0);
    // The system counts in steps of a few milliseconds, so one short run is not accurate.
    while seconds < 0.25 {
        let arguments = simulate::arguments(&lowered, &dims(built)).ok()?;
        let (start, busy) = (Instant::now(), cpu_seconds());
        let report = sim::run(&lowered, &arguments, &options).ok()?;
        let wall = start.elapsed().as_secs_f64();
        seconds += cpu_seconds().zip(busy).map_or(wall, |(end, start)| end - start).max(wall * 0.01);
        operations += report.counters.lane_operations as f64;
    }
    Some(operations / seconds / 1e6)
}

fn main() {
    let mut rates = [Vec::new(), Vec::new()];
    println!("{:<28} {:>12} {:>12}   million lane operations per second", "kernel", "checkers off", "on");
    // Only the kernels whose names begin with an argument, if there is one.
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for entry in registry::all() {
        if !only.is_empty() && !only.iter().any(|name| entry.name.starts_with(name.as_str())) {
            continue;
        }
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let (Some(off), Some(on)) = (rate(&built, false), rate(&built, true)) else {
            println!("{:<28} not simulated", entry.name);
            continue;
        };
        println!("{:<28} {off:>12.0} {on:>12.0}", entry.name);
        rates[0].push(off);
        rates[1].push(on);
    }
    for (rates, name) in rates.iter_mut().zip(["off", "on"]) {
        rates.sort_by(f64::total_cmp);
        println!("median of {} kernels, checkers {name}: {:.0}", rates.len(), rates[rates.len() / 2]);
    }
}
