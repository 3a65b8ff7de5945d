//! A warp: its registers, and the strands that its lanes have split into.
//!
//! A strand is a set of lanes at the same instruction. Lanes that diverge wait for each other in a *frame*: the
//! position where they reconverge, the lanes that are expected there and the lanes that have arrived. Lanes that go
//! elsewhere (`break`, `continue`, the end) are removed from the frames that they leave. Frames save time and do not
//! affect results, so waiting lanes can be sent on early if no other lane can run: this gives every thread the progress
//! that independent thread scheduling guarantees.

use super::repetition::Repetition;
use crate::sim::lanes::{LANES, RegisterRow};

/// No frame.
pub const NONE: u32 = u32::MAX;

/// A set of lanes that run together.
#[derive(Debug, Default)]
pub struct Strand {
    pub pc: u32,
    pub mask: u32,
    /// The innermost frame the lanes are expected in.
    pub frame: u32,
    /// Uniform values.
    pub slots: Vec<u64>,
    pub state: State,
    /// The number of times it polled since the last change that affects it.
    pub polls: u32,
    /// Detects that it repeats its state.
    pub repetition: Repetition,
}

/// The state of a strand.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum State {
    /// It can run.
    #[default]
    Ready,
    /// At the block barrier.
    Block { site: u32 },
    /// At a named barrier.
    Named { id: u32, site: u32 },
    /// At an operation of the lanes of a mask, waiting for the others.
    Lanes { call: u32, members: u32 },
    /// At the cluster barrier.
    Cluster { site: u32 },
    /// At the grid barrier.
    Grid { site: u32 },
    /// At an operation of the warp group.
    Group { call: u32 },
    /// At the mbarrier at a byte offset of shared memory.
    Mbarrier { at: u32, parity: u32, site: u32 },
}

/// A position where lanes reconverge.
#[derive(Debug, Default)]
struct Frame {
    parent: u32,
    merge: u32,
    expected: u32,
    arrived: u32,
    /// The uniform values of the lanes that arrived last.
    slots: Vec<u64>,
}

/// A warp.
#[derive(Debug)]
pub struct Warp {
    pub regs: Box<[RegisterRow]>,
    /// For register memory: the lanes that have written each row. Empty if that is not checked.
    pub written: Box<[u32]>,
    pub strands: Vec<Strand>,
    frames: Vec<Frame>,
    free: Vec<u32>,
    /// Lanes that exist and have not ended.
    pub live: u32,
    /// Lanes that exist.
    all: u32,
    /// By lane: the site where it ended.
    pub exits: [u32; LANES],
}

impl Warp {
    pub fn new(rows: u32, lanes: u32, check_written: bool) -> Warp {
        let all = if lanes >= 32 { u32::MAX } else { (1 << lanes) - 1 };
        Warp {
            regs: vec![RegisterRow::ZERO; rows as usize].into_boxed_slice(),
            written: vec![0; if check_written { rows as usize } else { 0 }].into_boxed_slice(),
            strands: Vec::new(),
            frames: Vec::new(),
            free: Vec::new(),
            live: all,
            all,
            exits: [0; LANES],
        }
    }

    /// Returns the lanes that exist, including those that have ended.
    pub fn all(&self) -> u32 {
        self.all
    }

    /// Returns true if no lane has ended.
    pub fn is_whole(&self) -> bool {
        self.live == self.all
    }

    /// Returns the lanes that have ended.
    pub fn ended(&self) -> u32 {
        self.all & !self.live
    }

    /// Returns true if a strand can run.
    pub fn is_ready(&self) -> bool {
        self.strands.iter().any(|strand| strand.state == State::Ready)
    }

