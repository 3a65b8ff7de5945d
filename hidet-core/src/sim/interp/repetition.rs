//! Strands that repeat themselves. What a strand does next is decided by its place, its registers and the memory it
//! reads. Where the first two are as they were before, and nobody has changed memory or met anyone meanwhile, it goes
//! round and round until somebody else changes something: it polls in vain, or its loop is endless. That is a proof,
//! however long the rounds are; a loop whose values never repeat is not found by it.
//!
//! The state of each turn is compared with one that was kept, which is replaced at every power of two (Brent). Turns
//! end anywhere in a round, so that every state of it comes up.

use super::warp::{State, Strand, Warp};
use crate::sim::block::BlockRun;
use crate::sim::lanes::RegisterRow;

/// Turns without any change before states are kept.
const FIRST: u32 = 16;

/// What is known of a strand since something changed.
#[derive(Debug, Default)]
pub struct Repetition {
    /// The number of changes when this began.
    changes: u64,
    /// Turns since then.
    turns: u32,
    kept: Option<Box<Kept>>,
    /// Whether a state has come back.
    found: bool,
    /// The instruction by which it last looked for what others may change.
    pub polled: Option<u32>,
}

/// A state of a strand. Its warp's other lanes are part of it: mostly they are its own.
#[derive(Debug)]
struct Kept {
    pc: u32,
    mask: u32,
    frame: u32,
    slots: Vec<u64>,
    regs: Box<[RegisterRow]>,
}

impl Strand {
    /// It has a turn.
    fn look_for_repetition(&mut self, regs: &[RegisterRow], changes: u64) {
        if self.repetition.changes != changes {
            self.repetition = Repetition { changes, ..Repetition::default() };
        }
        let known = &mut self.repetition;
        known.turns = known.turns.saturating_add(1);
        if known.found || known.turns < FIRST {
            return;
        }
        known.found = known.kept.as_ref().is_some_and(|kept| {
            (kept.pc, kept.mask, kept.frame) == (self.pc, self.mask, self.frame)
                && kept.slots == self.slots
                && kept.regs.iter().zip(regs).all(|(kept, now)| kept.0 == now.0)
        });
        if known.turns.is_power_of_two() && !known.found {
            let (pc, mask, frame) = (self.pc, self.mask, self.frame);
            known.kept = Some(Box::new(Kept { pc, mask, frame, slots: self.slots.clone(), regs: regs.into() }));
        }
    }

    /// Whether it does the same again and again since the last change.
    pub fn repeats(&self, changes: u64) -> bool {
        self.repetition.found && self.repetition.changes == changes
    }
}

impl BlockRun<'_> {
    /// A strand has a turn.
    pub fn look_for_repetition(&mut self, warp: usize, strand: usize) {
        if self.launch.options.checks.deadlock {
            let Warp { regs, strands, .. } = &mut self.warps[warp];
            strands[strand].look_for_repetition(regs, self.resident.changes.get());
        }
    }

    /// Whether strands can run, and all of them repeat themselves.
    pub fn spins(&self) -> bool {
        let changes = self.resident.changes.get();
        let mut ready = self.warps.iter().flat_map(|warp| &warp.strands).filter(|strand| strand.state == State::Ready);
        ready.next().is_some_and(|first| first.repeats(changes) && ready.all(|other| other.repeats(changes)))
    }
}
