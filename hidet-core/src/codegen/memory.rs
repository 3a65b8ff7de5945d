//! The layout of shared memory: separate static arrays up to 48 KiB per block, otherwise parts of one dynamic area.

use super::names::{NameKind, Names};
use super::writer::Writer;
use super::{leave, types};
use crate::ir::{BufferId, Function, SecondaryMap, SharedMemory, Stmt, aligned};
use hidet_mapping::IndexExpr;

/// Bytes of static shared memory that a block may use.
const STATIC_LIMIT: i64 = 48 * 1024;

/// Number of barrier words: one per named barrier, then one per warp group.
const BARRIERS: i64 = 16 + 8;

/// The shared memory of a kernel.
#[derive(Debug)]
pub struct Shared {
    memory: SharedMemory,
    /// Bytes of static shared memory, if no dynamic area is needed.
    pub static_bytes: u32,
    /// Bytes of dynamic shared memory, which the launch passes.
    pub dynamic_bytes: Option<IndexExpr>,
    /// The offset of the barrier words of a kernel that may fault.
    barriers: Option<IndexExpr>,
}

/// Returns the shared memory of a function, at any stage of lowering.
pub fn plan(function: &Function) -> Shared {
    let memory = SharedMemory::of(function);
    let barriers = has_barrier_words(function).then(|| aligned(&memory.bytes(), 4));
    let total = match &barriers {
        Some(barriers) => barriers.clone() + 4 * BARRIERS,
        None => memory.bytes(),
    };
    match total.as_const() {
        Some(bytes) if bytes <= STATIC_LIMIT => {
            Shared { memory, static_bytes: bytes as u32, dynamic_bytes: None, barriers }
        }
        _ => Shared { memory, static_bytes: 0, dynamic_bytes: Some(total), barriers },
    }
}

/// Returns true if a kernel may fault and has barriers that are then implemented in shared memory.
fn has_barrier_words(function: &Function) -> bool {
    let (mut faults, mut meets) = (false, false);
    function.each_stmt(&mut |_, stmt| match stmt {
        Stmt::Check { .. } | Stmt::Align { .. } | Stmt::Assert { .. } => faults = true,
        Stmt::Call { intrinsic, .. } => meets |= leave::meets(intrinsic.row()),
        _ => {}
    });
    faults && meets
}

impl Shared {
    /// Declares the buffers; `dim` returns the text of an extent.
    pub fn declare(
        &self,
        function: &Function,
        names: &mut Names,
        buffers: &SecondaryMap<BufferId, String>,
        dim: &dyn Fn(&IndexExpr) -> String,
        out: &mut Writer,
    ) {
        let base = if self.dynamic_bytes.is_some() {
            let base = names.own(NameKind::Shared);
            let align = self.memory.areas.iter().map(|area| area.align).max().unwrap_or(16);
            out.line(format!("alignas({align}) extern __shared__ unsigned char {base}[];"));
            Some(base)
        } else {
            None
        };
        for area in &self.memory.areas {
            let pointer = |id: BufferId, from: String| {
                let elem = types::scalar(function.buffers[id].elem);
                format!("{elem}* const {} = reinterpret_cast<{elem}*>({from});", buffers[id])
            };
            match (&base, area.buffers.as_slice()) {
                (Some(base), views) => {
                    for id in views {
                        out.line(pointer(*id, format!("{base} + {}", dim(&area.offset))));
                    }
                }
                (None, [only]) if *only == area.owner => {
                    let buffer = &function.buffers[*only];
                    let count = area.bytes.as_const().unwrap_or(0) / buffer.elem.bytes() as i64;
                    let elem = types::scalar(buffer.elem);
                    out.line(format!(
                        "__shared__ alignas({}) {elem} {}[{}];",
                        area.align,
                        buffers[*only],
                        count.max(1)
                    ));
                }
                (None, views) => {
                    let bytes = names.source(&format!("{}_bytes", function.buffers[area.owner].name), NameKind::Bytes);
                    let count = area.bytes.as_const().unwrap_or(0).max(1);
                    out.line(format!("__shared__ alignas({}) unsigned char {bytes}[{count}];", area.align));
                    for id in views {
                        out.line(pointer(*id, bytes.clone()));
                    }
                }
            }
        }
        match (&self.barriers, &base) {
            (Some(at), Some(base)) => {
                out.line(format!("unsigned* const hidet_barriers = reinterpret_cast<unsigned*>({base} + {});", dim(at)))
            }
            (Some(_), None) => out.line(format!("__shared__ unsigned hidet_barriers[{BARRIERS}];")),
            (None, _) => return,
        }
        out.line(format!("hidet_clear_barriers(hidet_barriers, {BARRIERS});"));
    }
}