    fn push(&mut self, frame: Frame) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.frames[index as usize] = frame;
                index
            }
            None => {
                self.frames.push(frame);
                self.frames.len() as u32 - 1
            }
        }
    }

    /// Makes the lanes of the strand expected at `merge`.
    pub fn enter(&mut self, strand: &mut Strand, merge: u32) {
        strand.frame =
            self.push(Frame { parent: strand.frame, merge, expected: strand.mask, arrived: 0, slots: Vec::new() });
    }

    /// Splits the strand: the lanes `other` go to `pc`.
    pub fn split(&mut self, strand: &mut Strand, other: u32, pc: u32) {
        strand.mask &= !other;
        self.strands.push(Strand {
            pc,
            mask: other,
            frame: strand.frame,
            slots: strand.slots.clone(),
            ..Strand::default()
        });
    }

    /// Records that the lanes `mask` of a strand have arrived at a frame. Returns the strand that goes on from there,
    /// if they are the last lanes.
    fn arrive(&mut self, frame: u32, mask: u32, slots: &[u64]) -> Option<Strand> {
        let at = &mut self.frames[frame as usize];
        at.arrived |= mask;
        if at.arrived == at.expected {
            return self.complete(frame, Some(slots));
        }
        at.slots.clear();
        at.slots.extend_from_slice(slots);
        None
    }

    /// Removes a frame whose lanes have all arrived, and returns the strand that they form.
    fn complete(&mut self, frame: u32, slots: Option<&[u64]>) -> Option<Strand> {
        let at = &mut self.frames[frame as usize];
        let kept = std::mem::take(&mut at.slots);
        let strand = Strand {
            pc: at.merge + 1,
            mask: at.arrived,
            frame: at.parent,
            slots: slots.map_or(kept, <[u64]>::to_vec),
            ..Strand::default()
        };
        at.expected = 0;
        at.arrived = 0;
        self.free.push(frame);
        Some(strand)
    }

    /// Runs a merge instruction: the strand waits if it has a frame for it. Returns false if its lanes have moved to
    /// the frame.
    pub fn merge(&mut self, strand: &mut Strand) -> bool {
        let frame = strand.frame;
        if frame == NONE || self.frames[frame as usize].merge != strand.pc {
            strand.pc += 1;
            return true;
        }
        self.replace(strand, frame)
    }

    fn replace(&mut self, strand: &mut Strand, frame: u32) -> bool {
        let at = &mut self.frames[frame as usize];
        if at.arrived | strand.mask == at.expected {
            // The last lanes: the strand itself goes on.
            strand.mask = at.expected;
            strand.frame = at.parent;
            strand.pc = at.merge + 1;
            at.expected = 0;
            at.arrived = 0;
            at.slots.clear();
            self.free.push(frame);
            return true;
        }
        let slots = std::mem::take(&mut strand.slots);
        if let Some(next) = self.arrive(frame, strand.mask, &slots) {
            self.strands.push(next);
        }
        false
    }

    /// Moves the lanes `mask` of the strand to the frame at `merge`, where they wait. The strand keeps its other lanes;
    /// returns false if none are left.
    pub fn leave(&mut self, strand: &mut Strand, mask: u32, merge: u32) -> bool {
        let mut frame = strand.frame;
        while frame != NONE && self.frames[frame as usize].merge != merge {
            frame = self.strike(frame, mask);
        }
        if frame == NONE {
            // Its lanes were sent on early: they go there without a frame.
            if mask == strand.mask {
                strand.pc = merge + 1;
                strand.frame = NONE;
                return true;
            }
            strand.mask &= !mask;
            let slots = strand.slots.clone();
            self.strands.push(Strand { pc: merge + 1, mask, frame: NONE, slots, ..Strand::default() });
            return true;
        }
        if mask == strand.mask {
            strand.frame = frame;
            return self.replace(strand, frame);
        }
        strand.mask &= !mask;
        let slots = std::mem::take(&mut strand.slots);
        if let Some(next) = self.arrive(frame, mask, &slots) {
            self.strands.push(next);
        }
        strand.slots = slots;
        true
    }

    /// Removes lanes from a frame, and returns the parent frame. If only these lanes were missing, the waiting lanes go
    /// on.
    fn strike(&mut self, frame: u32, mask: u32) -> u32 {
        let at = &mut self.frames[frame as usize];
        let parent = at.parent;
        at.expected &= !mask;
        if at.expected == 0 {
            self.free.push(frame);
        } else if at.arrived == at.expected
            && let Some(next) = self.complete(frame, None)
        {
            self.strands.push(next);
        }
        parent
    }

    /// Ends the lanes of the strand.
    pub fn exit(&mut self, strand: &Strand, site: u32) {
        let mut frame = strand.frame;
        while frame != NONE {
            frame = self.strike(frame, strand.mask);
        }
        self.live &= !strand.mask;
        for lane in crate::sim::lanes::lanes(strand.mask) {
            self.exits[lane] = site;
        }
    }

    /// Lets the lanes that wait in some frame go on although others are missing. Returns false if no lanes wait.
    pub fn send_on(&mut self) -> bool {
        for index in (0..self.frames.len()).rev() {
            let at = &mut self.frames[index];
            if at.arrived == 0 {
                continue;
            }
            let strand = Strand {
                pc: at.merge + 1,
                mask: at.arrived,
                frame: at.parent,
                slots: at.slots.clone(),
                ..Strand::default()
            };
            at.expected &= !at.arrived;
            at.arrived = 0;
            self.strands.push(strand);
            return true;
        }
        false
    }

    /// Returns true if any lanes wait in a frame.
    pub fn has_parked(&self) -> bool {
        self.frames.iter().any(|frame| frame.arrived != 0)
    }
}
