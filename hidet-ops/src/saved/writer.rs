//! From a program to what is saved of it.

use super::content::{Buffer, Saved, SavedStep, SavedTensor};
use crate::error::Result;
use crate::program::{Program, Step, accesses, key};
use hidet::cache::codec::Bytes;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::{Access, text};
use hidet::kernel::Compiled;
use std::collections::{HashMap, HashSet};

/// What is saved already.
struct Writer<'a> {
    program: &'a Program,
    /// Allocations that are not the arena, in the order of their buffers, which are behind its places.
    storages: Vec<&'a Storage>,
    numbers: HashMap<usize, u64>,
    /// With the number of the image.
    kernels: Vec<(&'a Compiled, u64)>,
    images: Vec<Bytes>,
}

/// Returns what is saved of a program.
pub(super) fn saved(program: &Program, device: &Device) -> Result<Saved> {
    let (numbers, images) = (HashMap::new(), Vec::new());
    let mut writer = Writer { program, storages: Vec::new(), numbers, kernels: Vec::new(), images };
    let inputs = program.inputs.iter().map(|input| writer.own(input)).collect();
    let outputs = program.outputs.iter().map(|output| writer.own(output)).collect();
    let steps = program.steps.iter().map(|step| writer.step(step, device)).collect::<Result<_>>()?;
    let place = |place: &RawTensor| Buffer::Place(place.offset() as u64, place.len() as u64, place.scalar());
    let mut buffers: Vec<Buffer> = program.places.iter().map(place).collect();
    let needed = needed(program);
    for storage in &writer.storages {
        buffers.push(if needed.contains(&key(storage)) {
            let mut bytes = vec![0; storage.len()];
            storage.read(0, &mut bytes)?;
            Buffer::Full(Bytes(bytes))
        } else {
            Buffer::Empty(storage.len() as u64)
        });
    }
    let memory = [program.memory.arena, program.memory.apart, program.memory.least].map(|bytes| bytes as u64);
    Ok(Saved { memory, buffers, kernels: writer.images, steps, inputs, outputs })
}

impl<'a> Writer<'a> {
    /// Saves a tensor that is not in the arena.
    fn own(&mut self, tensor: &'a RawTensor) -> SavedTensor {
        let next = (self.program.places.len() + self.storages.len()) as u64;
        let number = *self.numbers.entry(key(tensor.storage())).or_insert(next);
        if number == next {
            self.storages.push(tensor.storage());
        }
        part(tensor, number, 0)
    }

    fn step(&mut self, step: &'a Step, device: &Device) -> Result<SavedStep> {
        let kernel = self.kernel(&step.launch.kernel, device)?;
        let argument = |(tensor, place): (&'a RawTensor, &Option<usize>)| match place {
            Some(number) => part(tensor, *number as u64, self.program.places[*number].offset()),
            None => self.own(tensor),
        };
        let arguments = step.launch.arguments.iter().zip(&step.places).map(argument).collect();
        Ok(SavedStep { kernel, arguments, begins: step.begins.iter().map(|number| *number as u64).collect() })
    }

    /// Returns the number of a kernel's image; equal ones are there once.
    fn kernel(&mut self, kernel: &'a Compiled, device: &Device) -> Result<u64> {
        if let Some((_, number)) = self.kernels.iter().find(|(known, _)| known.is_same(kernel)) {
            return Ok(*number);
        }
        let image = Bytes(match device.is_sim() {
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

/// Returns a tensor as a part of a buffer that begins at some byte of its allocation.
fn part(tensor: &RawTensor, buffer: u64, begin: usize) -> SavedTensor {
    let axes = tensor.shape().iter().zip(tensor.strides()).map(|(extent, stride)| (*extent as u64, *stride as u64));
    SavedTensor { buffer, offset: (tensor.offset() - begin) as u64, dtype: tensor.scalar(), axes: axes.collect() }
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
