//! How large a thread-dependent index can become, where that is plain to see.

use super::Checker;
use crate::ir::{BinaryOp, Op, Special, ValueId};

/// How many operations are followed.
const STEPS: u32 = 32;

/// A number that the value, taken as not negative, stays below.
pub(super) fn limit(c: &Checker<'_>, value: ValueId) -> Option<i64> {
    follow(c, value, STEPS)
}

fn follow(c: &Checker<'_>, value: ValueId, steps: u32) -> Option<i64> {
    let steps = steps.checked_sub(1)?;
    let below = |value: ValueId| follow(c, value, steps);
    match c.op_of(value)? {
        Op::Const(_) => c.constant(value)?.checked_add(1),
        Op::Special(special) => {
            let [x, y, z] = c.f.launch.block.map(i64::from);
            let threads =
                i64::from(c.group.map_or(c.f.launch.threads(), |(first, threads)| first.saturating_add(threads)));
            match special {
                Special::Thread => Some(threads),
                Special::ThreadX => Some(x),
                Special::ThreadY => Some(y),
                Special::ThreadZ => Some(z),
                Special::Lane => Some(threads.min(32)),
                Special::Warp => Some((threads + 31) / 32),
                _ => None,
            }
        }
        Op::Cast(a) => below(*a),
        Op::Binary(op, a, b) => {
            let by = c.constant(*b);
            match (op, by) {
                (BinaryOp::Rem, Some(by)) if by > 0 => Some(below(*a).unwrap_or(by).min(by)),
                (BinaryOp::And, Some(by)) if by >= 0 => Some(below(*a).unwrap_or(i64::MAX).min(by.checked_add(1)?)),
                (BinaryOp::Div, Some(by)) if by > 0 => (below(*a)?.checked_sub(1)? / by).checked_add(1),
                (BinaryOp::Mul, Some(by)) if by > 0 => below(*a)?.checked_sub(1)?.checked_mul(by)?.checked_add(1),
                (BinaryOp::Sub, Some(by)) if by >= 0 => Some(below(*a)?.checked_sub(by)?.max(0)),
                (BinaryOp::Add, Some(by)) if by >= 0 => below(*a)?.checked_add(by),
                (BinaryOp::Min, _) => below(*a).into_iter().chain(below(*b)).min(),
                _ => None,
            }
        }
        _ => None,
    }
}
