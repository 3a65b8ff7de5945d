//! Tensor core operations of a warp: products of fragments in registers (`mma`), and matrices between registers and
//! shared memory (`ldmatrix`, `stmatrix`).
//!
//! [`crate::intrinsics::matrix`] computes the values; this file moves them from and to the lanes. All 32 lanes take
//! part. `wgmma` is asynchronous and is not handled here.

use super::warp::Strand;
use super::warp_ops::CallGroup;
use crate::intrinsics::Meaning;
use crate::intrinsics::matrix::{Product, Terms};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::shadow::Touch;
use crate::sim::lanes::{FULL, LANES, lanes, read_lane, write_lane};
use crate::sim::memory::elements::{load_element, store_element};

/// An operand: the access, and the first element of each lane.
type Operand<'a> = (&'a MemoryAccess, [u32; LANES]);

impl BlockRun<'_> {
    /// Runs a product or copy of matrices of all lanes of a warp. Returns false if a fault stopped the block.
    pub fn tensor_cores(&mut self, warp: usize, parties: &[CallGroup]) -> bool {
        let program = self.launch.program;
        let Some(first) = parties.first() else { return true };
        let call = &program.calls[first.call as usize];
        let mut operands: Vec<Operand<'_>> = Vec::new();
        for arg in &call.args {
            let CallArg::Address(number) = arg else { continue };
            let access = &program.accesses[*number as usize];
            let mut at = [0; LANES];
            for party in parties {
                let strand = Strand { mask: party.mask, slots: party.slots.clone(), ..Strand::default() };
                let Some(offsets) = self.offsets(warp, &strand, access) else { return false };
                lanes(party.mask).for_each(|lane| at[lane] = offsets.at[lane]);
            }
            operands.push((access, at));
        }
        match (call.meaning, operands.as_slice(), call.fragments.as_slice()) {
            (Meaning::Mma(product), [d, a, b], [of_d, of_a, of_b]) => {
                self.multiply(warp, product, [(d, of_d), (a, of_a), (b, of_b)]);
            }
            (Meaning::LoadMatrix { count, .. }, [to, from], [fragment]) => {
                self.load_matrices(warp, count as usize, to, from, fragment);
            }
            (Meaning::StoreMatrix { count, .. }, [to, from], [fragment]) => {
                self.store_matrices(warp, count as usize, to, from, fragment);
            }
            _ => {}
        }
        !self.stopped
    }

    fn multiply(&mut self, warp: usize, product: Product, [d, a, b]: [(&Operand<'_>, &Vec<u32>); 3]) {
        let a = self.collect(warp, a.0, a.1);
        let b = self.collect(warp, b.0, b.1);
        let mut sums = self.collect(warp, d.0, d.1);
        product.run(Terms::ADD, &mut sums, &a, &b);
        self.spread(warp, d.0, d.1, &sums);
    }

    /// Returns a matrix in row-major order from the registers of the lanes; `fragment` has the position of each
    /// element, lane by lane.
    fn collect(&mut self, warp: usize, (access, at): &Operand<'_>, fragment: &[u32]) -> Vec<u32> {
        let MemoryBase::Register(base) = access.place else { return Vec::new() };
        self.touch_registers(warp, access, base, at, FULL, false);
        let regs = self.warps[warp].regs.as_ptr();
        let each = fragment.len() / LANES;
        let mut matrix = vec![0; fragment.len()];
        for (index, position) in fragment.iter().enumerate() {
            let (lane, part) = (index / each, index % each);
            let row = (base + at[lane]) as usize + part;
            // SAFETY: `offsets` checked that the elements are within the buffer; each takes one row.
            matrix[*position as usize] = unsafe { read_lane(regs.add(row), false, lane) } as u32;
        }
        matrix
    }

    /// Writes a matrix to the registers of the lanes: the inverse of [`BlockRun::collect`].
    fn spread(&mut self, warp: usize, (access, at): &Operand<'_>, fragment: &[u32], matrix: &[u32]) {
        let MemoryBase::Register(base) = access.place else { return };
        self.touch_registers(warp, access, base, at, FULL, true);
        let regs = self.warps[warp].regs.as_mut_ptr();
        let each = fragment.len() / LANES;
        for (index, position) in fragment.iter().enumerate() {
            let (lane, part) = (index / each, index % each);
            let row = (base + at[lane]) as usize + part;
            // SAFETY: as above.
            unsafe { write_lane(regs.add(row), false, lane, u64::from(matrix[*position as usize])) };
        }
    }

    /// Checks the access of the lanes whose addresses are used, and returns the address of the buffer.
    fn rows_of(&mut self, warp: usize, (access, at): &Operand<'_>, count: usize, touch: Touch) -> *mut u8 {
        self.observe(warp, access, at, FULL >> (LANES - 8 * count), touch);
        self.base(access.place)
    }

    fn load_matrices(&mut self, warp: usize, count: usize, to: &Operand<'_>, from: &Operand<'_>, fragment: &[u32]) {
        let base = self.rows_of(warp, from, count, Touch::Read);
        let (bytes, length) = (from.0.elem.bytes(), from.0.count as usize);
        let mut matrix = vec![0; fragment.len()];
        for (index, element) in matrix.iter_mut().enumerate() {
            let at = from.1[index / length] as usize + index % length;
            // SAFETY: `offsets` checked that the row is within the buffer and aligned.
            *element = unsafe { load_element(base.add(at * bytes), bytes) } as u32;
        }
        self.spread(warp, to, fragment, &matrix);
    }

    fn store_matrices(&mut self, warp: usize, count: usize, to: &Operand<'_>, from: &Operand<'_>, fragment: &[u32]) {
        let matrix = self.collect(warp, from, fragment);
        let base = self.rows_of(warp, to, count, Touch::Write);
        let (bytes, length) = (to.0.elem.bytes(), to.0.count as usize);
        for (index, element) in matrix.iter().enumerate() {
            let at = to.1[index / length] as usize + index % length;
            // SAFETY: as above.
            unsafe { store_element(base.add(at * bytes), bytes, u64::from(*element)) };
        }
    }
}
