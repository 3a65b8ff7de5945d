//! Vectors to and from global memory, reductions of vectors, and asynchronous copies.

use super::case::Case;
use super::matrix::types;
use super::numbers::all_bits;
use hidet::intrinsics::{Meaning, Operand, Row};
use hidet::types::Scalar;

/// The cases of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    let memory = usize::from(matches!(row.meaning, Meaning::LoadVector { .. }));
    let count = match row.operands.get(memory) {
        Some(Operand::Address { count, .. }) => *count,
        _ => return Vec::new(),
    };
    let each = |make: fn(&Row, Scalar, u32) -> Case| types(row, 0).into_iter().map(move |ty| make(row, ty, count));
    match row.meaning {
        Meaning::LoadVector { .. } => each(load).collect(),
        Meaning::StoreVector => each(store).collect(),
        Meaning::ReduceVector => each(reduce).collect(),
        Meaning::CpAsync { bytes } => {
            [Scalar::F32, Scalar::F16, Scalar::I8].map(|scalar| copy(row, scalar, bytes)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn values(scalar: Scalar, count: u32) -> Vec<i64> {
    let lowest = if scalar.is_float() || scalar.is_signed_int() { -8 } else { 0 };
    (0..32 * i64::from(count)).map(|at| at * 7 % 16 + lowest).collect()
}

/// `%at = t * count`, and registers for a vector.
fn start(row: &Row, scalar: Scalar, count: u32) -> Case {
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.memory(format!("register @r: {scalar}[{count}]"));
    let length = case.int(i64::from(count));
    case.line(format!("%at: i32 = mul %t, {length}"));
    case
}

fn load(row: &Row, scalar: Scalar, count: u32) -> Case {
    let bits = all_bits(scalar, &values(scalar, count));
    let mut case = start(row, scalar, count);
    case.input("x", scalar, bits.clone());
    case.output("y", scalar, bits);
    case.line(format!("call {}(@r[%z], @x[%at])", row.name));
    case.drain("r", "y", scalar, count);
    case
}

fn store(row: &Row, scalar: Scalar, count: u32) -> Case {
    let bits = all_bits(scalar, &values(scalar, count));
    let mut case = start(row, scalar, count);
    case.input("x", scalar, bits.clone());
    case.output("y", scalar, bits);
    case.fill("r", "x", scalar, count);
    case.line(format!("call {}(@y[%at], @r[%z])", row.name));
    case
}

/// Every thread adds to its own elements and to those of the first.
fn reduce(row: &Row, scalar: Scalar, count: u32) -> Case {
    let old = values(scalar, count);
    let new: Vec<i64> = old.iter().map(|value| value % 3).collect();
    let mut sums: Vec<i64> = old.iter().zip(&new).map(|(old, new)| old + new).collect();
    for (at, value) in new.iter().enumerate() {
        sums[at % count as usize] += value;
    }
    let mut case = start(row, scalar, count);
    case.inout("p", scalar, all_bits(scalar, &old), all_bits(scalar, &sums));
    case.input("x", scalar, all_bits(scalar, &new));
    case.fill("r", "x", scalar, count);
    case.line(format!("call {}(@p[%at], @r[%z])", row.name));
    case.line(format!("call {}(@p[%z], @r[%z])", row.name));
    case
}

/// Lane `t` reads `t` bytes at most, in whole elements; the rest is zero.
fn copy(row: &Row, scalar: Scalar, bytes: u32) -> Case {
    let size = scalar.bytes() as u32;
    let count = bytes / size;
    let bits = all_bits(scalar, &values(scalar, count));
    let kept = |at: u32| (at % count + 1) * size <= (at / count).min(bytes) / size * size;
    let expected = (0..32 * count).map(|at| if kept(at) { bits[at as usize] } else { 0 }).collect();
    let mut case = start(row, scalar, count);
    case.memory(format!("shared @s: {scalar}[{}] align 16", 32 * count));
    case.input("x", scalar, bits);
    case.output("y", scalar, expected);
    let (most, size) = (case.int(i64::from(bytes)), case.int(i64::from(size)));
    case.line(format!("%few: i32 = min %t, {most}"));
    case.line(format!("%whole: i32 = div %few, {size}"));
    case.line(format!("%bytes: i32 = mul %whole, {size}"));
    case.line(format!("call {}(@s[%at], @x[%at], %bytes)", row.name));
    case.line("call cp.async.commit()");
    case.line("call cp.async.wait(0)");
    case.copy("s", "y", scalar, count);
    case
}
