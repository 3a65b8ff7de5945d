//! `x[[i, j]]`: elements of tensors.

use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::index::IndexTuple;
use crate::dsl::view::{Updatable, View, Writable};
use crate::types::Element;

/// `x[[i, j]]`
#[track_caller]
pub fn load<T: Element, const R: usize, A>(view: &View<T, R, A>, index: impl IndexTuple<R>) -> Expr<T> {
    view.read(index)
}

/// `&x[[i, j]]`
#[track_caller]
pub fn address<T: Element, const R: usize, A>(view: &View<T, R, A>, index: impl IndexTuple<R>) -> Address<T> {
    view.address(index)
}

/// `x[[i, j]] = value`
#[track_caller]
pub fn store<T: Element, const R: usize, A: Writable>(
    view: &View<T, R, A>,
    index: impl IndexTuple<R>,
    value: impl IntoExpr<T>,
) {
    view.write(index, value);
}

/// `x[[i, j]] += value`; `change` computes the new value from the old one.
#[track_caller]
pub fn update<T: Element, const R: usize, A: Updatable, V: IntoExpr<T>>(
    view: &View<T, R, A>,
    index: impl IndexTuple<R>,
    change: impl FnOnce(Expr<T>) -> V,
) {
    let old = view.read(index);
    view.write(index, change(old));
}
