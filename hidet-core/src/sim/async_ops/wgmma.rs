//! Asynchronous products of a warp group (`wgmma`).
//!
//! The four warps issue a product together. Its accumulators and operands in registers are busy until the wait, and
//! shared memory is read at a time that the scheduler chooses. [`crate::intrinsics::matrix`] has the values and the
//! forms of operands in shared memory. PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate".

use super::agents::Agent;
use super::wgmma_registers::WarpRegisters;
use crate::intrinsics::Meaning;
use crate::intrinsics::matrix::{Form, Product, Terms};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::byte_ranges::RangeAccess;
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::warp_group::WARPS;
use crate::sim::lanes::{LANES, read_lane, write_lane};
use crate::sim::memory::elements::load_element;
use crate::sim::report::FaultKind;
use std::collections::{HashMap, VecDeque};

/// The location of the first element of an operand: in shared memory, or in the registers of each warp.
#[derive(Debug, Clone, Copy)]
enum Start {
    Shared(u32),
    Registers([u32; WARPS]),
}

/// A product in flight.
#[derive(Debug)]
struct Pending<'l> {
    number: u64,
    call: &'l Call,
    product: Product,
    terms: Terms,
    d: [u32; WARPS],
    a: Start,
    b: u32,
}

/// The products of a warp group.
#[derive(Debug, Default)]
pub struct WarpGroupProducts<'l> {
    work: VecDeque<Pending<'l>>,
    /// The number of issued products.
    pub issued: u64,
    /// By group that was not waited for: the number after its last product, and the time of its commit.
    groups: VecDeque<(u64, u32)>,
}

/// The products of a block.
#[derive(Debug, Default)]
pub struct Products<'l> {
    pub groups: HashMap<u32, WarpGroupProducts<'l>>,
    /// By warp; empty in kernels without products.
    pub registers: Vec<WarpRegisters>,
}

impl Products<'_> {
    /// Prepares for that many warps, in kernels with products.
    pub fn prepare(&mut self, warps: usize) {
        self.registers.resize_with(warps, WarpRegisters::default);
    }

    /// Returns true if accesses to register memory must be recorded.
    pub fn watches(&self) -> bool {
        !self.registers.is_empty()
    }

    /// Returns the warp groups with products in flight.
    pub fn busy(&self) -> Vec<u32> {
        let mut busy: Vec<u32> =
            self.groups.iter().filter(|group| !group.1.work.is_empty()).map(|group| *group.0).collect();
        busy.sort_unstable();
        busy
    }
}

/// Returns the addresses of the chunks of 16 bytes of an operand of `mn x k` elements, in the order of its major axis.
fn chunks(form: &Form, start: u32, [mn, k]: [u32; 2], bytes: u32) -> Vec<u32> {
    let each = 16 / bytes;
    let mut all = Vec::with_capacity((mn * k / each) as usize);
    if form.mn_major {
        for row in 0..k {
            all.extend((0..mn / each).map(|chunk| form.address(start, [chunk * each, row], bytes)));
        }
    } else {
        for row in 0..mn {
            all.extend((0..k / each).map(|chunk| form.address(start, [row, chunk * each], bytes)));
        }
    }
    all
}

fn form_of(call: &Call, operand: usize) -> Option<Form> {
    // The forms are the last operands, that of b at the end.
    let from_end = if operand == 2 { 1 } else { 2 };
    match call.args.get(call.args.len().checked_sub(from_end)?)? {
        CallArg::Imm(form) => Form::decode(*form),
        _ => None,
    }
}

