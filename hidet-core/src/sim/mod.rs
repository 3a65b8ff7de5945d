//! The simulated device: runs a kernel without a GPU, reports its faults, and counts its operations.
//!
//! A function, at any stage of lowering, is compiled to bytecode for one launch ([`compile`]) and run 32 lanes at a
//! time under a mask ([`interp::exec`]). The lanes of a warp split into strands that make progress independently
//! ([`interp::warp`]); the warps of a block are interleaved in an order that the seed decides ([`block`]); blocks run
//! on all cores, or, if they communicate, in one order ([`run`](mod@run)). Happens-before is tracked by vector clocks
//! ([`checks::clocks`]) and shadow memory ([`checks::shadow`]). Asynchronous operations are done by agents
//! ([`async_ops`]), which see the writes of threads only after a fence ([`checks::proxies`]).
//!
//! Limits of the checkers. They do not see elements of register arrays that another worker of the mapping holds, unless
//! the function was lowered with checks (a pass adds a condition for them). They do not see launches that overlap,
//! except for a dependent launch before it waits for those ahead of it, of its host thread, on its stream or in its graph
//! ([`checks::dependent_launch`]). For kernels that wait for other blocks without being cooperative, they judge how
//! many blocks a GPU holds at the same time by threads and shared memory alone.
//!
//! Knows the IR, types, layouts and intrinsics; nothing of code generation, CUDA or tensors.

mod async_ops;
mod block;
mod bytecode;
mod checks;
mod cluster;
mod compile;
mod interp;
mod lanes;
mod memory;
mod random;
mod report;
mod run;
mod scheduled;
mod sync;
#[cfg(test)]
mod tests;

pub use checks::dependent_launch::{LaunchPlace, host_synchronized, stream_waits};
pub use memory::allocation::Memory;
pub(crate) use random::Random;
pub use report::{Counters, Failure, Fault, FaultKind, Party, Report, Tally};

use crate::ir::{Access, Buffer, Function, Param};
use crate::types::Const;
use checks::global_shadow::GlobalShadow;
use checks::{dependent_launch, unwritten};
use compile::Fixed;
use run::{Bound, Run};
use std::sync::Arc;

/// A tensor argument: a part of an allocation.
#[derive(Clone, Debug)]
pub struct TensorArg {
    /// The allocation.
    pub memory: Arc<Memory>,
    /// The offset of the tensor's first byte in it.
    pub offset: usize,
}

/// A table of tensors as an argument.
#[derive(Clone, Debug)]
pub struct TableArg {
    /// The entries with their numbers of elements.
    pub entries: Vec<(TensorArg, usize)>,
    /// The table itself, with the rows of the entries.
    pub table: TensorArg,
}

/// The arguments of a launch.
#[derive(Clone, Debug, Default)]
pub struct LaunchArguments {
    /// The tensors, in the order of the parameters, without tables.
    pub tensors: Vec<TensorArg>,
    /// The tables of tensors, in the order of the parameters.
    pub tables: Vec<TableArg>,
    /// The value of each dim.
    pub dims: Vec<i64>,
    /// The scalars, in the order of the parameters.
    pub scalars: Vec<Const>,
    /// Its place among launches, for dependent ones; if `None`, no kernel is ahead of the launch.
    pub place: Option<LaunchPlace>,
}

/// The checks. Accesses outside of an allocation are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Races on shared and global memory.
    pub races: bool,
    /// Also lanes that store the same value to one element in one instruction. CUDA defines the result only if the
    /// values are equal: `Checks { equal_stores: false, ..Checks::ALL }` allows exactly that. Stores of different
    /// instructions or warps still race, and so does a lane that reads the element before the lanes have synchronized.
    pub equal_stores: bool,
    /// Indices outside of the shape of a buffer.
    pub bounds: bool,
    /// Reads of memory that was never written, and elements of outputs that no thread has written when the launch ends.
    pub uninitialised: bool,
    /// Barriers that not all threads reach.
    pub divergence: bool,
    /// Threads that wait forever: at a barrier that cannot complete, polling for a change that no thread can make, or
    /// in a loop that repeats its state. Only waits that are proved to be endless are reported; other loops end at
    /// [`Options::steps`].
    pub deadlock: bool,
    /// Vectors that are not aligned.
    pub alignment: bool,
}

