//! From programs to what is saved of them.

use super::content::{Buffer, Saved, SavedProgram, SavedStep, SavedTensor};
use crate::error::Result;
use crate::program::{Program, Step, accesses};
use crate::shared::key;
use hidet::cache::Digest;
use hidet::cache::codec::Bytes;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::{Access, text};
use hidet::kernel::Compiled;
use std::collections::{HashMap, HashSet};

/// What all programs have: what is saved already.
struct Common<'a> {
    device: &'a Device,
    /// By allocation the number of the arena.
    arenas: HashMap<usize, u64>,
    sizes: Vec<u64>,
    /// By allocation, and by content, the number of the constant.
    constants: HashMap<usize, u64>,
    contents: HashMap<Digest, u64>,
    bytes: Vec<Vec<u8>>,
    /// With the number of the image.
    kernels: Vec<(&'a Compiled, u64)>,
    images: Vec<Bytes>,
}

/// What is saved of a program.
struct Writer<'a, 'b> {
    program: &'a Program,
    common: &'b mut Common<'a>,
    /// Allocations that are not the arena, in the order of their buffers, which are behind its places.
    storages: Vec<&'a Storage>,
    numbers: HashMap<usize, u64>,
}

/// Returns what is saved of programs, and the bytes of constants.
pub(super) fn saved(programs: &[&Program], note: Vec<u8>, device: &Device) -> Result<(Saved, Vec<Vec<u8>>)> {
    let (arenas, constants, contents) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (sizes, bytes, kernels, images) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut common = Common { device, arenas, sizes, constants, contents, bytes, kernels, images };
    let programs = programs.iter().map(|program| common.program(program)).collect::<Result<_>>()?;
    let Common { sizes, bytes, images, .. } = common;
    let constants = bytes.iter().map(|bytes| bytes.len() as u64).collect();
    Ok((Saved { note: Bytes(note), arenas: sizes, constants, kernels: images, programs }, bytes))
}

impl<'a> Common<'a> {
    fn program(&mut self, program: &'a Program) -> Result<SavedProgram> {
        let arena = self.arena(&program.arena.memory);
        let mut writer = Writer { program, common: self, storages: Vec::new(), numbers: HashMap::new() };
        let inputs = program.inputs.iter().map(|input| writer.own(input)).collect();
        let outputs = program.outputs.iter().map(|output| writer.own(output)).collect();
        let steps = program.steps.iter().map(|step| writer.step(step)).collect::<Result<_>>()?;
        let storages = writer.storages;
        let place = |place: &RawTensor| Buffer::Place(place.offset() as u64, place.len() as u64, place.scalar());
        let mut buffers: Vec<Buffer> = program.places.iter().map(place).collect();
        let (needed, changed) = (needed(program), changed(program));
        for storage in storages {
            buffers.push(match (needed.contains(&key(storage)), changed.contains(&key(storage))) {
                (false, _) => Buffer::Empty(storage.len() as u64),
                (true, true) => Buffer::Full(Bytes(content(storage)?)),
                (true, false) => Buffer::Constant(self.constant(storage)?),
            });
        }
        let memory = [program.memory.arena, program.memory.apart, program.memory.least].map(|bytes| bytes as u64);
        Ok(SavedProgram { arena, memory, buffers, steps, inputs, outputs })
    }

    /// Returns the number of an arena.
    fn arena(&mut self, memory: &Storage) -> u64 {
        let next = self.sizes.len() as u64;
        let number = *self.arenas.entry(key(memory)).or_insert(next);
        if number == next {
            self.sizes.push(memory.len() as u64);
        }
        number
    }

    /// Returns the number of a constant; equal ones are there once.
    fn constant(&mut self, storage: &Storage) -> Result<u64> {
        if let Some(number) = self.constants.get(&key(storage)) {
            return Ok(*number);
        }
        let (bytes, next) = (content(storage)?, self.bytes.len() as u64);
        let number = *self.contents.entry(Digest::of(&[&bytes])).or_insert(next);
        if number == next {
            self.bytes.push(bytes);
        }
        self.constants.insert(key(storage), number);
        Ok(number)
    }

