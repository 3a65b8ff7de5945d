//! Operations as C++ expressions.

use super::types;
use crate::ir::{BinaryOp, CompareOp, UnaryOp};
use crate::types::{Scalar, Type};

/// An expression with its precedence.
#[derive(Clone, Debug)]
pub struct CppExpr {
    /// Its text.
    pub text: String,
    /// Its precedence, one of the constants below; larger numbers bind more loosely.
    pub level: u8,
}

/// Precedence of a name, a literal, a call, an element.
pub const ATOM: u8 = 0;
/// Precedence of a cast or a prefix operator.
pub const UNARY: u8 = 1;
const MUL: u8 = 2;
const ADD: u8 = 3;
/// Precedence of shifts and bitwise operators, whose operands get parentheses for readability.
const BITS: u8 = 5;
const COMPARE: u8 = 6;
const LOGIC: u8 = 7;
const TERNARY: u8 = 9;

impl CppExpr {
    /// Returns a name, a literal, a call or an element.
    pub fn atom(text: impl Into<String>) -> CppExpr {
        CppExpr { text: text.into(), level: ATOM }
    }

    /// Returns the text, in parentheses if it binds more loosely than `level`.
    pub fn within(&self, level: u8) -> String {
        if self.level > level { format!("({})", self.text) } else { self.text.clone() }
    }
}

fn infix(a: &CppExpr, operator: &str, b: &CppExpr, level: u8) -> CppExpr {
    let (left, right) = match level {
        MUL | ADD => (level, level - 1),
        COMPARE => (ADD, ADD),
        LOGIC => (COMPARE, COMPARE),
        _ => (UNARY, UNARY),
    };
    CppExpr { text: format!("{} {operator} {}", a.within(left), b.within(right)), level }
}

fn call(name: &str, operands: &[&CppExpr]) -> CppExpr {
    let operands: Vec<&str> = operands.iter().map(|operand| operand.text.as_str()).collect();
    CppExpr::atom(format!("{name}({})", operands.join(", ")))
}

/// Converts a result back to the type, because C++ computes narrower types as `int`.
fn narrowed(scalar: Scalar, expr: CppExpr) -> CppExpr {
    if scalar.is_int() && scalar.bytes() < 4 { cast(scalar, &expr) } else { expr }
}

/// Casts; to 16 bits by a function that is opaque to NVRTC. Otherwise NVRTC computes the narrowed expression in 16
/// bits, and ptxas (13.0) compiles `neg.s16` and `cvt.s32.s16` so that -(-32768) = 32768.
fn cast(to: Scalar, expr: &CppExpr) -> CppExpr {
    if matches!(to, Scalar::I16 | Scalar::U16) {
        return call(&format!("hidet_{to}"), &[expr]);
    }
    CppExpr { text: format!("({}){}", types::scalar(to), expr.within(UNARY)), level: UNARY }
}

/// Returns true for types whose helpers begin with `f16_` or `bf16_`.
fn small(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::F16 | Scalar::BF16)
}

/// Returns the C++ function for `f32` or `f64`: `expf`, `exp`.
fn math(name: &str, scalar: Scalar) -> String {
    if scalar == Scalar::F32 { format!("{name}f") } else { name.to_owned() }
}

/// Returns `f(a, ..)` for floats; half precision is computed in `float`.
fn float_call(name: &str, scalar: Scalar, operands: &[&CppExpr]) -> CppExpr {
    if small(scalar) {
        let wide: Vec<CppExpr> = operands.iter().map(|operand| widened(scalar, operand)).collect();
        let wide: Vec<&CppExpr> = wide.iter().collect();
        return call(&format!("f32_to_{scalar}"), &[&call(&format!("{name}f"), &wide)]);
    }
    call(&math(name, scalar), operands)
}

/// Returns true if C++ computes in this signed type itself, whose overflow is undefined. Narrower types are computed as
/// `int`, which is wide enough.
fn overflows(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::I32 | Scalar::I64)
}

