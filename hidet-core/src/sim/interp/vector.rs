//! Intrinsics of single lanes: vectors between registers and global memory, and functions of values.

use super::exec::{Operands, Pause};
use super::warp::Strand;
use super::warp_ops::combine_global;
use crate::intrinsics::{AtomicOp, Meaning};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryBase};
use crate::sim::checks::shadow::Touch;
use crate::sim::lanes::{lanes, read_lane, write_lane};
use crate::sim::memory::allocation::update_at;
use crate::sim::memory::elements::{load_element, store_element};
use crate::types::Scalar;

impl BlockRun<'_> {
    /// Runs a function of values: of the type of operand 0, and of the bits of the operands, missing ones being 0.
    pub fn values(&mut self, warp: usize, strand: &Strand, number: u32, compute: impl Fn(Scalar, [u64; 4]) -> u64) {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let Some((row, scalar)) = call.result else { return };
        let regs = self.warps[warp].regs.as_mut_ptr();
        for lane in lanes(strand.mask) {
            let operands = Operands { regs, slots: &strand.slots, consts: &program.consts };
            let values = std::array::from_fn(|index| call.lane(&operands, index, lane));
            let result = compute(call.scalar(0), values);
            // SAFETY: the rows belong to the result.
            unsafe { write_lane(regs.add(row as usize), scalar.bytes() == 8, lane, result) };
        }
    }

    /// Runs a load, store or reduction of consecutive elements: one operand is in registers, one in global memory.
    pub fn vector(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let [CallArg::Address(to), CallArg::Address(from)] = call.args.as_slice() else { return None };
        let loads = matches!(call.meaning, Meaning::LoadVector { .. });
        let (registers, memory) = if loads { (to, from) } else { (from, to) };
        let (registers, memory) = (&program.accesses[*registers as usize], &program.accesses[*memory as usize]);
        let MemoryBase::Register(first) = registers.place else { return None };
        let held = self.offsets(warp, strand, registers).map(|offsets| offsets.at);
        let there = self.offsets(warp, strand, memory);
        let (Some(held), Some(there)) = (held, there) else { return Some(Pause::Stopped) };
        let (at, active) = (there.at, there.active);
        let bytes = memory.elem.bytes();
        if bytes as u32 * memory.count == 32 && !self.aligned(warp, memory, &at, active, 32) {
            return Some(Pause::Stopped);
        }
        self.touch_registers(warp, registers, first, &held, active, loads);
        let touch = match call.meaning {
            Meaning::LoadVector { .. } => Touch::Read,
            Meaning::StoreVector => Touch::Write,
            _ => Touch::Atomic,
        };
        let wide = bytes == 8;
        let regs = self.warps[warp].regs.as_mut_ptr();
        let row = |lane: usize, part: u32| first + (held[lane] + part) * (1 + u32::from(wide));
        match touch {
            // SAFETY: `offsets` checked that all elements are within their buffers.
            Touch::Write => self.observe_store(warp, memory, &at, active, |lane, part| unsafe {
                read_lane(regs.add(row(lane, part) as usize), wide, lane)
            }),
            _ => self.observe(warp, memory, &at, active, touch),
        }
        let base = self.base(memory.place);
        for lane in lanes(active) {
            for part in 0..memory.count {
                // SAFETY: `offsets` checked that all elements are within their buffers and aligned.
                unsafe {
                    let row = regs.add(row(lane, part) as usize);
                    let element = base.add((at[lane] + part) as usize * bytes);
                    let value = read_lane(row, wide, lane);
                    let add = |old| combine_global(AtomicOp::Add, memory.elem, old, value, 0);
                    match call.meaning {
                        Meaning::LoadVector { .. } => write_lane(row, wide, lane, load_element(element, bytes)),
                        Meaning::StoreVector => store_element(element, bytes, value),
                        _ if bytes == 2 => drop(update_at::<2>(element, add)),
                        _ => drop(update_at::<4>(element, add)),
                    }
                }
            }
        }
        self.stopped.then_some(Pause::Stopped)
    }
}
