//! From what is saved to programs on a device. All numbers are checked.

use super::content::{Buffer, Saved, SavedProgram, SavedStep, SavedTensor};
use super::damaged;
use crate::error::Result;
use crate::memory::ReplayMemory;
use crate::program::{Program, Step};
use crate::run::Launched;
use crate::shared::Arena;
use hidet::cache::codec::Bytes;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::text;
use hidet::kernel::{CompileOptions, Compiled, Image};

/// Returns the programs, with their kernels and memory on the device, and the note. `bytes` are those of constants.
pub(super) fn loaded(saved: Saved, mut bytes: &[u8], device: &Device) -> Result<(Vec<Program>, Vec<u8>)> {
    let kernel = |bytes: &Bytes| match device.is_sim() {
        true => {
            let function = text::parse(std::str::from_utf8(&bytes.0).map_err(|_| damaged())?)?;
            Ok(Compiled::new(function, device, &CompileOptions::default())?)
        }
        false => Ok(Compiled::load(&Image::from_bytes(&bytes.0)?, device)?),
    };
    let mut constant = |length: u64| {
        let (own, rest) = bytes.split_at_checked(size(length)?).ok_or_else(damaged)?;
        bytes = rest;
        Ok(Storage::from_bytes(device, own)?)
    };
    let common = Common {
        device,
        arenas: saved.arenas.iter().map(|bytes| Arena::new(device, size(*bytes)?)).collect::<Result<_>>()?,
        kernels: saved.kernels.iter().map(kernel).collect::<Result<_>>()?,
        constants: saved.constants.iter().map(|length| constant(*length)).collect::<Result<_>>()?,
    };
    if !bytes.is_empty() {
        return Err(damaged());
    }
    let programs = saved.programs.into_iter().map(|program| common.program(program)).collect::<Result<_>>()?;
    Ok((programs, saved.note.0))
}

fn size(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| damaged())
}

/// What all programs have.
struct Common<'a> {
    device: &'a Device,
    arenas: Vec<Arena>,
    kernels: Vec<Compiled>,
    constants: Vec<Storage>,
}

impl Common<'_> {
    fn program(&self, saved: SavedProgram) -> Result<Program> {
        let device = self.device;
        let SavedProgram { arena, memory, buffers, steps, inputs, outputs } = saved;
        let arena = self.arenas.get(size(arena)?).ok_or_else(damaged)?.clone();
        let [bytes, apart, least] = memory.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let (mut places, mut storages) = (Vec::new(), Vec::new());
        for buffer in buffers {
            match buffer {
                // Places come first.
                Buffer::Place(..) if !storages.is_empty() => return Err(damaged()),
                Buffer::Place(offset, count, dtype) => {
                    places.push(RawTensor::new(device, arena.memory.clone(), size(offset)?, dtype, &[size(count)?])?);
                }
                Buffer::Empty(bytes) => storages.push(Storage::uninit(device, size(bytes)?)?),
                Buffer::Full(bytes) => storages.push(Storage::from_bytes(device, &bytes.0)?),
                Buffer::Constant(number) => {
                    storages.push(self.constants.get(size(number)?).ok_or_else(damaged)?.clone())
                }
            }
        }
        let tensor = |saved: &SavedTensor| -> Result<(RawTensor, Option<usize>)> {
            let (shape, strides): (Vec<usize>, Vec<usize>) =
                saved.axes.iter().map(|(extent, stride)| (*extent as usize, *stride as usize)).unzip();
            let (buffer, offset) = (saved.buffer as usize, saved.offset as usize);
            if let Some(place) = places.get(buffer) {
                let size = saved.dtype.bytes();
                if offset % size != 0 || offset > place.bytes() {
                    return Err(damaged());
                }
                let moved = place.bits_as(saved.dtype)?.strided_view(offset / size, &shape, &strides)?;
                return Ok((moved, Some(buffer)));
            }
            let storage = storages.get(buffer - places.len()).ok_or_else(damaged)?;
            Ok((RawTensor::strided(device, storage.clone(), offset, saved.dtype, &shape, &strides)?, None))
        };
        let step = |step: &SavedStep| {
            let kernel = self.kernels.get(step.kernel as usize).ok_or_else(damaged)?.clone();
            let (arguments, own) = step.arguments.iter().map(tensor).collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let begins: Vec<usize> = step.begins.iter().map(|number| *number as usize).collect();
            match begins.iter().all(|number| *number < places.len()) {
                true => Ok(Step { launch: Launched { kernel, arguments }, places: own, begins }),
                false => Err(damaged()),
            }
        };
        let steps = steps.iter().map(step).collect::<Result<Vec<Step>>>()?;
        let own = |tensors: &[SavedTensor]| {
            tensors.iter().map(|saved| Ok(tensor(saved)?.0)).collect::<Result<Vec<RawTensor>>>()
        };
        let (inputs, outputs) = (own(&inputs)?, own(&outputs)?);
        if inputs.iter().chain(&outputs).any(|tensor| !tensor.is_contiguous()) {
            return Err(damaged());
        }
        let memory = ReplayMemory { arena: bytes, apart, least };
        Ok(Program { inputs, outputs, places, steps, arena, memory })
    }
}
