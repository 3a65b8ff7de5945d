//! A program as a file of `tests/filetests/run`: the kernel as text, its arguments, and the expected results.

use super::compare::tensor;
use super::oracle;
use hidet::ir::{Access, text};
use hidet::sim::Memory;
use hidet::testing::random::{ArgumentValue, Program};
use hidet::types::{Const, Scalar};
use std::fmt::Write;

/// Returns the file of a program with one launch and without tables of tensors, with notes before it; for others their
/// kernels and launches, which a filetest cannot hold.
pub fn text(program: &Program, notes: &str) -> String {
    let mut out: String = notes.lines().map(|line| format!("; {line}\n")).collect();
    let has_tables = program.arguments.iter().any(|argument| matches!(argument, ArgumentValue::Table { .. }));
    let ([step], false) = (&program.steps[..], has_tables) else {
        program.kernels.iter().for_each(|kernel| out += &text::print(kernel));
        program.steps.iter().for_each(|step| _ = writeln!(out, "; launch {:?}", step));
        _ = writeln!(out, "; dims {:?}\n; arguments {:?}", program.dims, program.arguments);
        return out;
    };
    let kernel = &program.kernels[step.kernel];
    for ((_, dim), value) in kernel.dims.iter().zip(&program.dims) {
        _ = writeln!(out, "; arg {} = {value}", dim.name);
    }
    for (param, argument) in kernel.params.iter().zip(&step.arguments) {
        match (&program.arguments[*argument], tensor(program, *argument), param) {
            (_, Some((Access::Out | Access::PartialOut, name, _)), _) => _ = writeln!(out, "; arg @{name} = unset"),
            (ArgumentValue::Tensor(bytes), Some((_, name, elem)), _) => {
                _ = writeln!(out, "; arg @{name} = {}", elements(elem, bytes));
            }
            (ArgumentValue::Scalar(value), _, hidet::ir::Param::Scalar { name, .. }) => {
                _ = writeln!(out, "; arg %{name} = {}", text::print_constant(*value));
            }
            _ => {}
        }
    }
    out += "; test: run\n";
    out += &text::print(kernel);
    out += "; ----\n";
    match oracle::memories_after(program, &program.kernels, 0, oracle::Mode::Checked) {
        Ok(memories) => {
            for (argument, memory) in memories.iter().enumerate() {
                if let (Some(memory), Some((Access::Out | Access::PartialOut | Access::InOut, name, elem))) =
                    (memory, tensor(program, argument))
                {
                    out += &show(name, elem, memory);
                }
            }
        }
        Err(why) => out += &format!("; it is faulty: {why}\n"),
    }
    out
}

fn constant(elem: Scalar, bytes: &[u8]) -> String {
    let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    text::print_constant(Const { scalar: elem, bits })
}

fn elements(elem: Scalar, bytes: &[u8]) -> String {
    let mut words: Vec<String> = bytes.chunks(elem.bytes()).map(|bytes| constant(elem, bytes)).collect();
    if words.len() > 1 && words.iter().all(|word| *word == words[0]) {
        words = vec!["fill".to_owned(), words.swap_remove(0)];
    }
    words.join(" ")
}

/// Formats a tensor as filetests do: sixteen elements per line.
fn show(name: &str, elem: Scalar, memory: &Memory) -> String {
    let size = elem.bytes();
    let mut out = format!("@{name} =");
    let count = memory.len() / size;
    for at in 0..count {
        out += if at % 16 == 0 && count > 16 { "\n  " } else { " " };
        let mut bytes = vec![0; size];
        memory.read(at * size, &mut bytes);
        out += &if memory.is_written(at * size, size) { constant(elem, &bytes) } else { "unset".to_owned() };
    }
    out + "\n"
}