impl Checks {
    /// All of them.
    pub const ALL: Checks = Checks {
        races: true,
        equal_stores: true,
        bounds: true,
        uninitialised: true,
        divergence: true,
        deadlock: true,
        alignment: true,
    };
    /// None of them.
    pub const NONE: Checks = Checks {
        races: false,
        equal_stores: false,
        bounds: false,
        uninitialised: false,
        divergence: false,
        deadlock: false,
        alignment: false,
    };
}

/// How a launch is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Decides every order that the hardware leaves open. The same seed gives the same result.
    pub seed: u64,
    /// The checks.
    pub checks: Checks,
    /// True if traffic, bank conflicts and sectors are counted.
    pub counters: bool,
    /// Registers per thread on a GPU, as reported by ptxas. If `None`, threads and shared memory alone decide whether
    /// the blocks of a cooperative grid fit on the device at the same time.
    pub registers: Option<u32>,
    /// Instructions that the warps of a block may run if [`Checks::deadlock`] is on, for endless loops whose values
    /// never repeat; 0 for any number. If `None`, the environment variable `HIDET_SIM_STEPS` decides; its default is
    /// 2^34, some minutes.
    pub steps: Option<u64>,
    /// Host threads; if `None`, as many as there are cores.
    pub threads: Option<usize>,
    /// Sums up the counters of all launches, for callers that do not see the report of each.
    pub tally: Option<Tally>,
}

impl Default for Options {
    /// Everything is checked and counted.
    fn default() -> Self {
        Options {
            seed: 0,
            checks: Checks::ALL,
            counters: true,
            registers: None,
            steps: None,
            threads: None,
            tally: None,
        }
    }
}

impl Options {
    /// Returns the fastest options: only checks that would be unsafe to skip.
    pub fn fast() -> Self {
        Options { checks: Checks::NONE, counters: false, ..Options::default() }
    }
}

/// Runs the function on all blocks of its grid. Returns its report, or an error if it cannot start or has faults.
pub fn run(function: &Function, arguments: &LaunchArguments, options: &Options) -> Result<Report, Failure> {
    run_lowered(function, function, arguments, options)
}

