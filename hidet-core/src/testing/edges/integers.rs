//! Operations on integers and `bool`.

use super::operation::{List, operations};
use crate::dsl::Expr;
use crate::dsl::glue::Cmp;
use crate::types::Int;

/// The quotient rounded up, computed in `i128`.
macro_rules! quotient_up {
    ($a:ident / $b:ident as $ty:ty) => {{
        let (a, b) = ($a as i128, $b as i128);
        (-(-a * b.signum()).div_euclid(b.abs())) as $ty
    }};
}

macro_rules! integers {
    ($list:ident; $($ty:ident $word:ident;)*) => {$(
        operations! { $list;
            "add"(a: $ty, b: $ty) -> $ty { a + b } { a.wrapping_add(b) };
            "sub"(a: $ty, b: $ty) -> $ty { a - b } { a.wrapping_sub(b) };
            "mul"(a: $ty, b: $ty) -> $ty { a * b } { a.wrapping_mul(b) };
            "div"(a: $ty, b: $ty) -> $ty { a / b } { a.wrapping_div(b) } if b != 0;
            "rem"(a: $ty, b: $ty) -> $ty { a % b } { a.wrapping_rem(b) } if b != 0;
            "neg"(a: $ty) -> $ty { -a } { a.wrapping_neg() };
            "bitand"(a: $ty, b: $ty) -> $ty { a & b };
            "bitor"(a: $ty, b: $ty) -> $ty { a | b };
            "bitxor"(a: $ty, b: $ty) -> $ty { a ^ b };
            "not"(a: $ty) -> $ty { !a };
            "shl"(a: $ty, b: $ty) -> $ty { a << b } { a.wrapping_shl(b as u32) } if (0..$ty::BITS as i128).contains(&(b as i128));
            "shr"(a: $ty, b: $ty) -> $ty { a >> b } { a.wrapping_shr(b as u32) } if (0..$ty::BITS as i128).contains(&(b as i128));
            "wrapping_add"(a: $ty, b: $ty) -> $ty { a.wrapping_add(b) };
            "wrapping_sub"(a: $ty, b: $ty) -> $ty { a.wrapping_sub(b) };
            "wrapping_mul"(a: $ty, b: $ty) -> $ty { a.wrapping_mul(b) };
            "wrapping_neg"(a: $ty) -> $ty { a.wrapping_neg() };
            "min"(a: $ty, b: $ty) -> $ty { a.min(b) };
            "max"(a: $ty, b: $ty) -> $ty { a.max(b) };
            "clamp"(a: $ty, b: $ty, c: $ty) -> $ty { a.clamp(b, c) } if b <= c;
            "abs"(a: $ty) -> $ty { a.abs() } { (a as i128).unsigned_abs() as $ty };
            "abs_diff"(a: $ty, b: $ty) -> $word { a.abs_diff(b) };
            "rem_euclid"(a: $ty, b: $ty) -> $ty { a.rem_euclid(b) } { a.wrapping_rem_euclid(b) } if b != 0;
            "div_ceil"(a: $ty, b: $ty) -> $ty { a.div_ceil(b) } { quotient_up!(a / b as $ty) } if b != 0;
            "multiple_of"(a: $ty, b: $ty) -> bool { a.multiple_of(b) } { a.wrapping_rem(b) == 0 } if b != 0;
            "rotate_left"(a: $ty, b: u32) -> $ty { a.rotate_left(b) };
            "rotate_right"(a: $ty, b: u32) -> $ty { a.rotate_right(b) };
            "count_ones"(a: $ty) -> u32 { a.count_ones() };
            "leading_zeros"(a: $ty) -> u32 { a.leading_zeros() };
            "trailing_zeros"(a: $ty) -> u32 { a.trailing_zeros() };
            "reverse_bits"(a: $ty) -> $ty { a.reverse_bits() };
            "eq"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).eq() } { a == b };
            "ne"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).ne() } { a != b };
            "lt"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).lt() } { a < b };
            "le"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).le() } { a <= b };
            "gt"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).gt() } { a > b };
            "ge"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).ge() } { a >= b };
            "add_assign"(a: $ty, b: $ty) -> $ty { assigned(a, |v| *v += b) } { a.wrapping_add(b) };
            "sub_assign"(a: $ty, b: $ty) -> $ty { assigned(a, |v| *v -= b) } { a.wrapping_sub(b) };
            "mul_assign"(a: $ty, b: $ty) -> $ty { assigned(a, |v| *v *= b) } { a.wrapping_mul(b) };
            "div_assign"(a: $ty, b: $ty) -> $ty { assigned(a, |v| *v /= b) } { a.wrapping_div(b) } if b != 0;
            "rem_assign"(a: $ty, b: $ty) -> $ty { assigned(a, |v| *v %= b) } { a.wrapping_rem(b) } if b != 0;
        }
    )*};
}

/// Returns the value of a variable with an initial value after a change.
fn assigned<T: Int>(value: Expr<T>, change: impl FnOnce(&mut crate::dsl::Var<T>)) -> Expr<T> {
    let mut var = crate::dsl::Var::new("v", value);
    change(&mut var);
    var.read()
}

pub(super) fn add(list: &mut List) {
    integers! { list; i8 u8; i16 u16; i32 u32; i64 u64; u8 u8; u16 u16; u32 u32; u64 u64; }
    operations! { list;
        "bitand"(a: bool, b: bool) -> bool { a & b };
        "bitor"(a: bool, b: bool) -> bool { a | b };
        "bitxor"(a: bool, b: bool) -> bool { a ^ b };
        "not"(a: bool) -> bool { !a };
        "eq"(a: bool, b: bool) -> bool { Cmp(&a, &b).eq() } { a == b };
        "ne"(a: bool, b: bool) -> bool { Cmp(&a, &b).ne() } { a != b };
        "lt"(a: bool, b: bool) -> bool { Cmp(&a, &b).lt() } { !a & b };
        "le"(a: bool, b: bool) -> bool { Cmp(&a, &b).le() } { a <= b };
        "gt"(a: bool, b: bool) -> bool { Cmp(&a, &b).gt() } { a & !b };
        "ge"(a: bool, b: bool) -> bool { Cmp(&a, &b).ge() } { a >= b };
        "select"(a: bool, b: i8, c: i8) -> i8 { a.select(b, c) } { if a { b } else { c } };
        "select"(a: bool, b: u64, c: u64) -> u64 { a.select(b, c) } { if a { b } else { c } };
        "select"(a: bool, b: bool, c: bool) -> bool { a.select(b, c) } { if a { b } else { c } };
    }
}
