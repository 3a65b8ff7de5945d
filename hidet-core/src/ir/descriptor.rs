//! The placement of `wgmma` operands in shared memory, derived from layouts and tensor maps.
//!
//! A buffer that a tensor map fills has the swizzle of the map, unless its own layout is swizzled; in that case, and if
//! threads write it, its layout decides. Works on the IR before its layouts are lowered.

use super::arena::SecondaryMap;
use super::function::{BufferId, Function, Scope, Swizzle};
use super::stmt::{Arg, Stmt};
use super::tensor_map::TensorMap;
use crate::intrinsics::matrix::Form;
use crate::intrinsics::{Effect, Meaning, Operand, Space};
use crate::layout::Layout;
use crate::types::Scalar;
use std::collections::BTreeSet;

/// Returns the operands of a `wgmma` call that lie in shared memory, as pairs (index of the address, index of the
/// form).
pub fn shared_operands(meaning: Meaning, operands: &[Operand]) -> Vec<(usize, usize)> {
    if !matches!(meaning, Meaning::Wgmma { .. }) {
        return Vec::new();
    }
    let is_matrix = |operand: &Operand| matches!(operand, Operand::Address { space: Space::Shared, .. });
    let found: Vec<usize> = (0..operands.len()).filter(|index| is_matrix(&operands[*index])).collect();
    let first = operands.len() - found.len();
    found.into_iter().zip(first..).collect()
}

/// Returns the form of a `wgmma` operand: the one given by the call, else the one derived from the buffer, or an error
/// if the buffer has none.
pub fn of_operand(function: &Function, buffer: BufferId, form: i64) -> Result<Form, String> {
    Form::decode(form).map_or_else(|| of_buffer(function, buffer, Form::is_transposed(form)), Ok)
}

/// Returns the buffer whose memory this one aliases, or the buffer itself.
pub fn owner(function: &Function, mut buffer: BufferId) -> BufferId {
    for _ in 0..function.buffers.len() {
        match function.buffers[buffer].alias {
            Some(next) => buffer = next,
            None => break,
        }
    }
    buffer
}

/// Returns the tensor maps that fill a shared buffer.
fn maps(function: &Function, buffer: BufferId) -> Vec<&TensorMap> {
    let mut found = Vec::new();
    function.each_stmt_in(&function.body, &mut |_, stmt| {
        if let Stmt::Call { intrinsic, args, .. } = stmt
            && let Some(Arg::Map(map)) = args.iter().find(|arg| matches!(arg, Arg::Map(_)))
        {
            for (arg, operand) in args.iter().zip(&intrinsic.row().operands) {
                if let (Arg::Address { buffer: to, .. }, Operand::Address { effect: Effect::Write, .. }) =
                    (arg, operand)
                    && owner(function, *to) == buffer
                {
                    found.push(&function.maps[*map]);
                }
            }
        }
    });
    found
}

fn is_swizzled(layout: &Layout) -> bool {
    match layout {
        Layout::Swizzle { .. } => true,
        Layout::Compose(a, b) | Layout::Concat(a, b) => is_swizzled(a) || is_swizzled(b),
        Layout::Permute { base, .. } | Layout::Reshape { base, .. } => is_swizzled(base),
        Layout::Strided { .. } | Layout::Local { .. } => false,
    }
}