impl<'l> BlockRun<'l> {
    /// Issues a product of a warp group. Returns false if a fault stopped the block.
    pub fn issue_product(&mut self, first: usize, number: u32) -> bool {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let (Meaning::Wgmma { product, .. }, [CallArg::Address(d), CallArg::Address(a), CallArg::Address(b), ..]) =
            (call.meaning, call.args.as_slice())
        else {
            return true;
        };
        let [d_access, a_access, b_access] = [d, a, b].map(|access| &program.accesses[*access as usize]);
        let Some(d) = self.start(first, number, d_access) else { return false };
        let Some(a) = self.start(first, number, a_access) else { return false };
        let Some(b) = self.start(first, number, b_access) else { return false };
        let Some(adds) = self.agreed_value(first, number, 3) else { return false };
        let (Start::Registers(d), Start::Shared(b)) = (d, b) else { return true };
        let sign = |index: usize| product.a.is_float() && matches!(call.args.get(index), Some(CallArg::Imm(1)));
        let terms = Terms { accumulate: adds != 0, negate_a: sign(4), negate_b: sign(5) };
        let step = (product.n / 2, 64 * product.k / 128);
        for warp in 0..WARPS {
            self.registers_of_product(first + warp, call, d_access, d[warp], step.0, true, terms.accumulate);
            if let Start::Registers(a) = a {
                self.registers_of_product(first + warp, call, a_access, a[warp], step.1, false, true);
            }
            if self.stopped {
                return false;
            }
        }
        if let Start::Shared(a) = a
            && !self.watch_operand(first, call, a_access, 1, a, [64, product.k])
        {
            return false;
        }
        if !self.watch_operand(first, call, b_access, 2, b, [product.n, product.k]) {
            return false;
        }
        let group = self.agents.products.groups.entry((first / WARPS) as u32).or_default();
        group.work.push_back(Pending { number: group.issued, call, product, terms, d, a, b });
        group.issued += 1;
        !self.stopped
    }

    /// Returns the start of an operand, which must be equal in all lanes of a warp, and in all warps if it is in shared
    /// memory.
    fn start(&mut self, first: usize, number: u32, access: &MemoryAccess) -> Option<Start> {
        let at = self.agreed_offsets(first, number, access)?;
        match access.place {
            MemoryBase::Register(base) => Some(Start::Registers(at.map(|at| base + at))),
            MemoryBase::Shared(byte) => {
                if at.iter().any(|other| *other != at[0]) {
                    self.report_disagreement(first, number);
                    return None;
                }
                Some(Start::Shared(byte + at[0] * access.elem.bytes() as u32))
            }
            MemoryBase::Global(_) => None,
        }
    }

    /// Checks the reads of an operand in shared memory. Returns false if a fault stopped the block.
    fn watch_operand(
        &mut self,
        first: usize,
        call: &'l Call,
        access: &MemoryAccess,
        operand: usize,
        start: u32,
        shape: [u32; 2],
    ) -> bool {
        let (Some(form), MemoryBase::Shared(byte)) = (form_of(call, operand), access.place) else { return true };
        let bytes = access.elem.bytes() as u32;
        let chunks = chunks(&form, start, shape, bytes);
        let end = byte as u64 + access.limit * u64::from(bytes);
        let outside = chunks.iter().any(|chunk| *chunk < byte || u64::from(*chunk) + 16 > end);
        if outside || !form.can_start(start) {
            let name = &self.launch.function.buffers[access.buffer].name;
            let element = (start - byte) / bytes;
            let (kind, message) = if outside {
                let message = format!("a wgmma reads outside of `{name}`, from element {element} on");
                (FaultKind::OutOfBounds, message)
            } else {
                let message = format!(
                    "an operand of a wgmma cannot start at element {element} of `{name}`, but only at a multiple of eight rows and 16 bytes"
                );
                (FaultKind::Misaligned, message)
            };
            let what = format!("{} multiplies", self.thread_name(first, 0));
            self.fault(kind, message, (call.site, what), Vec::new());
            self.stop();
            return false;
        }
        let agent = self.agents.epoch(Agent::Products((first / WARPS) as u32));
        // Chunks of a row are mostly consecutive.
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut sorted = chunks;
        sorted.sort_unstable();
        for chunk in sorted {
            match runs.last_mut() {
                Some(last) if last.1 == chunk => last.1 = chunk + 16,
                _ => runs.push((chunk, chunk + 16)),
            }
        }
        for warp in 0..WARPS {
            let access = RangeAccess {
                warp: first + warp,
                lane: 0,
                agent,
                site: call.site,
                touch: Touch::Read,
                // All warps must have seen the writes; the access itself is recorded once.
                notes: warp == 0,
                buffer: access.buffer,
                place: access.place,
                elem: bytes as usize,
            };
            for (start, end) in &runs {
                self.watch_range(&access, *start as usize, (end - start) as usize);
            }
        }
        !self.stopped
    }

    /// Commits a group of the products of a warp group.
    pub fn commit_products(&mut self, first: usize) {
        let now = self.clocks.now(first);
        let group = self.agents.products.groups.entry((first / WARPS) as u32).or_default();
        group.groups.push_back((group.issued, now));
        self.clocks.advance(first);
    }

