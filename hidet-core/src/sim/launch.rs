//! A launch: what all blocks share, and how they are spread over the host's threads.
//!
//! Blocks that cannot tell in which order they run are spread over all cores; where they talk to each other (atomics
//! whose result is used, or of floats, acquire and release), many of them are resident at once and take turns in one
//! order that the seed decides. A fault found on several threads is looked for again on one, from the same memory, so
//! that the report does not depend on the number of cores.

use super::block::{BlockRun, Status};
use super::clocks::Published;
use super::global::GlobalShadow;
use super::lanes::Row;
use super::memory::{Memory, Snapshot};
use super::program::{Program, slot};
use super::random::Random;
use super::report::{Counters, Fault};
use super::{Options, Report};
use crate::ir::{Access, Function, fault};
use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks that are resident at once where they communicate, and the registers they may take (rows of 128 bytes).
const MOST_RESIDENT: usize = 1024;
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
pub struct Launch<'a> {
    pub program: &'a Program,
    pub function: &'a Function,
    pub options: &'a Options,
    pub tensors: Vec<Bound>,
    pub shadows: Vec<GlobalShadow>,
    /// The rows of thread indices that each warp of a block begins with.
    pub thread_rows: Vec<[Row; slot::FIRST_FREE_ROW as usize]>,
}

/// The rows of thread indices of every warp.
pub fn thread_rows(block: [u32; 3]) -> Vec<[Row; slot::FIRST_FREE_ROW as usize]> {
    let [x, y, z] = block;
    let warp = |warp: u32| {
        let mut rows = [Row::ZERO; slot::FIRST_FREE_ROW as usize];
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
    /// Polls since something changed.
    pub idle: Cell<u32>,
    /// Strands that may poll.
    pub strands: Cell<u32>,
    /// What was released to addresses of global memory.
    pub released: RefCell<HashMap<usize, Published>>,
}

/// What a block leaves behind.
#[derive(Default)]
struct Outcome {
    counters: Counters,
    faults: Vec<Fault>,
    more: usize,
    printed: Vec<String>,
}

impl Outcome {
    fn of(run: BlockRun) -> Outcome {
        Outcome { counters: run.counters, faults: run.faults, more: run.more_faults, printed: run.printed }
    }
}

/// What a launch did: faults, how many more, and the report.
pub struct Done {
    pub faults: Vec<Fault>,
    pub more: usize,
    pub report: Report,
}

impl Launch<'_> {
    fn blocks(&self) -> u64 {
        self.program.grid.iter().map(|extent| *extent as u64).product()
    }

    /// How a thread is called in reports.
    pub fn thread_name(&self, block: u32, thread: u32) -> String {
        let (threads, blocks) = (self.program.block, self.program.grid);
        fault::thread(fault::unravel(thread, threads), threads, fault::unravel(block, blocks), blocks)
    }

    /// Runs all blocks.
    pub fn run(&self) -> Done {
        let threads = self.options.threads.unwrap_or_else(rayon::current_num_threads).max(1);
        let count = self.blocks().min(u32::MAX as u64) as u32;
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
                .map(|block| {
                    // The report is made from the run in order.
                    if watch && failed.load(Ordering::Relaxed) {
                        return Outcome::default();
                    }
                    let outcome = self.run_block(block);
                    if !outcome.faults.is_empty() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    outcome
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

    fn run_block(&self, block: u32) -> Outcome {
        let resident = Rc::new(Resident::default());
        resident.strands.set(self.program.block.iter().product::<u32>().div_ceil(32));
        let mut run = BlockRun::new(self, block, resident);
        while run.step(u32::MAX) == Status::Running {}
        Outcome::of(run)
    }

    /// Stops after enough faults: blocks that follow would repeat them.
    fn run_in_order(&self, count: u32) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut faults = 0;
        for block in 0..count {
            let outcome = self.run_block(block);
            faults += outcome.faults.len();
            outcomes.push(outcome);
            if faults >= MOST_FAULTS {
                break;
            }
        }
        outcomes
    }

    /// Runs blocks that talk to each other: as many as fit at once, each replaced when it ends, in the order the seed
    /// gives.
    fn run_resident(&self, count: u32) -> Vec<Outcome> {
        let warps = self.program.block.iter().product::<u32>().div_ceil(32);
        let rows = (self.program.rows * warps).max(1) as usize;
        let fit = (MOST_ROWS / rows).clamp(1, MOST_RESIDENT) as u32;
        let resident = Rc::new(Resident::default());
        let mut random = Random::new(self.options.seed, u64::MAX);
        let mut next = fit.min(count);
        resident.strands.set(next * warps);
        let mut running: Vec<BlockRun> = (0..next).map(|block| BlockRun::new(self, block, resident.clone())).collect();
        let mut outcomes: Vec<(u32, Outcome)> = Vec::new();
        let mut faults = 0;
        while !running.is_empty() && faults < MOST_FAULTS {
            let pick = random.below(running.len() as u32) as usize;
            let slices = 1 + random.below(8);
            if running[pick].step(slices) == Status::Running {
                continue;
            }
            let done = running.swap_remove(pick);
            faults += done.faults.len();
            let stopped = done.stopped;
            outcomes.push((done.number, Outcome::of(done)));
            if stopped {
                // Others may wait for it in vain.
                break;
            }
            if next < count {
                running.push(BlockRun::new(self, next, resident.clone()));
                next += 1;
            }
        }
        for run in running {
            outcomes.push((run.number, Outcome::of(run)));
        }
        outcomes.sort_by_key(|outcome| outcome.0);
        outcomes.into_iter().map(|outcome| outcome.1).collect()
    }

    fn gather(&self, outcomes: Vec<Outcome>) -> Done {
        let mut done = Done { faults: Vec::new(), more: 0, report: Report::default() };
        let mut seen = std::collections::HashSet::new();
        for outcome in outcomes {
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
