//! What plain Rust cannot do with device values: compare them, and name elements of tensors. The language can, in `kernel!`
//! and in functions marked `#[device]`; here is what makes rustc say so.

use super::expr::Expr;
use super::view::View;
use std::cmp::Ordering;

/// What plain Rust could compare a device value with, were there any: nothing.
#[diagnostic::on_unimplemented(
    message = "device values are compared in `kernel!` and in functions marked `#[device]`",
    label = "compares a value of the device in plain Rust",
    note = "write `#[device]` above the function; it makes the control flow, `as` and `x[[i, j]]` in it the language's, too"
)]
pub trait PlainComparison {}

/// Types without values. There are two, so that rustc takes neither for the right side before it knows that.
pub enum Nothing {}
pub enum NoOther {}
#[diagnostic::do_not_recommend]
impl PlainComparison for (Nothing,) {}
#[diagnostic::do_not_recommend]
impl PlainComparison for (NoOther,) {}

// The bound is on a tuple: of one on `U` rustc would say nothing where `U` is `Expr<T>` itself.
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

/// What single brackets could take, were there any: nothing. It makes rustc say how elements are named.
#[diagnostic::on_unimplemented(
    message = "elements of a tensor are indexed with double brackets: `x[[i, j]]`",
    label = "write `[[..]]`"
)]
pub trait DoubleBrackets {}

/// What double brackets could take in plain Rust, were there any: nothing.
#[diagnostic::on_unimplemented(
    message = "`x[[i, j]]` works in `kernel!` and in functions marked `#[device]`",
    label = "names an element in plain Rust",
    note = "write `#[device]` above the function, or `x.read((i, j))` and `x.write((i, j), v)`"
)]
pub trait PlainIndex {}

impl<I: PlainIndex, const R: usize> DoubleBrackets for [I; R] {}

impl<T, const R: usize, A, I: DoubleBrackets> std::ops::Index<I> for View<T, R, A> {
    type Output = ();
    fn index(&self, _: I) -> &() {
        &()
    }
}
