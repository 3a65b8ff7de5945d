//! Buffers and tensor maps.

use super::Checker;
use super::layouts::{self, formula};
use crate::ir::function::MAX_SHARED;
use crate::ir::tensor_map::tile_problem;
use crate::ir::{BufferId, Entries, MapId, Scope};
use crate::layout::Layout;
use crate::types::Scalar;

/// The maximum size of register buffers per thread: those that do not fit in registers lie in local memory, 512 KiB
/// (CUDA programming guide, "Compute Capabilities").
const MAX_REGISTERS: u64 = 512 * 1024;

pub(super) fn check(c: &mut Checker<'_>) {
    let f = c.f;
    let (mut shared, mut registers, mut largest) = (0u64, 0u64, None);
    for id in f.buffers.handles() {
        buffer(c, id);
        let buffer = &f.buffers[id];
        let bytes = bytes(c, id).map_or(0, |bytes| bytes.max(0) as u64);
        if buffer.scope == Scope::Shared && buffer.alias.is_none() {
            let start = shared.checked_next_multiple_of(u64::from(buffer.align.max(1))).unwrap_or(u64::MAX);
            shared = start.saturating_add(bytes);
            largest = largest.max(Some((bytes, std::cmp::Reverse(id))));
        } else if buffer.scope == Scope::Register {
            registers = registers.saturating_add(bytes);
        }
    }
    let most = largest.map_or(String::new(), |(bytes, id)| format!(", {} alone {bytes}", c.buffer(id.0)));
    c.require(shared <= MAX_SHARED, || {
        format!("the kernel needs {shared} bytes of shared memory{most}; a block has at most {MAX_SHARED} (227 KiB)")
    });
    c.require(registers <= MAX_REGISTERS, || {
        format!("the registers of a thread are {registers} bytes; at most {MAX_REGISTERS} (512 KiB) are possible")
    });
    for id in f.maps.handles() {
        map(c, id);
    }
}

/// Returns the size of a buffer in bytes if it is constant.
fn bytes(c: &Checker<'_>, id: BufferId) -> Option<i64> {
    let buffer = &c.f.buffers[id];
    buffer.layout.check().ok()?;
    let mut constant = true;
    layouts::formulas(&buffer.layout, &mut |expr| constant &= expr.as_const().is_some());
    // A product that overflows is not folded.
    let size = buffer.layout.size().as_const().or_else(|| constant.then_some(i64::MAX))?;
    Some(size.saturating_mul(buffer.elem.bytes() as i64))
}

fn buffer(c: &mut Checker<'_>, id: BufferId) {
    let f = c.f;
    let buffer = &f.buffers[id];
    let name = c.buffer(id);
    let scope = buffer.scope.name();
    for extent in &buffer.shape {
        formula(c, &format!("the shape of {name}"), extent);
        if let Some(extent) = extent.as_const() {
            let least = if buffer.scope == Scope::Global { 0 } else { 1 };
            c.require(extent >= least, || format!("{name} has an extent of {extent}"));
        }
    }
    let mut constant = buffer.shape.iter().all(|extent| extent.as_const().is_some());
    let mut in_layout = Vec::new();
    layouts::formulas(&buffer.layout, &mut |expr| in_layout.push(expr));
    for expr in in_layout {
        formula(c, &format!("the layout of {name}"), expr);
        constant &= expr.as_const().is_some();
    }
    c.require(constant || buffer.scope != Scope::Register, || {
        format!("the extents and the layout of {name} are not constant; registers need constants")
    });
    match buffer.layout.check() {
        Err(why) => c.problem(format!("the layout of {name} is malformed: {why}")),
        Ok(()) => {
            let shape = buffer.layout.shape();
            let same = shape.len() == buffer.shape.len()
                && shape.iter().zip(&buffer.shape).all(|(a, b)| match (a.as_const(), b.as_const()) {
                    (Some(a), Some(b)) => a == b,
                    // Equal formulas may be written differently; such a mismatch is checked at launch.
                    _ => true,
                });
            c.require(same, || {
                let text = |shape: &[hidet_mapping::IndexExpr]| {
                    shape.iter().map(|extent| extent.to_string()).collect::<Vec<_>>().join(", ")
                };
                format!("{name} has shape [{}], but its layout has shape [{}]", text(&buffer.shape), text(&shape))
            });
        }
    }
    let (align, least) = (buffer.align, buffer.elem.bytes() as u32);
    c.require(align.is_power_of_two() && align >= least && align <= 1024, || {
        format!(
            "{name} is aligned to {align} bytes; for {} it must be a power of two from {least} to 1024",
            buffer.elem
        )
    });
    if let Some(entries) = buffer.entries {
        table(c, id, entries);
    }
    if let Some(target) = buffer.alias {
        let (of, other) = (c.buffer(target), &f.buffers[target]);
        c.require(buffer.scope == Scope::Shared && other.scope == Scope::Shared, || {
            format!("{name} ({scope}) is an alias of {of} ({}); both must be shared", other.scope.name())
        });
        if let (Some(own), Some(whole)) = (bytes(c, id), bytes(c, target)) {
            c.require(own <= whole, || {
                format!("{name} has {own} bytes, but the buffer it is an alias of, {of}, {whole}")
            });
        }
        let mut at = target;
        let mut steps = 0;
        while let Some(next) = f.buffers[at].alias {
            at = next;
            steps += 1;
            if steps > f.buffers.len() {
                c.problem(format!("{name} is part of a cycle of aliases"));
                break;
            }
        }
    }
}

