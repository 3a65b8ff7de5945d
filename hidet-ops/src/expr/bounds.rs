//! Bounds of integers, by which an index is known to be inside.

use super::{ExprNode, ScalarExpr};
use hidet::ir::{BinaryOp, eval};
use hidet::types::Number;
use std::collections::HashMap;

impl ScalarExpr {
    /// Returns a number that an integer is not less than, and one that it is not greater than, of coordinates with these
    /// extents. They are those of its type if nothing is known.
    pub(crate) fn bounds(&self, extents: &[usize]) -> (i64, i64) {
        Bounds { extents, known: HashMap::new() }.of(self)
    }
}

struct Bounds<'a> {
    extents: &'a [usize],
    known: HashMap<usize, (i64, i64)>,
}

impl Bounds<'_> {
    fn of(&mut self, expr: &ScalarExpr) -> (i64, i64) {
        if let Some(known) = self.known.get(&expr.identity()) {
            return *known;
        }
        let all = match expr.dtype().is_int() {
            true => eval::int_range(expr.dtype()),
            false => (i64::MIN.into(), i64::MAX.into()),
        };
        let found = self.computed(expr).map(|(least, most)| (i128::from(least), i128::from(most)));
        // What overflows may be any number.
        let (least, most) = found.filter(|(least, most)| *least >= all.0 && *most <= all.1).unwrap_or(all);
        let narrow = |bound: i128| i64::try_from(bound).unwrap_or(if bound < 0 { i64::MIN } else { i64::MAX });
        let bounds = (narrow(least), narrow(most));
        self.known.insert(expr.identity(), bounds);
        bounds
    }

    fn computed(&mut self, expr: &ScalarExpr) -> Option<(i64, i64)> {
        match expr.node() {
            ExprNode::Axis(axis) => Some((0, (*self.extents.get(*axis)? as i64 - 1).max(0))),
            ExprNode::Const(value) => match eval::number(value.scalar, value.bits) {
                Number::Int(value) => i64::try_from(value).ok().map(|value| (value, value)),
                Number::Float(_) => None,
            },
            ExprNode::Binary(op, a, b) => {
                let ((a, most_a), (b, most_b)) = (self.of(a), self.of(b));
                match op {
                    BinaryOp::Add => Some((a.checked_add(b)?, most_a.checked_add(most_b)?)),
                    BinaryOp::Sub => Some((a.checked_sub(most_b)?, most_a.checked_sub(b)?)),
                    BinaryOp::Mul => {
                        let corners = [a.checked_mul(b)?, a.checked_mul(most_b)?, most_a.checked_mul(b)?, {
                            most_a.checked_mul(most_b)?
                        }];
                        Some((*corners.iter().min()?, *corners.iter().max()?))
                    }
                    BinaryOp::Min => Some((a.min(b), most_a.min(most_b))),
                    BinaryOp::Max => Some((a.max(b), most_a.max(most_b))),
                    BinaryOp::Div if a >= 0 && b > 0 => Some((a / most_b, most_a / b)),
                    BinaryOp::Rem if a >= 0 && b > 0 => Some((0, most_a.min(most_b - 1))),
                    _ => None,
                }
            }
            ExprNode::Select(_, a, b) => {
                let (a, b) = (self.of(a), self.of(b));
                Some((a.0.min(b.0), a.1.max(b.1)))
            }
            ExprNode::Cast(a) if a.dtype().is_int() => Some(self.of(a)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::types::Scalar;

    #[test]
    fn bounds_are_those_of_what_is_computed() {
        let (i, j) = (ScalarExpr::axis(0), ScalarExpr::axis(1));
        let read = ScalarExpr::read(0, Scalar::I64, vec![]);
        let of = |expr: &ScalarExpr| expr.bounds(&[8, 5]);
        assert_eq!(of(&(&i * 2i64 - &j)), (-4, 14));
        assert_eq!(of(&(&i % 3usize)), (0, 2));
        assert_eq!(of(&(&i / 3usize)), (0, 2));
        assert_eq!(of(&(&j * -3i64 + 1i64)), (-11, 1));
        assert_eq!(of(&read.max(0.0).min(4.0).cast(Scalar::I32)), (0, 4));
        assert_eq!(of(&i.lt(&j).select(&i, &(&j + 10i64))), (0, 14));
        // A number that may overflow, and one that its type may not have.
        let unknown = read.cast(Scalar::I32);
        assert_eq!(of(&unknown), (i32::MIN.into(), i32::MAX.into()));
        assert_eq!(of(&(&unknown.max(0.0) + 1i64)), (i32::MIN.into(), i32::MAX.into()));
        assert_eq!(of(&(&i * 1_000_000_000i64)), (i32::MIN.into(), i32::MAX.into()));
    }
}
