//! Dependent launches: on a GPU the kernel ahead on the stream may still run until a thread has waited for it
//! (`grid.wait`), or has seen that another thread of its block has.
//!
//! Launches of the simulated device follow each other, so what the kernel ahead wrote, to the byte, and which tensors
//! it read are remembered, and an access by a thread that has not waited is compared with that. Plain accesses count;
//! kernels may talk to each other by atomic ones. The kernel ahead is the last one that the same host thread launched
//! on the stream since the host last waited for anything; those before it are taken to be over.

use super::shadow::Touch;
use crate::ir::{Access, BufferId, Function};
use crate::sim::block::BlockRun;
use crate::sim::memory::allocation::Memory;
use crate::sim::report::FaultKind;
use crate::sim::run::{Bound, Run};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

thread_local! {
    /// By stream.
    static LAST: RefCell<HashMap<u64, Rc<Vec<Use>>>> = RefCell::default();
}

/// What the kernel ahead did with a tensor.
#[derive(Clone)]
pub struct Use {
    /// The kernel and its place.
    kernel: Arc<str>,
    memory: Weak<Memory>,
    /// The bytes that it may read.
    reads: std::ops::Range<usize>,
    /// What it wrote of the whole allocation, a bit a granule, and the bytes of those.
    written: Arc<[u64]>,
    granule: usize,
}

impl Use {
    fn has_written(&self, start: usize, bytes: usize) -> bool {
        (start / self.granule..(start + bytes).div_ceil(self.granule))
            .any(|cell| self.written.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 != 0))
    }

    fn may_read(&self, start: usize, bytes: usize) -> bool {
        self.reads.start < start + bytes && start < self.reads.end
    }
}

/// The host thread has waited for what it asked of devices, or works on memory itself: no launch is under way any more.
pub fn settle() {
    LAST.with_borrow_mut(HashMap::clear);
}

/// What the kernel ahead on the stream does with each of the tensors, where this launch may begin before it has ended.
pub fn of_tensors(function: &Function, stream: Option<u64>, tensors: &[Bound]) -> Vec<Vec<Use>> {
    let last = stream.and_then(|stream| LAST.with_borrow(|last| last.get(&stream).cloned()));
    let Some(last) = last.filter(|_| function.launch.dependent) else { return Vec::new() };
    let same = |tensor: &Bound, used: &&Use| std::ptr::eq(used.memory.as_ptr(), Arc::as_ptr(&tensor.memory));
    tensors.iter().map(|tensor| last.iter().filter(|used| same(tensor, used)).cloned().collect()).collect()
}

impl Run<'_> {
    /// Remembers the launch as the one ahead of the next on its stream.
    pub fn note_as_ahead(&self, stream: Option<u64>) {
        let Some(stream) = stream else { return };
        let kernel: Arc<str> =
            format!("`{}` ({})", self.function.name, self.function.place_of(self.function.place)).into();
        let written: Vec<Arc<[u64]>> = self.shadows.iter().map(|shadow| shadow.written().into()).collect();
        let of = |tensor: &Bound| Use {
            kernel: kernel.clone(),
            memory: Arc::downgrade(&tensor.memory),
            reads: if tensor.access.begins_unset() { 0..0 } else { tensor.offset..tensor.offset + tensor.bytes },
            written: tensor.shadow.filter(|_| tensor.access != Access::In).map_or([].into(), |at| written[at].clone()),
            granule: tensor.shadow.map_or(1, |at| self.shadows[at].granule),
        };
        let uses = self.tensors.iter().map(of).collect();
        LAST.with_borrow_mut(|last| last.insert(stream, Rc::new(uses)));
    }
}

impl BlockRun<'_> {
    /// The number of the agent that is the kernel ahead: the first of the block.
    pub const AHEAD: u32 = 0;

    /// The lanes have waited for the kernel ahead.
    pub fn wait_for_ahead(&mut self, warp: usize, mask: u32) {
        if !self.launch.ahead.is_empty() {
            self.clocks.see_agent(warp, mask, self.warps[warp].live, BlockRun::AHEAD, 1);
        }
    }

    /// A lane accesses bytes of the allocation of a tensor.
    pub fn check_ahead(
        &mut self,
        (warp, lane): (usize, usize),
        (buffer, site): (BufferId, u32),
        tensor: u32,
        (start, bytes): (usize, usize),
        touch: Touch,
    ) {
        let Some(uses) = self.launch.ahead.get(tensor as usize).filter(|uses| !uses.is_empty()) else { return };
        if !self.launch.options.checks.races || self.clocks.view(warp, lane).has_seen_ahead(BlockRun::AHEAD) {
            return;
        }
        let found = uses.iter().find_map(|used| match touch {
            Touch::Read | Touch::Write if used.has_written(start, bytes) => Some((used, "writes")),
            Touch::Write if used.may_read(start, bytes) => Some((used, "reads")),
            _ => None,
        });
        let Some((used, deed)) = found else { return };
        let buffer = &self.launch.function.buffers[buffer];
        let tensor = &self.launch.tensors[tensor as usize];
        let element = start.saturating_sub(tensor.offset) / buffer.elem.bytes();
        let (name, kernel, ahead) = (&buffer.name, &self.launch.function.name, &used.kernel);
        let (does, what) = if touch == Touch::Write { ("written", "writes it") } else { ("read", "reads it") };
        let message = format!(
            "element {element} of `{name}` is {does} by `{kernel}` before it has waited for the kernel ahead of it on the \
             stream, {ahead}, which {deed} it and may still run; put `grid_wait()` before the access"
        );
        let what = format!("{} {what}", self.thread_name(warp, lane));
        self.fault(FaultKind::Race, message, (site, what), Vec::new());
    }
}
