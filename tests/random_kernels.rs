//! Random kernels mean the same before and after every pass: the simulated device gives equal results.
//!
//! `HIDET_SEEDS=10000 cargo test --test random_kernels` runs as many seeds, beginning with `HIDET_SEED` (0).

#![allow(clippy::unwrap_used)]

use hidet_core::codegen;
use hidet_core::cuda::nvrtc;
use hidet_core::ir::{Access, Arch, Function, Param, text, verify};
use hidet_core::passes::{LoweringOptions, lower, lower_with};
use hidet_core::sim;
use hidet_core::testing::random::{ArgumentValue, RandomKernel, random_kernel};
use hidet_core::types::{Const, Scalar};
use rayon::prelude::*;
use std::sync::Arc;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Returns the contents of the tensors that a kernel may write.
fn run(kernel: &RandomKernel, function: &Function, options: &sim::Options) -> Result<Vec<Vec<u8>>, String> {
    let mut arguments = sim::LaunchArguments { dims: kernel.dims.clone(), ..sim::LaunchArguments::default() };
    let mut written = Vec::new();
    for (param, argument) in kernel.function.params.iter().zip(&kernel.arguments) {
        match (param, argument) {
            (Param::Tensor { buffer, access }, ArgumentValue::Tensor(bytes)) => {
                let memory = match access {
                    Access::In | Access::InOut => sim::Memory::from_bytes(bytes),
                    Access::Out | Access::PartialOut => sim::Memory::uninit(bytes.len()),
                };
                let memory = Arc::new(memory.map_err(|full| full.to_string())?);
                if *access != Access::In {
                    written.push((memory.clone(), kernel.function.buffers[*buffer].elem, bytes.len()));
                }
                arguments.tensors.push(sim::TensorArg { memory, offset: 0 });
            }
            (Param::Scalar { .. }, ArgumentValue::Scalar(value)) => arguments.scalars.push(*value),
            _ => return Err("an argument of the wrong kind".to_owned()),
        }
    }
    sim::run(function, &arguments, options).map_err(|failure| failure.to_string())?;
    let results = written.into_iter().map(|(memory, elem, bytes)| {
        let mut result = vec![0; bytes];
        memory.read(0, &mut result);
        one_nan(elem, &mut result);
        result
    });
    Ok(results.collect())
}

/// Makes all NaNs one: which NaN an operation gives is not defined.
fn one_nan(elem: Scalar, bytes: &mut [u8]) {
    if !elem.is_float() {
        return;
    }
    for element in bytes.chunks_mut(elem.bytes()) {
        let mut bits = [0; 8];
        bits[..element.len()].copy_from_slice(element);
        let value = Const { scalar: elem, bits: u64::from_le_bytes(bits) };
        if hidet_core::ir::eval::to_f64(elem, value.bits).is_nan() {
            element.fill(0xff);
        }
    }
}

fn check(seed: u64) -> Result<u64, String> {
    let kernel = random_kernel(seed);
    let all = sim::Options { seed, counters: false, threads: Some(1), ..sim::Options::default() };
    let fast = sim::Options { seed, threads: Some(1), ..sim::Options::fast() };
    let before = run(&kernel, &kernel.function, &all).map_err(|why| format!("the kernel itself: {why}"))?;
    // Contraction rounds differently by design: every other kernel goes without it, and in the rest later passes are
    // compared with the result after it.
    let options =
        LoweringOptions { checks: seed % 4 == 1, wide_index: seed % 4 == 2, contract: seed.is_multiple_of(2) };
    let mut expected = before;
    let mut failure = None;
    let mut last = text::print(&kernel.function);
    let mut runs = 1;
    let lowered = lower_with(&kernel.function, &options, &mut |pass, function| {
        let printed = text::print(function);
        if failure.is_some() || printed == last {
            return;
        }
        runs += 1;
        let found = (|| {
            verify::check(function).map_err(|error| error.to_string())?;
            let read = text::parse(&printed).map_err(|error| format!("text: {error}"))?;
            if !read.structurally_equals(function) || text::print(&read) != printed {
                return Err("the text form is another function".to_owned());
            }
            let after = run(&kernel, function, &fast)?;
            if pass.name == "contract" {
                expected = after;
                return Ok(());
            }
            if after == expected { Ok(()) } else { Err(difference(&kernel.function, &expected, &after)) }
        })();
        if let Err(why) = found {
            failure = Some(format!("after {}: {why}\n{last}\n=== after\n{printed}", pass.name));
        }
        last = printed;
    })
    .map_err(|error| error.to_string())?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    // Everything again with all checkers: passes must not introduce a fault.
    let after = run(&kernel, &lowered, &all).map_err(|why| format!("lowered: {why}"))?;
    if after == expected { Ok(runs + 1) } else { Err("the lowered kernel gives other results when checked".to_owned()) }
}

/// The first element that differs.
fn difference(function: &Function, before: &[Vec<u8>], after: &[Vec<u8>]) -> String {
    let tensors = function.params.iter().filter_map(|param| match param {
        Param::Tensor { buffer, access: Access::Out | Access::PartialOut | Access::InOut } => {
            Some(&function.buffers[*buffer])
        }
        _ => None,
    });
    for (buffer, (before, after)) in tensors.zip(before.iter().zip(after)) {
        let size = buffer.elem.bytes();
        let place = before.chunks(size).zip(after.chunks(size)).position(|(a, b)| a != b);
        if let Some(at) = place {
            let element = |bytes: &[u8]| format!("{:02x?}", &bytes[at * size..(at + 1) * size]);
            return format!("element {at} of @{} was {}, is {}", buffer.name, element(before), element(after));
        }
    }
    "nothing differs".to_owned()
}

#[test]
fn passes_keep_the_meaning_of_random_kernels() {
    let first = number("HIDET_SEED", 0);
    let seeds = first..first + number("HIDET_SEEDS", 1500);
    let failures: Vec<String> =
        seeds.into_par_iter().filter_map(|seed| check(seed).err().map(|why| format!("seed {seed}: {why}"))).collect();
    let first: Vec<&String> = failures.iter().take(3).collect();
    assert!(failures.is_empty(), "{} kernels fail\n{first:#?}", failures.len());
}

#[test]
fn nvrtc_takes_random_kernels() {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "on CI, NVRTC must be there: {missing}");
        return eprintln!("SKIPPED: {missing}");
    }
    let first = number("HIDET_SEED", 0);
    let failures: Vec<String> = (first..first + number("HIDET_NVRTC_SEEDS", 40))
        .into_par_iter()
        .filter_map(|seed| {
            let options = LoweringOptions { checks: seed % 4 == 1, wide_index: seed % 4 == 2, contract: true };
            let arch = Arch::TESTED[1 + seed as usize % (Arch::TESTED.len() - 1)];
            let compiled = lower(&random_kernel(seed).function, &options)
                .and_then(|lowered| codegen::cuda(&lowered, arch))
                .and_then(|source| nvrtc::compile(&source, arch));
            compiled.err().map(|error| format!("seed {seed} on {arch}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