    /// Waits until at most `left` groups are unfinished.
    pub fn wait_products(&mut self, first: usize, left: usize) {
        let key = (first / WARPS) as u32;
        let mut until = None;
        let group = self.agents.products.groups.entry(key).or_default();
        while group.groups.len() > left {
            until = group.groups.pop_front();
        }
        let Some((end, time)) = until else { return };
        while self
            .agents
            .products
            .groups
            .get(&key)
            .is_some_and(|group| group.work.front().is_some_and(|work| work.number < end))
        {
            self.advance_products(key);
        }
        let agent = self.agents.number(Agent::Products(key));
        for warp in first..first + WARPS {
            let live = self.warps[warp].live;
            self.clocks.see_agent(warp, live, live, agent, time);
            if let Some(registers) = self.agents.products.registers.get_mut(warp) {
                registers.busy.retain(|busy| busy.number >= end);
            }
        }
    }

    /// Computes the oldest product of a warp group.
    pub fn advance_products(&mut self, group: u32) {
        let work = self.agents.products.groups.get_mut(&group).and_then(|group| group.work.pop_front());
        let Some(work) = work else { return };
        let (first, product) = (group as usize * WARPS, work.product);
        let (m, n, k) = (product.m, product.n, product.k);
        let a = match work.a {
            Start::Registers(rows) => self.collect_rows(first, &rows, work.call.fragments.get(1)),
            Start::Shared(start) => self.read_operand(work.call, 1, start, [m, k], product.a.bytes() as u32),
        };
        let columns = self.read_operand(work.call, 2, work.b, [n, k], product.b.bytes() as u32);
        let mut b = vec![0; columns.len()];
        for (at, element) in columns.iter().enumerate() {
            b[at % k as usize * n as usize + at / k as usize] = *element;
        }
        let positions = work.call.fragments.first();
        let mut d = self.collect_rows(first, &work.d, positions);
        product.run(work.terms, &mut d, &a, &b);
        let Some(positions) = positions else { return };
        let each = positions.len() / (WARPS * LANES);
        for (index, position) in positions.iter().enumerate() {
            let (thread, part) = (index / each, index % each);
            let row = work.d[thread / LANES] as usize + part;
            let regs = self.warps[first + thread / LANES].regs.as_mut_ptr();
            // SAFETY: the elements are within the buffer, and take one row each.
            unsafe { write_lane(regs.add(row), false, thread % LANES, u64::from(d[*position as usize])) };
        }
        self.progress();
    }

    /// Returns a matrix in row-major order from the registers of a warp group, which start at a row in each warp.
    fn collect_rows(&self, first: usize, rows: &[u32; WARPS], positions: Option<&Vec<u32>>) -> Vec<u32> {
        let Some(positions) = positions else { return Vec::new() };
        let each = positions.len() / (WARPS * LANES);
        let mut matrix = vec![0; positions.len()];
        for (index, position) in positions.iter().enumerate() {
            let (thread, part) = (index / each, index % each);
            let row = rows[thread / LANES] as usize + part;
            let regs = self.warps[first + thread / LANES].regs.as_ptr();
            // SAFETY: as above.
            matrix[*position as usize] = unsafe { read_lane(regs.add(row), false, thread % LANES) } as u32;
        }
        matrix
    }

    /// Returns an operand of `mn x k` elements in shared memory, in row-major order.
    fn read_operand(&self, call: &Call, operand: usize, start: u32, shape: [u32; 2], bytes: u32) -> Vec<u32> {
        let Some(form) = form_of(call, operand) else { return Vec::new() };
        let [mn, k] = shape;
        let (each, shared) = (16 / bytes, self.shared.as_ptr().cast::<u8>());
        let mut matrix = vec![0; (mn * k) as usize];
        for (index, chunk) in chunks(&form, start, shape, bytes).into_iter().enumerate() {
            let index = index as u32;
            for part in 0..each {
                let [row, col] = if form.mn_major {
                    let per_row = mn / each;
                    [index % per_row * each + part, index / per_row]
                } else {
                    let per_row = k / each;
                    [index / per_row, index % per_row * each + part]
                };
                // SAFETY: the chunks were checked when the product was issued.
                let element = unsafe { load_element(shared.add((chunk + part * bytes) as usize), bytes as usize) };
                matrix[(row * k + col) as usize] = element as u32;
            }
        }
        matrix
    }
}
