//! Random programs on tables of tensors: those of the other families with one kernel, of whose tensors some become tables
//! that have the rows as entries. All entries have the same shape.

use super::rng::Rng;
use super::strides::{BETWEEN, contiguous, with_most_arguments};
use super::{ArgumentValue, Program, exact_kernel, numbers_program, talking_program};
use crate::ir::{Entries, verify};
use crate::layout::Layout;
use crate::passes;
use std::ops::Range;

/// The most entries of a table.
const ENTRIES: i64 = 256;

/// Returns the program of a seed.
pub fn tables_program(seed: u64) -> Program {
    let program = match seed % 4 {
        0 => numbers_program(seed),
        1 => talking_program(seed),
        _ => exact_kernel(seed).into(),
    };
    let program = if program.kernels.len() == 1 { program } else { exact_kernel(seed).into() };
    with_most_arguments(program, seed ^ 0x7461_626c, cut)
}

/// Makes a tensor a table, if the kernel takes it so.
fn cut(program: &mut Program, argument: usize, rng: &mut Rng) -> Option<()> {
    let (id, shape, bytes) = contiguous(program, argument)?;
    // Accesses that span rows would span entries.
    passes::strided(program.kernels.first()?, &[id]).ok()?;
    let mut kernel = program.kernels.first()?.clone();
    let buffer = &mut kernel.buffers[id];
    let Layout::Strided { strides, .. } = &mut buffer.layout else { return None };
    *strides.first_mut()? = 0.into();
    buffer.entries = Some(Entries { rows: None });
    let unit = (buffer.align as usize).max(16);
    if !(1..=ENTRIES).contains(&shape[0]) || bytes.len() < shape[0] as usize || verify::check(&kernel).is_err() {
        return None;
    }
    let entries = places(shape[0] as usize, bytes.len() / shape[0] as usize, unit, rng);
    let memory = scattered(&bytes, &entries);
    if let Some(Some(expected)) = program.expected.get_mut(argument) {
        *expected = scattered(expected, &entries);
    }
    program.arguments[argument] = ArgumentValue::Table { memory, entries };
    program.kernels = vec![kernel];
    Some(())
}

/// Returns the bytes of as many entries of that size, in a random order, each at a multiple of the unit.
fn places(count: usize, size: usize, unit: usize, rng: &mut Rng) -> Vec<Range<usize>> {
    let (mut places, mut next) = (Vec::new(), 0);
    for _ in 0..count {
        places.push(next..next + size);
        next = (next + size).next_multiple_of(unit) + unit * rng.below(3);
    }
    for last in (1..count).rev() {
        places.swap(last, rng.below(last + 1));
    }
    places
}

/// Returns the memory in which the entries, given one after the other, are at their places.
fn scattered(bytes: &[u8], entries: &[Range<usize>]) -> Vec<u8> {
    let mut memory = vec![BETWEEN; entries.iter().map(|entry| entry.end).max().unwrap_or(0)];
    let mut rest = bytes;
    for entry in entries {
        let (own, others) = rest.split_at(entry.len());
        memory[entry.clone()].copy_from_slice(own);
        rest = others;
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Access, Param};

    #[test]
    fn most_programs_have_tables() {
        let (mut read, mut written) = (0, 0);
        for seed in 0..200 {
            let program = tables_program(seed);
            let kernel = &program.kernels[0];
            for param in &kernel.params {
                let Param::Tensor { buffer, access } = param else { continue };
                if kernel.buffers[*buffer].entries.is_some() {
                    *(if *access == Access::In { &mut read } else { &mut written }) += 1;
                }
            }
        }
        assert!(read > 60 && written > 60, "{read} inputs and {written} outputs of 200 programs");
    }

    #[test]
    fn entries_are_scattered() {
        assert_eq!(scattered(&[1, 2, 3, 4], &[3..5, 0..2]), [3, 4, BETWEEN, 1, 2]);
    }
}
