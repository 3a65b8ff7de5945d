//! `x[[i, j]]`: elements of tensors.

use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::index::IndexTuple;
use crate::dsl::view::{Address, View, Writable};
use crate::types::Element;

/// What `[[..]]` can index.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be indexed with `[[..]]`",
    label = "not a tensor",
    note = "`x[[i, j]]` is an element of a tensor; an array of the host is indexed with `x[i]`"
)]
pub trait Indexed<I> {
    /// The type of its elements.
    type Elem: Element;
    /// Reads an element.
    fn load(&self, index: I) -> Expr<Self::Elem>;
    /// The address of an element.
    fn address(&self, index: I) -> Address<Self::Elem>;
}

impl<T: Element, const R: usize, A, I: IndexTuple<R>> Indexed<I> for View<T, R, A> {
    type Elem = T;
    #[track_caller]
    fn load(&self, index: I) -> Expr<T> {
        self.read(index)
    }
    #[track_caller]
    fn address(&self, index: I) -> Address<T> {
        View::address(self, index)
    }
}

/// What `[[..]] =` can change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be indexed with `[[..]]`",
    label = "not a tensor",
    note = "`x[[i, j]] = v` writes an element of a tensor; an array of the host is indexed with `x[i]`"
)]
pub trait IndexedMut<I>: Indexed<I> {
    /// Writes an element.
    fn store(&self, index: I, value: Expr<Self::Elem>);
}

impl<T: Element, const R: usize, A: Writable, I: IndexTuple<R>> IndexedMut<I> for View<T, R, A> {
    #[track_caller]
    fn store(&self, index: I, value: Expr<T>) {
        self.write(index, value);
    }
}

/// `x[[i, j]]`
#[track_caller]
pub fn load<V: Indexed<I>, I>(view: &V, index: I) -> Expr<V::Elem> {
    view.load(index)
}

/// `&x[[i, j]]`
#[track_caller]
pub fn address<V: Indexed<I>, I>(view: &V, index: I) -> Address<V::Elem> {
    view.address(index)
}

/// `x[[i, j]] = value`
#[track_caller]
pub fn store<V: IndexedMut<I>, I>(view: &V, index: I, value: impl IntoExpr<V::Elem>) {
    view.store(index, value.into_expr());
}

/// `x[[i, j]] += value`; `change` computes the new value from the old one.
#[track_caller]
pub fn update<V, I, R>(view: &V, index: I, change: impl FnOnce(Expr<V::Elem>) -> R)
where
    V: IndexedMut<I>,
    I: Copy,
    R: IntoExpr<V::Elem>,
{
    let old = view.load(index);
    view.store(index, change(old).into_expr());
}
