//! Random programs in which threads communicate, of integers at the edges of their types, and of bulk copies: they are
//! valid, round-trip through text, run without a fault on the simulated device, and have the same results under every
//! seed of its scheduler and after every pass. Every kind of communication occurs.
//!
//! `HIDET_SEEDS=10000 cargo test -p hidet-core --test talking_programs` runs 10000 programs, starting with seed
//! `HIDET_SEED` (0).

#![allow(clippy::unwrap_used)]

use hidet_core::codegen;
use hidet_core::cuda::nvrtc;
use hidet_core::ir::{Access, Arch, Function, Param, text, verify};
use hidet_core::passes::{LoweringOptions, lower, lower_with};
use hidet_core::sim::{self, Memory};
use hidet_core::testing::random::{ArgumentValue, Cell, Program, numbers_program, talking_program, tma_program};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = number("HIDET_SEED", 0);
    first..first + number("HIDET_SEEDS", default)
}

/// Returns memory for the arguments; memory that a kernel must write first is uninitialised.
fn memories(program: &Program) -> Vec<Option<Arc<Memory>>> {
    let first_use = |argument: usize| {
        program.steps.iter().find_map(|step| {
            let position = step.arguments.iter().position(|of| *of == argument)?;
            match program.kernels[step.kernel].params[position] {
                Param::Tensor { access, .. } => Some(access),
                Param::Scalar { .. } => None,
            }
        })
    };
    let memory = |(number, argument): (usize, &ArgumentValue)| match argument {
        ArgumentValue::Tensor(bytes) if first_use(number) == Some(Access::Out) => Memory::uninit(bytes.len()).ok(),
        ArgumentValue::Tensor(bytes) => Memory::from_bytes(bytes).ok(),
        _ => None,
    };
    program.arguments.iter().enumerate().map(memory).map(|memory| memory.map(Arc::new)).collect()
}

/// Returns the content of every tensor after the last step.
fn run(program: &Program, kernels: &[Function], options: &sim::Options) -> Result<Vec<Vec<u8>>, String> {
    let memories = memories(program);
    for step in &program.steps {
        let mut arguments = sim::LaunchArguments { dims: program.dims.clone(), ..sim::LaunchArguments::default() };
        for of in &step.arguments {
            match (&memories[*of], &program.arguments[*of]) {
                (Some(memory), _) => arguments.tensors.push(sim::TensorArg { memory: memory.clone(), offset: 0 }),
                (None, ArgumentValue::Scalar(value)) => arguments.scalars.push(*value),
                (None, _) => return Err("no memory".to_owned()),
            }
        }
        sim::run(&kernels[step.kernel], &arguments, options).map_err(|failure| failure.to_string())?;
    }
    let content = |memory: &Arc<Memory>| {
        let mut bytes = vec![0; memory.len()];
        memory.read(0, &mut bytes);
        bytes
    };
    Ok(memories.iter().flatten().map(content).collect())
}

fn shown(program: &Program) -> String {
    let cells: Vec<String> = program.cells.iter().map(Cell::to_string).collect();
    let kernels: Vec<String> = program.kernels.iter().map(text::print_with_spans).collect();
    format!("{}\n{}", cells.join("\n"), kernels.join("\n"))
}

#[test]
fn they_are_valid_and_survive_the_text_form() {
    let programs =
        |seed| [talking_program(seed), numbers_program(seed), tma_program(seed).unwrap()].map(|of| (seed, of));
    for (seed, program) in seeds(500).flat_map(programs) {
        for kernel in &program.kernels {
            if let Err(problems) = verify::verify(kernel) {
                panic!("seed {seed}: {problems:?}\n{}", text::print_with_spans(kernel));
            }
            let printed = text::print(kernel);
            let read = text::parse(&printed).unwrap();
            assert!(read.structurally_equals(kernel), "seed {seed}");
            assert_eq!(text::print(&read), printed, "seed {seed}");
        }
        for step in &program.steps {
            assert_eq!(step.arguments.len(), program.kernels[step.kernel].params.len(), "seed {seed}");
        }
        assert!(program.steps.iter().flat_map(|step| &step.arguments).all(|of| *of < program.arguments.len()));
    }
}

#[test]
fn every_kind_of_communication_occurs() {
    let mut counts: BTreeMap<Cell, u32> = BTreeMap::new();
    let mut statements = Vec::new();
    for seed in 0..3000 {
        let program = talking_program(seed);
        statements.push(program.kernels.iter().map(|kernel| kernel.stmts.len()).max().unwrap());
        for cell in program.cells {
            *counts.entry(cell).or_default() += 1;
        }
    }
    for (cell, count) in &counts {
        println!("{count:6} {cell}");
    }
    statements.sort();
    println!(
        "{} cells; statements: {:?}",
        counts.len(),
        [10, 50, 90, 99].map(|at| statements[statements.len() * at / 100])
    );
    assert_eq!(counts.len(), hidet_core::testing::random::talking_cells().len());
    assert!(counts.values().all(|count| *count > 1), "some occur once only");
}

