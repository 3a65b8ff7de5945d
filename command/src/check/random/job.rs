//! The data that a child process needs to run a program, and its answer.
//!
//! All tensors of a program are in one allocation, with gaps between them that no kernel may touch: one copy to the
//! device, the launches, one copy back. Behind them are the tables of tensors, which hold addresses.

use super::compare::{Contents, POISON};
use super::oracle::content;
use super::wire::{Reader, Writer};
use hidet::codegen::{KernelParam, Source};
use hidet::cuda::LaunchConfig;
use hidet::ir::{Function, Handle, Im2col, Param, Swizzle, TensorMapShape};
use hidet::testing::random::{ArgumentValue, Program, Step};
use hidet::types::Scalar;

/// Tensors begin at multiples of it, as allocations do, and are at least that far apart.
const APART: usize = 256;

/// A program to be run.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// All tensors before the first launch, and the tables.
    pub memory: Vec<u8>,
    /// The places in the memory of the addresses of entries of tables: offsets into the memory, until it is on the device.
    pub addresses: Vec<u64>,
    /// The launches in order.
    pub calls: Vec<Call>,
}

/// A launch.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name of the kernel.
    pub entry: String,
    /// The launch configuration.
    pub launch: LaunchConfig,
    /// The parameters.
    pub slots: Vec<Slot>,
}

/// A parameter of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// The address of the memory plus that many bytes.
    Address(u64),
    /// A number.
    Number(u64),
    /// A tensor map of a tensor that begins that many bytes into the memory.
    Map(TensorMapShape, u64),
    /// The address of the record.
    Report,
    /// The address of the word of the grid barrier.
    GridBarrier,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// All tensors after the last launch, and the gaps between them.
    Memory(Vec<u8>),
    /// The program failed.
    Trouble(String),
}

/// Returns the first byte of each tensor, and of the gap after the last.
fn offsets(program: &Program) -> Vec<usize> {
    let mut next = APART;
    let mut all = Vec::new();
    for argument in &program.arguments {
        all.push(next);
        if let Some(bytes) = argument.memory() {
            next = (next + bytes.len()).next_multiple_of(APART) + APART;
        }
    }
    all.push(next);
    all
}

impl Job {
    /// The job of a program whose kernels, lowered and as text, are given.
    pub fn new(program: &Program, kernels: &[Function], sources: &[&Source]) -> Result<Job, String> {
        let offsets = offsets(program);
        let mut memory = vec![POISON; offsets.last().copied().unwrap_or(0)];
        for (argument, offset) in offsets.iter().enumerate() {
            if let Some(bytes) = content(program, argument) {
                memory[*offset..][..bytes.len()].copy_from_slice(&bytes);
            }
        }
        let mut addresses = Vec::new();
        let mut passed = offsets.clone();
        for (argument, offset) in program.arguments.iter().zip(&mut passed) {
            let ArgumentValue::Table { entries, .. } = argument else { continue };
            let tensors = std::mem::replace(offset, memory.len());
            for entry in entries {
                addresses.push(memory.len() as u64 + 8);
                let words = [0, (tensors + entry.start) as u64];
                memory.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            }
        }
        let mut calls = Vec::new();
        for step in &program.steps {
            let missing = || "a launch of an unknown kernel".to_owned();
            let kernel = kernels.get(step.kernel).ok_or_else(missing)?;
            let source = sources.get(step.kernel).ok_or_else(missing)?;
            calls.push(call(program, step, kernel, source, &passed)?);
        }
        // A grid without blocks is not launched.
        calls.retain(|call| !call.launch.grid.contains(&0));
        Ok(Job { memory, addresses, calls })
    }

    /// Adds it to a message.
    pub fn write(&self, to: &mut Writer) {
        to.bytes(&self.memory);
        to.all(&self.addresses, |to, place| to.number(*place));
        to.all(&self.calls, |to, call| {
            to.bytes(call.entry.as_bytes());
            let LaunchConfig { grid, block, shared, cluster, cooperative, dependent } = call.launch;
            to.numbers([grid, block, cluster].concat());
            to.numbers([shared, cooperative.into(), dependent.into()]);
            to.all(&call.slots, |to, slot| slot.write(to));
        });
    }

