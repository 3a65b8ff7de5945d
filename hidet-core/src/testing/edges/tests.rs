//! The table holds on the simulated device, before and after lowering, and has every operation.

use super::{EdgeKernel, kernels, operations};
use crate::ir::Function;
use crate::passes::{Options, lower};
use crate::sim;
use rayon::prelude::*;
use std::sync::Arc;

fn run(kernel: &EdgeKernel, function: &Function) -> Vec<u64> {
    let bytes: Vec<u8> = kernel.operands.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let x = Arc::new(sim::Memory::from_bytes(&bytes).unwrap());
    let y = Arc::new(sim::Memory::uninit(8 * kernel.cases()).unwrap());
    let tensors = [&x, &y].map(|memory| sim::TensorArg { memory: memory.clone(), offset: 0 }).to_vec();
    let arguments =
        sim::Arguments { dims: vec![kernel.cases() as i64], tensors, ..sim::Arguments::default() };
    if let Err(failure) = sim::run(function, &arguments, &sim::Options::fast()) {
        panic!("{}: {failure}", function.name);
    }
    let mut found = vec![0; 8 * kernel.cases()];
    y.read(0, &mut found);
    found.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

/// What is wrong with the results of a function that stands for a kernel.
fn wrong(kernel: &EdgeKernel, function: &Function) -> Vec<String> {
    kernel.differences(&run(kernel, function))
}

#[test]
fn every_operation_gives_what_rust_gives_at_its_edges() {
    let kernels = kernels().unwrap();
    let found: Vec<String> = kernels.par_iter().flat_map(|kernel| wrong(kernel, &kernel.function)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn lowering_keeps_the_results_at_the_edges() {
    let kernels = kernels().unwrap();
    let found: Vec<String> = kernels
        .par_iter()
        .flat_map(|kernel| {
            // Products and sums are rounded apart, as on the host.
            let options = Options { contract: false, ..Options::default() };
            wrong(kernel, &lower(&kernel.function, &options).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_are_told_apart() {
    let names: Vec<String> =
        operations().iter().map(|op| format!("{} {:?} {}", op.name, op.operands, op.result)).collect();
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
