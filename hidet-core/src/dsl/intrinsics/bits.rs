//! Bit operations.

use super::{Word32, intrinsic};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::types::Int;

/// Returns four of the eight bytes of `high` and `low`: each nibble of the selector (the lowest one for the lowest
/// byte) is the index of a byte, 0 to 3 in `low` and 4 to 7 in `high`; adding 8 replicates the byte's sign instead (PTX
/// `prmt`).
#[track_caller]
pub fn byte_permute(low: impl IntoExpr<u32>, high: impl IntoExpr<u32>, selector: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("prmt").value::<u32>(low).value::<u32>(high).value::<u32>(selector).give()
}

/// Returns a bitwise function of three words (PTX `lop3`). Its truth table is the value of the function for `0xf0`,
/// `0xcc` and `0xaa`: the parity is `logic::<{ 0xf0 ^ 0xcc ^ 0xaa }>(a, b, c)`.
#[track_caller]
pub fn logic<const TABLE: u8>(a: impl IntoExpr<u32>, b: impl IntoExpr<u32>, c: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("lop3").value::<u32>(a).value::<u32>(b).value::<u32>(c).imm(TABLE.into()).give()
}

/// Returns the upper word of `high` and `low` shifted left by the amount `by` modulo 32 (CUDA `__funnelshift_l`): a
/// rotation if both words are equal.
#[track_caller]
pub fn funnel_left(high: impl IntoExpr<u32>, low: impl IntoExpr<u32>, by: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("shf.left").value::<u32>(low).value::<u32>(high).value::<u32>(by).give()
}

/// Returns the lower word of `high` and `low` shifted right by the amount `by` modulo 32 (CUDA `__funnelshift_r`).
#[track_caller]
pub fn funnel_right(high: impl IntoExpr<u32>, low: impl IntoExpr<u32>, by: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("shf.right").value::<u32>(low).value::<u32>(high).value::<u32>(by).give()
}

/// Returns `word` with the `length` bits starting at bit `from` replaced by the low bits of `field`
/// (PTX `bfi`).
#[track_caller]
pub fn insert_bits(
    field: impl IntoExpr<u32>,
    word: impl IntoExpr<u32>,
    from: impl IntoExpr<u32>,
    length: impl IntoExpr<u32>,
) -> Expr<u32> {
    intrinsic("bfi").value::<u32>(field).value::<u32>(word).value::<u32>(from).value::<u32>(length).give()
}

/// Returns `sum` plus the dot product of the four bytes of `a` and `b`: signed bytes for `i32`, unsigned for `u32`.
#[track_caller]
pub fn dot4<T: Word32>(a: Expr<T>, b: Expr<T>, sum: impl IntoExpr<T>) -> Expr<T> {
    intrinsic("dp4a").value::<T>(a).value::<T>(b).value::<T>(sum).give()
}

impl<T: Int> Expr<T> {
    /// Returns the number of set bits.
    #[track_caller]
    pub fn count_ones(self) -> Expr<u32> {
        match missing::<T>() {
            0 => intrinsic("popc").value::<T>(self).give(),
            _ => intrinsic("popc").value::<u32>(widened(self)).give(),
        }
    }

    /// Returns the number of leading zeros.
    #[track_caller]
    pub fn leading_zeros(self) -> Expr<u32> {
        match missing::<T>() {
            0 => intrinsic("clz").value::<T>(self).give(),
            more => intrinsic("clz").value::<u32>(widened(self)).give::<u32>() - more,
        }
    }

    /// Returns the bits in reverse order.
    #[track_caller]
    pub fn reverse_bits(self) -> Expr<T> {
        match missing::<T>() {
            0 => intrinsic("brev").value::<T>(self).give(),
            more => (intrinsic("brev").value::<u32>(widened(self)).give::<u32>() >> more).to(),
        }
    }
}

/// Returns the number of bits that a type has less than 32.
fn missing<T: Int>() -> u32 {
    32u32.saturating_sub(8 * T::SCALAR.bytes() as u32)
}

/// Zero-extends a smaller integer.
#[track_caller]
fn widened<T: Int>(value: Expr<T>) -> Expr<u32> {
    if T::SCALAR.bytes() == 1 { value.to::<u8>().to() } else { value.to::<u16>().to() }
}

impl<T: Word32> Expr<T> {
    /// Returns the `length` bits starting at bit `from`, sign- or zero-extended depending on the type.
    #[track_caller]
    pub fn bit_field(self, from: impl IntoExpr<u32>, length: impl IntoExpr<u32>) -> Expr<T> {
        intrinsic("bfe").value::<T>(self).value::<u32>(from).value::<u32>(length).give()
    }
}
