//! Evaluation of operations on constants, shared by constant folding and the simulated device.
//!
//! Values are bits as in [`Const::bits`]: in the lowest bytes, zeros above. The functions here are plain `fn`s over
//! such bits, so a caller can look one up once and call it often. `None` means that the operation is not defined for
//! the type.

use super::{BinaryOp, CompareOp, Op, UnaryOp};
use crate::types::arithmetic::{FloatArithmetic, IntegerArithmetic, ScalarArithmetic};
use crate::types::math::{acosh, asinh, atanh, erf};
use crate::types::{Const, E4M3, E5M2, Element, Number, Scalar, TF32, bf16, f16};

/// An operation on the bits of one value.
pub type UnaryFn = fn(u64) -> u64;
/// An operation on the bits of two values.
pub type BinaryFn = fn(u64, u64) -> u64;
/// An operation on the bits of three values.
pub type TernaryFn = fn(u64, u64, u64) -> u64;

/// Calls `$generic::<T>($args)` for the integer type, or returns `None`.
macro_rules! for_integer {
    ($scalar:expr, $generic:ident($($arg:expr),*)) => {
        match $scalar {
            Scalar::I8 => $generic::<i8>($($arg),*),
            Scalar::I16 => $generic::<i16>($($arg),*),
            Scalar::I32 => $generic::<i32>($($arg),*),
            Scalar::I64 => $generic::<i64>($($arg),*),
            Scalar::U8 => $generic::<u8>($($arg),*),
            Scalar::U16 => $generic::<u16>($($arg),*),
            Scalar::U32 => $generic::<u32>($($arg),*),
            Scalar::U64 => $generic::<u64>($($arg),*),
            _ => None,
        }
    };
}

/// Calls `$generic::<T>($args)` for the floating-point types with arithmetic.
macro_rules! for_float {
    ($scalar:expr, $generic:ident($($arg:expr),*)) => {
        match $scalar {
            Scalar::F16 => $generic::<f16>($($arg),*),
            Scalar::BF16 => $generic::<bf16>($($arg),*),
            Scalar::F32 => $generic::<f32>($($arg),*),
            Scalar::F64 => $generic::<f64>($($arg),*),
            _ => None,
        }
    };
}

/// Returns the function of a unary operation on values of type `scalar`.
pub fn unary(op: UnaryOp, scalar: Scalar) -> Option<UnaryFn> {
    match scalar {
        Scalar::Bool => (op == UnaryOp::Not).then_some(|a| a ^ 1),
        _ if scalar.is_int() => for_integer!(scalar, unary_integer(op)),
        _ => for_float!(scalar, unary_float(op)),
    }
}

fn unary_integer<T: IntegerArithmetic>(op: UnaryOp) -> Option<UnaryFn> {
    Some(match op {
        UnaryOp::Neg => |a| T::from_bits64(a).neg().to_bits64(),
        UnaryOp::Not => |a| T::from_bits64(a).not().to_bits64(),
        UnaryOp::Abs => |a| T::from_bits64(a).abs().to_bits64(),
        _ => return None,
    })
}

fn unary_float<T: FloatArithmetic>(op: UnaryOp) -> Option<UnaryFn> {
    macro_rules! math {
        ($name:ident) => {
            |a| T::from_bits64(a).map(f32::$name, f64::$name).to_bits64()
        };
    }
    macro_rules! test {
        ($name:ident) => {
            |a| T::from_bits64(a).wide().$name() as u64
        };
    }
    Some(match op {
        UnaryOp::Not => return None,
        UnaryOp::Neg => |a| T::from_bits64(a).neg().to_bits64(),
        UnaryOp::Abs => |a| T::from_bits64(a).abs().to_bits64(),
        UnaryOp::Floor => math!(floor),
        UnaryOp::Ceil => math!(ceil),
        UnaryOp::Round => math!(round_ties_even),
        UnaryOp::Trunc => math!(trunc),
        UnaryOp::Sqrt => math!(sqrt),
        UnaryOp::Rsqrt => {
            |a| T::from_bits64(a).map(|x| (1.0 / (x as f64).sqrt()) as f32, |x| 1.0 / x.sqrt()).to_bits64()
        }
        UnaryOp::Sin => math!(sin),
        UnaryOp::Cos => math!(cos),
        UnaryOp::Tan => math!(tan),
        UnaryOp::Sinh => math!(sinh),
        UnaryOp::Cosh => math!(cosh),
        UnaryOp::Tanh => math!(tanh),
        UnaryOp::Asin => math!(asin),
        UnaryOp::Acos => math!(acos),
        UnaryOp::Atan => math!(atan),
        UnaryOp::Asinh => |a| T::from_bits64(a).map(|x| asinh(x as f64) as f32, asinh).to_bits64(),
        UnaryOp::Acosh => |a| T::from_bits64(a).map(|x| acosh(x as f64) as f32, acosh).to_bits64(),
        UnaryOp::Atanh => |a| T::from_bits64(a).map(|x| atanh(x as f64) as f32, atanh).to_bits64(),
        UnaryOp::Exp => math!(exp),
        UnaryOp::Exp2 => math!(exp2),
        UnaryOp::Expm1 => math!(exp_m1),
        UnaryOp::Log => math!(ln),
        UnaryOp::Log2 => math!(log2),
        UnaryOp::Log10 => math!(log10),
        UnaryOp::Log1p => math!(ln_1p),
        UnaryOp::Erf => |a| T::from_bits64(a).map(|x| erf(x as f64) as f32, erf).to_bits64(),
        UnaryOp::IsNan => test!(is_nan),
        UnaryOp::IsInf => test!(is_infinite),
        UnaryOp::IsFinite => test!(is_finite),
    })
}

