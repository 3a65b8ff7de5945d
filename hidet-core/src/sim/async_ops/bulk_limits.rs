//! The limits of bulk copies: bounds, alignment, sizes.

use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, MemoryAccess, MemoryBase};
use crate::sim::memory::tiles::Route;
use crate::sim::report::FaultKind;

impl BlockRun<'_> {
    /// Checks that a copy fits into the buffer in shared memory, and begins where it can. Returns false after a fault.
    #[allow(clippy::too_many_arguments)]
    pub fn box_fits(
        &mut self,
        warp: usize,
        lane: usize,
        call: &Call,
        access: &MemoryAccess,
        element: u32,
        shared: u32,
        (route, load): (&Route, bool),
    ) -> bool {
        let name = &self.launch.function.buffers[access.buffer].name;
        let align = if matches!(route, Route::Line { .. }) { 16 } else { 128 };
        let column = match route {
            Route::Column { shape, im2col, pixels } => pixels.problem(shape, im2col),
            _ => None,
        };
        let elements = u64::from(route.bytes()) / access.elem.bytes() as u64;
        let (kind, message) = if u64::from(element) + elements > access.limit {
            let message = format!(
                "a bulk copy of {elements} elements from element {element} of `{name}` on exceeds its {} elements",
                access.limit
            );
            (FaultKind::OutOfBounds, message)
        } else if !shared.is_multiple_of(align) {
            let byte = element * access.elem.bytes() as u32;
            let message = format!("byte {byte} of `{name}` is not aligned to the {align} bytes that a bulk copy needs");
            (FaultKind::Misaligned, message)
        } else if let Some(why) = column {
            (FaultKind::OutOfBounds, format!("a column of pixels {why}"))
        } else if let Some(why) = place_problem(route, load) {
            (FaultKind::Misaligned, why)
        } else {
            return true;
        };
        self.refuse_copy(warp, lane, call.site, kind, message)
    }

    /// Checks that a copy can access that many bytes of a buffer from that byte on. Returns false after a fault.
    pub fn line_fits(
        &mut self,
        warp: usize,
        lane: usize,
        call: &Call,
        access: &MemoryAccess,
        offset: usize,
        bytes: u32,
    ) -> bool {
        let name = &self.launch.function.buffers[access.buffer].name;
        let room = (access.limit as usize * access.elem.bytes()).saturating_sub(offset);
        let start = match access.place {
            MemoryBase::Global(tensor) => self.launch.tensors[tensor as usize].offset + offset,
            MemoryBase::Shared(byte) => byte as usize + offset,
            MemoryBase::Register(_) => offset,
        };
        let (kind, message) = if bytes as i32 <= 0 || !bytes.is_multiple_of(16) {
            let message = format!("a bulk copy of {} bytes: the size must be a multiple of 16", bytes as i32);
            (FaultKind::Misaligned, message)
        } else if bytes as usize > room {
            let message = format!(
                "a bulk copy of {bytes} bytes from byte {offset} of `{name}` on exceeds its {room} remaining bytes"
            );
            (FaultKind::OutOfBounds, message)
        } else if !start.is_multiple_of(16) {
            let message = format!("byte {offset} of `{name}` is not aligned to the 16 bytes that a bulk copy needs");
            (FaultKind::Misaligned, message)
        } else {
            return true;
        };
        self.refuse_copy(warp, lane, call.site, kind, message)
    }

    /// Reports a copy that is not possible, stops the block, and returns false.
    pub fn refuse_copy(
        &mut self,
        warp: usize,
        lane: usize,
        site: u32,
        kind: FaultKind,
        message: impl Into<String>,
    ) -> bool {
        let what = format!("{} copies", self.thread_name(warp, lane));
        self.fault(kind, message, (site, what), Vec::new());
        self.stop();
        false
    }
}

/// Returns the reason why TMA cannot copy a box or a column that begins there, if there is one. PTX does not name these
/// rules. An H200 stops with an illegal instruction where the first two are broken, and writes the whole 16 bytes that the
/// end of a row is in where the third one is.
fn place_problem(route: &Route, load: bool) -> Option<String> {
    let (shape, at) = match route {
        Route::Tile { shape, at } => (shape, at),
        Route::Column { shape, pixels, .. } => (shape, &pixels.first),
        Route::Line { .. } => return None,
    };
    let (bytes, last) = (shape.elem.bytes() as i64, shape.extents.len() - 1);
    let (start, extent) = (at[last], shape.extents[last] as i64);
    if start * bytes % 16 != 0 {
        return Some(format!(
            "a bulk copy begins at coordinate {start} of {} along the last axis, which is byte {} and must be a multiple of \
             16; move the box, or copy without TMA",
            shape.elem,
            start * bytes
        ));
    }
    if load {
        return None;
    }
    if let Some(coordinate) = at[..=last].iter().find(|coordinate| **coordinate < 0) {
        return Some(format!(
            "a bulk store begins at coordinate {coordinate}; it may end behind the tensor, but must not begin before it"
        ));
    }
    let end = start + shape.tile.last().map_or(0, |tile| i64::from(*tile));
    (end > extent && extent * bytes % 16 != 0).then(|| {
        format!(
            "a bulk store ends at coordinate {end} of {extent} along the last axis, which has {} bytes, not a multiple of 16: \
             TMA would write beyond it",
            extent * bytes
        )
    })
}
