//! Runs a kernel on given arguments and prints its outputs.

use hidet_core::ir::{Access, Function, Param, text, verify};
use hidet_core::passes::{self, LoweringOptions};
use hidet_core::sim::{self, LaunchArguments, Memory, TensorArg};
use hidet_core::types::{Const, Scalar};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// The values of `; arg` lines, by name with its sigil.
type Given<'a> = HashMap<&'a str, &'a str>;

/// Puts the contents of the outputs into `expected`.
pub fn run(function: &Function, notes: &[String], expected: &mut Option<String>) -> Result<(), String> {
    verify::check(function).map_err(|error| error.to_string())?;
    let given: Given<'_> = notes
        .iter()
        .filter_map(|note| note.strip_prefix("; arg ")?.split_once(" = "))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let found = outputs(function, function, &given, 0)?;
    for seed in 1..8 {
        if outputs(function, function, &given, seed)? != found {
            return Err(format!("seed {seed} gives another result"));
        }
    }
    for checks in [false, true] {
        // Contraction rounds differently by design.
        let options = LoweringOptions { checks, wide_index: checks, contract: false };
        let lowered = passes::lower(function, &options).map_err(|error| error.to_string())?;
        let after = outputs(function, &lowered, &given, 0).map_err(|error| format!("lowered: {error}"))?;
        if after != found {
            return Err(format!("lowered, it gives another result:\n{after}"));
        }
    }
    *expected = Some(found);
    Ok(())
}

/// The outputs of `function`, which has the signature of `original`, as text.
fn outputs(original: &Function, function: &Function, given: &Given<'_>, seed: u64) -> Result<String, String> {
    let lookup = |name: &str| given.get(name).copied().ok_or_else(|| format!("there is no `; arg {name} = ..`"));
    let mut arguments = LaunchArguments::default();
    for (_, dim) in original.dims.iter() {
        arguments.dims.push(lookup(&dim.name)?.parse().map_err(|_| format!("`{}` needs a number", dim.name))?);
    }
    let mut written = Vec::new();
    for param in &original.params {
        match param {
            Param::Scalar { name, value } => {
                let scalar = original.ty(*value).scalar;
                arguments.scalars.push(constant(scalar, lookup(&format!("%{name}"))?)?);
            }
            Param::Tensor { buffer, access } => {
                let buffer = &original.buffers[*buffer];
                let name = format!("@{}", buffer.name);
                let elements = buffer.layout.size().eval(&arguments.dims).map_err(str::to_owned)? as usize;
                let memory = Arc::new(content(buffer.elem, elements, lookup(&name)?)?);
                if *access != Access::In {
                    written.push((name, buffer.elem, elements, memory.clone()));
                }
                arguments.tensors.push(TensorArg { memory, offset: 0 });
            }
        }
    }
    let options = sim::Options { seed, ..sim::Options::default() };
    sim::run_lowered(function, original, &arguments, &options).map_err(|failure| failure.to_string())?;
    Ok(written.iter().map(|(name, elem, elements, memory)| show(name, *elem, *elements, memory)).collect())
}

fn constant(scalar: Scalar, text: &str) -> Result<Const, String> {
    text::parse_constant(scalar, text).ok_or_else(|| format!("`{text}` is not a value of type {scalar}"))
}

fn content(elem: Scalar, elements: usize, text: &str) -> Result<Memory, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let values: Vec<Const> = match words[..] {
        ["unset"] => return Ok(Memory::uninit(elements * elem.bytes()).unwrap()),
        ["iota"] => (0..elements).map(|index| constant(elem, &index.to_string())).collect::<Result<_, _>>()?,
        ["fill", value] => vec![constant(elem, value)?; elements],
        _ => words.iter().map(|word| constant(elem, word)).collect::<Result<_, _>>()?,
    };
    if values.len() != elements {
        return Err(format!("{elements} elements are needed, {} are given", values.len()));
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.bits.to_le_bytes()[..elem.bytes()].to_vec()).collect();
    Ok(Memory::from_bytes(&bytes).unwrap())
}

/// `@y =` and the elements, sixteen per line.
fn show(name: &str, elem: Scalar, elements: usize, memory: &Memory) -> String {
    let mut out = format!("{name} =");
    for index in 0..elements {
        let mut bytes = [0; 8];
        memory.read(index * elem.bytes(), &mut bytes[..elem.bytes()]);
        out.push_str(if index % 16 == 0 && elements > 16 { "\n  " } else { " " });
        match memory.is_written(index * elem.bytes(), elem.bytes()) {
            true => {
                let value = Const { scalar: elem, bits: u64::from_le_bytes(bytes) };
                let _ = write!(out, "{}", text::print_constant(value));
            }
            false => out.push_str("unset"),
        }
    }
    out + "\n"
}
