//! From what is saved to a program on a device. All numbers are checked.

use super::content::{Buffer, Saved, SavedStep, SavedTensor};
use super::damaged;
use crate::error::Result;
use crate::memory::ReplayMemory;
use crate::program::{Program, Step};
use crate::run::Launched;
use hidet::cache::codec::Bytes;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::text;
use hidet::kernel::{CompileOptions, Compiled, Image};

/// Returns the program, with its kernels and memory on the device.
pub(super) fn loaded(saved: Saved, device: &Device) -> Result<Program> {
    let Saved { memory, buffers, kernels, steps, inputs, outputs } = saved;
    let [arena, apart, least] = memory.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let arena_memory = Storage::uninit(device, arena)?;
    let (mut places, mut storages) = (Vec::new(), Vec::new());
    // Bytes are given up as soon as they are on the device.
    for buffer in buffers {
        match buffer {
            // Places come first.
            Buffer::Place(..) if !storages.is_empty() => return Err(damaged()),
            Buffer::Place(offset, count, dtype) => {
                let shape = [usize::try_from(count).map_err(|_| damaged())?];
                let offset = usize::try_from(offset).map_err(|_| damaged())?;
                places.push(RawTensor::new(device, arena_memory.clone(), offset, dtype, &shape)?);
            }
            Buffer::Empty(bytes) => {
                storages.push(Storage::uninit(device, usize::try_from(bytes).map_err(|_| damaged())?)?);
            }
            Buffer::Full(bytes) => storages.push(Storage::from_bytes(device, &bytes.0)?),
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
    let kernel = |bytes: &Bytes| match device.is_sim() {
        true => {
            let function = text::parse(std::str::from_utf8(&bytes.0).map_err(|_| damaged())?)?;
            Ok(Compiled::new(function, device, &CompileOptions::default())?)
        }
        false => Ok(Compiled::load(&Image::from_bytes(&bytes.0)?, device)?),
    };
    let kernels = kernels.iter().map(kernel).collect::<Result<Vec<Compiled>>>()?;
    let step = |step: &SavedStep| {
        let kernel = kernels.get(step.kernel as usize).ok_or_else(damaged)?.clone();
        let (arguments, own) = step.arguments.iter().map(tensor).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let begins: Vec<usize> = step.begins.iter().map(|number| *number as usize).collect();
        match begins.iter().all(|number| *number < places.len()) {
            true => Ok(Step { launch: Launched { kernel, arguments }, places: own, begins }),
            false => Err(damaged()),
        }
    };
    let steps = steps.iter().map(step).collect::<Result<Vec<Step>>>()?;
    let own =
        |tensors: &[SavedTensor]| tensors.iter().map(|saved| Ok(tensor(saved)?.0)).collect::<Result<Vec<RawTensor>>>();
    let (inputs, outputs) = (own(&inputs)?, own(&outputs)?);
    if inputs.iter().chain(&outputs).any(|tensor| !tensor.is_contiguous()) {
        return Err(damaged());
    }
    Ok(Program { inputs, outputs, places, steps, memory: ReplayMemory { arena, apart, least } })
}
