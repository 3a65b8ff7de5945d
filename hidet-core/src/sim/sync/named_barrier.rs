//! Named barriers (PTX ISA, `barrier`): they count warps, and a warp counts once all its lanes have arrived. Number 0
//! is refused: `sync_threads` uses it.

use crate::intrinsics::Meaning;
use crate::sim::block::BlockRun;
use crate::sim::checks::clocks::{Published, add};
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::{State, Strand};
use crate::sim::lanes::lanes;
use crate::sim::report::FaultKind;
use std::collections::HashMap;

/// A named barrier in its current phase.
#[derive(Debug, Default)]
pub struct NamedBarrier {
    /// Threads of the warps that have arrived.
    arrived: u32,
    needed: u32,
    /// By warp: the lanes that have arrived while other lanes of the warp have not.
    partial: HashMap<usize, u32>,
    /// The site where the first thread arrived.
    site: u32,
    published: Option<Published>,
}

impl NamedBarrier {
    /// Returns how many threads have arrived, for reports.
    pub fn state(&self) -> String {
        let partial = if self.partial.is_empty() { "" } else { " in whole warps" };
        format!("{} of {} threads have arrived{partial}", self.arrived, self.needed)
    }
}

impl BlockRun<'_> {
    /// `bar.sync` and `bar.arrive`.
    pub fn named_barrier(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let first = strand.mask.trailing_zeros() as usize;
        let id = self.operand(warp, strand, call, 0, first) as u32;
        let same: u32 = lanes(strand.mask)
            .filter(|lane| self.operand(warp, strand, call, 0, *lane) as u32 == id)
            .map(|lane| 1 << lane)
            .sum();
        if same != strand.mask {
            let (others, pc) = (strand.mask & !same, strand.pc);
            self.warps[warp].split(strand, others, pc);
        }
        let who = format!("{} arrives", self.thread_name(warp, first));
        let needed = self.operand(warp, strand, call, 1, first) as u32;
        if !(1..16).contains(&id) {
            let message = match id {
                0 => "named barrier 0 belongs to `sync_threads()`; use 1 to 15".to_owned(),
                _ => format!("there is no named barrier {}: they are numbered 1 to 15", id as i32),
            };
            self.fault(FaultKind::Barrier, message, (call.site, who), Vec::new());
            return Some(self.stop());
        }
        let barrier = self.named.entry(id).or_default();
        if barrier.arrived == 0 && barrier.partial.is_empty() {
            (barrier.needed, barrier.site) = (needed, call.site);
        }
        let here = barrier.partial.remove(&warp).unwrap_or(0) | strand.mask;
        if here == self.warps[warp].all() {
            barrier.arrived += 32;
            add(&mut barrier.published, self.clocks.publish(warp, here));
        } else {
            barrier.partial.insert(warp, here);
        }
        let (arrived, expected, site) = (barrier.arrived, barrier.needed, barrier.site);
        if expected != needed || arrived > expected {
            let message = if expected != needed {
                format!("named barrier {id} is used for {expected} and for {needed} threads at the same time")
            } else {
                format!("{arrived} threads arrive at named barrier {id}, which is for {expected}")
            };
            let others = vec![(site, format!("the first arrived for {expected} threads"))];
            self.fault(FaultKind::Barrier, message, (call.site, who), others);
            return Some(self.stop());
        }
        let waits = call.meaning == Meaning::BarrierSync;
        let whole = !barrier.partial.contains_key(&warp);
        if !whole || arrived < expected {
            if !waits {
                return None;
            }
            strand.state = State::Named { id, site: call.site };
            return Some(Pause::Waiting);
        }
        barrier.arrived = 0;
        let (published, partial) = (barrier.published.take(), barrier.partial.clone());
        self.progress();
        let mut woken = Vec::new();
        for (index, warp) in self.warps.iter_mut().enumerate().filter(|(index, _)| !partial.contains_key(index)) {
            for other in &mut warp.strands {
                if matches!(other.state, State::Named { id: theirs, .. } if theirs == id) {
                    other.state = State::Ready;
                    other.pc += 1;
                    woken.push((index, other.mask));
                }
            }
        }
        if waits {
            woken.push((warp, strand.mask));
        }
        if let Some(published) = published {
            for (warp, mask) in woken {
                let live = self.warps[warp].live;
                self.clocks.acquire(warp, mask, live, &published);
            }
        }
        None
    }
}
