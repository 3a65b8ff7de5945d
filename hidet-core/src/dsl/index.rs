//! Indices of tensors: tuples with one `i32` per dimension.

use super::builder::with;
use super::expr::{Expr, IntoExpr};
use crate::ir::{DimId, Handle};
use hidet_mapping::{Arith, IndexExpr};

/// A coordinate: an `i32` of the device or the host.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an index: an index is an `i32`",
    label = "not an `i32`",
    note = "convert it with `as i32`"
)]
pub trait IndexValue: Copy {
    /// Returns the coordinate as a device value.
    fn coordinate(self) -> Expr<i32>;
}

#[diagnostic::do_not_recommend]
impl IndexValue for Expr<i32> {
    fn coordinate(self) -> Expr<i32> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl IndexValue for i32 {
    #[track_caller]
    fn coordinate(self) -> Expr<i32> {
        self.into_expr()
    }
}

/// An index of a tensor with `R` axes.
#[diagnostic::on_unimplemented(
    message = "this tensor has {R} axes, but the index is `{Self}`",
    label = "{R} coordinates are needed",
    note = "write one `i32` for each dimension: `x[[i, j]]`, or the tuple `(i, j)` in methods; one coordinate is `(i,)`"
)]
pub trait IndexTuple<const R: usize>: Copy {
    /// Returns the coordinates as device values.
    fn coordinates(self) -> [Expr<i32>; R];
}

macro_rules! tuple {
    ($($rank:literal: $($name:ident)*;)*) => {$(
        #[allow(non_snake_case)]
        impl<$($name: IndexValue),*> IndexTuple<$rank> for ($($name,)*) {
            #[track_caller]
            fn coordinates(self) -> [Expr<i32>; $rank] {
                let ($($name,)*) = self;
                [$($name.coordinate()),*]
            }
        }
    )*};
}
tuple! { 1: A; 2: A B; 3: A B C; 4: A B C D; 5: A B C D E; 6: A B C D E F; }

impl<I: IndexValue, const R: usize> IndexTuple<R> for [I; R] {
    #[track_caller]
    fn coordinates(self) -> [Expr<i32>; R] {
        self.map(IndexValue::coordinate)
    }
}

/// Index formulas as device operations: [`Arith`] over handles.
pub(crate) struct DeviceArith;

impl Arith for DeviceArith {
    type Int = Expr<i32>;

    #[track_caller]
    fn constant(&mut self, value: i64) -> Expr<i32> {
        (value as i32).into_expr()
    }
    #[track_caller]
    fn symbol(&mut self, symbol: u32) -> Expr<i32> {
        let at = std::panic::Location::caller();
        with(|builder| {
            let value = builder.emit(crate::ir::Op::Dim(DimId::new(symbol as usize)), crate::types::Scalar::I32, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }
    #[track_caller]
    fn add(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a + *b
    }
    #[track_caller]
    fn sub(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a - *b
    }
    #[track_caller]
    fn mul(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a * *b
    }
    #[track_caller]
    fn div(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a / *b
    }
    #[track_caller]
    fn rem(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a % *b
    }
    #[track_caller]
    fn xor(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a ^ *b
    }
    #[track_caller]
    fn and(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        *a & *b
    }
    #[track_caller]
    fn min(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        Expr::min(*a, *b)
    }
    #[track_caller]
    fn max(&mut self, a: &Expr<i32>, b: &Expr<i32>) -> Expr<i32> {
        Expr::max(*a, *b)
    }
}

/// Emits a formula over the extents.
#[track_caller]
pub(crate) fn compute(formula: &IndexExpr) -> Expr<i32> {
    let known = with(|builder| builder.known(formula));
    known.as_ref().unwrap_or(formula).emit(&mut DeviceArith)
}