    /// Returns the number of a kernel's image; equal ones are there once.
    fn kernel(&mut self, kernel: &'a Compiled) -> Result<u64> {
        if let Some((_, number)) = self.kernels.iter().find(|(known, _)| known.is_same(kernel)) {
            return Ok(*number);
        }
        let image = Bytes(match self.device.is_sim() {
            true => text::print_with_spans(kernel.function()).into_bytes(),
            false => kernel.image()?.to_bytes(),
        });
        let number = self.images.iter().position(|known| *known == image).unwrap_or(self.images.len());
        if number == self.images.len() {
            self.images.push(image);
        }
        self.kernels.push((kernel, number as u64));
        Ok(number as u64)
    }
}

fn content(storage: &Storage) -> Result<Vec<u8>> {
    let mut bytes = vec![0; storage.len()];
    storage.read(0, &mut bytes)?;
    Ok(bytes)
}

impl<'a> Writer<'a, '_> {
    /// Saves a tensor that is not in the arena.
    fn own(&mut self, tensor: &'a RawTensor) -> SavedTensor {
        let next = (self.program.places.len() + self.storages.len()) as u64;
        let number = *self.numbers.entry(key(tensor.storage())).or_insert(next);
        if number == next {
            self.storages.push(tensor.storage());
        }
        part(tensor, number, 0)
    }

    fn step(&mut self, step: &'a Step) -> Result<SavedStep> {
        let kernel = self.common.kernel(&step.launch.kernel)?;
        let argument = |(tensor, place): (&'a RawTensor, &Option<usize>)| match place {
            Some(number) => part(tensor, *number as u64, self.program.places[*number].offset()),
            None => self.own(tensor),
        };
        let arguments = step.launch.arguments.iter().zip(&step.places).map(argument).collect();
        Ok(SavedStep { kernel, arguments, begins: step.begins.iter().map(|number| *number as u64).collect() })
    }
}

/// Returns a tensor as a part of a buffer that begins at some byte of its allocation.
fn part(tensor: &RawTensor, buffer: u64, begin: usize) -> SavedTensor {
    let axes = tensor.shape().iter().zip(tensor.strides()).map(|(extent, stride)| (*extent as u64, *stride as u64));
    SavedTensor { buffer, offset: (tensor.offset() - begin) as u64, dtype: tensor.scalar(), axes: axes.collect() }
}

/// Returns the allocations that inputs or launches write.
fn changed(program: &Program) -> HashSet<usize> {
    let launches = program.steps.iter().flat_map(|step| accesses(&step.launch));
    let written = launches.filter(|(_, access)| *access != Access::In).map(|(tensor, _)| tensor);
    written.chain(&program.inputs).map(|tensor| key(tensor.storage())).collect()
}

/// Returns the allocations of which the bytes before the first launch are needed: launches read them, or results are
/// them, and they are not an input, nor written before.
fn needed(program: &Program) -> HashSet<usize> {
    let end = |tensor: &RawTensor| {
        let axes = tensor.shape().iter().zip(tensor.strides());
        let last: usize = axes.map(|(extent, stride)| extent.saturating_sub(1) * stride).sum();
        tensor.offset() + if tensor.is_empty() { 0 } else { (last + 1) * tensor.scalar().bytes() }
    };
    let is_input = |tensor: &RawTensor| {
        let mut inputs = program.inputs.iter().filter(|input| key(input.storage()) == key(tensor.storage()));
        inputs.any(|input| input.offset() <= tensor.offset() && end(tensor) <= end(input))
    };
    let (mut written, mut needed) = (HashSet::new(), HashSet::new());
    let mut read = |tensor: &RawTensor, written: &HashSet<usize>| {
        if !written.contains(&key(tensor.storage())) && !is_input(tensor) {
            needed.insert(key(tensor.storage()));
        }
    };
    for step in &program.steps {
        let own = accesses(&step.launch).zip(&step.places).filter(|(_, place)| place.is_none());
        // No launch reads and writes the same memory by different arguments.
        for ((tensor, access), _) in own {
            if access != Access::Out {
                read(tensor, &written);
            }
            if access != Access::In {
                written.insert(key(tensor.storage()));
            }
        }
    }
    program.outputs.iter().for_each(|output| read(output, &written));
    needed
}