/// Returns the function of a binary operation on values of type `scalar`. Its result is meaningless if [`fault`]
/// reports one.
pub fn binary(op: BinaryOp, scalar: Scalar) -> Option<BinaryFn> {
    match scalar {
        Scalar::Bool => match op {
            BinaryOp::And => Some(|a, b| a & b),
            BinaryOp::Or => Some(|a, b| a | b),
            BinaryOp::Xor => Some(|a, b| a ^ b),
            _ => None,
        },
        _ if scalar.is_int() => for_integer!(scalar, binary_integer(op)),
        _ => for_float!(scalar, binary_float(op)),
    }
}

macro_rules! on_pair {
    ($ty:ident, $name:ident) => {
        |a, b| $ty::from_bits64(a).$name($ty::from_bits64(b)).to_bits64()
    };
}

fn binary_number<T: ScalarArithmetic>(op: BinaryOp) -> Option<BinaryFn> {
    Some(match op {
        BinaryOp::Add => on_pair!(T, add),
        BinaryOp::Sub => on_pair!(T, sub),
        BinaryOp::Mul => on_pair!(T, mul),
        BinaryOp::Div => on_pair!(T, div),
        BinaryOp::Rem => on_pair!(T, rem),
        BinaryOp::Min => on_pair!(T, min),
        BinaryOp::Max => on_pair!(T, max),
        _ => return None,
    })
}

fn binary_integer<T: IntegerArithmetic>(op: BinaryOp) -> Option<BinaryFn> {
    Some(match op {
        BinaryOp::And => on_pair!(T, and),
        BinaryOp::Or => on_pair!(T, or),
        BinaryOp::Xor => on_pair!(T, xor),
        BinaryOp::Shl => on_pair!(T, shl),
        BinaryOp::Shr => on_pair!(T, shr),
        _ => return binary_number::<T>(op),
    })
}

fn binary_float<T: FloatArithmetic>(op: BinaryOp) -> Option<BinaryFn> {
    Some(match op {
        BinaryOp::Pow => |a, b| {
            let b = T::from_bits64(b).wide();
            T::from_bits64(a).map(|a| a.powf(b as f32), |a| a.powf(b)).to_bits64()
        },
        BinaryOp::Atan2 => |a, b| {
            let b = T::from_bits64(b).wide();
            T::from_bits64(a).map(|a| a.atan2(b as f32), |a| a.atan2(b)).to_bits64()
        },
        _ => return binary_number::<T>(op),
    })
}

/// Returns the reason why `a op b` is a fault, whatever `a` is.
pub fn fault(op: BinaryOp, scalar: Scalar, b: u64) -> Option<&'static str> {
    match op {
        BinaryOp::Div | BinaryOp::Rem if scalar.is_int() && b == 0 => Some("integer division by zero"),
        // A negative count has its upper bits set, so it is too large as well.
        BinaryOp::Shl | BinaryOp::Shr if b >= 8 * scalar.bytes() as u64 => {
            Some("shift by at least the width of the type")
        }
        _ => None,
    }
}

