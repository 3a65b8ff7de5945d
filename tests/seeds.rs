//! The kernels of the examples under many seeds of the scheduler: no fault, and the same on one thread and two.
//!
//! `HIDET_SEEDS=50 cargo test --release --test seeds -- --nocapture` takes that many; 5 are the default.

#![allow(clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "filetests/simulate.rs"]
mod simulate;

use hidet::ir::{Function, Relation};
use hidet::mapping::IndexExpr;
use hidet::passes;
use hidet::sim::{self, Options};
use hidet_examples::registry::{self, Entry};
use rayon::prelude::*;

/// Returns extents that meet the constraints of the kernel: the first of a few that do for all dims alike, except for
/// dims that must be larger, or equal to something.
fn dims(function: &Function) -> Option<Vec<i64>> {
    let first = match function.name.as_str() {
        // A bitonic sort needs a power of two, which is not a constraint.
        "sort_rows" => 64,
        // A convolution has six extents.
        "convolution" => 8,
        _ => 19,
    };
    let alike = |extent: i64| {
        let mut dims = vec![extent; function.dims.len()];
        for constraint in &function.constraints {
            if let (Relation::LessEqual, Some(least), IndexExpr::Symbol(dim)) =
                (constraint.relation, constraint.left.as_const(), &constraint.right)
            {
                let dim = &mut dims[*dim as usize];
                *dim = least.max(*dim);
            }
        }
        for constraint in function.constraints.iter().filter(|constraint| constraint.relation == Relation::Equal) {
            if let (IndexExpr::Symbol(dim), other) | (other, IndexExpr::Symbol(dim)) =
                (&constraint.left, &constraint.right)
                && let Ok(extent) = other.eval(&dims)
            {
                dims[*dim as usize] = extent;
            }
        }
        dims
    };
    [first, 33, 40, 64, 128, 256, 16, 1].into_iter().map(alike).find(|dims| {
        function.constraints.iter().all(|constraint| {
            let (Ok(left), Ok(right)) = (constraint.left.eval(dims), constraint.right.eval(dims)) else { return false };
            match constraint.relation {
                Relation::Equal => left == right,
                Relation::Less => left < right,
                Relation::LessEqual => left <= right,
                Relation::MultipleOf => right != 0 && left % right == 0,
            }
        })
    })
}

/// Runs a kernel under so many seeds, and returns what is wrong.
fn failures(entry: &Entry, seeds: u64) -> Vec<String> {
    let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    let Some(dims) = dims(&built) else {
        return vec![format!("{}: no extents meet its constraints", entry.name)];
    };
    let options = passes::LoweringOptions { checks: true, ..passes::LoweringOptions::default() };
    let lowered = passes::lower(&built, &options).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    let start = std::time::Instant::now();
    let mut failures = Vec::new();
    for seed in 0..seeds {
        let mut results = Vec::new();
        // Every fifth seed on two threads as well.
        for threads in if seed % 5 == 0 { 1..=2 } else { 1..=1 } {
            let arguments = simulate::arguments(&built, &dims).unwrap();
            let options = Options { seed, threads: Some(threads), ..Options::default() };
            match sim::run(&lowered, &arguments, &options) {
                Ok(report) => results.push((report.counters, simulate::contents(&arguments))),
                Err(failure) => failures.push(format!("seed {seed}: {failure}")),
            }
        }
        if results.windows(2).any(|pair| pair[0] != pair[1]) {
            failures.push(format!("{}, seed {seed}: one thread and two differ", entry.name));
        }
        if !failures.is_empty() {
            break;
        }
    }
    println!("{:<34} {:?} {:?}", entry.name, dims, start.elapsed());
    failures
}

#[test]
fn no_kernel_of_the_examples_is_faulty_under_any_seed() {
    let seeds: u64 = std::env::var("HIDET_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(5);
    let only = std::env::var("HIDET_KERNEL").unwrap_or_default();
    let chosen: Vec<Entry> = registry::all().into_iter().filter(|entry| entry.name.contains(&only)).collect();
    let failures: Vec<String> = chosen.par_iter().flat_map_iter(|entry| failures(entry, seeds)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    println!("{} kernels, {seeds} seeds", chosen.len());
    assert!(!chosen.is_empty());
}
