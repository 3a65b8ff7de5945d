//! Calls of intrinsics, checked against their rows, and inline PTX.

use super::access::{index_fits, writable};
use super::{Checker, layouts};
use crate::intrinsics::{Effect, Intrinsic, Meaning, Operand, Reach, ResultRule, Row, Space, Together, TypeRule};
use crate::ir::{Access, Arg, AsmOperand, BufferId, MapId, Param, Scope, Stmt, ValueId};
use crate::types::Type;

pub(super) fn check(c: &mut Checker<'_>, stmt: &Stmt) {
    match stmt {
        Stmt::Call { intrinsic, args, result } => call(c, *intrinsic, args, *result),
        Stmt::Asm { template, operands } => asm(c, template, operands),
        _ => {}
    }
}

fn call(c: &mut Checker<'_>, intrinsic: Intrinsic, args: &[Arg], result: Option<ValueId>) {
    let row = intrinsic.row();
    let name = row.name.as_str();
    if args.len() != row.operands.len() {
        return c.problem(format!("`{name}` has {} operands, {} are given", row.operands.len(), args.len()));
    }
    for (number, (operand, arg)) in row.operands.iter().zip(args).enumerate() {
        match (operand, arg) {
            (Operand::Value(rule), Arg::Value(value)) => {
                typed(c, name, &format!("operand {number}"), c.f.ty(*value), *rule, args);
            }
            (Operand::Address { space, effect, elem, count }, Arg::Address { buffer, index }) => {
                address(c, row, number, *buffer, index, (*space, *effect, *elem, *count), args);
            }
            (Operand::Imm { least, most }, Arg::Imm(given)) => {
                c.require((least..=most).contains(&given), || {
                    format!("operand {number} of `{name}` is {given}; {least} to {most} are possible")
                });
            }
            (Operand::Map, Arg::Map(_)) => {}
            _ => c.problem(format!("operand {number} of `{name}` must be {}", kind(operand))),
        }
    }
    match (row.result, result) {
        (ResultRule::None, None) => {}
        (ResultRule::None, Some(_)) => c.problem(format!("`{name}` has no result")),
        (ResultRule::Is(_) | ResultRule::SameAs(_), None) => c.problem(format!("`{name}` has a result; name it")),
        (ResultRule::Is(ty), Some(value)) => typed(c, name, "the result", c.f.ty(value), TypeRule::Is(ty), args),
        (ResultRule::SameAs(of), Some(value)) => {
            typed(c, name, "the result", c.f.ty(value), TypeRule::SameAs(of), args);
        }
    }
    if let Some(map) = args.iter().find_map(|arg| if let Arg::Map(map) = arg { Some(*map) } else { None }) {
        bulk_copy(c, row, args, map);
    }
    c.require(row.meaning != Meaning::GridSync || c.f.launch.cooperative, || {
        format!("`{name}` needs all blocks of the grid to be resident: launch it with `cooperative`")
    });
    if row.together == Together::Named || row.meaning == Meaning::BarrierArrive {
        named_barrier(c, name, args);
    }
}

fn kind(operand: &Operand) -> &'static str {
    match operand {
        Operand::Value(_) => "a value",
        Operand::Address { .. } => "an address",
        Operand::Imm { .. } => "an immediate (a constant number)",
        Operand::Map => "a tensor map",
    }
}

/// Returns the type of an operand, or of the elements at its address.
fn type_of(c: &Checker<'_>, arg: &Arg) -> Option<Type> {
    match arg {
        Arg::Value(value) => Some(c.f.ty(*value)),
        Arg::Address { buffer, .. } => Some(c.f.buffers[*buffer].elem.into()),
        Arg::Imm(_) | Arg::Map(_) => None,
    }
}

