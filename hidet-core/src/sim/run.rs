//! A running launch: the state that all blocks share, and their distribution over the host's threads.
//!
//! Blocks whose results cannot depend on their order are distributed over all cores. If blocks communicate (atomics of
//! floats or whose result is used, acquire and release), many of them are resident at the same time and interleaved in
//! one order that the seed decides. If a fault is found on several host threads, the launch is repeated on one of them
//! from the same memory, so that the report does not depend on the number of cores.

use super::block::{BlockRun, BlockStatus};
use super::bytecode::{Bytecode, slot};
use super::lanes::RegisterRow;
use super::random::Random;
use super::report::{Counters, Fault};
use super::scheduled::ScheduledUnit;
use super::{Options, Report};
use crate::ir::{Access, Arch, Function, Multiprocessor, fault};
use crate::sim::checks::clocks::Published;
use crate::sim::checks::dependent_launch::PreviousUse;
use crate::sim::checks::global_shadow::GlobalShadow;
use crate::sim::memory::allocation::{Memory, Snapshot};
use crate::sim::sync::deadlock::Whereabouts;
use crate::sim::sync::grid_barrier::GridBarrier;
use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The simulated GPU: an H200.
const ARCH: Arch = Arch { number: 90, specific: true };
const MULTIPROCESSORS: u32 = 132;
/// The most blocks that are resident at the same time if they communicate, and the most registers that they may use
/// (rows of 128 bytes).
const MAX_RESIDENT: u32 = 1024;
const MAX_ROWS: usize = 4 << 20;
/// The most faults in a report.
const MAX_FAULTS: usize = 20;

/// A tensor argument.
pub struct Bound {
    pub memory: Arc<Memory>,
    /// The offset of its first byte in the memory.
    pub offset: usize,
    /// Its size in bytes.
    pub bytes: usize,
    pub access: Access,
    /// The number of its parameter, and of its entry if that is a table.
    pub param: usize,
    pub entry: Option<usize>,
    /// The size of its elements in bytes.
    pub elem: usize,
    /// The index of its shadow, if any parameter may write its memory.
    pub shadow: Option<usize>,
}

impl Bound {
    /// Returns the address of its first byte.
    pub fn base(&self) -> *mut u8 {
        // SAFETY: the launch checked that the tensor lies within the memory.
        unsafe { self.memory.base().add(self.offset) }
    }
}

/// The state that the blocks of a launch share.
pub struct Run<'a> {
    pub program: &'a Bytecode,
    pub function: &'a Function,
    pub options: &'a Options,
    pub tensors: Vec<Bound>,
    pub shadows: Vec<GlobalShadow>,
    /// By warp: the rows of thread indices at the start.
    pub thread_rows: Vec<[RegisterRow; slot::FIRST_FREE_ROW as usize]>,
    /// The number of instructions that the warps of a block may run.
    pub steps: u64,
    /// By tensor: the accesses of the previous kernel to its memory, if that kernel may still run.
    pub ahead: Vec<Vec<PreviousUse>>,
}

/// Returns the rows of thread indices of every warp.
pub fn thread_rows(block: [u32; 3]) -> Vec<[RegisterRow; slot::FIRST_FREE_ROW as usize]> {
    let [x, y, z] = block;
    let warp = |warp: u32| {
        let mut rows = [RegisterRow::ZERO; slot::FIRST_FREE_ROW as usize];
        for lane in 0..32 {
            let thread = warp * 32 + lane;
            rows[slot::THREAD as usize].0[lane as usize] = thread;
            rows[slot::LANE as usize].0[lane as usize] = lane;
            rows[slot::THREAD_X as usize].0[lane as usize] = thread % x;
            rows[slot::THREAD_Y as usize].0[lane as usize] = thread / x % y;
            rows[slot::THREAD_Z as usize].0[lane as usize] = thread / (x * y);
        }
        rows
    };
    (0..(x * y * z).div_ceil(32)).map(warp).collect()
}

/// The state that blocks on one host thread share.
#[derive(Default)]
pub struct Resident {
    /// The number of changes that a thread may have waited for.
    pub changes: Cell<u64>,
    /// The knowledge released to each address of global memory.
    pub released: RefCell<HashMap<usize, Published>>,
    /// The barrier of the grid.
    pub grid: RefCell<GridBarrier>,
}

/// The result of a block.
#[derive(Default)]
pub struct BlockOutcome {
    counters: Counters,
    faults: Vec<Fault>,
    more: usize,
    printed: Vec<String>,
}

