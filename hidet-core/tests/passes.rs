//! Every pass on random kernels: the result is valid, round-trips through text, reaches a fixed point, and computes the
//! same.
//!
//! `HIDET_RANDOM` is the number of kernels.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet_core::ir::emit::Emitter;
use hidet_core::ir::{BinaryOp, CompareOp, Function, Op, Stmt, UnaryOp, text, verify};
use hidet_core::passes::{self, LoweringOptions, PIPELINE};
use hidet_core::sim::{self, LaunchArguments, Memory, TensorArg};
use hidet_core::testing::random::{ArgumentValue, RandomKernel, random_kernel};
use hidet_core::types::{Const, Scalar, Type};
use std::sync::Arc;

fn kernels() -> impl Iterator<Item = (u64, RandomKernel)> {
    let count = std::env::var("HIDET_RANDOM").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    (0..count).map(|seed| (seed, random_kernel(seed)))
}

fn all_options() -> [LoweringOptions; 3] {
    let default = LoweringOptions::default();
    [
        default.clone(),
        LoweringOptions { contract: false, ..default },
        LoweringOptions { checks: true, wide_index: true, contract: false },
    ]
}

#[test]
fn passes_keep_kernels_valid_and_reach_a_fixed_point() {
    for (seed, kernel) in kernels() {
        for options in all_options() {
            let mut before = text::print(&kernel.function);
            let lowered = passes::lower_with(&kernel.function, &options, &mut |pass, function| {
                let printed = text::print(function);
                if let Err(problems) = verify::verify(function) {
                    let (name, message) = (pass.name, &problems[0].message);
                    panic!("seed {seed}, after {name}: {message}\nbefore:\n{before}\nafter:\n{printed}");
                }
                let again = text::parse(&printed).unwrap();
                assert!(again.structurally_equals(function), "seed {seed}, after {}: {printed}", pass.name);
                before = printed;
            });
            let lowered = lowered.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            if !options.checks {
                let again = passes::lower(&lowered, &options).unwrap();
                assert_eq!(text::print(&again), text::print(&lowered), "seed {seed}: lowering twice is more");
            }
        }
    }
}

/// Returns the tensors after a launch with all checkers on.
fn run(kernel: &RandomKernel, function: &Function) -> Result<Vec<Vec<u8>>, String> {
    let mut arguments = LaunchArguments { dims: kernel.dims.clone(), ..LaunchArguments::default() };
    let mut memories = vec![];
    for argument in &kernel.arguments {
        match argument {
            ArgumentValue::Tensor(bytes) => {
                let memory = Arc::new(Memory::from_bytes(bytes).map_err(|why| why.to_string())?);
                memories.push(memory.clone());
                arguments.tensors.push(TensorArg { memory, offset: 0 });
            }
            ArgumentValue::Scalar(constant) => arguments.scalars.push(*constant),
            ArgumentValue::Table { .. } => return Err("a table".to_owned()),
        }
    }
    let options = sim::Options { seed: 7, threads: Some(1), ..Default::default() };
    sim::run(function, &arguments, &options).map_err(|failure| failure.to_string())?;
    let read = |memory: &Arc<Memory>| {
        let mut bytes = vec![0; memory.len()];
        memory.read(0, &mut bytes);
        bytes
    };
    Ok(memories.iter().map(read).collect())
}

#[test]
fn passes_keep_what_kernels_compute() {
    for (seed, kernel) in kernels() {
        let written = run(&kernel, &kernel.function).unwrap_or_else(|error| panic!("seed {seed} as written: {error}"));
        for options in all_options() {
            let mut expected = written.clone();
            let mut function = kernel.function.clone();
            for pass in PIPELINE {
                let before = text::print(&function);
                (pass.run)(&mut function, &options).unwrap();
                let show = |what: &str| {
                    let after = text::print(&function);
                    panic!("seed {seed}, {options:?}, {}: {what}\nbefore:\n{before}\nafter:\n{after}", pass.name);
                };
                match run(&kernel, &function) {
                    // The only pass that may change rounding.
                    Ok(computed) if pass.name == "contract" => expected = computed,
                    Ok(computed) if computed != expected => show("another result"),
                    Ok(_) => {}
                    Err(error) => show(&error),
                }
            }
        }
    }
}

/// Returns the function with an assertion after all `i32` arithmetic that is proved not to overflow: `i64` arithmetic
/// must give the same result.
fn with_proofs_asserted(function: &Function) -> (Function, usize) {
    let proved = passes::exact_arithmetic(function);
    let (mut function, mut count) = (function.clone(), 0);
    let asserted = function.rewrite(&mut |function, id, out| {
        out.push(id);
        let Stmt::Let { value, op } = function.stmts[id].clone() else { return Ok(()) };
        if !proved.exact[value] || function.ty(value).scalar != Scalar::I32 {
            return Ok(());
        }
        count += 1;
        let span = function.spans[id];
        let mut emit = Emitter::new(function, out, span);
        let mut wide = |value| emit.emit(Scalar::I64, Op::Cast(value));
        let result = wide(value);
        let whole = match op {
            Op::Binary(op, a, b) => {
                let (a, b) = (wide(a), wide(b));
                emit.emit(Scalar::I64, Op::Binary(op, a, b))
            }
            Op::Unary(UnaryOp::Neg, a) => {
                let a = wide(a);
                let zero = emit.constant_value(Const { scalar: Scalar::I64, bits: 0 });
                emit.emit(Scalar::I64, Op::Binary(BinaryOp::Sub, zero, a))
            }
            op => panic!("{op:?} is proved not to overflow"),
        };
        let cond = emit.emit(Type::BOOL, Op::Compare(CompareOp::Eq, result, whole));
        emit.push(Stmt::Assert { cond, message: format!("{value} overflows") });
        Ok(())
    });
    asserted.unwrap();
    (function, count)
}

#[test]
fn proofs_of_no_overflow_hold() {
    let mut proofs = 0;
    for (seed, kernel) in kernels() {
        let lowered = passes::lower(&kernel.function, &LoweringOptions::default()).unwrap();
        let (asserted, count) = with_proofs_asserted(&lowered);
        proofs += count;
        run(&kernel, &asserted).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(proofs > 500, "only {proofs} proofs were tried");
}
