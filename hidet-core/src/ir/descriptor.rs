//! How a matrix that a tensor map copied lies in shared memory, as the tensor cores of a warp group want to be told.

use super::walk::blocks;
use crate::intrinsics::Operand;
use crate::ir::{Arg, Block, BufferId, Function, SecondaryMap, Stmt, Swizzle, TensorMap};
use crate::types::Scalar;

/// Strides in bytes, and the code of the swizzle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// From one block of the contiguous axis to the next.
    pub leading: u32,
    /// From eight rows to the next eight.
    pub stride: u32,
    /// Which chunks of 16 bytes change places.
    pub swizzle: Swizzle,
}

impl Descriptor {
    /// The swizzle as the hardware counts them (PTX ISA, "Matrix Descriptor").
    pub const fn swizzle_code(self) -> u32 {
        match self.swizzle {
            Swizzle::None => 0,
            Swizzle::B128 => 1,
            Swizzle::B64 => 2,
            Swizzle::B32 => 3,
        }
    }
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

/// The alignment that bulk copies need of each shared buffer, 1 where there is none: a swizzle repeats every eight rows
/// of its span, counted from address 0.
pub fn alignments(function: &Function) -> SecondaryMap<BufferId, i64> {
    fn walk(function: &Function, block: &Block, found: &mut SecondaryMap<BufferId, i64>) {
        for id in &block.0 {
            let stmt = &function.stmts[*id];
            if let Stmt::Call { args, .. } = stmt
                && let Some(Arg::Map(map)) = args.iter().find(|arg| matches!(arg, Arg::Map(_)))
            {
                let align = i64::from(function.maps[*map].swizzle.alignment());
                for arg in args {
                    if let Arg::Address { buffer, .. } = arg
                        && function.buffers[*buffer].elem != Scalar::U64
                    {
                        found[*buffer] = found[*buffer].max(align);
                    }
                }
            }
            for inner in blocks(stmt).into_iter().flatten() {
                walk(function, inner, found);
            }
        }
    }
    let mut found = SecondaryMap::new();
    walk(function, &function.body, &mut found);
    found
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
    let swizzle = first.swizzle;
    let span = swizzle.span().unwrap_or(16);
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
    let (leading, stride) = if swizzle == Swizzle::None { (rows * 16, 128) } else { (rows * span, 8 * span) };
    Ok(Descriptor { leading, stride, swizzle })
}
