//! The interpreter loop: runs one strand until it blocks, exits, diverges or exhausts its time slice.

use super::warp::{State, Strand};
use crate::ir::eval;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Inst, Loc, Src};
use crate::sim::lanes::{FULL, LANES, RegisterRow, blend, lanes, mask_of, read_lane, write_lane};
use crate::sim::report::FaultKind;

/// The reason why a strand stopped running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Its time slice ended, or it polled.
    Time,
    /// It waits, or its lanes wait for others.
    Waiting,
    /// The block was stopped by a fault.
    Stopped,
}

/// The values that the operands of an instruction refer to.
pub struct Operands<'a> {
    pub regs: *mut RegisterRow,
    pub slots: &'a [u64],
    pub consts: &'a [u64],
}

impl Operands<'_> {
    /// Returns a uniform operand.
    #[inline(always)]
    pub fn uniform(&self, src: Src) -> u64 {
        match src.loc() {
            Loc::Scalar(slot) => self.slots[slot as usize],
            Loc::Const(index) => self.consts[index as usize],
            Loc::Row(_) => 0,
        }
    }

    /// Returns the rows of an operand; a uniform operand is broadcast to `scratch`.
    ///
    /// # Safety
    /// The rows of the operand exist.
    #[inline(always)]
    pub unsafe fn rows(&self, src: Src, wide: bool, scratch: &mut [RegisterRow; 2]) -> *const RegisterRow {
        match src.loc() {
            // SAFETY: the caller's duty.
            Loc::Row(row) => unsafe { self.regs.add(row as usize) },
            _ => {
                let value = self.uniform(src);
                if wide {
                    // SAFETY: two rows are 32 words of 64 bits.
                    unsafe { *scratch.as_mut_ptr().cast::<[u64; LANES]>() = [value; LANES] };
                } else {
                    scratch[0].0 = [value as u32; LANES];
                }
                scratch.as_ptr()
            }
        }
    }

    /// Returns an operand in one lane.
    #[inline(always)]
    pub fn lane(&self, src: Src, wide: bool, lane: usize) -> u64 {
        match src.loc() {
            // SAFETY: the rows in the bytecode exist.
            Loc::Row(row) => unsafe { read_lane(self.regs.add(row as usize), wide, lane) },
            _ => self.uniform(src),
        }
    }

    /// Returns the mask of the lanes in which a `bool` is true.
    #[inline(always)]
    pub fn mask(&self, src: Src) -> u32 {
        match src.loc() {
            // SAFETY: the rows in the bytecode exist.
            Loc::Row(row) => mask_of(unsafe { &*self.regs.add(row as usize) }),
            _ if self.uniform(src) != 0 => FULL,
            _ => 0,
        }
    }
}