impl BlockOutcome {
    pub fn of(mut run: BlockRun) -> BlockOutcome {
        // Operations that its threads need not wait for before they end.
        while !run.stopped && run.advance_agents() {}
        BlockOutcome { counters: run.counters, faults: run.faults, more: run.more_faults, printed: run.printed }
    }
}

/// The result of a launch: faults, the number of further faults, and the report.
pub struct Done {
    pub faults: Vec<Fault>,
    pub more: usize,
    pub report: Report,
}

impl Run<'_> {
    fn warps_per_block(&self) -> u32 {
        self.program.block.iter().product::<u32>().div_ceil(32)
    }

    /// Returns the name of a thread in reports.
    pub fn thread_name(&self, block: u32, thread: u32) -> String {
        let (threads, blocks) = (self.program.block, self.program.grid);
        fault::thread(fault::unravel(thread, threads), threads, fault::unravel(block, blocks), blocks)
    }

    /// Returns the name of a block in reports.
    pub fn block_name(&self, block: u32) -> String {
        fault::block(fault::unravel(block, self.program.grid), self.program.grid)
    }

    /// Runs all blocks.
    pub fn run(&self) -> Done {
        let threads = self.options.threads.unwrap_or_else(rayon::current_num_threads).max(1);
        let (count, _) = ScheduledUnit::count(self);
        if self.program.communicates {
            return self.gather(self.run_resident(count));
        }
        if threads == 1 || count == 1 {
            return self.gather(self.run_in_order(count));
        }
        let watch = self.options.checks.races;
        let saved: Vec<Option<Snapshot>> = self
            .tensors
            .iter()
            .map(|tensor| (watch && tensor.access != Access::In).then(|| tensor.memory.snapshot()))
            .collect();
        let failed = AtomicBool::new(false);
        let all = || {
            (0..count)
                .into_par_iter()
                .flat_map_iter(|unit| {
                    // The launch will be repeated in order, so these results do not matter.
                    if watch && failed.load(Ordering::Relaxed) {
                        return Vec::new();
                    }
                    let outcomes = self.run_unit(unit);
                    if outcomes.iter().any(|(_, outcome)| !outcome.faults.is_empty()) {
                        failed.store(true, Ordering::Relaxed);
                    }
                    outcomes
                })
                .collect::<Vec<_>>()
        };
        let pool =
            self.options.threads.and_then(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok());
        let outcomes = match pool {
            Some(pool) => pool.install(all),
            None => all(),
        };
        if watch && failed.load(Ordering::Relaxed) {
            for (tensor, snapshot) in self.tensors.iter().zip(&saved) {
                if let Some(snapshot) = snapshot {
                    tensor.memory.restore(snapshot);
                }
            }
            self.shadows.iter().for_each(GlobalShadow::forget);
            return self.gather(self.run_in_order(count));
        }
        self.gather(outcomes)
    }

    fn run_unit(&self, unit: u32) -> Vec<(u32, BlockOutcome)> {
        let resident = Rc::new(Resident::default());
        let mut unit = ScheduledUnit::new(self, unit, &resident);
        loop {
            match unit.step(u32::MAX) {
                BlockStatus::Running => {}
                BlockStatus::Blocked => {
                    unit.report_stuck(unit.whereabouts());
                    break;
                }
                BlockStatus::Done => break,
            }
        }
        unit.outcomes()
    }

    /// Runs one unit after the other; stops after enough faults, which further blocks would repeat.
    fn run_in_order(&self, count: u32) -> Vec<(u32, BlockOutcome)> {
        let mut outcomes = Vec::new();
        let mut faults = 0;
        for unit in 0..count {
            let done = self.run_unit(unit);
            faults += done.iter().map(|(_, outcome)| outcome.faults.len()).sum::<usize>();
            outcomes.extend(done);
            if faults >= MAX_FAULTS {
                break;
            }
        }
        outcomes
    }

    /// Returns the number of blocks that a multiprocessor holds.
    fn blocks_held(&self) -> u32 {
        let threads = self.program.block.iter().product();
        let held = |limits: Multiprocessor| limits.holds(threads, self.options.registers, self.program.shared_bytes);
        Multiprocessor::of(ARCH).map_or(1, held)
    }

    /// Returns the number of units that are resident at the same time if blocks communicate: as many as the device has
    /// room for. If the grid is not cooperative, no more than are cheap to hold.
    fn fit(&self) -> u32 {
        let (_, blocks) = ScheduledUnit::count(self);
        let room = self.blocks_held() * MULTIPROCESSORS;
        if self.program.cooperative {
            return room / blocks;
        }
        let rows = (self.program.rows * self.warps_per_block() * blocks).max(1) as usize;
        ((MAX_ROWS / rows) as u32).clamp(1, (MAX_RESIDENT.min(room) / blocks).max(1))
    }

    /// Returns an error message if the grid is cooperative and its blocks do not fit on the device at the same time.
    pub fn too_large(&self) -> Option<String> {
        let (count, blocks) = ScheduledUnit::count(self);
        let fit = self.fit();
        let [threads, grid] = [self.program.block, self.program.grid].map(|extents| extents.iter().product::<u32>());
        let shared = self.program.shared_bytes;
        let limits = match self.options.registers {
            Some(registers) => {
                format!("{registers} registers per thread and {shared} bytes of shared memory per block")
            }
            None => format!(
                "{shared} bytes of shared memory per block; the number of registers per thread is not known, and may leave \
                 room for fewer"
            ),
        };
        (self.program.cooperative && count > fit).then(|| {
            format!(
                "a cooperative grid of {grid} blocks, which must all be resident at the same time; there is room for {}: each of the \
                 {MULTIPROCESSORS} multiprocessors holds {}, limited by {threads} threads per block and {limits}",
                fit * blocks,
                self.blocks_held(),
            )
        })
    }

    /// Runs blocks that communicate, in the order that the seed decides: as many as fit at the same time; each is
    /// replaced when it ends.
    fn run_resident(&self, count: u32) -> Vec<(u32, BlockOutcome)> {
        let resident = Rc::new(Resident::default());
        let mut random = Random::new(self.options.seed, u64::MAX);
        let mut next = self.fit().min(count);
        // True for a unit that has been blocked since another one last ran.
        let mut running: Vec<(ScheduledUnit, bool)> =
            (0..next).map(|unit| (ScheduledUnit::new(self, unit, &resident), false)).collect();
        let mut outcomes: Vec<(u32, BlockOutcome)> = Vec::new();
        let mut faults = 0;
        while !running.is_empty() && faults < MAX_FAULTS {
            let pick = random.below(running.len() as u32) as usize;
            let slices = 1 + random.below(8);
            let status = running[pick].0.step(slices);
            if status == BlockStatus::Blocked {
                running[pick].1 = true;
                if running[pick].0.waits_for_others() && running.iter().any(|(_, blocked)| !blocked) {
                    continue;
                }
                let mut all = Whereabouts::default();
                let stuck = running.iter().filter(|(_, blocked)| *blocked);
                stuck.for_each(|(unit, _)| all.join(unit.whereabouts()));
                running[pick].0.report_stuck(all);
            } else {
                running.iter_mut().for_each(|(_, blocked)| *blocked = false);
            }
            if status == BlockStatus::Running {
                continue;
            }
            let (done, _) = running.swap_remove(pick);
            let stopped = done.is_stopped();
            let done = done.outcomes();
            faults += done.iter().map(|(_, outcome)| outcome.faults.len()).sum::<usize>();
            outcomes.extend(done);
            if stopped {
                // Other units may wait for it forever.
                break;
            }
            if next < count {
                running.push((ScheduledUnit::new(self, next, &resident), false));
                next += 1;
            }
        }
        outcomes.extend(running.into_iter().flat_map(|(unit, _)| unit.outcomes()));
        outcomes
    }

    /// Combines the results of the blocks in their order; the same fault in several blocks counts once.
    fn gather(&self, mut outcomes: Vec<(u32, BlockOutcome)>) -> Done {
        outcomes.sort_unstable_by_key(|(block, _)| *block);
        let mut done = Done { faults: Vec::new(), more: 0, report: Report::default() };
        let mut seen = std::collections::HashSet::new();
        for (_, outcome) in outcomes {
            done.report.counters.add(&outcome.counters);
            done.report.printed.extend(outcome.printed);
            done.more += outcome.more;
            for fault in outcome.faults {
                // A fault at the same positions in another block is the same fault.
                let parties = std::iter::once(&fault.party).chain(&fault.others);
                let mut places: Vec<_> = parties.map(|party| party.place.clone()).collect();
                places.sort_unstable();
                if !seen.insert((fault.kind, places)) && fault.party.span.line > 0 {
                    continue;
                }
                if done.faults.len() < MAX_FAULTS {
                    done.faults.push(fault);
                } else {
                    done.more += 1;
                }
            }
        }
        done
    }
}
