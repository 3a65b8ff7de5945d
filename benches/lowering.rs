//! Measures what kernels of the examples cost before NVRTC: building the IR, lowering it, and the search for the
//! conditions of instances with fewer guards, in milliseconds; the best of three.
//!
//! `cargo bench --bench lowering [NAMES]`. Without names, the kernels with the most statements.

#![allow(clippy::unwrap_used)]

use hidet::ir::Function;
use hidet::passes;
use hidet_examples::registry;
use std::time::Instant;

const KERNELS: [&str; 4] =
    ["matmul_double_buffered", "matmul_double_buffered, asynchronous", "matmul_wgmma", "softmax_fast<f16, 8192>"];

fn milliseconds<R>(mut work: impl FnMut() -> R) -> f64 {
    let once = |work: &mut dyn FnMut() -> R| {
        let start = Instant::now();
        std::hint::black_box(work());
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..3).map(|_| once(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let wanted = |name: &str| match names.as_slice() {
        [] => KERNELS.contains(&name),
        names => names.iter().any(|wanted| wanted == name),
    };
    println!("{:40} {:>8} {:>8} {:>14}", "kernel", "build", "lower", "bounds search");
    for entry in registry::all().into_iter().filter(|entry| wanted(entry.name)) {
        let function: Function = (entry.build)().unwrap();
        let build = milliseconds(|| (entry.build)().unwrap());
        let lower = milliseconds(|| passes::lower(&function, &Default::default()).unwrap());
        let search = milliseconds(|| passes::bounds_report(&function).unwrap());
        println!("{:40} {build:8.2} {lower:8.2} {search:14.2}", entry.name);
    }
}
