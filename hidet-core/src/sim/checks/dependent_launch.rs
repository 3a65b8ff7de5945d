//! Dependent launches: on a GPU the kernels ahead may still be running until a thread has waited for them (`grid.wait`), or
//! has seen that another thread of its block has waited.
//!
//! Launches of the simulated device do not overlap. So the bytes that a kernel wrote and the tensors that it read are
//! recorded, and the accesses of threads that have not waited are compared with them. Only plain accesses count; kernels
//! may communicate by atomics. Ahead of a launch is the last one that the same host thread launched on the stream since the
//! host last synchronized, or in a graph those that it directly waits for; and what is ahead of these, if they are dependent
//! and let the next one begin before all of their threads have waited. Kernels before that have ended.

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

/// The place of a launch among others: on a stream, or in a graph.
#[derive(Clone, Debug)]
pub struct LaunchPlace {
    /// The number of the stream, or of the launch in its graph.
    pub own: u64,
    /// The numbers after whose last launches it comes: the same stream, or what it waits for in the graph.
    pub after: Vec<u64>,
}

impl LaunchPlace {
    /// Returns the next place on a stream.
    pub fn on_stream(stream: u64) -> LaunchPlace {
        LaunchPlace { own: stream, after: vec![stream] }
    }
}

/// The accesses of one kernel.
type Uses = Rc<Vec<PreviousUse>>;

/// The most kernels of which one can be ahead: a GPU runs no more grids at once.
const MOST_GRIDS: usize = 128;

thread_local! {
    /// By number of a place: the accesses of the last kernel, and of those that may still run when it lets the next one begin.
    static LAST: RefCell<HashMap<u64, Vec<Uses>>> = RefCell::default();
}

/// Returns the accesses of all kernels that may still run when a launch begins.
fn ahead(place: &LaunchPlace) -> Vec<Uses> {
    let mut found: Vec<Uses> = Vec::new();
    LAST.with_borrow(|last| {
        for uses in place.after.iter().filter_map(|number| last.get(number)).flatten() {
            if found.len() < MOST_GRIDS && !found.iter().any(|known| Rc::ptr_eq(known, uses)) {
                found.push(uses.clone());
            }
        }
    });
    found
}

/// The accesses of a kernel ahead to a tensor.
#[derive(Clone)]
pub struct PreviousUse {
    /// The kernel and its position.
    kernel: Arc<str>,
    memory: Weak<Memory>,
    /// The bytes that it may read.
    reads: std::ops::Range<usize>,
    /// The granules of the whole allocation that it wrote, one bit per granule, and their size in bytes.
    written: Arc<[u64]>,
    granule: usize,
}

impl PreviousUse {
    fn has_written(&self, start: usize, bytes: usize) -> bool {
        (start / self.granule..(start + bytes).div_ceil(self.granule))
            .any(|cell| self.written.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 != 0))
    }

    fn may_read(&self, start: usize, bytes: usize) -> bool {
        self.reads.start < start + bytes && start < self.reads.end
    }
}

/// Records that the host thread has waited for a device, or accesses memory itself: no launch is in flight any more.
pub fn host_synchronized() {
    LAST.with_borrow_mut(HashMap::clear);
}

/// Records that work on a stream which begins now waits for the end of all that is before it.
pub fn stream_waits(stream: u64) {
    LAST.with_borrow_mut(|last| last.remove(&stream));
}

/// Returns the accesses of the kernels ahead to each of the tensors, if a thread of this launch may access global memory
/// before they have ended.
pub fn of_tensors(function: &Function, place: Option<&LaunchPlace>, tensors: &[Bound]) -> Vec<Vec<PreviousUse>> {
    let Some(place) = place.filter(|_| function.launch.dependent && !function.waits_first()) else { return Vec::new() };
    let ahead = ahead(place);
    if ahead.is_empty() {
        return Vec::new();
    }
    let same = |tensor: &Bound, used: &PreviousUse| std::ptr::eq(used.memory.as_ptr(), Arc::as_ptr(&tensor.memory));
    let of = |tensor| ahead.iter().flat_map(|uses| uses.iter()).filter(|used| same(tensor, used)).cloned().collect();
    tensors.iter().map(of).collect()
}

impl Run<'_> {
    /// Records the launch as one that those after it may overlap.
    pub fn note_as_ahead(&self, place: Option<&LaunchPlace>) {
        let Some(place) = place else { return };
        let kernel: Arc<str> =
            format!("`{}` ({})", self.function.name, self.function.place_of(self.function.place)).into();
        let written: Vec<Arc<[u64]>> = self.shadows.iter().map(|shadow| shadow.written().into()).collect();
        let of = |tensor: &Bound| PreviousUse {
            kernel: kernel.clone(),
            memory: Arc::downgrade(&tensor.memory),
            reads: if tensor.access.begins_unset() { 0..0 } else { tensor.offset..tensor.offset + tensor.bytes },
            written: tensor.shadow.filter(|_| tensor.access != Access::In).map_or([].into(), |at| written[at].clone()),
            granule: tensor.shadow.map_or(1, |at| self.shadows[at].granule),
        };
        let mut uses = vec![Rc::new(self.tensors.iter().map(of).collect())];
        if self.function.launch.dependent && self.function.launches_early() {
            uses.extend(ahead(place).into_iter().take(MOST_GRIDS - 1));
        }
        LAST.with_borrow_mut(|last| last.insert(place.own, uses));
    }
}

impl BlockRun<'_> {
    /// The number of the agent that stands for the kernels ahead: the first of the block.
    pub const AHEAD: u32 = 0;

    /// Records that the lanes have waited for the kernels ahead.
    pub fn wait_for_ahead(&mut self, warp: usize, mask: u32) {
        if !self.launch.ahead.is_empty() {
            self.clocks.see_agent(warp, mask, self.warps[warp].live, BlockRun::AHEAD, 1);
        }
    }

    /// Checks an access of a lane to bytes of the allocation of a tensor.
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
            "element {element} of `{name}` is {does} by `{kernel}` before it has waited for a kernel ahead of it, {ahead}, \
             which {deed} it and may still be running; put `grid_wait()` before the access"
        );
        let what = format!("{} {what}", self.thread_name(warp, lane));
        self.fault(FaultKind::Race, message, (site, what), Vec::new());
    }
}