    /// Takes it from a message.
    pub fn read(from: &mut Reader) -> Job {
        let memory = from.bytes().to_vec();
        let addresses = from.all(Reader::number);
        let calls = from.all(|from| {
            let entry = from.text();
            let [grid, block, cluster] = [from.numbers(), from.numbers(), from.numbers()];
            let [shared, cooperative, dependent] = from.numbers();
            let (cooperative, dependent) = (cooperative != 0, dependent != 0);
            let launch = LaunchConfig { grid, block, shared, cluster, cooperative, dependent };
            Call { entry, launch, slots: from.all(Slot::read) }
        });
        Job { memory, addresses, calls }
    }
}

/// Returns the tensors of a program from its memory, or an error if a gap between them was written.
pub fn contents(program: &Program, memory: &[u8]) -> Result<Contents, String> {
    let offsets = offsets(program);
    let Some(memory) = memory.get(..offsets.last().copied().unwrap_or(0)) else {
        return Err(format!("{} bytes came back", memory.len()));
    };
    let (mut all, mut end) = (Vec::new(), 0);
    for (argument, &offset) in program.arguments.iter().zip(&offsets) {
        let Some(bytes) = argument.memory() else {
            all.push(None);
            continue;
        };
        untouched(memory, end, offset)?;
        end = offset + bytes.len();
        all.push(Some(memory[offset..end].to_vec()));
    }
    untouched(memory, end, memory.len())?;
    Ok(all)
}

fn untouched(memory: &[u8], from: usize, to: usize) -> Result<(), String> {
    match memory[from..to].iter().position(|byte| *byte != POISON) {
        Some(at) => Err(format!("memory outside of all tensors was written, {at} bytes after the end of one")),
        None => Ok(()),
    }
}

fn call(program: &Program, step: &Step, kernel: &Function, source: &Source, offsets: &[usize]) -> Result<Call, String> {
    let say = |error: &str| error.to_owned();
    let extent = |axis: usize| -> Result<u32, String> {
        u32::try_from(kernel.launch.grid[axis].eval(&program.dims).map_err(say)?).map_err(|error| error.to_string())
    };
    let launch = LaunchConfig {
        grid: [extent(0)?, extent(1)?, extent(2)?],
        block: kernel.launch.block,
        shared: source.dynamic_shared.eval(&program.dims).map_err(say)? as u32,
        cluster: kernel.launch.cluster,
        cooperative: kernel.launch.cooperative,
        dependent: kernel.launch.dependent,
    };
    let argument = |wanted: &dyn Fn(&Param) -> bool| {
        let position = kernel.params.iter().position(wanted).ok_or("a parameter that is not there")?;
        step.arguments.get(position).copied().ok_or("an argument is missing")
    };
    let offset = |of| -> Result<u64, String> {
        let argument = argument(&|param| matches!(param, Param::Tensor { buffer, .. } if *buffer == of))?;
        offsets.get(argument).map(|offset| *offset as u64).ok_or_else(|| "no such argument".to_owned())
    };
    let mut slots = Vec::new();
    for parameter in &source.parameters {
        slots.push(match parameter {
            KernelParam::Tensor(buffer) => Slot::Address(offset(*buffer)?),
            KernelParam::Scalar(of) => {
                let argument = argument(&|param| matches!(param, Param::Scalar { value, .. } if value == of))?;
                match program.arguments.get(argument) {
                    Some(ArgumentValue::Scalar(value)) => Slot::Number(value.bits),
                    _ => return Err("an argument is not a number".to_owned()),
                }
            }
            KernelParam::Dim(dim) => Slot::Number(program.dims.get(dim.index()).copied().unwrap_or(0) as u64),
            KernelParam::Map(map) => {
                let shape = TensorMapShape::of(kernel, *map, &program.dims)?;
                Slot::Map(shape, offset(kernel.maps[*map].buffer)?)
            }
            KernelParam::Report => Slot::Report,
            KernelParam::GridBarrier => Slot::GridBarrier,
        });
    }
    Ok(Call { entry: source.entry.clone(), launch, slots })
}

/// The swizzles, in the order of their numbers in messages.
const SWIZZLES: [Swizzle; 4] = [Swizzle::None, Swizzle::B32, Swizzle::B64, Swizzle::B128];

