//! The simulated device as oracle: the results of a program if the checkers are silent, else the reason to discard it.

use super::compare::{Contents, POISON, tensor};
use hidet::ir::{Access, Function, verify};
use hidet::sim::{self, Failure, Memory};
use hidet::testing::random::{ArgumentValue, Program};
use std::ops::Range;
use std::sync::Arc;

/// The checking mode of a simulation.
#[derive(Clone, Copy)]
pub enum Mode {
    /// With all checkers.
    Checked,
    /// Without checkers.
    Fast,
}

/// The most instructions of a block, more than any program of the families needs: one that is being reduced may have a loop
/// without an end.
const STEPS: u64 = 1 << 28;

/// The number of words of a report by which discarded programs are counted.
const WORDS: usize = 7;

/// Verifies all kernels of a program.
pub fn verify(program: &Program) -> Result<(), String> {
    for kernel in &program.kernels {
        if let Err(problems) = verify::verify(kernel) {
            let first = problems.first().map_or("", |problem| problem.message.as_str());
            return Err(format!("not valid: {}", words(first)));
        }
    }
    Ok(())
}

fn options(seed: u64, mode: Mode) -> sim::Options {
    let options = match mode {
        Mode::Checked => sim::Options { counters: false, ..sim::Options::default() },
        Mode::Fast => sim::Options::fast(),
    };
    sim::Options { seed, threads: Some(1), steps: Some(STEPS), ..options }
}

/// Runs a program with these kernels in place of its own. Returns the memory of its tensors, or the first words of a
/// report.
pub fn memories_after(
    program: &Program,
    kernels: &[Function],
    seed: u64,
    mode: Mode,
) -> Result<Vec<Option<Arc<Memory>>>, String> {
    let (memories, options) = (memories(program, mode)?, options(seed, mode));
    for step in &program.steps {
        let unknown = "a launch of an unknown kernel";
        let kernel = kernels.get(step.kernel).ok_or(unknown)?;
        // What must be written is known from the layouts as they were written.
        let written = program.kernels.get(step.kernel).ok_or(unknown)?;
        let mut arguments = sim::LaunchArguments { dims: program.dims.clone(), ..sim::LaunchArguments::default() };
        for argument in &step.arguments {
            match (memories.get(*argument), program.arguments.get(*argument)) {
                (Some(Some(memory)), Some(ArgumentValue::Table { entries, .. })) => {
                    arguments.tables.push(table(program, *argument, memory, entries)?);
                }
                (Some(Some(memory)), _) => {
                    arguments.tensors.push(sim::TensorArg { memory: memory.clone(), offset: 0 });
                }
                (_, Some(ArgumentValue::Scalar(value))) => arguments.scalars.push(*value),
                _ => return Err("an unknown argument".to_owned()),
            }
        }
        sim::run_lowered(kernel, written, &arguments, &options).map_err(|failure| reason(&failure))?;
    }
    Ok(memories)
}

/// Returns a table whose entries are these bytes of a memory.
fn table(
    program: &Program,
    argument: usize,
    memory: &Arc<Memory>,
    entries: &[Range<usize>],
) -> Result<sim::TableArg, String> {
    let (_, _, elem) = tensor(program, argument).ok_or("an unknown table")?;
    let entry = |bytes: &Range<usize>| {
        (sim::TensorArg { memory: memory.clone(), offset: bytes.start }, bytes.len() / elem.bytes())
    };
    // Entries have no rows of their own, and no kernel reads the addresses here.
    let own = Memory::from_bytes(&vec![0; 16 * entries.len()]).map_err(|full| full.to_string())?;
    let table = sim::TensorArg { memory: Arc::new(own), offset: 0 };
    Ok(sim::TableArg { entries: entries.iter().map(entry).collect(), table })
}

/// The same, but returns the contents of its tensors.
pub fn run(program: &Program, kernels: &[Function], seed: u64, mode: Mode) -> Result<Contents, String> {
    let memories = memories_after(program, kernels, seed, mode)?;
    let content = |memory: &Arc<Memory>| {
        let mut bytes = vec![0; memory.len()];
        memory.read(0, &mut bytes);
        for (at, byte) in bytes.iter_mut().enumerate() {
            if !memory.is_written(at, 1) {
                *byte = POISON;
            }
        }
        bytes
    };
    Ok(memories.iter().map(|memory| memory.as_ref().map(content)).collect())
}

/// The memory of each tensor before the first launch.
fn memories(program: &Program, mode: Mode) -> Result<Vec<Option<Arc<Memory>>>, String> {
    let memory = |(argument, _)| {
        let Some(bytes) = content(program, argument) else { return Ok(None) };
        let unset = matches!(tensor(program, argument), Some((Access::Out | Access::PartialOut, ..)));
        let memory = match mode {
            Mode::Checked if unset => Memory::uninit(bytes.len()),
            _ => Memory::from_bytes(&bytes),
        };
        memory.map(|memory| Some(Arc::new(memory))).map_err(|full| full.to_string())
    };
    program.arguments.iter().enumerate().map(memory).collect()
}

/// Returns the content of a tensor before the first launch, or `None` for a number.
pub fn content(program: &Program, argument: usize) -> Option<Vec<u8>> {
    let bytes = program.arguments.get(argument)?.memory()?;
    match tensor(program, argument) {
        Some((Access::Out | Access::PartialOut, ..)) => Some(vec![POISON; bytes.len()]),
        _ => Some(bytes.to_vec()),
    }
}

fn reason(failure: &Failure) -> String {
    match (failure, failure.faults().first()) {
        (Failure::Refused { message, .. }, _) => format!("not simulated: {}", words(message)),
        (_, Some(fault)) => format!("{}: {}", fault.kind.name(), words(&fault.message)),
        (_, None) => "faulty".to_owned(),
    }
}

/// Returns the first words, without numbers, so that equal reasons are equal texts.
fn words(message: &str) -> String {
    let words = message.split_whitespace().take(WORDS);
    let plain = words
        .map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()).replace(|c: char| c.is_ascii_digit(), "#"));
    plain.collect::<Vec<_>>().join(" ")
}
