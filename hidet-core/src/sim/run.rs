//! A launch: what all blocks share, and how they are spread over the host's threads.
//!
//! Blocks that cannot tell in which order they run are spread over all cores; where they talk to each other (atomics
//! whose result is used, or of floats, acquire and release), many of them are resident at once and take turns in one
//! order that the seed decides. A fault found on several threads is looked for again on one, from the same memory, so
//! that the report does not depend on the number of cores.

use super::block::{BlockRun, BlockStatus};
use super::bytecode::{Bytecode, slot};
use super::lanes::RegisterRow;
use super::random::Random;
use super::report::{Counters, Fault};
use super::scheduled::ScheduledUnit;
use super::{Options, Report};
use crate::ir::{Access, Arch, Function, Multiprocessor, fault};
use crate::sim::checks::clocks::Published;
use crate::sim::checks::dependent_launch::Use;
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

/// What is simulated: an H200.
const ARCH: Arch = Arch { number: 90, specific: true };
const MULTIPROCESSORS: u32 = 132;
/// Blocks that are resident at once where they communicate, and the registers they may take (rows of 128 bytes).
const MOST_RESIDENT: u32 = 1024;
const MOST_ROWS: usize = 4 << 20;
/// Faults in a report.
const MOST_FAULTS: usize = 20;

/// A tensor argument.
pub struct Bound {
    pub memory: Arc<Memory>,
    /// Its first byte in the memory.
    pub offset: usize,
    /// Its size.
    pub bytes: usize,
    pub access: Access,
    /// Its shadow, where anyone may write it.
    pub shadow: Option<usize>,
}

impl Bound {
    pub fn base(&self) -> *mut u8 {
        // SAFETY: the launch checked that the tensor lies within the memory.
        unsafe { self.memory.base().add(self.offset) }
    }
}

/// What the blocks of a launch share.
pub struct Run<'a> {
    pub program: &'a Bytecode,
    pub function: &'a Function,
    pub options: &'a Options,
    pub tensors: Vec<Bound>,
    pub shadows: Vec<GlobalShadow>,
    /// The rows of thread indices that each warp of a block begins with.
    pub thread_rows: Vec<[RegisterRow; slot::FIRST_FREE_ROW as usize]>,
    /// How many instructions the warps of a block may run.
    pub steps: u64,
    /// By tensor: what the kernel ahead does with its memory, where that may still run.
    pub ahead: Vec<Vec<Use>>,
}

/// The rows of thread indices of every warp.
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

/// What blocks that run on one host thread share.
#[derive(Default)]
pub struct Resident {
    /// How often something has changed that a thread may wait for.
    pub changes: Cell<u64>,
    /// What was released to addresses of global memory.
    pub released: RefCell<HashMap<usize, Published>>,
    /// The barrier of the grid.
    pub grid: RefCell<GridBarrier>,
}

/// What a block leaves behind.
#[derive(Default)]
pub struct BlockOutcome {
    counters: Counters,
    faults: Vec<Fault>,
    more: usize,
    printed: Vec<String>,
}

impl BlockOutcome {
    pub fn of(mut run: BlockRun) -> BlockOutcome {
        // What its threads need not wait for before they end.
        while !run.stopped && run.advance_agents() {}
        BlockOutcome { counters: run.counters, faults: run.faults, more: run.more_faults, printed: run.printed }
    }
}

/// What a launch did: faults, how many more, and the report.
pub struct Done {
    pub faults: Vec<Fault>,
    pub more: usize,
    pub report: Report,
}

