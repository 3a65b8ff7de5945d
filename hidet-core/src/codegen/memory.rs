//! The layout of shared memory: separate static arrays up to 48 KiB per block, otherwise parts of one dynamic area.

use super::names::{NameKind, Names};
use super::writer::Writer;
use super::{fault, types};
use crate::error::Result;
use crate::ir::{Buffer, BufferId, Function, Scope, SecondaryMap, Span, descriptor};
use hidet_mapping::IndexExpr;
use std::collections::HashMap;

/// Bytes of static shared memory that a block may use.
const STATIC_LIMIT: i64 = 48 * 1024;

/// Number of barrier words: one per named barrier, then one per warp group.
const BARRIERS: i64 = 16 + 8;

/// The shared memory of a kernel.
#[derive(Debug, Default)]
pub struct Shared {
    /// Buffers with their own memory, in order, with the buffers that share it and its size in bytes.
    areas: Vec<Area>,
    /// Bytes of static shared memory, if no dynamic area is needed.
    pub static_bytes: u32,
    /// Bytes of dynamic shared memory, which the launch passes.
    pub dynamic_bytes: Option<IndexExpr>,
    /// The offset of the barrier words of a kernel that may fault.
    barriers: Option<IndexExpr>,
}

#[derive(Debug)]
struct Area {
    owner: BufferId,
    views: Vec<BufferId>,
    align: i64,
    bytes: IndexExpr,
}

fn elements(function: &Function, buffer: &Buffer) -> Result<IndexExpr> {
    match buffer.shape.as_slice() {
        [extent] => Ok(extent.clone()),
        shape => Err(fault(
            function,
            Span::default(),
            format!(
                "buffer `{}` has {} axes; the CUDA back end takes only lowered functions",
                buffer.name,
                shape.len()
            ),
        )),
    }
}

/// Returns the buffer whose bytes a buffer shares, or itself if it has its own bytes, or `None` if aliases form a
/// cycle.
pub fn owner(function: &Function, buffer: BufferId) -> Option<BufferId> {
    let mut owner = buffer;
    for _ in 0..=function.buffers.len() {
        match function.buffers[owner].alias {
            Some(next) => owner = next,
            None => return Some(owner),
        }
    }
    None
}

/// Plans the shared memory of a function, for the buffers in `used`. `barriers`: it needs barrier words.
pub fn plan(function: &Function, used: &SecondaryMap<BufferId, bool>, barriers: bool) -> Result<Shared> {
    let needed = descriptor::alignments(function);
    let mut areas: Vec<Area> = Vec::new();
    let mut area_of: HashMap<BufferId, usize> = HashMap::new();
    for (id, buffer) in function.buffers.iter().filter(|(_, buffer)| buffer.scope == Scope::Shared) {
        if !used[id] {
            continue;
        }
        let Some(owner) = owner(function, id) else {
            let message = format!("buffer `{}` shares its bytes with itself", buffer.name);
            return Err(fault(function, Span::default(), message));
        };
        let bytes = elements(function, buffer)? * (buffer.elem.bytes() as i64);
        let align = i64::from(buffer.align).max(16).max(needed[id]);
        let index = *area_of.entry(owner).or_insert_with(|| {
            areas.push(Area { owner, views: Vec::new(), align: 16, bytes: 0.into() });
            areas.len() - 1
        });
        let area = &mut areas[index];
        area.views.push(id);
        area.align = area.align.max(align);
        area.bytes = if area.bytes == IndexExpr::Const(0) { bytes } else { area.bytes.max(bytes) };
    }
    // Known sizes first, and among them the largest alignment first: this minimises padding, and most offsets are
    // constants.
    areas.sort_by_key(|area| (area.bytes.as_const().is_none(), -area.align));
    let mut total: IndexExpr = 0.into();
    for area in &areas {
        total = aligned(&total, area.align) + area.bytes.clone();
    }
    let barriers = barriers.then(|| aligned(&total, 16));
    if let Some(barriers) = &barriers {
        total = barriers.clone() + 4 * BARRIERS;
    }
    Ok(match total.as_const() {
        Some(bytes) if bytes <= STATIC_LIMIT => {
            Shared { areas, static_bytes: bytes as u32, dynamic_bytes: None, barriers }
        }
        _ => Shared { areas, static_bytes: 0, dynamic_bytes: Some(total), barriers },
    })
}

fn aligned(offset: &IndexExpr, align: i64) -> IndexExpr {
    match offset.as_const() {
        Some(offset) => IndexExpr::Const((offset + align - 1) / align * align),
        None => (offset.clone() + (align - 1)) / align * align,
    }
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
        let mut offset: IndexExpr = 0.into();
        let base = if self.dynamic_bytes.is_some() {
            let base = names.own(NameKind::Shared);
            let align = self.areas.iter().map(|area| area.align).max().unwrap_or(16);
            out.line(format!("alignas({align}) extern __shared__ unsigned char {base}[];"));
            Some(base)
        } else {
            None
        };
        for area in &self.areas {
            offset = aligned(&offset, area.align);
            let pointer = |id: BufferId, from: String| {
                let elem = types::scalar(function.buffers[id].elem);
                format!("{elem}* const {} = reinterpret_cast<{elem}*>({from});", buffers[id])
            };
            match (&base, area.views.as_slice()) {
                (Some(base), views) => {
                    for id in views {
                        out.line(pointer(*id, format!("{base} + {}", dim(&offset))));
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
            offset = offset + area.bytes.clone();
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
