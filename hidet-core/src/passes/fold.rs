//! Constant folding, for operations that all devices compute alike.
//!
//! Not folded are transcendental functions, whose last bits depend on the device, and results that are NaN or a zero of
//! unspecified sign, whose bits depend on the device.

pub(crate) use crate::ir::eval::int_range;
use crate::ir::{BinaryOp, Op, UnaryOp, ValueId, eval};
use crate::types::{Const, Scalar, Type};

/// Returns the result of an operation with this result type, if its operands are constants.
pub(crate) fn fold(op: &Op, ty: Type, known: &dyn Fn(ValueId) -> Option<Const>) -> Option<Const> {
    if ty.lanes != 1 || !settled(op) {
        return None;
    }
    let mut operands = Vec::new();
    let mut all = true;
    op.each_operand(&mut |value| match known(value) {
        Some(constant) => operands.push(constant),
        None => all = false,
    });
    if !all {
        return None;
    }
    if let (Op::Binary(BinaryOp::Min | BinaryOp::Max, ..), [a, b]) = (op, operands.as_slice()) {
        let same = a.scalar.is_float() && eval::to_f64(a.scalar, a.bits) == eval::to_f64(b.scalar, b.bits);
        if same && a.bits != b.bits {
            return None;
        }
    }
    let result = eval::fold(op, ty.scalar, &operands)?;
    let nan = result.scalar.is_float() && eval::to_f64(result.scalar, result.bits).is_nan();
    let computed = !matches!(op, Op::Const(_) | Op::Select(..) | Op::Bitcast(_));
    (!nan || !computed).then_some(result)
}

/// Returns true if an operation has the same result on every device.
fn settled(op: &Op) -> bool {
    use UnaryOp::{Abs, Ceil, Floor, IsFinite, IsInf, IsNan, Neg, Not, Round, Sqrt, Trunc};
    match op {
        Op::Const(_) | Op::Compare(..) | Op::Select(..) | Op::Cast(_) | Op::Bitcast(_) | Op::Fma(..) => true,
        Op::Unary(op, _) => {
            matches!(op, Neg | Not | Abs | Floor | Ceil | Round | Trunc | Sqrt | IsNan | IsInf | IsFinite)
        }
        Op::Binary(op, ..) => !matches!(op, BinaryOp::Pow | BinaryOp::Atan2),
        Op::Dim(_) | Op::Special(_) | Op::Read(_) | Op::Load { .. } | Op::Vector(_) | Op::Extract(..) => false,
    }
}

/// Returns the exact value of a constant of any integer type.
pub(crate) fn int(constant: Const) -> Option<i128> {
    match constant.scalar {
        Scalar::U64 => Some(i128::from(constant.bits)),
        _ => constant.as_int().map(i128::from),
    }
}