/// Runs a function that was lowered from `written`, which has the shapes and layouts of the parameters as the author
/// wrote them.
pub fn run_lowered(
    function: &Function,
    written: &Function,
    arguments: &LaunchArguments,
    options: &Options,
) -> Result<Report, Failure> {
    let refuse = |message: String| Failure::Refused { kernel: function.name.clone(), message };
    if arguments.dims.len() != function.dims.len() {
        let (wanted, given) = (function.dims.len(), arguments.dims.len());
        return Err(refuse(format!("it has {wanted} symbolic extents, but {given} were given")));
    }
    let mut grid = [1u32; 3];
    for (axis, extent) in function.launch.grid.iter().enumerate() {
        let extent = extent.eval(&arguments.dims).map_err(|why| refuse(format!("grid: {why}")))?;
        grid[axis] = u32::try_from(extent).map_err(|_| refuse(format!("the grid extent {extent} is out of range")))?;
    }
    if grid.iter().map(|extent| *extent as u64).product::<u64>() > u32::MAX as u64 {
        return Err(refuse(format!("a grid of {grid:?} blocks is too large to simulate")));
    }
    let threads = function.launch.threads();
    if !(1..=1024).contains(&threads) {
        return Err(refuse(format!("a block has 1 to 1024 threads, not {threads}")));
    }
    for ((axis, grid), cluster) in ["x", "y", "z"].into_iter().zip(grid).zip(function.launch.cluster) {
        if !grid.is_multiple_of(cluster.max(1)) {
            let message =
                format!("the grid has {grid} blocks along {axis}, which is not a multiple of the cluster's {cluster}");
            return Err(refuse(message));
        }
    }
    let tensors = bind(function, arguments).map_err(refuse)?;
    let scalars = function.params.iter().filter(|param| matches!(param, Param::Scalar { .. })).count();
    if scalars != arguments.scalars.len() {
        return Err(refuse(format!("it has {scalars} scalar parameters, but {} were given", arguments.scalars.len())));
    }
    if grid.contains(&0) {
        let (tensors, shadows) = shadows(tensors, options);
        return finish(written, &tensors, &shadows, arguments, options, Report::default());
    }
    let elements = |table: &TableArg| table.entries.iter().map(|(_, elements)| *elements as u64).collect();
    let tables: Vec<Vec<u64>> = arguments.tables.iter().map(elements).collect();
    let Options { checks: Checks { bounds: check_shape, .. }, .. } = *options;
    let fixed = Fixed { dims: &arguments.dims, scalars: &arguments.scalars, tables: &tables, grid, check_shape };
    let program = compile::compile(function, &fixed)
        .map_err(|refusal| refuse(format!("{}\n  --> {}", refusal.message, function.place_of(refusal.span))))?;
    for map in &program.maps {
        if let Some(problem) = map.shape.problem(tensors[map.tensor as usize].offset as u64) {
            let name = &function.buffers[map.buffer].name;
            return Err(refuse(format!("argument `{name}`, which is copied by a tensor map: {problem}")));
        }
    }
    let (tensors, shadows) = shadows(tensors, options);
    let thread_rows = run::thread_rows(program.block);
    let steps = steps(options).map_err(refuse)?;
    let ahead = dependent_launch::of_tensors(function, arguments.place.as_ref(), &tensors);
    let launch = Run { program: &program, function, options, tensors, shadows, thread_rows, steps, ahead };
    if let Some(message) = launch.too_large() {
        return Err(refuse(message));
    }
    let done = launch.run();
    if let Some(tally) = &options.tally {
        tally.add(&done.report.counters);
    }
    if done.faults.is_empty() {
        launch.note_as_ahead(arguments.place.as_ref());
        return finish(written, &launch.tensors, &launch.shadows, arguments, options, done.report);
    }
    Err(Failure::Faults {
        kernel: function.name.clone(),
        faults: done.faults,
        more: done.more,
        printed: done.report.printed,
    })
}

/// Returns the number of instructions that the warps of a block may run, or an error if `HIDET_SIM_STEPS` is invalid.
fn steps(options: &Options) -> Result<u64, String> {
    const DEFAULT: u64 = 1 << 34;
    if !options.checks.deadlock {
        return Ok(u64::MAX);
    }
    let steps = match (options.steps, std::env::var_os("HIDET_SIM_STEPS")) {
        (Some(steps), _) => steps,
        (None, Some(text)) if !text.is_empty() => {
            let number = text.to_str().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| {
                format!("HIDET_SIM_STEPS is {text:?}, which is not a number of instructions; write e.g. {DEFAULT}, or 0 for any number")
            })?
        }
        _ => DEFAULT,
    };
    Ok(if steps == 0 { u64::MAX } else { steps })
}

/// Checks the outputs after all threads have ended without a fault.
fn finish(
    written: &Function,
    tensors: &[Bound],
    shadows: &[GlobalShadow],
    arguments: &LaunchArguments,
    options: &Options,
    report: Report,
) -> Result<Report, Failure> {
    if !options.checks.uninitialised {
        // Without the checker it is not known what was written: assume everything that could be.
        for tensor in tensors.iter().filter(|tensor| tensor.access != Access::In) {
            tensor.memory.mark(tensor.offset, tensor.bytes);
        }
        return Ok(report);
    }
    let faults = unwritten::find(written, tensors, shadows, arguments);
    if faults.is_empty() {
        return Ok(report);
    }
    Err(Failure::Faults { kernel: written.name.clone(), faults, more: 0, printed: report.printed })
}