/// Returns the function of a comparison of values of type `scalar`; it returns 0 or 1.
pub fn compare(op: CompareOp, scalar: Scalar) -> Option<BinaryFn> {
    match scalar {
        Scalar::Bool => compare_number::<u8>(op),
        _ if scalar.is_int() => for_integer!(scalar, compare_number(op)),
        _ => for_float!(scalar, compare_number(op)),
    }
}

fn compare_number<T: ScalarArithmetic>(op: CompareOp) -> Option<BinaryFn> {
    Some(match op {
        CompareOp::Eq => |a, b| (T::from_bits64(a) == T::from_bits64(b)) as u64,
        CompareOp::Ne => |a, b| (T::from_bits64(a) != T::from_bits64(b)) as u64,
        CompareOp::Lt => |a, b| (T::from_bits64(a) < T::from_bits64(b)) as u64,
        CompareOp::Le => |a, b| (T::from_bits64(a) <= T::from_bits64(b)) as u64,
        CompareOp::Gt => |a, b| (T::from_bits64(a) > T::from_bits64(b)) as u64,
        CompareOp::Ge => |a, b| (T::from_bits64(a) >= T::from_bits64(b)) as u64,
    })
}

/// Returns the function of `a * b + c` rounded once.
pub fn fma(scalar: Scalar) -> Option<TernaryFn> {
    fn generic<T: FloatArithmetic>() -> Option<TernaryFn> {
        Some(|a, b, c| T::from_bits64(a).fma(T::from_bits64(b), T::from_bits64(c)).to_bits64())
    }
    for_float!(scalar, generic())
}

/// Converts the bits of a value of type `from` to type `to`, as Rust's `as` does.
pub fn cast(from: Scalar, to: Scalar, bits: u64) -> u64 {
    nearest(to, number(from, bits))
}

/// Returns the number with these bits.
pub fn number(scalar: Scalar, bits: u64) -> Number {
    match scalar {
        Scalar::I8 => Number::Int(bits as i8 as i128),
        Scalar::I16 => Number::Int(bits as i16 as i128),
        Scalar::I32 => Number::Int(bits as i32 as i128),
        Scalar::I64 => Number::Int(bits as i64 as i128),
        _ if scalar.is_float() => Number::Float(to_f64(scalar, bits)),
        _ => Number::Int(bits as i128),
    }
}

/// Returns the exact value of the bits of a floating-point type; integers convert as with `as`.
pub fn to_f64(scalar: Scalar, bits: u64) -> f64 {
    match scalar {
        Scalar::F16 => f16::from_bits(bits as u16).to_f64(),
        Scalar::BF16 => bf16::from_bits(bits as u16).to_f64(),
        Scalar::TF32 | Scalar::F32 => f32::from_bits(bits as u32) as f64,
        Scalar::F64 => f64::from_bits(bits),
        Scalar::E4M3 => E4M3::from_bits(bits as u8).to_f32() as f64,
        Scalar::E5M2 => E5M2::from_bits(bits as u8).to_f32() as f64,
        Scalar::I8 => bits as i8 as f64,
        Scalar::I16 => bits as i16 as f64,
        Scalar::I32 => bits as i32 as f64,
        Scalar::I64 => bits as i64 as f64,
        _ => bits as f64,
    }
}

/// Rounds `value` to a floating-point type and returns its bits; for an integer type, truncates and saturates.
pub fn from_f64(scalar: Scalar, value: f64) -> u64 {
    nearest(scalar, Number::Float(value))
}

/// Returns the bits of a number as a value of a type, see [`Element::from_number`].
pub fn nearest(scalar: Scalar, number: Number) -> u64 {
    fn of<T: Element>(number: Number) -> u64 {
        T::from_number(number).constant().bits
    }
    match scalar {
        Scalar::Bool => of::<bool>(number),
        Scalar::I8 => of::<i8>(number),
        Scalar::I16 => of::<i16>(number),
        Scalar::I32 => of::<i32>(number),
        Scalar::I64 => of::<i64>(number),
        Scalar::U8 => of::<u8>(number),
        Scalar::U16 => of::<u16>(number),
        Scalar::U32 => of::<u32>(number),
        Scalar::U64 => of::<u64>(number),
        Scalar::F16 => of::<f16>(number),
        Scalar::BF16 => of::<bf16>(number),
        Scalar::F32 => of::<f32>(number),
        Scalar::F64 => of::<f64>(number),
        Scalar::TF32 => of::<TF32>(number),
        Scalar::E4M3 => of::<E4M3>(number),
        Scalar::E5M2 => of::<E5M2>(number),
    }
}