fn typed(c: &mut Checker<'_>, name: &str, what: &str, ty: Type, rule: TypeRule, args: &[Arg]) {
    match rule {
        TypeRule::Is(wanted) => {
            c.require(ty == wanted, || format!("{what} of `{name}` is {ty}; it must be {wanted}"));
        }
        TypeRule::OneOf(scalars) => c.require(ty.lanes == 1 && scalars.contains(&ty.scalar), || {
            let names: Vec<&str> = scalars.iter().map(|scalar| scalar.name()).collect();
            format!("{what} of `{name}` is {ty}; it must be one of {}", names.join(", "))
        }),
        TypeRule::SameAs(of) => {
            let wanted = args.get(of as usize).and_then(|arg| type_of(c, arg));
            if let Some(wanted) = wanted {
                c.require(ty == wanted, || format!("{what} of `{name}` is {ty}; it must be {wanted}, as operand {of}"));
            }
        }
    }
}

fn address(
    c: &mut Checker<'_>,
    row: &Row,
    number: usize,
    buffer: BufferId,
    index: &[ValueId],
    (space, effect, elem, count): (Space, Effect, TypeRule, u32),
    args: &[Arg],
) {
    let name = row.name.as_str();
    let memory = &c.f.buffers[buffer];
    let shown = c.buffer(buffer);
    let possible: &[Scope] = match space {
        Space::Global => &[Scope::Global],
        Space::Shared => &[Scope::Shared],
        Space::Register => &[Scope::Register],
        Space::GlobalOrShared => &[Scope::Global, Scope::Shared],
    };
    c.require(possible.contains(&memory.scope), || {
        let possible: Vec<&str> = possible.iter().map(|scope| scope.name()).collect();
        let scope = memory.scope.name();
        format!("operand {number} of `{name}`, {shown}, is {scope} memory; it must be {}", possible.join(" or "))
    });
    let of_thread = matches!(row.meaning, Meaning::CpAsync { .. } | Meaning::Atomic(..));
    c.require(memory.entries.is_none() || of_thread, || {
        format!(
            "operand {number} of `{name}`, {shown}, is a table of tensors; its entries are accessed by loads, stores, `cp.async` \
             and atomics"
        )
    });
    index_fits(c, buffer, index);
    typed(c, name, &format!("the element of operand {number}"), memory.elem.into(), elem, args);
    if matches!(effect, Effect::Write | Effect::ReadWrite | Effect::Atomic) && !reads_only(row) {
        writable(c, buffer, &format!("`{name}` writes"));
    }
    if row.meaning == (Meaning::LoadVector { read_only: true }) && effect == Effect::Read {
        let is_read =
            |param: &Param| matches!(param, Param::Tensor { buffer: of, access: Access::In } if *of == buffer);
        c.require(c.f.params.iter().any(is_read), || {
            format!("`{name}` reads {shown} through the read-only data cache, which does not see the kernel's writes; it must be an `in` parameter")
        });
        c.require(!c.f.launch.dependent, || {
            format!("`{name}` reads {shown} through the read-only data cache, but the kernels ahead of a dependent launch may still write it; read it without the hint")
        });
    }
    if memory.scope == Scope::Register
        && let Some(size) = memory.layout.size().as_const()
    {
        c.require(size >= i64::from(count), || {
            format!("operand {number} of `{name}`, {shown}, has {size} elements; {count} are used")
        });
    }
    let together = match (row.meaning, row.reach(number)) {
        (Meaning::CpAsync { bytes }, _) => bytes / memory.elem.bytes() as u32,
        (_, Some(Reach::Elements(count))) => count,
        _ => 1,
    };
    if memory.scope != Scope::Register
        && together > 1
        && let Some(why) = layouts::vector_fault(&memory.layout, together.into())
    {
        c.problem(format!(
            "operand {number} of `{name}`, {shown}, has a layout that does not keep {together} elements together: {why}"
        ));
    }
    let needed = match row.meaning {
        Meaning::CpAsync { bytes } => bytes,
        _ if memory.scope == Scope::Register => 1,
        _ => (count.max(1) * memory.elem.bytes() as u32).min(32),
    };
    c.require(memory.align >= needed, || {
        let align = memory.align;
        format!("operand {number} of `{name}`, {shown}, is aligned to {align} bytes; align it to {needed}")
    });
}

