//! Detects strands that repeat their state. The next step of a strand depends on its position, its registers and the
//! memory that it reads. If position and registers are as before, and in the meantime no memory was changed and no
//! threads synchronized, the strand repeats itself until another thread changes something: it polls forever, or its
//! loop is endless. This is a proof for any length of the cycle; a loop whose values never repeat is not detected.
//!
//! The state at each time slice is compared with a kept state, which is replaced at every power of two (Brent's
//! algorithm). Time slices end anywhere in a cycle, so that every state of the cycle occurs.

use super::warp::{State, Strand, Warp};
use crate::sim::block::BlockRun;
use crate::sim::lanes::RegisterRow;

/// The number of time slices without any change before states are kept.
const FIRST: u32 = 16;

/// The history of a strand since the last change.
#[derive(Debug, Default)]
pub struct Repetition {
    /// The number of changes at the start.
    changes: u64,
    /// Time slices since then.
    slices: u32,
    kept: Option<Box<Kept>>,
    /// True if a state has repeated.
    found: bool,
    /// The instruction by which it last polled.
    pub polled: Option<u32>,
}

/// A state of a strand. It includes the registers of the other lanes of its warp, which mostly belong to the strand.
#[derive(Debug)]
struct Kept {
    pc: u32,
    mask: u32,
    frame: u32,
    slots: Vec<u64>,
    regs: Box<[RegisterRow]>,
}

impl Strand {
    /// Records a time slice.
    fn look_for_repetition(&mut self, regs: &[RegisterRow], changes: u64) {
        if self.repetition.changes != changes {
            self.repetition = Repetition { changes, ..Repetition::default() };
        }
        let known = &mut self.repetition;
        known.slices = known.slices.saturating_add(1);
        if known.found || known.slices < FIRST {
            return;
        }
        known.found = known.kept.as_ref().is_some_and(|kept| {
            (kept.pc, kept.mask, kept.frame) == (self.pc, self.mask, self.frame)
                && kept.slots == self.slots
                && kept.regs.iter().zip(regs).all(|(kept, now)| kept.0 == now.0)
        });
        if known.slices.is_power_of_two() && !known.found {
            let (pc, mask, frame) = (self.pc, self.mask, self.frame);
            known.kept = Some(Box::new(Kept { pc, mask, frame, slots: self.slots.clone(), regs: regs.into() }));
        }
    }

    /// Returns true if it repeats its state since the last change.
    pub fn repeats(&self, changes: u64) -> bool {
        self.repetition.found && self.repetition.changes == changes
    }
}

impl BlockRun<'_> {
    /// Records a time slice of a strand.
    pub fn look_for_repetition(&mut self, warp: usize, strand: usize) {
        if self.launch.options.checks.deadlock {
            let Warp { regs, strands, .. } = &mut self.warps[warp];
            strands[strand].look_for_repetition(regs, self.resident.changes.get());
        }
    }

    /// Returns true if strands can run, and all of them repeat their states.
    pub fn spins(&self) -> bool {
        let changes = self.resident.changes.get();
        let mut ready = self.warps.iter().flat_map(|warp| &warp.strands).filter(|strand| strand.state == State::Ready);
        ready.next().is_some_and(|first| first.repeats(changes) && ready.all(|other| other.repeats(changes)))
    }
}
