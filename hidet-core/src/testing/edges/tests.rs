//! The simulated device matches the table, before and after lowering, and the table has every operation.

use super::{EdgeKernel, edges_program, kernels, operations};
use crate::ir::Function;
use crate::ir::verify::verify;
use crate::passes::{LoweringOptions, lower};
use crate::sim;
use crate::testing::random::ArgumentValue;
use rayon::prelude::*;
use std::sync::Arc;

/// Runs a function of one input and returns its output of `output` bytes.
fn run(function: &Function, dims: Vec<i64>, input: &[u8], output: usize) -> Vec<u8> {
    let x = Arc::new(sim::Memory::from_bytes(input).unwrap());
    let y = Arc::new(sim::Memory::uninit(output).unwrap());
    let tensors = [&x, &y].map(|memory| sim::TensorArg { memory: memory.clone(), offset: 0 }).to_vec();
    let arguments = sim::LaunchArguments { dims, tensors, ..sim::LaunchArguments::default() };
    if let Err(failure) = sim::run(function, &arguments, &sim::Options::fast()) {
        panic!("{}: {failure}", function.name);
    }
    let mut found = vec![0; output];
    y.read(0, &mut found);
    found
}

/// Returns the wrong results of a function in place of the kernel's.
fn wrong(kernel: &EdgeKernel, function: &Function) -> Vec<String> {
    let input: Vec<u8> = kernel.operands.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let found = run(function, vec![kernel.cases() as i64], &input, 8 * kernel.cases());
    let words: Vec<u64> = found.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    kernel.differences(&words)
}

#[test]
fn random_compositions_give_what_the_host_computed() {
    let failures: Vec<String> = (0..200u64)
        .into_par_iter()
        .filter_map(|seed| {
            let program = edges_program(seed).unwrap();
            let function = &program.kernels[0];
            assert_eq!(verify(function), Ok(()), "seed {seed}");
            let [ArgumentValue::Tensor(x), ..] = program.arguments.as_slice() else { panic!("no input") };
            let expected = program.expected[1].as_ref().unwrap();
            let lowered = lower(function, &LoweringOptions::default()).unwrap();
            [function, &lowered].into_iter().find_map(|function| {
                let found = run(function, Vec::new(), x, expected.len());
                let at = (0..expected.len()).find(|at| found[*at] != expected[*at])? / 8;
                Some(format!("seed {seed}: result {} of thread {}", at / 32, at % 32))
            })
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_operation_gives_what_rust_gives_at_its_edges() {
    let kernels = kernels().unwrap();
    for kernel in &kernels {
        assert_eq!(verify(&kernel.function), Ok(()));
    }
    let found: Vec<String> = kernels.par_iter().flat_map(|kernel| wrong(kernel, &kernel.function)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn lowering_keeps_the_results_at_the_edges() {
    let kernels = kernels().unwrap();
    let found: Vec<String> = kernels
        .par_iter()
        .flat_map(|kernel| wrong(kernel, &lower(&kernel.function, &LoweringOptions::default()).unwrap()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Methods that are not in the table: functions without exact results, which are checked within bounds elsewhere
/// (`hidet check --only math`), methods that are not operations on numbers, and intrinsics.
const ELSEWHERE: &[&str] = &[
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asin",
    "acos",
    "atan",
    "asinh",
    "acosh",
    "atanh",
    "exp",
    "exp2",
    "exp_m1",
    "ln",
    "log2",
    "log10",
    "ln_1p",
    "erf",
    "powf",
    "atan2",
    "bit_field",
];

/// Returns the names of the methods that the source files of the language define.
fn methods() -> Vec<&'static str> {
    let files = [
        include_str!("../../dsl/math.rs"),
        include_str!("../../dsl/integer.rs"),
        include_str!("../../dsl/intrinsics/bits.rs"),
        include_str!("../../dsl/ops.rs"),
    ];
    let mut found = Vec::new();
    // A row of a macro counts as the method that the macro generates.
    for line in files.iter().flat_map(|file| file.lines()).map(str::trim) {
        if let Some((name, _)) = line.strip_prefix("pub fn ").and_then(|rest| rest.split_once(['(', '<']))
            && line.contains("(self")
            && !name.starts_with('$')
        {
            found.push(name);
        }
        // Rows of macros: `floor Floor;`, `Add add Add Arithmetic ..`.
        match line.trim_end_matches(';').split(' ').collect::<Vec<_>>().as_slice() {
            [name, variant] if line.ends_with(';') && variant.starts_with(char::is_uppercase) => found.push(name),
            [_, name, _, "Arithmetic:" | "Bits:" | "Int:", ..] => found.push(name),
            _ => {}
        }
    }
    found
}

#[test]
fn every_method_is_in_the_table() {
    let operations = operations();
    let stands = |name: &str| {
        let named = |operation: &super::Operation| {
            operation.name.split_once('.').is_some_and(|(_, own)| own == name || own.split(' ').next() == Some(name))
        };
        let name = if name == "to" { "as" } else { name };
        operations.iter().any(named) || operations.iter().any(|op| op.name.contains(&format!(".{name} ")))
    };
    let methods = methods();
    assert!(methods.len() > 50, "{methods:?}");
    let missing: Vec<_> = methods.iter().filter(|name| !stands(name) && !ELSEWHERE.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn operations_are_distinct() {
    let names: Vec<String> =
        operations().iter().map(|op| format!("{} {:?} {}", op.name, op.operands, op.result)).collect();
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