/// Returns true for an ordered load: an atomic access that writes nothing.
fn reads_only(row: &Row) -> bool {
    matches!(row.meaning, Meaning::AtomicLoad(..))
}

/// Checks a copy through a tensor map: the coordinates have its rank, the shared memory has its element type, and the
/// tensor is writable if the copy reads shared memory.
fn bulk_copy(c: &mut Checker<'_>, row: &Row, args: &[Arg], map: MapId) {
    let (name, map) = (row.name.as_str(), &c.f.maps[map]);
    let (shown, elem) = (c.buffer(map.buffer), c.f.buffers[map.buffer].elem);
    let coordinates =
        row.operands.iter().filter(|operand| **operand == Operand::Value(TypeRule::Is(Type::I32))).count();
    let im2col =
        matches!(row.meaning, Meaning::TensorLoad { im2col: true } | Meaning::TensorMulticast { im2col: true });
    c.require(coordinates == 0 || im2col == map.im2col.is_some(), || {
        let is = if im2col { "is not" } else { "is" };
        format!("`{name}` with a tensor map of {shown} that {is} of columns of pixels (im2col)")
    });
    let rank = map.axes.len();
    let needed = if im2col { (2 * rank).saturating_sub(2) } else { rank };
    c.require(coordinates == 0 || coordinates == needed, || {
        let offsets = if im2col { " and offsets" } else { "" };
        format!("`{name}` has {coordinates} coordinates{offsets}, but the tensor map of {shown} has rank {rank}")
    });
    for (operand, arg) in row.operands.iter().zip(args) {
        let (Operand::Address { effect, .. }, Arg::Address { buffer, .. }) = (operand, arg) else { continue };
        if *effect == Effect::Barrier {
            continue;
        }
        let (tile, found) = (c.buffer(*buffer), c.f.buffers[*buffer].elem);
        c.require(found == elem, || format!("`{name}` copies between {shown} ({elem}) and {tile} ({found})"));
        if *effect == Effect::Read {
            writable(c, map.buffer, &format!("`{name}` writes"));
        }
    }
}

/// Checks `bar.sync` and `bar.arrive`: operand 0 is the barrier, operand 1 the number of threads.
fn named_barrier(c: &mut Checker<'_>, name: &str, args: &[Arg]) {
    let [Arg::Value(barrier), Arg::Imm(threads)] = args else { return };
    if let Some(number) = c.constant(*barrier) {
        c.require((0..16).contains(&number), || format!("`{name}` on barrier {number}; there are 0 to 15"));
    }
    let block = c.f.launch.threads();
    c.require(threads % 32 == 0 && *threads <= i64::from(block), || {
        format!("`{name}` of {threads} threads: it must be a multiple of 32, and the block has {block}")
    });
}

fn asm(c: &mut Checker<'_>, template: &str, operands: &[AsmOperand]) {
    for part in template.split('$').skip(1) {
        let digits: String = part.chars().take_while(|c| c.is_ascii_digit()).collect();
        let known = digits.parse::<usize>().is_ok_and(|number| number < operands.len());
        c.require(known, || format!("the template of `asm` uses `${digits}`, but has {} operands", operands.len()));
    }
    for operand in operands {
        match operand {
            AsmOperand::In(value) | AsmOperand::Out(value) => {
                let (ty, name) = (c.f.ty(*value), c.value(*value));
                c.require(ty.lanes == 1, || format!("the operand {name} of `asm` is {ty}; it must be a scalar"));
            }
            AsmOperand::Address { buffer, index } => {
                let (shown, is_table) = (c.buffer(*buffer), c.f.buffers[*buffer].entries.is_some());
                c.require(!is_table, || format!("the address of {shown}, a table of tensors, is passed to inline PTX"));
                index_fits(c, *buffer, index)
            }
        }
    }
}