fn of_buffer(function: &Function, id: BufferId, transposed: bool) -> Result<Form, String> {
    let buffer = &function.buffers[id];
    let (name, elem) = (&buffer.name, buffer.elem);
    let bytes = elem.bytes() as u32;
    let extents = buffer.shape.iter().map(|extent| extent.as_const().and_then(|extent| u32::try_from(extent).ok()));
    let Some(extents) = extents.collect::<Option<Vec<u32>>>() else {
        return Err(format!("`{name}` is read by tensor cores, so its extents must be constants"));
    };
    let [outer @ .., rows, cols] = extents.as_slice() else {
        return Err(format!("`{name}` has one axis; tensor cores read matrices with two"));
    };
    if extents.iter().fold(1u64, |size, extent| size.saturating_mul((*extent).max(1).into())) > 1 << 18 {
        return Err(format!("`{name}` is larger than shared memory"));
    }
    let filled = maps(function, owner(function, id));
    let mut swizzles = filled.iter().map(|map| map.swizzle);
    let by_map = swizzles.next().unwrap_or(Swizzle::None);
    if swizzles.any(|other| other != by_map) {
        return Err(format!("`{name}` is filled by tensor maps of different swizzles"));
    }
    // A swizzled layout already describes the swizzle of the map.
    let swizzle = if is_swizzled(&buffer.layout) { Swizzle::None } else { by_map };
    let place = |outer: &[u32], row: u32, col: u32| -> Option<u32> {
        let index: Vec<i64> = outer.iter().copied().chain([row, col]).map(i64::from).collect();
        let offset = buffer.layout.offset_at(&index, &[]).ok()?;
        Some(swizzle.apply(u32::try_from(offset).ok()?.checked_mul(bytes)?))
    };
    let zeros = vec![0; outer.len()];
    let shape = if transposed { [*cols, *rows] } else { [*rows, *cols] };
    let form = Form::find(shape, bytes, |[mn, k]| if transposed { place(&zeros, k, mn) } else { place(&zeros, mn, k) });
    let Some(form) = form else { return Err(refusal(function, id, shape, transposed, by_map)) };
    // Further matrices of the buffer must begin at a multiple of the swizzle atom.
    for (axis, extent) in outer.iter().enumerate().filter(|(_, extent)| **extent > 1) {
        let mut next = zeros.clone();
        next[axis] = 1;
        if place(&next, 0, 0).is_none_or(|byte| byte % form.alignment() != 0) {
            return Err(format!(
                "the {extent} matrices along axis {axis} of `{name}` must begin at multiples of {} bytes, as their swizzle repeats there",
                form.alignment()
            ));
        }
    }
    Ok(form)
}

/// Returns the message that explains why tensor cores cannot read a buffer, and what to do.
fn refusal(function: &Function, id: BufferId, [mn, k]: [u32; 2], transposed: bool, by_map: Swizzle) -> String {
    let buffer = &function.buffers[id];
    let (name, elem) = (&buffer.name, buffer.elem);
    let depth = 32 / elem.bytes() as u32;
    if k % depth != 0 {
        return format!("`{name}` has {k} {elem} along k; tensor cores read {depth} per instruction");
    }
    let row = if transposed { mn } else { k } * elem.bytes() as u32;
    let why = if transposed && elem.bytes() != 2 {
        format!("only 16-bit operands may be contiguous along m or n, not {elem}")
    } else if let Some(span) = by_map.span().filter(|span| *span != row) {
        format!("a row is {row} bytes long and its tensor map's swizzle spans {span}: they must be equal")
    } else {
        "its rows are neither swizzled nor in blocks of eight rows of 16 bytes".to_owned()
    };
    format!(
        "`{name}` is not laid out as tensor cores require: {why}. Give it the layout `matrix_layout::<{elem}>(..)`, or fill it by a tensor map whose swizzle is as wide as a row"
    )
}

/// Returns the alignment that tensor maps and tensor cores need of each shared buffer, or 1: a swizzle repeats every
/// eight rows of its width, counted from address 0.
pub fn alignments(function: &Function) -> SecondaryMap<BufferId, i64> {
    let mut found: SecondaryMap<BufferId, i64> = SecondaryMap::new();
    // The form of an operand takes milliseconds to find, and most calls have the same operands.
    let mut forms = BTreeSet::new();
    function.each_stmt_in(&function.body, &mut |_, stmt| {
        let Stmt::Call { intrinsic, args, .. } = stmt else { return };
        let mut need = |buffer: BufferId, align: i64| {
            let buffer = owner(function, buffer);
            found[buffer] = found[buffer].max(align);
        };
        if let Some(Arg::Map(map)) = args.iter().find(|arg| matches!(arg, Arg::Map(_))) {
            let align = i64::from(function.maps[*map].swizzle.alignment());
            for arg in args {
                if let Arg::Address { buffer, .. } = arg
                    && function.buffers[*buffer].elem != Scalar::U64
                    && function.buffers[*buffer].scope == Scope::Shared
                {
                    need(*buffer, align);
                }
            }
        }
        let row = intrinsic.row();
        for (address, form) in shared_operands(row.meaning, &row.operands) {
            if let (Some(Arg::Address { buffer, .. }), Some(Arg::Imm(form))) = (args.get(address), args.get(form))
                && forms.insert((*buffer, *form))
            {
                let form = of_operand(function, *buffer, *form);
                need(*buffer, form.map_or(1024, |form| i64::from(form.alignment())));
            }
        }
    });
    found
}
