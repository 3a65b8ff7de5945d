//! Comparisons, for which Rust's own operators cannot return device values.

use crate::dsl::expr::{Expr, IntoExpr, compare};
use crate::ir::CompareOp;
use crate::types::{Comparable, bf16, f16};

/// The two sides of a comparison.
pub struct Cmp<A, B>(pub A, pub B);

/// The left operand of `==` and `!=` while building, or beside a device value.
#[diagnostic::on_unimplemented(
    message = "can't compare `{Self}` with `{B}`",
    label = "the sides have different types",
    note = "convert one of them with `as`"
)]
pub trait EqualTo<B> {
    /// The result: `bool` while building.
    type Output;
    /// Compares.
    fn equal(&self, other: &B, op: CompareOp) -> Self::Output;
}

/// The left operand of `<` and similar operators while building, or beside a device value.
#[diagnostic::on_unimplemented(
    message = "can't compare `{Self}` with `{B}`",
    label = "the sides have different types",
    note = "convert one of them with `as`"
)]
pub trait OrderedWith<B> {
    /// The result: `bool` while building.
    type Output;
    /// Compares.
    fn order(&self, other: &B, op: CompareOp) -> Self::Output;
}

#[diagnostic::do_not_recommend]
impl<A: PartialEq<B>, B> EqualTo<B> for A {
    type Output = bool;
    fn equal(&self, other: &B, op: CompareOp) -> bool {
        (self == other) == (op == CompareOp::Eq)
    }
}

#[diagnostic::do_not_recommend]
impl<A: PartialOrd<B>, B> OrderedWith<B> for A {
    type Output = bool;
    fn order(&self, other: &B, op: CompareOp) -> bool {
        match op {
            CompareOp::Lt => self < other,
            CompareOp::Le => self <= other,
            CompareOp::Gt => self > other,
            _ => self >= other,
        }
    }
}

macro_rules! host_left {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl EqualTo<Expr<$ty>> for $ty {
            type Output = Expr<bool>;
            #[track_caller]
            fn equal(&self, other: &Expr<$ty>, op: CompareOp) -> Expr<bool> {
                compare(op, (*self).into_expr(), *other)
            }
        }
        #[diagnostic::do_not_recommend]
        impl OrderedWith<Expr<$ty>> for $ty {
            type Output = Expr<bool>;
            #[track_caller]
            fn order(&self, other: &Expr<$ty>, op: CompareOp) -> Expr<bool> {
                compare(op, (*self).into_expr(), *other)
            }
        }
    )*};
}
host_left! { i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 bool }

macro_rules! comparisons {
    ($($method:ident $op:ident $host:ident $call:ident;)*) => {
        #[doc(hidden)]
        impl<T: Comparable, B: IntoExpr<T> + Copy> Cmp<&Expr<T>, &B> {$(
            #[track_caller]
            pub fn $method(self) -> Expr<bool> {
                compare(CompareOp::$op, *self.0, (*self.1).into_expr())
            }
        )*}

        /// The same comparisons if the left operand is a meta value.
        #[doc(hidden)]
        pub trait CmpMeta {
            type A;
            type B;
            fn left(&self) -> &Self::A;
            fn right(&self) -> &Self::B;
            $(
                #[track_caller]
                fn $method(&self) -> <Self::A as $host<Self::B>>::Output where Self::A: $host<Self::B> {
                    $host::$call(self.left(), self.right(), CompareOp::$op)
                }
            )*
        }
        #[doc(hidden)]
        impl<A, B> CmpMeta for Cmp<&A, &B> {
            type A = A;
            type B = B;
            fn left(&self) -> &A {
                self.0
            }
            fn right(&self) -> &B {
                self.1
            }
        }
    };
}
comparisons! {
    eq Eq EqualTo equal;
    ne Ne EqualTo equal;
    lt Lt OrderedWith order;
    le Le OrderedWith order;
    gt Gt OrderedWith order;
    ge Ge OrderedWith order;
}
