//! Arithmetic on bits.

use super::{Word32, intrinsic};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::types::Int;

/// Four of the eight bytes of `high` and `low`: a nibble of the selector (the lowest one for the lowest byte) is the
/// number of a byte, 0 to 3 of `low` and 4 to 7 of `high`; 8 more repeats the byte's sign instead.
#[track_caller]
pub fn byte_permute(low: impl IntoExpr<u32>, high: impl IntoExpr<u32>, selector: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("prmt").value::<u32>(low).value::<u32>(high).value::<u32>(selector).give()
}

/// Any function of three words, bit by bit. Its table is what the function makes of `0xf0`, `0xcc` and `0xaa`: the parity
/// is `logic::<{ 0xf0 ^ 0xcc ^ 0xaa }>(a, b, c)`.
#[track_caller]
pub fn logic<const TABLE: u8>(a: impl IntoExpr<u32>, b: impl IntoExpr<u32>, c: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("lop3").value::<u32>(a).value::<u32>(b).value::<u32>(c).imm(TABLE.into()).give()
}

/// The upper word of `high` and `low` shifted to the left, modulo 32: with one word twice, its rotation.
#[track_caller]
pub fn funnel_left(high: impl IntoExpr<u32>, low: impl IntoExpr<u32>, by: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("shf.left").value::<u32>(low).value::<u32>(high).value::<u32>(by).give()
}

/// The lower word of `high` and `low` shifted to the right, modulo 32.
#[track_caller]
pub fn funnel_right(high: impl IntoExpr<u32>, low: impl IntoExpr<u32>, by: impl IntoExpr<u32>) -> Expr<u32> {
    intrinsic("shf.right").value::<u32>(low).value::<u32>(high).value::<u32>(by).give()
}

/// `word` with `length` bits from bit `from` on replaced by the lowest of `field`.
#[track_caller]
pub fn insert_bits(
    field: impl IntoExpr<u32>,
    word: impl IntoExpr<u32>,
    from: impl IntoExpr<u32>,
    length: impl IntoExpr<u32>,
) -> Expr<u32> {
    intrinsic("bfi").value::<u32>(field).value::<u32>(word).value::<u32>(from).value::<u32>(length).give()
}

/// `sum` and the products of the four bytes of `a` and `b`: signed ones in `i32`, else in `u32`.
#[track_caller]
pub fn dot4<T: Word32>(a: Expr<T>, b: Expr<T>, sum: impl IntoExpr<T>) -> Expr<T> {
    intrinsic("dp4a").value::<T>(a).value::<T>(b).value::<T>(sum).give()
}

impl<T: Int> Expr<T> {
    /// How many bits are set.
    #[track_caller]
    pub fn count_ones(self) -> Expr<u32> {
        match missing::<T>() {
            0 => intrinsic("popc").value::<T>(self).give(),
            _ => intrinsic("popc").value::<u32>(widened(self)).give(),
        }
    }

    /// How many bits are above the highest one set.
    #[track_caller]
    pub fn leading_zeros(self) -> Expr<u32> {
        match missing::<T>() {
            0 => intrinsic("clz").value::<T>(self).give(),
            more => intrinsic("clz").value::<u32>(widened(self)).give::<u32>() - more,
        }
    }

    /// The bits in the opposite order.
    #[track_caller]
    pub fn reverse_bits(self) -> Expr<T> {
        match missing::<T>() {
            0 => intrinsic("brev").value::<T>(self).give(),
            more => (intrinsic("brev").value::<u32>(widened(self)).give::<u32>() >> more).to(),
        }
    }
}

/// How many bits a type lacks of 32.
fn missing<T: Int>() -> u32 {
    32u32.saturating_sub(8 * T::SCALAR.bytes() as u32)
}

/// The bits of a smaller integer with zeros above.
#[track_caller]
fn widened<T: Int>(value: Expr<T>) -> Expr<u32> {
    if T::SCALAR.bytes() == 1 { value.to::<u8>().to() } else { value.to::<u16>().to() }
}

impl<T: Word32> Expr<T> {
    /// `length` bits from bit `from` on, extended by the sign or by zeros.
    #[track_caller]
    pub fn bit_field(self, from: impl IntoExpr<u32>, length: impl IntoExpr<u32>) -> Expr<T> {
        intrinsic("bfe").value::<T>(self).value::<u32>(from).value::<u32>(length).give()
    }
}
