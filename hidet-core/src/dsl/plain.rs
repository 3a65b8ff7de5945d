//! Operations that plain Rust cannot do with device values: comparing them, and indexing tensors. They work in
//! `kernel!` and in functions marked `#[device]`; the traits here make rustc report that.

use super::expr::Expr;
use super::view::View;
use std::cmp::Ordering;
use std::convert::Infallible;

/// A type that plain Rust can compare a device value with: there is none.
#[diagnostic::on_unimplemented(
    message = "device values can be compared only in `kernel!` and in functions marked `#[device]`",
    label = "compares a device value in plain Rust",
    note = "write `#[device]` above the function; control flow, `as` and `x[[i, j]]` in it then have the kernel language's meaning"
)]
pub trait PlainComparison {}

/// Uninhabited types. There are two, so that rustc does not infer one of them as the right operand.
pub enum Nothing {}
pub enum NoOther {}
#[diagnostic::do_not_recommend]
impl PlainComparison for (Nothing,) {}
#[diagnostic::do_not_recommend]
impl PlainComparison for (NoOther,) {}

// The bound is on a tuple: rustc would not report a bound on `U` if `U` is `Expr<T>` itself.
impl<T, U> PartialEq<U> for Expr<T>
where
    (U,): PlainComparison,
{
    fn eq(&self, _: &U) -> bool {
        false
    }
}
impl<T, U> PartialOrd<U> for Expr<T>
where
    (U,): PlainComparison,
{
    fn partial_cmp(&self, _: &U) -> Option<Ordering> {
        None
    }
}

/// A type that single brackets accept: there is none. Makes rustc report the syntax of indexing.
#[diagnostic::on_unimplemented(
    message = "elements of a tensor are indexed with double brackets: `x[[i, j]]`",
    label = "write `[[..]]`"
)]
pub trait DoubleBrackets {
    /// Proof that the indexing is never evaluated.
    const NEVER: Infallible;
}

/// A type that double brackets accept in plain Rust: there is none.
#[diagnostic::on_unimplemented(
    message = "`x[[i, j]]` works in `kernel!` and in functions marked `#[device]`",
    label = "names an element in plain Rust",
    note = "write `#[device]` above the function, or `x.read((i, j))` and `x.write((i, j), v)`"
)]
pub trait PlainIndex {
    /// Proof that the indexing is never evaluated.
    const NEVER: Infallible;
}

impl<I: PlainIndex, const R: usize> DoubleBrackets for [I; R] {
    const NEVER: Infallible = I::NEVER;
}

impl<T, const R: usize, A, I: DoubleBrackets> std::ops::Index<I> for View<T, R, A> {
    type Output = Expr<T>;
    fn index(&self, _: I) -> &Expr<T> {
        match I::NEVER {}
    }
}