/// Returns a unary operation, or `None` if the type does not have it. `exact`: it is proved not to overflow.
pub fn unary(op: UnaryOp, scalar: Scalar, a: &CppExpr, exact: bool) -> Option<CppExpr> {
    use UnaryOp::*;
    if scalar.is_float() && !scalar.has_arithmetic() {
        return None;
    }
    let name = match op {
        Neg if small(scalar) => return Some(call(&format!("{scalar}_neg"), &[a])),
        Neg if overflows(scalar) && !exact => {
            let zero = if scalar == Scalar::I32 { "0" } else { "0ll" };
            return Some(call("wrapping_sub", &[&CppExpr::atom(zero), a]));
        }
        Neg if scalar != Scalar::Bool => {
            return Some(narrowed(scalar, CppExpr { text: format!("-{}", a.within(ATOM)), level: UNARY }));
        }
        Not if scalar == Scalar::Bool => return Some(CppExpr { text: format!("!{}", a.within(UNARY)), level: UNARY }),
        Not if scalar.is_int() => {
            return Some(narrowed(scalar, CppExpr { text: format!("~{}", a.within(UNARY)), level: UNARY }));
        }
        Abs if small(scalar) => return Some(call(&format!("{scalar}_abs"), &[a])),
        Abs if scalar.is_signed_int() => {
            let wide = if scalar.bytes() < 4 { cast(Scalar::I32, a) } else { a.clone() };
            return Some(narrowed(scalar, call("hidet_abs", &[&wide])));
        }
        Abs if scalar.is_int() => return Some(a.clone()),
        Abs if scalar.is_float() => "fabs",
        _ if !scalar.is_float() => return None,
        IsNan | IsInf | IsFinite => {
            let wide = if small(scalar) { widened(scalar, a) } else { a.clone() };
            let name = [(IsNan, "is_nan"), (IsInf, "is_inf"), (IsFinite, "is_finite")];
            let name = name.into_iter().find(|(each, _)| *each == op)?.1;
            return Some(call(name, &[&wide]));
        }
        Floor => "floor",
        Ceil => "ceil",
        Round => "rint",
        Trunc => "trunc",
        Sqrt => "sqrt",
        Rsqrt => "rsqrt",
        Sin => "sin",
        Cos => "cos",
        Tan => "tan",
        Sinh => "sinh",
        Cosh => "cosh",
        Tanh => "tanh",
        Asin => "asin",
        Acos => "acos",
        Atan => "atan",
        Asinh => "asinh",
        Acosh => "acosh",
        Atanh => "atanh",
        Exp => "exp",
        Exp2 => "exp2",
        Expm1 => "expm1",
        Log => "log",
        Log2 => "log2",
        Log10 => "log10",
        Log1p => "log1p",
        Erf => "erf",
        Neg | Not | Abs => return None,
    };
    Some(float_call(name, scalar, &[a]))
}

