//! Simple upper bounds of thread-dependent indices.

use super::Checker;
use crate::ir::eval::int_range;
use crate::ir::{BinaryOp, Op, Special, ValueId};

/// The maximum number of operations that are followed.
const STEPS: u32 = 32;

/// Returns a number that exceeds the value, which is taken as non-negative.
pub(super) fn limit(c: &Checker<'_>, value: ValueId) -> Option<i128> {
    let (_, most) = range(c, value, STEPS)?;
    (most < int_range(c.f.ty(value).scalar).1).then_some((most + 1).max(0))
}

/// Returns the smallest and the largest value of an integer.
fn range(c: &Checker<'_>, value: ValueId, steps: u32) -> Option<(i128, i128)> {
    let ty = c.f.ty(value);
    if ty.lanes != 1 || !ty.scalar.is_int() {
        return None;
    }
    let whole = int_range(ty.scalar);
    let found = steps.checked_sub(1).and_then(|steps| operation(c, value, steps));
    // A value beyond the range of its type wraps.
    Some(found.filter(|found| found.0 >= whole.0 && found.1 <= whole.1).unwrap_or(whole))
}

fn operation(c: &Checker<'_>, value: ValueId, steps: u32) -> Option<(i128, i128)> {
    let operand = |value: ValueId| range(c, value, steps);
    let below = |count: u32| Some((0, i128::from(count) - 1));
    match c.op_of(value)? {
        Op::Const(_) => c.constant(value).map(|number| (number.into(), number.into())),
        Op::Special(special) => {
            let [x, y, z] = c.f.launch.block;
            let threads = c.group.map_or(c.f.launch.threads(), |(first, threads)| first.saturating_add(threads));
            match special {
                Special::Thread => below(threads),
                Special::ThreadX => below(x),
                Special::ThreadY => below(y),
                Special::ThreadZ => below(z),
                Special::Lane => below(threads.min(32)),
                Special::Warp => below(threads.div_ceil(32)),
                _ => None,
            }
        }
        Op::Cast(a) => operand(*a),
        Op::Binary(BinaryOp::Min, a, b) => {
            let (a, b) = (operand(*a)?, operand(*b)?);
            Some((a.0.min(b.0), a.1.min(b.1)))
        }
        Op::Binary(op, a, b) => {
            let (low, high) = operand(*a)?;
            let by = i128::from(c.constant(*b).filter(|by| *by >= 0)?);
            match op {
                BinaryOp::Add => Some((low + by, high + by)),
                BinaryOp::Sub => Some((low - by, high - by)),
                BinaryOp::Mul => Some((low * by, high * by)),
                BinaryOp::Div if by > 0 => Some((low / by, high / by)),
                BinaryOp::Rem if by > 0 => Some((low.clamp(1 - by, 0), high.clamp(0, by - 1))),
                // In a negative number all bits may be set.
                BinaryOp::And => Some((0, if low < 0 { by } else { high.min(by) })),
                _ => None,
            }
        }
        _ => None,
    }
}
