//! A warp: its registers, and the strands its lanes have split into.
//!
//! A strand is a set of lanes at one place in the program. Lanes that part wait for each other in a *frame*: the place
//! where they meet, who is expected there and who has arrived. Lanes that go elsewhere (`break`, `continue`, the end)
//! are struck off the frames they leave. Because a frame only saves time and never means anything, its lanes can be
//! sent on early when nothing else can run: that gives every thread the progress that independent thread scheduling
//! promises.

use super::repetition::Repetition;
use crate::sim::lanes::{LANES, RegisterRow};

/// No frame.
pub const NONE: u32 = u32::MAX;

/// Lanes that run together.
#[derive(Debug, Default)]
pub struct Strand {
    pub pc: u32,
    pub mask: u32,
    /// The innermost frame the lanes are expected in.
    pub frame: u32,
    /// Uniform values.
    pub slots: Vec<u64>,
    pub state: State,
    /// Times it polled memory since something changed for it.
    pub polls: u32,
    /// Whether it repeats itself.
    pub repetition: Repetition,
}

/// What a strand is doing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum State {
    /// It can run.
    #[default]
    Ready,
    /// At the barrier of the block.
    Block { site: u32 },
    /// At a named barrier.
    Named { id: u32, site: u32 },
    /// At an operation of the lanes of a mask.
    Lanes { call: u32, members: u32 },
    /// At the barrier of the cluster.
    Cluster { site: u32 },
    /// At the barrier of the grid.
    Grid { site: u32 },
    /// At an operation of the whole warp group.
    Group { call: u32 },
    /// At an mbarrier, by byte offset.
    Mbarrier { at: u32, parity: u32, site: u32 },
}

/// A place where lanes meet again.
#[derive(Debug, Default)]
struct Frame {
    parent: u32,
    merge: u32,
    expected: u32,
    arrived: u32,
    /// The uniform values of those that arrived last.
    slots: Vec<u64>,
}

/// A warp.
#[derive(Debug)]
pub struct Warp {
    pub regs: Box<[RegisterRow]>,
    /// For register memory: the lanes that have written each row.
    pub written: Box<[u32]>,
    pub strands: Vec<Strand>,
    frames: Vec<Frame>,
    free: Vec<u32>,
    /// Lanes that exist and have not ended.
    pub live: u32,
    /// Lanes that exist.
    all: u32,
    /// Where lanes ended, for reports.
    pub exits: [u32; LANES],
}

impl Warp {
    pub fn new(rows: u32, lanes: u32) -> Warp {
        let all = if lanes >= 32 { u32::MAX } else { (1 << lanes) - 1 };
        Warp {
            regs: vec![RegisterRow::ZERO; rows as usize].into_boxed_slice(),
            written: vec![0; rows as usize].into_boxed_slice(),
            strands: Vec::new(),
            frames: Vec::new(),
            free: Vec::new(),
            live: all,
            all,
            exits: [0; LANES],
        }
    }

    /// The lanes that exist, whether they have ended or not.
    pub fn all(&self) -> u32 {
        self.all
    }

    /// Whether no lane has ended.
    pub fn is_whole(&self) -> bool {
        self.live == self.all
    }

    /// The lanes that have ended.
    pub fn ended(&self) -> u32 {
        self.all & !self.live
    }

    /// Whether a strand can run.
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

    /// The lanes of the strand are expected at `merge`.
    pub fn enter(&mut self, strand: &mut Strand, merge: u32) {
        strand.frame =
            self.push(Frame { parent: strand.frame, merge, expected: strand.mask, arrived: 0, slots: Vec::new() });
    }

    /// Splits the strand: `other` of its lanes go to `pc`.
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

    /// Lanes `mask` of the strand arrive at the innermost frame, whose place is `merge`. Gives the strand that goes on
    /// from there, where they were the last ones.
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

    /// All lanes of the frame are there: they go on as one.
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

    /// At a merge instruction: waits if the strand has a frame for it. False where the strand ended by that.
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
            // The last ones: the strand itself goes on.
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

    /// Lanes `mask` of the strand leave for the frame at `merge` and wait there. The strand keeps its other lanes;
    /// false where none are left.
    pub fn leave(&mut self, strand: &mut Strand, mask: u32, merge: u32) -> bool {
        let mut frame = strand.frame;
        while frame != NONE && self.frames[frame as usize].merge != merge {
            frame = self.strike(frame, mask);
        }
        if frame == NONE {
            // Its lanes were sent on early; they go there by themselves.
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

    /// Strikes lanes off a frame; those waiting there go on where they were the only ones missing. Gives the parent.
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

    /// The lanes of the strand end.
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

    /// Sends the lanes on that wait in some frame, though others are missing. False where none wait.
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

    /// Whether lanes wait in a frame.
    pub fn has_parked(&self) -> bool {
        self.frames.iter().any(|frame| frame.arrived != 0)
    }
}
