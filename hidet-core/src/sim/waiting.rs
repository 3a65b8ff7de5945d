//! Reports of threads that wait in vain: divergent barriers, deadlocks, endless polling.

use super::barriers::Named;
use super::block::BlockRun;
use super::lanes::lanes;
use super::report::FaultKind;
use super::warp::{State, Strand};
use std::collections::BTreeMap;

impl BlockRun<'_> {
    /// Groups of threads by where they wait or ended: site, what they do there, how many and the first of them.
    fn whereabouts(&self) -> Vec<(u32, String)> {
        // Keyed by site and deed so that the order is fixed.
        let mut groups: BTreeMap<(u32, String), (u32, u32)> = BTreeMap::new();
        let mut note = |site: u32, deed: String, warp: usize, mask: u32| {
            let first = (warp * 32) as u32 + mask.trailing_zeros();
            let group = groups.entry((site, deed)).or_insert((0, first));
            group.0 += mask.count_ones();
            group.1 = group.1.min(first);
        };
        for (index, warp) in self.warps.iter().enumerate() {
            for strand in &warp.strands {
                if let Some((site, deed)) = self.deed(strand) {
                    note(site, deed, index, strand.mask);
                }
            }
            for lane in lanes(warp.ended()) {
                note(warp.exits[lane], "ended".to_owned(), index, 1 << lane);
            }
        }
        groups
            .into_iter()
            .map(|((site, deed), (count, first))| {
                let name = self.launch.thread_name(self.number, first);
                let who = if count == 1 { name } else { format!("{count} threads, {name} the first") };
                (site, format!("{who}: {deed}"))
            })
            .collect()
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
            State::Lanes { call, members } => {
                let call = &program.calls[call as usize];
                (call.site, format!("waiting at `{}` for the lanes of mask {members:#x}", call.name))
            }
            State::Mbarrier { at, parity, site } => {
                let state = self.mbarriers.get(&at).map(|barrier| barrier.state().0).unwrap_or_default();
                (site, format!("waiting for the phase of parity {parity} of an mbarrier, where {state}"))
            }
        })
    }

    pub fn report_divergence(&mut self) {
        let mut groups = self.whereabouts();
        // The barrier comes first.
        let at_barrier = |what: &str| what.ends_with("waiting at this barrier");
        groups.sort_by_key(|group| !at_barrier(&group.1));
        let threads = self.launch.program.block.iter().product::<u32>();
        let message = format!(
            "{} of the {threads} threads of the block are at a barrier that all of them must reach together",
            self.waiting
        );
        let mut groups = groups.into_iter();
        if let Some(first) = groups.next() {
            self.fault(FaultKind::DivergentBarrier, message, first, groups.collect());
        }
        self.stopped = true;
    }

    pub fn report_deadlock(&mut self, message: &str) {
        let mut groups = self.whereabouts();
        groups.sort_by_key(|group| group.1.ends_with("ended"));
        let mut groups = groups.into_iter();
        if let Some(first) = groups.next() {
            self.fault(FaultKind::Deadlock, message, first, groups.collect());
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
        let others = self.whereabouts();
        let message = "a thread polls for a change that nobody can make any more";
        self.fault(FaultKind::Deadlock, message, (site, format!("{name} polls here")), others);
    }
}
