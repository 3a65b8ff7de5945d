//! Operators with a number without a type suffix as one operand, casts and names.

use crate::dsl::expr::{Expr, binary, cast, compare};
use crate::dsl::literal::{CastTarget, HostNumber, LiteralOf, ShiftLiteralOf};
use crate::dsl::{DeviceType, View};
use crate::ir::{BinaryOp, CompareOp};
use crate::types::{Comparable, Element};
use std::ops;

/// An operand beside an operator.
pub struct OpValue<V>(pub V);

macro_rules! operators {
    ($($method:ident $reversed:ident $op:ident $trait:ident $literal:ident;)*) => {
        #[doc(hidden)]
        impl<T: DeviceType> OpValue<Expr<T>> {$(
            #[track_caller]
            pub fn $method<L: $literal<T>>(self, literal: L) -> Expr<T> {
                binary(BinaryOp::$op, self.0, literal.literal())
            }
            #[track_caller]
            pub fn $reversed<L: $literal<T>>(self, literal: L) -> Expr<T> {
                binary(BinaryOp::$op, literal.literal(), self.0)
            }
        )*}

        /// The same operators for meta values.
        #[doc(hidden)]
        pub trait OpMeta: Sized {
            type Host;
            fn host(self) -> Self::Host;
            $(
                fn $method<R>(self, literal: R) -> <Self::Host as ops::$trait<R>>::Output
                where
                    Self::Host: ops::$trait<R>,
                {
                    ops::$trait::$method(self.host(), literal)
                }
                fn $reversed<L>(self, literal: L) -> <L as ops::$trait<Self::Host>>::Output
                where
                    L: ops::$trait<Self::Host>,
                {
                    ops::$trait::$method(literal, self.host())
                }
            )*
            fn eq<R>(self, literal: R) -> bool where Self::Host: PartialEq<R> {
                self.host() == literal
            }
            fn ne<R>(self, literal: R) -> bool where Self::Host: PartialEq<R> {
                self.host() != literal
            }
            fn lt<R>(self, literal: R) -> bool where Self::Host: PartialOrd<R> {
                self.host() < literal
            }
            fn le<R>(self, literal: R) -> bool where Self::Host: PartialOrd<R> {
                self.host() <= literal
            }
            fn gt<R>(self, literal: R) -> bool where Self::Host: PartialOrd<R> {
                self.host() > literal
            }
            fn ge<R>(self, literal: R) -> bool where Self::Host: PartialOrd<R> {
                self.host() >= literal
            }
            /// `as`, for host numbers.
            fn cast<U: CastTarget>(self) -> U where Self::Host: HostNumber {
                U::cast_number(self.host().host_number())
            }
        }

        #[doc(hidden)]
        impl<V> OpMeta for OpValue<V> {
            type Host = V;
            fn host(self) -> V {
                self.0
            }
        }
    };
}
operators! {
    add rev_add Add Add LiteralOf;
    sub rev_sub Sub Sub LiteralOf;
    mul rev_mul Mul Mul LiteralOf;
    div rev_div Div Div LiteralOf;
    rem rev_rem Rem Rem LiteralOf;
    bitand rev_bitand And BitAnd LiteralOf;
    bitor rev_bitor Or BitOr LiteralOf;
    bitxor rev_bitxor Xor BitXor LiteralOf;
    shl rev_shl Shl Shl ShiftLiteralOf;
    shr rev_shr Shr Shr ShiftLiteralOf;
}

// A host number whose type rustc has not inferred yet is an `i32` or `f32`, as everywhere in the language. Otherwise
// the result of `n * 2` would have no type either, and `n * 2 + 1` could not be resolved.
macro_rules! plain {
    ($ty:ty: $($method:ident $reversed:ident $op:tt;)*) => {
        #[doc(hidden)]
        impl OpValue<$ty> {
            $(
                #[allow(clippy::should_implement_trait)]
                pub fn $method(self, literal: $ty) -> $ty {
                    self.0 $op literal
                }
                pub fn $reversed(self, literal: $ty) -> $ty {
                    literal $op self.0
                }
            )*
        }
    };
}
plain! { i32:
    add rev_add +; sub rev_sub -; mul rev_mul *; div rev_div /; rem rev_rem %;
    bitand rev_bitand &; bitor rev_bitor |; bitxor rev_bitxor ^; shl rev_shl <<; shr rev_shr >>;
}
plain! { f32: add rev_add +; sub rev_sub -; mul rev_mul *; div rev_div /; rem rev_rem %; }

macro_rules! comparisons {
    ($($method:ident $op:ident;)*) => {
        #[doc(hidden)]
        impl<T: Comparable> OpValue<Expr<T>> {$(
            #[track_caller]
            pub fn $method<L: LiteralOf<T>>(self, literal: L) -> Expr<bool> {
                compare(CompareOp::$op, self.0, literal.literal())
            }
        )*}
    };
}
comparisons! { eq Eq; ne Ne; lt Lt; le Le; gt Gt; ge Ge; }

#[doc(hidden)]
impl<T: DeviceType> OpValue<Expr<T>> {
    /// `as`, for device values.
    #[track_caller]
    pub fn cast<U: Element>(self) -> Expr<U>
    where
        T: Element,
    {
        cast(self.0)
    }
}

/// A value that determines the type of a literal beside it in an array.
pub struct Like<'a, V>(pub &'a V);

#[doc(hidden)]
impl<T: DeviceType> Like<'_, Expr<T>> {
    #[track_caller]
    pub fn literal<L: LiteralOf<T>>(self, literal: L) -> Expr<T> {
        literal.literal()
    }
}

/// The same beside a meta value; rustc infers the type of the literal itself.
#[doc(hidden)]
pub trait LikeMeta: Sized {
    fn literal<L>(self, literal: L) -> L {
        literal
    }
}
#[doc(hidden)]
impl<V> LikeMeta for Like<'_, V> {}

/// A value that is named after its binding.
pub struct Named<V>(pub V);

#[doc(hidden)]
impl<T: DeviceType> Named<Expr<T>> {
    pub fn named(self, name: &str) -> Expr<T> {
        self.0.set_name(name);
        self.0
    }
}

/// The same for meta values, which need no name.
#[doc(hidden)]
pub trait NamedMeta: Sized {
    type Host;
    fn host(self) -> Self::Host;
    fn named(self, _: &str) -> Self::Host {
        self.host()
    }
}
#[doc(hidden)]
impl<V> NamedMeta for Named<V> {
    type Host = V;
    fn host(self) -> V {
        self.0
    }
}

/// Names memory after its binding.
#[doc(hidden)]
pub fn memory<T: Element, const R: usize>(name: &str, view: View<T, R>) -> View<T, R> {
    view.set_name(name);
    view
}