impl Slot {
    fn write(&self, to: &mut Writer) {
        match self {
            Slot::Address(offset) => [0, *offset].map(|number| to.number(number)),
            Slot::Number(number) => [1, *number].map(|number| to.number(number)),
            Slot::Map(shape, offset) => {
                let numbers = [2, *offset].map(|number| to.number(number));
                to.bytes(shape.elem.name().as_bytes());
                to.all(&shape.extents, |to, extent| to.number(*extent));
                to.all(&shape.strides, |to, stride| to.number(*stride));
                to.all(&shape.tile, |to, extent| to.number((*extent).into()));
                to.all(&shape.steps, |to, step| to.number((*step).into()));
                to.number(shape.offset);
                let im2col: Vec<&Im2col> = shape.im2col.iter().collect();
                to.all(&im2col, |to, im2col| {
                    for corner in [&im2col.lower, &im2col.upper] {
                        to.all(corner, |to, corner| to.number(*corner as u64));
                    }
                });
                to.number(SWIZZLES.iter().position(|swizzle| *swizzle == shape.swizzle).unwrap_or(0) as u64);
                numbers
            }
            Slot::Report => [3, 0].map(|number| to.number(number)),
            Slot::GridBarrier => [4, 0].map(|number| to.number(number)),
        };
    }

    fn read(from: &mut Reader) -> Slot {
        let (kind, number) = (from.number(), from.number());
        match kind {
            0 => Slot::Address(number),
            1 => Slot::Number(number),
            2 => {
                let shape = TensorMapShape {
                    elem: Scalar::from_name(&from.text()).unwrap_or(Scalar::U8),
                    extents: from.all(Reader::number),
                    strides: from.all(Reader::number),
                    tile: from.all(|from| from.number() as u32),
                    steps: from.all(|from| from.number() as u32),
                    offset: from.number(),
                    im2col: from
                        .all(|from| {
                            let [lower, upper] = [(); 2].map(|()| from.all(|from| from.number() as i32));
                            Im2col { lower, upper }
                        })
                        .pop(),
                    swizzle: SWIZZLES[from.number() as usize % SWIZZLES.len()],
                };
                Slot::Map(shape, number)
            }
            3 => Slot::Report,
            _ => Slot::GridBarrier,
        }
    }
}

impl Ending {
    /// Adds it to a message.
    pub fn write(&self, to: &mut Writer) {
        let (kind, bytes) = match self {
            Ending::Memory(bytes) => (0, bytes.as_slice()),
            Ending::Trouble(text) => (1, text.as_bytes()),
        };
        to.number(kind);
        to.bytes(bytes);
    }

    /// Takes it from a message.
    pub fn read(from: &mut Reader) -> Ending {
        match from.number() {
            0 => Ending::Memory(from.bytes().to_vec()),
            _ => Ending::Trouble(from.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_travel() {
        let shape = TensorMapShape {
            elem: Scalar::F16,
            offset: 8,
            extents: vec![100, 72],
            strides: vec![72, 1],
            tile: vec![64, 64],
            steps: vec![2, 1],
            im2col: Some(Im2col { lower: vec![-1], upper: vec![3] }),
            swizzle: Swizzle::B128,
        };
        let launch = LaunchConfig {
            grid: [1, 2, 3],
            block: [4, 5, 6],
            shared: 7,
            cluster: [1, 1, 2],
            cooperative: true,
            dependent: false,
        };
        let slots = vec![Slot::Address(256), Slot::Map(shape, 512), Slot::Number(9), Slot::Report, Slot::GridBarrier];
        let call = Call { entry: "k".to_owned(), launch, slots: slots.clone() };
        let job = Job { memory: vec![1, 2, 3], addresses: vec![8], calls: vec![call.clone(), call] };
        let mut message = Vec::new();
        let mut writer = Writer::default();
        job.write(&mut writer);
        writer.send(&mut message).unwrap();
        let message = super::super::wire::receive(&mut message.as_slice()).unwrap();
        let read = Job::read(&mut Reader::new(&message));
        assert_eq!((read.memory, read.addresses, read.calls.len()), (job.memory, job.addresses, 2));
        assert_eq!((read.calls[1].launch, &read.calls[1].slots), (launch, &slots));
    }
}