impl BlockRun<'_> {
    /// Runs a strand of a warp for up to `time` instructions.
    pub fn run(&mut self, warp: usize, strand: usize, time: u32) -> Pause {
        let mut strand = self.warps[warp].strands.swap_remove(strand);
        let mut left = time;
        let pause = self.run_strand(warp, &mut strand, &mut left);
        self.steps += u64::from(time - left);
        if pause == Pause::Time || strand.state != State::Ready {
            self.warps[warp].strands.push(strand);
        }
        pause
    }

    /// Returns [`Pause::Waiting`] while the strand is still [`State::Ready`] if its lanes have moved to another strand.
    #[inline(always)]
    fn run_strand(&mut self, warp: usize, strand: &mut Strand, time: &mut u32) -> Pause {
        let program = self.launch.program;
        let code = program.code.as_slice();
        let consts = program.consts.as_slice();
        let regs = self.warps[warp].regs.as_mut_ptr();
        let mut scratch = [[RegisterRow::ZERO; 2]; 4];
        macro_rules! operands {
            () => {
                Operands { regs, slots: &strand.slots, consts }
            };
        }
        // True if the strand has all live lanes of the warp: then whole rows may be written.
        let mut whole = strand.mask == self.warps[warp].live;
        loop {
            if *time == 0 {
                return Pause::Time;
            }
            *time -= 1;
            let inst = &code[strand.pc as usize];
            // SAFETY (of all the blocks below): the rows in the bytecode exist, and the destination of an operation
            // does not overlap its operands.
            match *inst {
                Inst::Lanes { run, d, a, b, c, wide } => unsafe {
                    let operands = operands!();
                    let [x, y, z, result] = &mut scratch;
                    let a = operands.rows(a, wide & 1 != 0, x);
                    let b = operands.rows(b, wide & 2 != 0, y);
                    let c = operands.rows(c, wide & 4 != 0, z);
                    let d = regs.add(d as usize);
                    if whole {
                        run(d, a, b, c);
                    } else {
                        run(result.as_mut_ptr(), a, b, c);
                        blend(d, result.as_ptr(), wide & 8 != 0, strand.mask);
                    }
                },
                Inst::Map1 { f, d, a, wide } => {
                    let operands = operands!();
                    for lane in lanes(strand.mask) {
                        let value = f(operands.lane(a, wide & 1 != 0, lane));
                        unsafe { write_lane(regs.add(d as usize), wide & 8 != 0, lane, value) };
                    }
                }
                Inst::Map2 { f, d, a, b, wide } => {
                    let operands = operands!();
                    for lane in lanes(strand.mask) {
                        let value = f(operands.lane(a, wide & 1 != 0, lane), operands.lane(b, wide & 2 != 0, lane));
                        unsafe { write_lane(regs.add(d as usize), wide & 8 != 0, lane, value) };
                    }
                }
                Inst::Map3 { f, d, a, b, c, wide } => {
                    let operands = operands!();
                    for lane in lanes(strand.mask) {
                        let value = f(
                            operands.lane(a, wide & 1 != 0, lane),
                            operands.lane(b, wide & 2 != 0, lane),
                            operands.lane(c, wide & 4 != 0, lane),
                        );
                        unsafe { write_lane(regs.add(d as usize), wide & 8 != 0, lane, value) };
                    }
                }
                Inst::Cast { from, to, d, a } => {
                    let operands = operands!();
                    for lane in lanes(strand.mask) {
                        let value = eval::cast(from, to, operands.lane(a, from.bytes() == 8, lane));
                        unsafe { write_lane(regs.add(d as usize), to.bytes() == 8, lane, value) };
                    }
                }
                Inst::Uniform1 { f, d, a } => strand.slots[d as usize] = f(operands!().uniform(a)),
                Inst::Uniform2 { f, d, a, b } => {
                    let operands = operands!();
                    strand.slots[d as usize] = f(operands.uniform(a), operands.uniform(b));
                }
                Inst::Uniform3 { f, d, a, b, c } => {
                    let operands = operands!();
                    strand.slots[d as usize] = f(operands.uniform(a), operands.uniform(b), operands.uniform(c));
                }
                Inst::UniformCast { from, to, d, a } => {
                    strand.slots[d as usize] = eval::cast(from, to, operands!().uniform(a));
                }
                Inst::UniformSelect { d, cond, a, b } => {
                    let operands = operands!();
                    strand.slots[d as usize] = operands.uniform(if operands.uniform(cond) != 0 { a } else { b });
                }
                Inst::Copy { d, a, wide } => unsafe {
                    let from = operands!().rows(a, wide, &mut scratch[0]);
                    let d = regs.add(d as usize);
                    if whole {
                        std::ptr::copy_nonoverlapping(from, d, 1 + wide as usize);
                    } else {
                        blend(d, from, wide, strand.mask);
                    }
                },
                Inst::UniformCopy { d, a } => strand.slots[d as usize] = operands!().uniform(a),
                Inst::LoadRow { d, base, index, access } => {
                    let Some(row) = self.register_row(warp, strand, base, index, access, false) else {
                        return Pause::Stopped;
                    };
                    let wide = program.accesses[access as usize].elem.bytes() == 8;
                    let parts = program.accesses[access as usize].count << wide as u32;
                    for part in 0..parts {
                        unsafe {
                            let (from, to) = (regs.add((row + part) as usize), regs.add((d + part) as usize));
                            if whole {
                                std::ptr::copy_nonoverlapping(from, to, 1);
                            } else if wide {
                                if part % 2 == 0 {
                                    blend(to, from, true, strand.mask);
                                }
                            } else {
                                blend(to, from, false, strand.mask);
                            }
                        }
                    }
                }
                Inst::StoreRow { value, base, index, access } => {
                    let Some(row) = self.register_row(warp, strand, base, index, access, true) else {
                        return Pause::Stopped;
                    };
                    let (wide, parts) = {
                        let access = &program.accesses[access as usize];
                        (access.elem.bytes() == 8, access.count)
                    };
                    let step = 1 + wide as u32;
                    for part in 0..parts {
                        unsafe {
                            let from = value.plus(if value.is_uniform() { part } else { part * step });
                            let from = operands!().rows(from, wide, &mut scratch[0]);
                            let to = regs.add((row + part * step) as usize);
                            if whole {
                                std::ptr::copy_nonoverlapping(from, to, step as usize);
                            } else {
                                blend(to, from, wide, strand.mask);
                            }
                        }
                    }
                }
                Inst::Load { access, d } => {
                    if !self.load(warp, strand, access, d) {
                        return Pause::Stopped;
                    }
                }
                Inst::LoadUniform { access, d } => {
                    if !self.load_uniform(warp, strand, access, d) {
                        return Pause::Stopped;
                    }
                }
                Inst::Store { access, value } => {
                    if !self.store(warp, strand, access, value) {
                        return Pause::Stopped;
                    }
                }
                Inst::Entry { entry } => {
                    if let Some(pause) = self.access_entries(warp, strand, entry) {
                        return pause;
                    }
                }
                Inst::Count { operations } => {
                    self.counters.lane_operations += operations as u64 * strand.mask.count_ones() as u64;
                }
                Inst::Jump { to } => {
                    strand.pc = to;
                    continue;
                }
                Inst::Again { to } => {
                    strand.pc = to;
                    continue;
                }
                Inst::Branch { cond, to } => {
                    if operands!().uniform(cond) == 0 {
                        strand.pc = to;
                        continue;
                    }
                }
                Inst::Diverge { cond, otherwise, merge } => {
                    let taken = operands!().mask(cond) & strand.mask;
                    if taken == 0 {
                        strand.pc = otherwise;
                        continue;
                    }
                    if taken != strand.mask {
                        let others = strand.mask & !taken;
                        self.warps[warp].enter(strand, merge);
                        if otherwise == merge {
                            self.warps[warp].leave(strand, others, merge);
                        } else {
                            self.warps[warp].split(strand, others, otherwise);
                        }
                        whole = false;
                    }
                }
                Inst::Merge => {
                    if !self.warps[warp].merge(strand) {
                        return Pause::Waiting;
                    }
                    whole = strand.mask == self.warps[warp].live;
                    continue;
                }
                Inst::Enter { merge } => self.warps[warp].enter(strand, merge),
                Inst::LeaveUnless { cond, merge } => {
                    let staying = operands!().mask(cond) & strand.mask;
                    if staying != strand.mask {
                        let leaving = strand.mask & !staying;
                        if staying == 0 {
                            if !self.warps[warp].leave(strand, leaving, merge) {
                                return Pause::Waiting;
                            }
                            whole = strand.mask == self.warps[warp].live;
                            continue;
                        }
                        self.warps[warp].leave(strand, leaving, merge);
                        whole = false;
                    }
                }
                Inst::Leave { merge } => {
                    if !self.warps[warp].leave(strand, strand.mask, merge) {
                        return Pause::Waiting;
                    }
                    whole = strand.mask == self.warps[warp].live;
                    continue;
                }
                Inst::Exit { site } => {
                    self.end(warp, strand, site);
                    return Pause::Waiting;
                }
                Inst::CheckOperand { op, scalar, b, site } => {
                    let operands = operands!();
                    let bad = lanes(strand.mask).find_map(|lane| {
                        let value = operands.lane(b, scalar.bytes() == 8, lane);
                        eval::fault(op, scalar, value).map(|why| (lane, why))
                    });
                    if let Some((lane, why)) = bad {
                        let what = format!("{} computes this", self.thread_name(warp, lane));
                        self.fault(FaultKind::Arithmetic, why, (site, what), Vec::new());
                        return self.stop();
                    }
                }
                Inst::CheckIndex { check } => {
                    if !self.check_index(warp, strand, check) {
                        return Pause::Stopped;
                    }
                }
                Inst::CheckAlign { access, bytes } => {
                    if !self.check_align(warp, strand, access, bytes) {
                        return Pause::Stopped;
                    }
                }
                Inst::Assert { cond, message, site } => {
                    let failing = strand.mask & !operands!().mask(cond);
                    if failing != 0 {
                        let what = format!("{} asserts", self.thread_name(warp, failing.trailing_zeros() as usize));
                        let message = program.messages[message as usize].clone();
                        self.fault(FaultKind::Assert, message, (site, what), Vec::new());
                        return self.stop();
                    }
                }
                Inst::Print { print } => {
                    self.resident.changes.set(self.resident.changes.get() + 1);
                    let operands = operands!();
                    for lane in lanes(strand.mask) {
                        let line = super::print::line(&program.prints[print as usize], &operands, lane);
                        self.printed.push(line);
                    }
                }
                Inst::Call { call } => {
                    if let Some(pause) = self.call(warp, strand, call) {
                        return pause;
                    }
                    // Lanes with other operands may have been split off.
                    whole = strand.mask == self.warps[warp].live;
                }
            }
            strand.pc += 1;
        }
    }

    /// Stops the block: after such a fault its results have no meaning.
    pub fn stop(&mut self) -> Pause {
        self.stopped = true;
        Pause::Stopped
    }
}