/// Returns the value of an operation on scalar constants, or `None` if it has none (an operand is not constant, the
/// operation reads memory or a variable, or it would be a fault). `operands` are the constants in order, `to` is the
/// type of the result.
pub fn fold(op: &Op, to: Scalar, operands: &[Const]) -> Option<Const> {
    let made = |bits| Some(Const { scalar: to, bits });
    match (op, operands) {
        (Op::Const(value), _) => Some(*value),
        (Op::Unary(op, _), [a]) => made(unary(*op, a.scalar)?(a.bits)),
        (Op::Binary(op, ..), [a, b]) => match fault(*op, a.scalar, b.bits) {
            None => made(binary(*op, a.scalar)?(a.bits, b.bits)),
            Some(_) => None,
        },
        (Op::Compare(op, ..), [a, b]) => made(compare(*op, a.scalar)?(a.bits, b.bits)),
        (Op::Select(..), [cond, a, b]) => made(if cond.bits != 0 { a.bits } else { b.bits }),
        (Op::Fma(..), [a, b, c]) => made(fma(a.scalar)?(a.bits, b.bits, c.bits)),
        (Op::Cast(_), [a]) => made(cast(a.scalar, to, a.bits)),
        (Op::Bitcast(_), [a]) => made(a.bits),
        _ => None,
    }
}

/// Returns the smallest and the largest integer of a type.
pub fn int_range(scalar: Scalar) -> (i128, i128) {
    let bits = scalar.bytes() as u32 * 8;
    if scalar.is_signed_int() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_follow_rust() {
        let f = |x: f32| x.to_bits() as u64;
        assert_eq!(cast(Scalar::F32, Scalar::I32, f(f32::NAN)), 0);
        assert_eq!(cast(Scalar::F32, Scalar::U8, f(300.7)), 255);
        assert_eq!(cast(Scalar::F32, Scalar::I8, f(-1.9)), 0xff);
        assert_eq!(cast(Scalar::I8, Scalar::I64, 0xff), u64::MAX);
        assert_eq!(cast(Scalar::I32, Scalar::U8, 0x1ff), 0xff);
        assert_eq!(cast(Scalar::I64, Scalar::F32, u64::MAX), f(-1.0));
        // Above the midpoint of two bf16 by less than f64 can represent.
        assert_eq!(cast(Scalar::I64, Scalar::BF16, (1 << 62) + (1 << 54) + 1), f(2f32.powi(62) + 2f32.powi(55)) >> 16);
        let bits = 1157425104234217473;
        for scalar in [Scalar::I64, Scalar::U64] {
            assert_eq!(cast(scalar, Scalar::BF16, bits), f(2f32.powi(60) + 2f32.powi(53)) >> 16);
            assert_eq!(cast(scalar, Scalar::TF32, (1 << 60) + (1 << 49) + 1), f(2f32.powi(60) + 2f32.powi(50)));
        }
        assert_eq!(cast(Scalar::F32, Scalar::F16, f(65536.0)), 0x7c00);
        assert_eq!(cast(Scalar::F64, Scalar::E4M3, 1e30f64.to_bits()), 0x7e);
    }

    #[test]
    fn every_defined_type_has_its_arithmetic() {
        for scalar in Scalar::ALL {
            assert_eq!(binary(BinaryOp::Add, scalar).is_some(), scalar.has_arithmetic(), "{scalar}");
            assert_eq!(unary(UnaryOp::Exp, scalar).is_some(), scalar.is_float() && scalar.has_arithmetic());
            assert_eq!(binary(BinaryOp::Shl, scalar).is_some(), scalar.is_int());
        }
    }

    #[test]
    fn narrow_integers_wrap() {
        let add = binary(BinaryOp::Add, Scalar::I8).unwrap();
        assert_eq!(add(0x7f, 1), 0x80);
        assert_eq!(compare(CompareOp::Lt, Scalar::I8).unwrap()(0x80, 0), 1);
        assert_eq!(compare(CompareOp::Lt, Scalar::U8).unwrap()(0x80, 0), 0);
        assert!(fault(BinaryOp::Div, Scalar::I8, 0).is_some());
        assert!(fault(BinaryOp::Shl, Scalar::I8, 8).is_some());
        assert!(fault(BinaryOp::Div, Scalar::F32, 0).is_none());
    }
}
