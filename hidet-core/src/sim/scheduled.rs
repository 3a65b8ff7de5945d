//! The unit of scheduling: a block, or the blocks of a cluster.

use super::block::{BlockRun, BlockStatus};
use super::cluster::Cluster;
use super::run::{BlockOutcome, Resident, Run};
use crate::sim::sync::deadlock::Whereabouts;
use std::rc::Rc;

/// A block, or the blocks of a cluster.
pub enum ScheduledUnit<'l> {
    Block(Box<BlockRun<'l>>),
    Cluster(Rc<Cluster<'l>>),
}

impl<'l> ScheduledUnit<'l> {
    /// Returns the number of units of a launch, and the number of blocks per unit.
    pub fn count(launch: &Run) -> (u32, u32) {
        let (grid, cluster) = (launch.program.grid, launch.program.cluster);
        ((0..3).map(|axis| grid[axis] / cluster[axis]).product(), cluster.iter().product())
    }

    /// Creates the unit of that number.
    pub fn new(launch: &'l Run<'l>, number: u32, resident: &Rc<Resident>) -> ScheduledUnit<'l> {
        let program = launch.program;
        if !program.clustered {
            return ScheduledUnit::Block(Box::new(BlockRun::new(launch, number, resident.clone())));
        }
        let ([x, y, _], [cx, cy, cz]) = (program.grid, program.cluster);
        let (across, down) = (x / cx, y / cy);
        let [i, j, k] = [number % across, number / across % down, number / (across * down)];
        ScheduledUnit::Cluster(Cluster::new(launch, i * cx + j * cy * x + k * cz * x * y, resident))
    }

    /// Runs for some time slices.
    pub fn step(&mut self, slices: u32) -> BlockStatus {
        match self {
            ScheduledUnit::Block(block) => block.step(slices),
            ScheduledUnit::Cluster(cluster) => cluster.step(),
        }
    }

    /// Returns true if a fault stopped it.
    pub fn is_stopped(&self) -> bool {
        match self {
            ScheduledUnit::Block(block) => block.stopped,
            ScheduledUnit::Cluster(cluster) => cluster.is_stopped(),
        }
    }

    /// Returns true if other units may unblock it.
    pub fn waits_for_others(&self) -> bool {
        let waits = |block: &BlockRun| block.at_grid.waiting > 0 || block.spins();
        match self {
            ScheduledUnit::Block(block) => waits(block),
            ScheduledUnit::Cluster(cluster) => cluster.any(waits),
        }
    }

    /// Returns the positions of its threads.
    pub fn whereabouts(&self) -> Whereabouts {
        match self {
            ScheduledUnit::Block(block) => block.whereabouts(),
            ScheduledUnit::Cluster(cluster) => {
                let mut all = Whereabouts::default();
                cluster.each(|block| all.join(block.whereabouts()));
                all
            }
        }
    }

    /// Reports a deadlock of this unit and the other units whose threads are in `all`.
    pub fn report_stuck(&mut self, all: Whereabouts) {
        match self {
            ScheduledUnit::Block(block) => block.report_stuck(all),
            ScheduledUnit::Cluster(cluster) => cluster.report_stuck(all),
        }
    }

    /// Returns the results of its blocks, with their numbers.
    pub fn outcomes(self) -> Vec<(u32, BlockOutcome)> {
        match self {
            ScheduledUnit::Block(block) => vec![(block.number, BlockOutcome::of(*block))],
            ScheduledUnit::Cluster(cluster) => {
                cluster.take().into_iter().map(|block| (block.number, BlockOutcome::of(block))).collect()
            }
        }
    }
}