/// Checks that every tensor lies within its memory, and returns the tensors with their memory: for a table its entries, then
/// the table itself.
fn bind(function: &Function, arguments: &LaunchArguments) -> Result<Vec<Bound>, String> {
    let params = function.params.iter().enumerate().filter_map(|(param, of)| match of {
        Param::Tensor { buffer, access } => Some((param, &function.buffers[*buffer], *access)),
        Param::Scalar { .. } => None,
    });
    let tables = params.clone().filter(|(_, buffer, _)| buffer.entries.is_some()).count();
    let tensors = params.clone().count() - tables;
    for (kind, count, given) in
        [("tensor", tensors, arguments.tensors.len()), ("table", tables, arguments.tables.len())]
    {
        if count != given {
            return Err(format!("it has {count} {kind} parameters, but {given} were given"));
        }
    }
    let (mut tensors, mut tables) = (arguments.tensors.iter(), arguments.tables.iter());
    let mut bound = Vec::new();
    for (param, buffer, access) in params {
        if buffer.entries.is_none() {
            let size = compile::layout_size(&buffer.layout, &arguments.dims)
                .map_err(|why| format!("size of `{}`: {why}", buffer.name))?
                .max(0) as usize;
            if let Some(argument) = tensors.next() {
                bound.push(Bound::new(buffer, argument, size, (param, None), access)?);
            }
            continue;
        }
        let Some(table) = tables.next() else { continue };
        for (number, (argument, size)) in table.entries.iter().enumerate() {
            bound.push(Bound::new(buffer, argument, *size, (param, Some(number)), access)?);
        }
        let TensorArg { memory, offset } = table.table.clone();
        let bytes = memory.len().saturating_sub(offset);
        bound.push(Bound { memory, offset, bytes, access: Access::In, param, entry: None, elem: 4, shadow: None });
    }
    Ok(bound)
}

impl Bound {
    /// Returns a tensor of `size` elements for a parameter or an entry of one, or an error if it does not fit its memory.
    fn new(
        buffer: &Buffer,
        argument: &TensorArg,
        size: usize,
        (param, entry): (usize, Option<usize>),
        access: Access,
    ) -> Result<Bound, String> {
        let elem = buffer.elem.bytes();
        let bytes = size.saturating_mul(elem);
        let room = argument.memory.len().saturating_sub(argument.offset);
        if bytes > room {
            return Err(format!("`{}` needs {bytes} bytes, but its memory has {room}", buffer.name));
        }
        if size > u32::MAX as usize {
            return Err(format!("`{}` has {size} elements, more than can be simulated", buffer.name));
        }
        let align = (buffer.align.max(1) as usize).max(elem);
        if !argument.offset.is_multiple_of(align) {
            return Err(format!(
                "`{}` starts at byte {}, which is not aligned to {align} bytes",
                buffer.name, argument.offset
            ));
        }
        let TensorArg { memory, offset } = argument.clone();
        Ok(Bound { memory, offset, bytes, access, param, entry, elem, shadow: None })
    }
}

/// Creates a shadow for every allocation that the kernel may write.
fn shadows(mut tensors: Vec<Bound>, options: &Options) -> (Vec<Bound>, Vec<GlobalShadow>) {
    let mut shadows = Vec::new();
    if !(options.checks.races || options.checks.uninitialised) {
        return (tensors, shadows);
    }
    let mut made: Vec<(*const Memory, usize)> = Vec::new();
    for index in 0..tensors.len() {
        let memory = Arc::as_ptr(&tensors[index].memory);
        let sharing = |tensor: &Bound| Arc::as_ptr(&tensor.memory) == memory;
        if !tensors.iter().any(|tensor| sharing(tensor) && tensor.access != Access::In) {
            continue;
        }
        let shadow = match made.iter().find(|(seen, _)| *seen == memory) {
            Some((_, shadow)) => *shadow,
            None => {
                let sizes = tensors.iter().filter(|tensor| sharing(tensor)).map(|tensor| tensor.elem);
                shadows.push(GlobalShadow::new(tensors[index].memory.len(), sizes.min().unwrap_or(1)));
                made.push((memory, shadows.len() - 1));
                shadows.len() - 1
            }
        };
        tensors[index].shadow = Some(shadow);
    }
    (tensors, shadows)
}