impl Run<'_> {
    fn warps_a_block(&self) -> u32 {
        self.program.block.iter().product::<u32>().div_ceil(32)
    }

    /// How a thread is called in reports.
    pub fn thread_name(&self, block: u32, thread: u32) -> String {
        let (threads, blocks) = (self.program.block, self.program.grid);
        fault::thread(fault::unravel(thread, threads), threads, fault::unravel(block, blocks), blocks)
    }

    /// How a block is called in reports.
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
                    // The report is made from the run in order.
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

    /// Stops after enough faults: blocks that follow would repeat them.
    fn run_in_order(&self, count: u32) -> Vec<(u32, BlockOutcome)> {
        let mut outcomes = Vec::new();
        let mut faults = 0;
        for unit in 0..count {
            let done = self.run_unit(unit);
            faults += done.iter().map(|(_, outcome)| outcome.faults.len()).sum::<usize>();
            outcomes.extend(done);
            if faults >= MOST_FAULTS {
                break;
            }
        }
        outcomes
    }

    /// Blocks that a multiprocessor holds.
    fn blocks_held(&self) -> u32 {
        let threads = self.program.block.iter().product();
        let held = |limits: Multiprocessor| limits.holds(threads, self.options.registers, self.program.shared_bytes);
        Multiprocessor::of(ARCH).map_or(1, held)
    }

    /// Units that are resident at once where blocks communicate: those the device has room for. Of blocks that wait for
    /// others without a promise that they run at once, as few as are cheap to hold.
    fn fit(&self) -> u32 {
        let (_, blocks) = ScheduledUnit::count(self);
        let room = self.blocks_held() * MULTIPROCESSORS;
        if self.program.cooperative {
            return room / blocks;
        }
        let rows = (self.program.rows * self.warps_a_block() * blocks).max(1) as usize;
        ((MOST_ROWS / rows) as u32).clamp(1, (MOST_RESIDENT.min(room) / blocks).max(1))
    }

    /// Why a grid whose blocks must all be resident at once cannot be.
    pub fn too_large(&self) -> Option<String> {
        let (count, blocks) = ScheduledUnit::count(self);
        let fit = self.fit();
        let [threads, grid] = [self.program.block, self.program.grid].map(|extents| extents.iter().product::<u32>());
        let shared = self.program.shared_bytes;
        let by = match self.options.registers {
            Some(registers) => format!("{registers} registers a thread and {shared} bytes of shared memory a block"),
            None => format!(
                "{shared} bytes of shared memory a block; how many registers a thread takes is not known, and may leave \
                 room for fewer"
            ),
        };
        (self.program.cooperative && count > fit).then(|| {
            format!(
                "a cooperative grid of {grid} blocks, which must run at once; there is room for {}: each of the \
                 {MULTIPROCESSORS} multiprocessors holds {}, by {threads} threads and {by}",
                fit * blocks,
                self.blocks_held(),
            )
        })
    }

    /// Runs blocks that talk to each other: as many as fit at once, each replaced when it ends, in the order the seed
    /// gives.
    fn run_resident(&self, count: u32) -> Vec<(u32, BlockOutcome)> {
        let resident = Rc::new(Resident::default());
        let mut random = Random::new(self.options.seed, u64::MAX);
        let mut next = self.fit().min(count);
        // Each with whether it waits for others since one of them last ran.
        let mut running: Vec<(ScheduledUnit, bool)> =
            (0..next).map(|unit| (ScheduledUnit::new(self, unit, &resident), false)).collect();
        let mut outcomes: Vec<(u32, BlockOutcome)> = Vec::new();
        let mut faults = 0;
        while !running.is_empty() && faults < MOST_FAULTS {
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
                // Others may wait for it in vain.
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

    fn gather(&self, mut outcomes: Vec<(u32, BlockOutcome)>) -> Done {
        outcomes.sort_by_key(|(block, _)| *block);
        let mut done = Done { faults: Vec::new(), more: 0, report: Report::default() };
        let mut seen = std::collections::HashSet::new();
        for (_, outcome) in outcomes {
            done.report.counters.add(&outcome.counters);
            done.report.printed.extend(outcome.printed);
            done.more += outcome.more;
            for fault in outcome.faults {
                // The same places in another block are the same fault.
                let parties = std::iter::once(&fault.party).chain(&fault.others);
                let mut places: Vec<_> = parties.map(|party| party.place.clone()).collect();
                places.sort();
                if !seen.insert((fault.kind, places)) && fault.party.span.line > 0 {
                    continue;
                }
                if done.faults.len() < MOST_FAULTS {
                    done.faults.push(fault);
                } else {
                    done.more += 1;
                }
            }
        }
        done
    }
}
