//! Reports threads that wait forever or never end: divergent barriers, deadlocks, endless loops.

use super::named_barrier::NamedBarrier;
use crate::sim::block::BlockRun;
use crate::sim::interp::warp::{State, Strand};
use crate::sim::lanes::lanes;
use crate::sim::report::FaultKind;
use std::collections::BTreeMap;

/// The activities of threads that repeat their state.
const POLLING: &str = "polling here";
const ENDLESS: &str = "running near here";

/// Groups of threads by their site and their activity there: the number of threads, and the first by block and thread.
#[derive(Default)]
pub struct Whereabouts(BTreeMap<(u32, String), (u32, (u32, u32))>);

impl Whereabouts {
    fn note(&mut self, at: (u32, String), threads: u32, first: (u32, u32)) {
        let group = self.0.entry(at).or_insert((0, first));
        group.0 += threads;
        group.1 = group.1.min(first);
    }

    /// Adds the groups of other blocks.
    pub fn join(&mut self, others: Whereabouts) {
        for (at, (threads, first)) in others.0 {
            self.note(at, threads, first);
        }
    }
}

impl BlockRun<'_> {
    /// Returns where the threads of the block are.
    pub fn whereabouts(&self) -> Whereabouts {
        let mut all = Whereabouts::default();
        for (index, warp) in self.warps.iter().enumerate() {
            let first = |mask: u32| (self.number, (index * 32) as u32 + mask.trailing_zeros());
            for strand in &warp.strands {
                if let Some(at) = self.activity(strand) {
                    all.note(at, strand.mask.count_ones(), first(strand.mask));
                }
            }
            for lane in lanes(warp.ended()) {
                all.note((warp.exits[lane], "ended".to_owned()), 1, first(1 << lane));
            }
        }
        all
    }

    /// Returns the parties of a report.
    fn parties(&self, all: Whereabouts) -> Vec<(u32, String)> {
        let party = |((site, activity), (threads, (block, thread))): ((u32, String), (u32, (u32, u32)))| {
            let name = self.launch.thread_name(block, thread);
            let who = if threads == 1 { name } else { format!("{threads} threads, {name} the first") };
            (site, format!("{who}: {activity}"))
        };
        all.0.into_iter().map(party).collect()
    }

    /// Returns the site and the activity of a strand, or `None` if it can run.
    fn activity(&self, strand: &Strand) -> Option<(u32, String)> {
        let program = self.launch.program;
        Some(match strand.state {
            State::Ready if !strand.repeats(self.resident.changes.get()) => return None,
            State::Ready => match self.polling_site(strand) {
                Some(site) => (site, POLLING.to_owned()),
                None => (self.nearest_site(strand)?, ENDLESS.to_owned()),
            },
            State::Block { site } => (site, "waiting at this barrier".to_owned()),
            State::Named { id, site } => (
                site,
                format!(
                    "waiting at named barrier {id}, where {}",
                    self.named.get(&id).map(NamedBarrier::state).unwrap_or_default()
                ),
            ),
            State::Cluster { site } => {
                let state = self.member.as_ref().map(|member| member.cluster.state()).unwrap_or_default();
                (site, format!("waiting at the cluster barrier, where {state}"))
            }
            State::Grid { site } => (site, format!("waiting at the grid barrier, where {}", self.grid_state())),
            State::Lanes { call, members } => {
                let call = &program.calls[call as usize];
                (call.site, format!("waiting at `{}` for the lanes of mask {members:#x}", call.name))
            }
            State::Group { call: number } => {
                let call = &program.calls[number as usize];
                let waiting = || format!("waiting at `{}` for the other warps of its warp group", call.name);
                (call.site, self.registers_missing(number).unwrap_or_else(waiting))
            }
            State::Mbarrier { at, parity, site } => {
                let state = self.mbarriers.get(&at).map(|barrier| barrier.state().0).unwrap_or_default();
                (site, format!("waiting for the phase of parity {parity} of an mbarrier, where {state}"))
            }
        })
    }

    /// Reports that neither this block nor the others, whose threads are in `all`, can ever go on.
    pub fn report_stuck(&mut self, all: Whereabouts) {
        if self.spins() {
            self.report_spinning(all);
        } else if self.waiting > 0 || self.at_grid.waiting > 0 {
            self.report_divergence(all);
        } else {
            self.report_deadlock(all);
        }
    }

    /// Reports threads at a block or grid barrier that the other threads never reach.
    pub fn report_divergence(&mut self, all: Whereabouts) {
        let mut groups = self.parties(all);
        // The threads at the barrier come first.
        let at_barrier = |what: &str| what.contains(": waiting at th");
        bring_forward(&mut groups, &at_barrier);
        let threads = self.launch.program.block.iter().product::<u32>();
        let message = if self.waiting > 0 {
            format!(
                "{} of the {threads} threads of the block are at a barrier that all of them must reach together",
                self.waiting
            )
        } else if self.at_grid.waiting < threads {
            format!(
                "{} of the {threads} threads of the block are at the grid barrier, which all threads must reach",
                self.at_grid.waiting
            )
        } else {
            "a block waits at the grid barrier, which all blocks must reach".to_owned()
        };
        self.report_groups(FaultKind::DivergentBarrier, &message, groups);
    }

    fn report_deadlock(&mut self, all: Whereabouts) {
        let mut groups = self.parties(all);
        bring_forward(&mut groups, &|what| !what.ends_with("ended"));
        let at_cluster = |what: &str| what.contains(": waiting at the cluster barrier");
        let (kind, message) = if groups.iter().any(|group| at_cluster(&group.1)) {
            bring_forward(&mut groups, &at_cluster);
            (FaultKind::DivergentBarrier, "threads wait at the cluster barrier, where others never arrive")
        } else {
            (FaultKind::Deadlock, "the threads wait forever")
        };
        self.report_groups(kind, message, groups);
    }

    fn report_groups(&mut self, kind: FaultKind, message: &str, groups: Vec<(u32, String)>) {
        let mut groups = groups.into_iter();
        if let Some(first) = groups.next() {
            self.fault(kind, message, first, groups.collect());
        }
        self.stopped = true;
    }

    /// Returns the nearest site around the position of a strand.
    fn nearest_site(&self, strand: &Strand) -> Option<u32> {
        let program = self.launch.program;
        let (before, after) = program.code.split_at(strand.pc as usize);
        let behind = before.iter().rev().find_map(|inst| program.site_of(inst));
        behind.or_else(|| after.iter().find_map(|inst| program.site_of(inst)))
    }

    /// Returns the site where a strand polls, if it does.
    fn polling_site(&self, strand: &Strand) -> Option<u32> {
        let inst = strand.repetition.polled.and_then(|pc| self.launch.program.code.get(pc as usize));
        inst.and_then(|inst| self.launch.program.site_of(inst))
    }

    /// Reports threads that repeat their states while no other thread is left that could change that.
    fn report_spinning(&mut self, all: Whereabouts) {
        let mut groups = self.parties(all);
        bring_forward(&mut groups, &|what| what.ends_with(ENDLESS));
        bring_forward(&mut groups, &|what| what.ends_with(POLLING));
        let message = match groups.first() {
            Some(group) if group.1.ends_with(POLLING) => "a thread polls for a change that no thread can make any more",
            _ => {
                "an endless loop: its variables repeat, and no thread can change what it reads any more; to wait for another \
                 thread, read with an atomic load"
            }
        };
        self.report_groups(FaultKind::Deadlock, message, groups);
    }

    /// Reports that the block has run more instructions than allowed.
    pub fn report_limit(&mut self) {
        let mut groups = Vec::new();
        for (index, warp) in self.warps.iter().enumerate() {
            for strand in warp.strands.iter().filter(|strand| strand.state == State::Ready) {
                if let Some(site) = self.nearest_site(strand) {
                    let name = self.thread_name(index, strand.mask.trailing_zeros() as usize);
                    groups.push((site, format!("{name} runs near here")));
                }
            }
        }
        groups.truncate(4);
        let message = format!(
            "{} is still running after {} instructions of its warps, which is the limit: an endless loop whose values keep \
             changing, or a long computation. Raise the limit by `sim::Options::steps` or the environment variable \
             HIDET_SIM_STEPS; 0 means no limit",
            self.launch.block_name(self.number),
            self.launch.steps
        );
        self.report_groups(FaultKind::Limit, &message, groups);
    }
}

/// Moves the groups of threads of which `comes` is true before the others; both keep their order.
fn bring_forward(groups: &mut Vec<(u32, String)>, comes: &dyn Fn(&str) -> bool) {
    let (mut first, others): (Vec<_>, Vec<_>) = groups.drain(..).partition(|group| comes(&group.1));
    first.extend(others);
    *groups = first;
}