/// Returns an operation on two scalars of one type, or `None` if the type does not have it. `exact`: it is proved not
/// to overflow.
pub fn binary(op: BinaryOp, scalar: Scalar, a: &CppExpr, b: &CppExpr, exact: bool) -> Option<CppExpr> {
    use BinaryOp::*;
    if scalar == Scalar::Bool {
        return match op {
            And => Some(infix(a, "&&", b, LOGIC)),
            Or => Some(infix(a, "||", b, LOGIC)),
            Xor => Some(infix(a, "!=", b, COMPARE)),
            _ => None,
        };
    }
    if !scalar.has_arithmetic() {
        return None;
    }
    if small(scalar) {
        return match op {
            Add | Sub | Mul | Div | Min | Max => Some(call(&format!("{scalar}_{}", op.name()), &[a, b])),
            Rem => Some(float_call("fmod", scalar, &[a, b])),
            Pow => Some(float_call("pow", scalar, &[a, b])),
            Atan2 => Some(float_call("atan2", scalar, &[a, b])),
            _ => None,
        };
    }
    let float = scalar.is_float();
    let expr = match op {
        Add | Sub | Mul | Div | Rem if overflows(scalar) && !exact => call(&format!("wrapping_{}", op.name()), &[a, b]),
        // The product of 16-bit unsigned factors would overflow as `int`.
        Mul if scalar == Scalar::U16 => {
            CppExpr { text: format!("1u * {} * {}", a.within(UNARY), b.within(UNARY)), level: MUL }
        }
        Add => infix(a, "+", b, ADD),
        Sub => infix(a, "-", b, ADD),
        Mul => infix(a, "*", b, MUL),
        Div => infix(a, "/", b, MUL),
        Rem if float => float_call("fmod", scalar, &[a, b]),
        Rem => infix(a, "%", b, MUL),
        Min | Max if float => call(&format!("hidet_{}", op.name()), &[a, b]),
        Min | Max => call(op.name(), &[a, b]),
        // In C++ shifts of negative numbers are undefined.
        Shl if scalar.is_signed_int() => call("wrapping_shl", &[a, b]),
        Pow if float => float_call("pow", scalar, &[a, b]),
        Atan2 if float => float_call("atan2", scalar, &[a, b]),
        And | Or | Xor | Shl | Shr if !float => {
            let operator = match op {
                And => "&",
                Or => "|",
                Xor => "^",
                Shl => "<<",
                _ => ">>",
            };
            infix(a, operator, b, BITS)
        }
        _ => return None,
    };
    Some(narrowed(scalar, expr))
}

/// Returns a comparison of two scalars of one type.
pub fn compare(op: CompareOp, scalar: Scalar, a: &CppExpr, b: &CppExpr) -> Option<CppExpr> {
    if scalar.is_float() && !scalar.has_arithmetic() {
        return None;
    }
    let operator = match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    };
    if small(scalar) {
        return Some(infix(&widened(scalar, a), operator, &widened(scalar, b), COMPARE));
    }
    Some(infix(a, operator, b, COMPARE))
}

/// A 32-bit integer as one of 64 bits, by a function that NVRTC does not look into.
pub fn opaque_extension(from: Scalar, to: Scalar, a: &CppExpr) -> CppExpr {
    let wide = if from == Scalar::U32 { Scalar::U64 } else { Scalar::I64 };
    let value = call("hidet_extend", &[a]);
    if to == wide { value } else { cast(to, &value) }
}

/// Returns a comparison by a function that neither NVRTC nor ptxas looks into. Of floats only less and greater are known.
pub fn opaque_compare(op: CompareOp, scalar: Scalar, a: &CppExpr, b: &CppExpr) -> Option<CppExpr> {
    if scalar.is_float() && !matches!(scalar, Scalar::F32 | Scalar::F64) {
        return compare(op, scalar, a, b);
    }
    let not = |expr: CppExpr| CppExpr { text: format!("!{}", expr.text), level: UNARY };
    Some(match op {
        CompareOp::Eq => call("hidet_equal", &[a, b]),
        CompareOp::Ne => not(call("hidet_equal", &[a, b])),
        CompareOp::Lt => call("hidet_less", &[a, b]),
        CompareOp::Gt => call("hidet_less", &[b, a]),
        CompareOp::Le => not(call("hidet_less", &[b, a])),
        CompareOp::Ge => not(call("hidet_less", &[a, b])),
    })
}

/// Returns the same number, or vector of them, by a function that neither NVRTC nor ptxas looks into.
pub fn hidden(a: &CppExpr) -> CppExpr {
    call("hidet_hide", &[a])
}

/// Returns `cond ? then : otherwise`.
pub fn select(cond: &CppExpr, then: &CppExpr, otherwise: &CppExpr) -> CppExpr {
    let text = format!("{} ? {} : {}", cond.within(COMPARE), then.within(COMPARE), otherwise.within(COMPARE));
    CppExpr { text, level: TERNARY }
}

