//! Bounds of coordinates, and elements that are 0 outside of a tensor although they are computed.

use crate::expr::{ExprNode, ScalarExpr};
use crate::task::axes_of;
use hidet::ir::{BinaryOp, eval};
use hidet::types::{Number, Scalar};

/// Returns the least and the largest value of an integer, as far as that is known; `extents` are those of all coordinates.
fn bounds(expr: &ScalarExpr, extents: &[usize]) -> Option<[i64; 2]> {
    let all = match expr.node() {
        ExprNode::Axis(axis) => [0, (*extents.get(*axis)? as i64 - 1).max(0)],
        ExprNode::Const(value) => match eval::number(value.scalar, value.bits) {
            Number::Int(value) => [i64::try_from(value).ok()?; 2],
            Number::Float(_) => return None,
        },
        ExprNode::Cast(inner) if is_signed(expr.dtype()) && is_signed(inner.dtype()) => bounds(inner, extents)?,
        ExprNode::Select(_, a, b) => {
            let ([a, b], [c, d]) = (bounds(a, extents)?, bounds(b, extents)?);
            [a.min(c), b.max(d)]
        }
        ExprNode::Binary(op, a, b) => of_both(*op, bounds(a, extents), bounds(b, extents))?,
        _ => return None,
    };
    // What might overflow is not known.
    let known = all.iter().all(|bound| expr.dtype() != Scalar::I32 || i32::try_from(*bound).is_ok());
    known.then_some(all)
}

fn is_signed(dtype: Scalar) -> bool {
    matches!(dtype, Scalar::I32 | Scalar::I64)
}

fn of_both(op: BinaryOp, a: Option<[i64; 2]>, b: Option<[i64; 2]>) -> Option<[i64; 2]> {
    let [from, to] = a?;
    let [low, high] = b?;
    Some(match op {
        BinaryOp::Add => [from.checked_add(low)?, to.checked_add(high)?],
        BinaryOp::Sub => [from.checked_sub(high)?, to.checked_sub(low)?],
        BinaryOp::Mul if low >= 0 => {
            let least = if from < 0 { high } else { low };
            let most = if to < 0 { low } else { high };
            [from.checked_mul(least)?, to.checked_mul(most)?]
        }
        // Quotients are rounded towards 0, as they are here.
        BinaryOp::Div if low == high && low > 0 => [from / low, to / low],
        BinaryOp::Rem if low == high && low > 0 && from >= 0 => [0, to.min(low - 1)],
        BinaryOp::Max => [from.max(low), to.max(high)],
        BinaryOp::Min => [from.min(low), to.min(high)],
        _ => return None,
    })
}

/// Returns the value of a tensor at an index, 0 outside of it: `value` is that of its elements, of its own coordinates, whose
/// extents are `shape`; `extents` are those of all coordinates of which the index is computed.
pub(super) fn inside(value: &ScalarExpr, index: &[ScalarExpr], shape: &[usize], extents: &[usize]) -> ScalarExpr {
    let all = value.at(index);
    let mut condition: Option<ScalarExpr> = None;
    for (axis, (own, extent)) in index.iter().zip(shape).enumerate() {
        if matches!(own.node(), ExprNode::Axis(_)) || is_zero_outside(value, axis) {
            continue;
        }
        let known = bounds(own, extents);
        let not_before = known.is_none_or(|[from, _]| from < 0).then(|| own.ge(0usize));
        let not_behind = known.is_none_or(|[_, to]| to >= *extent as i64).then(|| own.lt(*extent));
        condition = condition.into_iter().chain(not_before).chain(not_behind).reduce(|all, one| all & one);
    }
    condition.map_or_else(|| all.clone(), |condition| condition.select(&all, &all.same(0.0)))
}

/// Returns true if an element is 0 where this coordinate is outside of its axis: an element of a tensor there.
fn is_zero_outside(value: &ScalarExpr, axis: usize) -> bool {
    match value.node() {
        ExprNode::Cast(inner) => is_zero_outside(inner, axis),
        ExprNode::Read { index, .. } => axes_of(index).is_some_and(|axes| axes.contains(&Some(axis))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{ScalarExpr, bounds};
    use hidet::types::Scalar;

    #[test]
    fn bounds_are_those_of_all_values() {
        let (a, b) = (ScalarExpr::axis(0), ScalarExpr::axis(1));
        let of = |expr: ScalarExpr| bounds(&expr, &[5, 3]);
        assert_eq!(of(&a * 2usize + &b - 1usize), Some([-1, 9]));
        assert_eq!(of((&a - 4usize) * (&b + 1usize)), Some([-12, 0]));
        assert_eq!(of((&a - 3usize) / 2usize), Some([-1, 0]));
        assert_eq!(of(&a % 3usize), Some([0, 2]));
        assert_eq!(of((&a - 1usize).max(0usize).min(2usize)), Some([0, 2]));
        assert_eq!(of(a.cast(Scalar::I64) * 1_000_000_000usize), Some([0, 4_000_000_000]));
        assert_eq!(of(&a * 1_000_000_000usize), None);
        assert_eq!(of(&a / &b), None);
        assert_eq!(of(a.lt(2usize).select(&b, &(&b + 7usize))), Some([0, 9]));
    }
}
