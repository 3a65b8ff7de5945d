//! The grid barrier: all blocks of a cooperative grid are resident at the same time, and all their threads synchronize.

use crate::sim::block::BlockRun;
use crate::sim::checks::clocks::{Published, add};
use crate::sim::interp::warp::State;

/// The grid barrier, shared by the blocks of a host thread.
#[derive(Default)]
pub struct GridBarrier {
    /// Blocks whose threads have all arrived in this phase.
    arrived: u32,
    /// Number of phases that have ended.
    phase: u32,
    /// The knowledge published by the blocks that arrived in this phase, and in the last one.
    arriving: Option<Published>,
    complete: Option<Published>,
}

/// The threads of a block at the grid barrier.
#[derive(Default)]
pub struct GridThreads {
    /// The number of threads that wait there.
    pub waiting: u32,
    /// The phase that the block has arrived in.
    arrived: Option<u32>,
}

impl BlockRun<'_> {
    /// Makes the block arrive once all its threads have.
    pub fn complete_grid_barrier(&mut self) {
        if self.at_grid.waiting < self.alive || self.at_grid.arrived.is_some() {
            return;
        }
        let program = self.launch.program;
        let mut site = None;
        let mut same = self.alive == program.block.iter().product::<u32>();
        for strand in self.warps.iter().flat_map(|warp| &warp.strands) {
            if let State::Grid { site: at } = strand.state {
                same &= *site.get_or_insert(at) == at;
            }
        }
        if !same && self.launch.options.checks.divergence {
            self.report_divergence(self.whereabouts());
            return;
        }
        self.clocks.block_barrier();
        let blocks = program.grid.iter().product::<u32>();
        let resident = self.resident.clone();
        {
            let grid = &mut *resident.grid.borrow_mut();
            self.at_grid.arrived = Some(grid.phase);
            grid.arrived += 1;
            add(&mut grid.arriving, self.clocks.after_barrier());
            if grid.arrived == blocks {
                grid.arrived = 0;
                grid.phase += 1;
                grid.complete = grid.arriving.take();
            }
        }
        self.progress();
        self.sync_with_grid();
    }

    /// Lets the threads go on once all blocks have arrived.
    pub fn sync_with_grid(&mut self) {
        let resident = self.resident.clone();
        let grid = resident.grid.borrow();
        if self.at_grid.arrived.is_none_or(|phase| phase == grid.phase) {
            return;
        }
        self.at_grid = GridThreads::default();
        let mut waiting = Vec::new();
        for (index, warp) in self.warps.iter_mut().enumerate() {
            for strand in &mut warp.strands {
                if matches!(strand.state, State::Grid { .. }) {
                    strand.state = State::Ready;
                    strand.polls = 0;
                    waiting.push((index, strand.mask));
                }
            }
        }
        if let Some(complete) = &grid.complete {
            for (warp, mask) in waiting {
                self.clocks.acquire(warp, mask, self.warps[warp].live, complete);
            }
        }
        self.progress();
    }

    /// Returns how many blocks have arrived, for reports.
    pub fn grid_state(&self) -> String {
        let blocks = self.launch.program.grid.iter().product::<u32>();
        format!("{} of {blocks} blocks have arrived", self.resident.grid.borrow().arrived)
    }
}