/// Returns `a * b + c`, rounded once.
pub fn fma(scalar: Scalar, a: &CppExpr, b: &CppExpr, c: &CppExpr) -> Option<CppExpr> {
    match scalar {
        Scalar::F32 => Some(call("fmaf", &[a, b, c])),
        Scalar::F64 => Some(call("fma", &[a, b, c])),
        Scalar::F16 | Scalar::BF16 => Some(call(&format!("{scalar}_fma"), &[a, b, c])),
        _ => None,
    }
}

/// Converts a float that is a struct exactly to `float`.
fn widened(scalar: Scalar, a: &CppExpr) -> CppExpr {
    call(&format!("{scalar}_to_f32"), &[a])
}

/// Converts a scalar as Rust's `as` does.
pub fn convert(from: Scalar, to: Scalar, a: &CppExpr) -> CppExpr {
    use Scalar::*;
    if from == to {
        return a.clone();
    }
    if types::is_struct(from) {
        return convert(F32, to, &widened(from, a));
    }
    let by_name = |from: Scalar, a: &CppExpr| call(&format!("{from}_to_{to}"), &[a]);
    match (from, to) {
        (from, Bool) => infix(a, "!=", &CppExpr::atom(if from == F32 { "0.0f" } else { "0" }), COMPARE),
        // ptxas (13.0) forgets `cvt.rn.f32.u32` of `selp.u32 %r, 1, 0, %p` in some kernels with a division between the two.
        (Bool, F32 | F64) => {
            let number = |text: &str| CppExpr::atom(if to == F32 { format!("{text}f") } else { text.to_owned() });
            select(a, &number("1.0"), &number("0.0"))
        }
        // ptxas (13.0) combines a sign extension and an unsigned conversion into a signed conversion.
        (I8 | I16, I32) => call("hidet_extend", &[a]),
        (I8 | I16, U32 | I64 | U64) => cast(to, &call("hidet_extend", &[a])),
        // The compiler would fold signalling NaNs to infinity.
        (F64, F32) => by_name(F64, a),
        // Floats to integers truncate and saturate.
        (F32 | F64, to) if to.is_int() => by_name(from, a),
        (_, to) if !types::is_struct(to) => cast(to, a),
        (F32, _) | (F64, F16) | (Bool, F16 | BF16) => by_name(from, a),
        // 8-bit and 16-bit integers are exact in `float`; others use round-to-odd in between, so that they round once.
        (from, _) if from.bytes() < 4 => by_name(F32, &convert(from, F32, a)),
        _ => by_name(F32, &call("hidet_odd_f32", &[a])),
    }
}

/// Rounds an `f32` to `bf16`, and converts it back.
pub fn rounded_to_bf16(a: &CppExpr) -> CppExpr {
    call("f32_rounded_to_bf16", &[a])
}

/// Converts a lane of a vector of `bf16` to `f32`.
pub fn widened_lane(vector: &CppExpr, lane: u8) -> CppExpr {
    CppExpr::atom(format!("bf16_lane_to_f32<{lane}>({})", vector.text))
}

/// Converts an integer that is 0 or 1, maybe from a `bool`, to a float as the `bool` that it is; see [`convert`].
pub fn convert_bit(from: Scalar, to: Scalar, a: &CppExpr) -> CppExpr {
    convert(Scalar::Bool, to, &convert(from, Scalar::Bool, a))
}

/// Returns a vector of these scalars.
pub fn vector(ty: Type, lanes: &[CppExpr]) -> CppExpr {
    let lanes: Vec<&str> = lanes.iter().map(|lane| lane.text.as_str()).collect();
    CppExpr::atom(format!("{}{{{{{}}}}}", types::name(ty), lanes.join(", ")))
}
