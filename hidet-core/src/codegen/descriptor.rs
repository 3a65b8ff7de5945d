//! How a matrix that a tensor map copied lies in shared memory, as the tensor cores of a warp group want to be told.

use super::inline::blocks;
use crate::intrinsics::Operand;
use crate::ir::{Arg, Block, BufferId, Function, Stmt, Swizzle, TensorMap};

/// Strides in bytes, and the code of the swizzle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// From one block of the contiguous axis to the next.
    pub leading: u32,
    /// From eight rows to the next eight.
    pub stride: u32,
    /// 1: 128 bytes, 2: 64, 3: 32, 0: none.
    pub swizzle: u32,
}

/// The buffer whose bytes this one shares, itself where it has its own.
fn owner(function: &Function, mut buffer: BufferId) -> BufferId {
    for _ in 0..function.buffers.len() {
        match function.buffers[buffer].alias {
            Some(next) => buffer = next,
            None => break,
        }
    }
    buffer
}

/// The tensor maps by which a shared buffer is filled.
fn maps<'a>(function: &'a Function, block: &Block, buffer: BufferId, found: &mut Vec<&'a TensorMap>) {
    for id in &block.0 {
        let stmt = &function.stmts[*id];
        if let Stmt::Call { intrinsic, args, .. } = stmt
            && intrinsic.row().operands.get(1) == Some(&Operand::Map)
            && let [Arg::Address { buffer: target, .. }, Arg::Map(map), ..] = args.as_slice()
            && owner(function, *target) == buffer
        {
            found.push(&function.maps[*map]);
        }
        for inner in blocks(stmt).into_iter().flatten() {
            maps(function, inner, buffer, found);
        }
    }
}

/// The descriptor of a shared buffer; why there is none otherwise.
pub fn of(function: &Function, buffer: BufferId) -> Result<Descriptor, String> {
    let name = &function.buffers[buffer].name;
    let mut found = Vec::new();
    maps(function, &function.body, owner(function, buffer), &mut found);
    let Some(first) = found.first() else {
        return Err(format!(
            "how `{name}` lies in shared memory is not known, as no tensor map fills it: copy it by `tma.load`"
        ));
    };
    if found.iter().any(|map| map.swizzle != first.swizzle || map.tile != first.tile) {
        return Err(format!("`{name}` is filled by tensor maps of different tiles or swizzles"));
    }
    let (span, swizzle) = match first.swizzle {
        Swizzle::None => (16, 0),
        Swizzle::B32 => (32, 3),
        Swizzle::B64 => (64, 2),
        Swizzle::B128 => (128, 1),
    };
    let elem = function.buffers[first.buffer].elem.bytes() as u32;
    let (inner, rows) = match first.tile.split_last() {
        Some((last, rest)) => (last * elem, rest.iter().product::<u32>()),
        None => (0, 0),
    };
    if inner != span {
        return Err(format!(
            "a row of `{name}` is {inner} bytes long and its tensor map's swizzle spans {span}: tensor cores need them equal"
        ));
    }
    let (leading, stride) = if swizzle == 0 { (rows * 16, 128) } else { (rows * span, 8 * span) };
    Ok(Descriptor { leading, stride, swizzle })
}