/// Requires that the entries of a table are contiguous tensors at addresses of their own.
fn table(c: &mut Checker<'_>, id: BufferId, Entries { rows }: Entries) {
    let f = c.f;
    let (buffer, name) = (&f.buffers[id], c.buffer(id));
    let strides = match &buffer.layout {
        Layout::Strided { strides, .. } => strides.as_slice(),
        _ => &[],
    };
    let rest = match buffer.entry_layout() {
        Some(Layout::Strided { strides, .. }) => strides,
        _ => Vec::new(),
    };
    let contiguous = strides.split_first().is_some_and(|(first, others)| first.as_const() == Some(0) && others == rest);
    c.require(buffer.scope == Scope::Global && buffer.shape.len() > 1 && contiguous, || {
        format!("{name} is a table: it must be global, with an axis of entries that are contiguous tensors")
    });
    if let Some(rows) = rows {
        let (shown, of) = (c.buffer(rows), &f.buffers[rows]);
        let fits = of.scope == Scope::Global && of.elem == Scalar::I32 && of.shape.len() == 1 && of.entries.is_none();
        c.require(fits, || format!("{shown} has the rows of {name}: it must be a global buffer of i32 with one axis"));
    }
}

fn map(c: &mut Checker<'_>, id: MapId) {
    let map = &c.f.maps[id];
    let buffer = &c.f.buffers[map.buffer];
    let name = c.buffer(map.buffer);
    let rank = map.axes.len();
    c.require(buffer.scope == Scope::Global, || {
        format!("a tensor map of {name}, which is {} memory; it must be a parameter", buffer.scope.name())
    });
    c.require(buffer.entries.is_none(), || format!("a tensor map of {name}, which is a table of tensors"));
    c.require((1..=5).contains(&rank) && (map.tile.len() == rank || map.im2col.is_some()), || {
        format!("a tensor map of {name} (rank {rank}) with a tile of rank {}: both must agree, 1 to 5", map.tile.len())
    });
    let formulas = map.axes.iter().flat_map(|axis| [&axis.extent, &axis.stride]);
    for expr in formulas.chain([&map.offset]) {
        formula(c, &format!("a tensor map of {name}"), expr);
    }
    c.require(map.axes.last().is_none_or(|axis| axis.stride.as_const() == Some(1)), || {
        format!("a tensor map of {name}: the last axis is not contiguous")
    });
    let steps: Vec<u32> = map.axes.iter().map(|axis| axis.step).collect();
    if let Some(why) = tile_problem(&map.tile, &steps, map.im2col.as_ref(), buffer.elem, map.swizzle) {
        c.problem(format!("a tensor map of {name}: {why}"));
    }
}