/// Checks a program under several seeds of the scheduler and after every pass; an error says whether it is a fault.
fn check(seed: u64, program: Program) -> Result<(), (bool, String)> {
    let mut results = Vec::new();
    for order in 0..3 {
        let options = sim::Options { seed: order * 1000 + seed, threads: Some(1), ..sim::Options::default() };
        results.push(run(&program, &program.kernels, &options).map_err(|why| (true, why))?);
    }
    if results.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err((false, format!("the scheduler decides the result\n{}", shown(&program))));
    }
    let options = LoweringOptions { checks: seed % 4 == 1, wide_index: seed % 4 == 2, contract: true };
    let fast = sim::Options { seed, threads: Some(1), ..sim::Options::fast() };
    for number in 0..program.kernels.len() {
        let mut kernels = program.kernels.clone();
        let mut failure = None;
        let mut last = String::new();
        let lowered = lower_with(&program.kernels[number], &options, &mut |pass, function| {
            let printed = text::print(function);
            if failure.is_some() || printed == last {
                return;
            }
            kernels[number] = function.clone();
            let found = match run(&program, &kernels, &fast) {
                Ok(after) if after == results[0] => None,
                Ok(_) => Some("another result".to_owned()),
                Err(why) => Some(why),
            };
            failure = found.map(|why| format!("after {}: {why}\n{last}\n=== after\n{printed}", pass.name));
            last = printed;
        });
        let error = lowered.err().map(|error| error.to_string());
        if let Some(failure) = failure.or(error) {
            return Err((false, failure));
        }
    }
    Ok(())
}

#[test]
fn they_are_free_of_races_and_passes_keep_their_meaning() {
    let all: Vec<(u64, Result<(), (bool, String)>)> =
        seeds(300).into_par_iter().map(|seed| (seed, check(seed, talking_program(seed)))).collect();
    let mut faulty: BTreeMap<String, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (seed, result) in &all {
        match result {
            Ok(()) => {}
            Err((true, why)) => {
                for cell in talking_program(*seed).cells {
                    *faulty.entry(cell.to_string()).or_default() += 1;
                }
                println!("seed {seed}: {why}");
            }
            Err((false, why)) => wrong.push(format!("seed {seed}: {why}")),
        }
    }
    println!("faulty cells: {faulty:#?}");
    let count = all.iter().filter(|(_, result)| matches!(result, Err((true, _)))).count();
    println!("{count} of {} are faulty", all.len());
    assert!(wrong.is_empty(), "{} programs are wrong\n{}", wrong.len(), wrong[0]);
    assert!(count * 20 <= all.len(), "{count} of {} are faulty", all.len());
}

#[test]
fn passes_keep_the_numbers() {
    let failures: Vec<String> = seeds(1000)
        .into_par_iter()
        .filter_map(|seed| check(seed, numbers_program(seed)).err().map(|(_, why)| format!("seed {seed}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{} programs are wrong\n{}", failures.len(), failures[0]);
}

#[test]
fn passes_keep_what_bulk_copies_move() {
    let failures: Vec<String> = seeds(300)
        .into_par_iter()
        .filter_map(|seed| check(seed, tma_program(seed).unwrap()).err().map(|(_, why)| format!("seed {seed}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{} programs are wrong\n{}", failures.len(), failures[0]);
}

#[test]
fn nvrtc_accepts_them() {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "NVRTC must be present on CI: {missing}");
        return eprintln!("SKIPPED: {missing}");
    }
    let arch = Arch { number: 90, specific: true };
    let sample: Vec<u64> = seeds(500).step_by(10).collect();
    let failures: Vec<String> = sample
        .into_par_iter()
        .filter_map(|seed| {
            let options = LoweringOptions { checks: seed % 40 == 10, wide_index: seed % 40 == 20, contract: true };
            let programs = [talking_program(seed), numbers_program(seed), tma_program(seed).unwrap()];
            let kernels = programs.map(|program| program.kernels).concat();
            kernels.iter().find_map(|kernel| {
                let compiled = lower(kernel, &options)
                    .and_then(|lowered| codegen::cuda(&lowered, arch))
                    .and_then(|source| nvrtc::compile(&source, arch));
                compiled.err().map(|error| format!("seed {seed}: {error}"))
            })
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
