//! Reports of threads that wait in vain: divergent barriers, deadlocks, endless polling.

use super::block::BlockRun;
use super::lanes::lanes;
use super::named::Named;
use super::report::FaultKind;
use super::warp::{State, Strand};
use std::collections::BTreeMap;

/// Groups of threads by where they wait or ended and what they do there: how many, and the first by block and number.
#[derive(Default)]
pub struct Whereabouts(BTreeMap<(u32, String), (u32, (u32, u32))>);

impl Whereabouts {
    fn note(&mut self, at: (u32, String), threads: u32, first: (u32, u32)) {
        let group = self.0.entry(at).or_insert((0, first));
        group.0 += threads;
        group.1 = group.1.min(first);
    }

    /// Adds those of other blocks.
    pub fn join(&mut self, others: Whereabouts) {
        for (at, (threads, first)) in others.0 {
            self.note(at, threads, first);
        }
    }
}

impl BlockRun<'_> {
    /// Where the threads of the block are.
    pub fn whereabouts(&self) -> Whereabouts {
        let mut all = Whereabouts::default();
        for (index, warp) in self.warps.iter().enumerate() {
            let first = |mask: u32| (self.number, (index * 32) as u32 + mask.trailing_zeros());
            for strand in &warp.strands {
                if let Some(at) = self.deed(strand) {
                    all.note(at, strand.mask.count_ones(), first(strand.mask));
                }
            }
            for lane in lanes(warp.ended()) {
                all.note((warp.exits[lane], "ended".to_owned()), 1, first(1 << lane));
            }
        }
        all
    }

    /// The parties of a report.
    fn parties(&self, all: Whereabouts) -> Vec<(u32, String)> {
        let party = |((site, deed), (threads, (block, thread))): ((u32, String), (u32, (u32, u32)))| {
            let name = self.launch.thread_name(block, thread);
            let who = if threads == 1 { name } else { format!("{threads} threads, {name} the first") };
            (site, format!("{who}: {deed}"))
        };
        all.0.into_iter().map(party).collect()
    }

    fn deed(&self, strand: &Strand) -> Option<(u32, String)> {
        let program = self.launch.program;
        Some(match strand.state {
            State::Ready => return None,
            State::Block { site } => (site, "waiting at this barrier".to_owned()),
            State::Named { id, site } => (
                site,
                format!(
                    "waiting at named barrier {id}, where {}",
                    self.named.get(&id).map(Named::state).unwrap_or_default()
                ),
            ),
            State::Cluster { site } => {
                let state = self.member.as_ref().map(|member| member.cluster.state()).unwrap_or_default();
                (site, format!("waiting at the barrier of the cluster, where {state}"))
            }
            State::Grid { site } => (site, format!("waiting at the barrier of the grid, where {}", self.grid_state())),
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

    /// Neither this block nor the others, which `all` counts too, can ever go on.
    pub fn report_stuck(&mut self, all: Whereabouts) {
        if self.waiting > 0 || self.at_grid.waiting > 0 {
            self.report_divergence(all);
        } else {
            self.report_deadlock(all);
        }
    }

    /// Some threads are at a barrier of the block or the grid, and the others do not come.
    pub fn report_divergence(&mut self, all: Whereabouts) {
        let mut groups = self.parties(all);
        // The barrier comes first.
        let at_barrier = |what: &str| what.contains(": waiting at th");
        groups.sort_by_key(|group| !at_barrier(&group.1));
        let threads = self.launch.program.block.iter().product::<u32>();
        let message = if self.waiting > 0 {
            format!(
                "{} of the {threads} threads of the block are at a barrier that all of them must reach together",
                self.waiting
            )
        } else if self.at_grid.waiting < threads {
            format!(
                "{} of the {threads} threads of the block are at the barrier of the grid, which all threads must reach",
                self.at_grid.waiting
            )
        } else {
            "a block waits at the barrier of the grid, which all blocks must reach".to_owned()
        };
        self.report_groups(FaultKind::DivergentBarrier, &message, groups);
    }

    fn report_deadlock(&mut self, all: Whereabouts) {
        let mut groups = self.parties(all);
        groups.sort_by_key(|group| group.1.ends_with("ended"));
        let at_cluster = |group: &(u32, String)| group.1.contains(": waiting at the barrier of the cluster");
        let (kind, message) = if groups.iter().any(at_cluster) {
            groups.sort_by_key(|group| !at_cluster(group));
            (FaultKind::DivergentBarrier, "threads wait at the barrier of the cluster, where others never arrive")
        } else {
            (FaultKind::Deadlock, "the threads wait for what cannot happen any more")
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

    /// The threads run on and nothing happens.
    pub fn report_endless(&mut self) {
        let program = self.launch.program;
        let running = |strand: &&Strand| strand.state == State::Ready;
        let mut places = Vec::new();
        for (index, warp) in self.warps.iter().enumerate() {
            for strand in warp.strands.iter().filter(running) {
                // The nearest place in the source that the code ahead of the strand names.
                let ahead = program.code[strand.pc as usize..].iter().find_map(|inst| program.site_of(inst));
                let behind = program.code[..strand.pc as usize].iter().rev().find_map(|inst| program.site_of(inst));
                if let Some(site) = behind.or(ahead) {
                    let name = self.thread_name(index, strand.mask.trailing_zeros() as usize);
                    places.push((site, format!("{name} runs near here")));
                }
            }
        }
        let mut places = places.into_iter();
        if let Some(first) = places.next() {
            let message = "threads run on and on without storing anything: an endless loop, or one too long for the check of deadlocks";
            self.fault(FaultKind::Deadlock, message, first, places.take(3).collect());
        }
        self.stopped = true;
    }

    /// Everyone polls and nothing changes.
    pub fn report_spinning(&mut self, warp: usize, strand: &Strand) {
        let program = self.launch.program;
        let super::program::Inst::Call { call } = program.code[strand.pc as usize] else { return };
        let site = program.calls[call as usize].site;
        let name = self.thread_name(warp, strand.mask.trailing_zeros() as usize);
        let others = self.parties(self.whereabouts());
        let message = "a thread polls for a change that nobody can make any more";
        self.fault(FaultKind::Deadlock, message, (site, format!("{name} polls here")), others);
    }
}
