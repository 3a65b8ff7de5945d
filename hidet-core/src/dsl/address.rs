//! Addresses of elements, for intrinsics.

use super::access::{Base, ViewData, problem};
use super::buffer::{self, align};
use super::builder::{Builder, Caller};
use super::expr::{Expr, IntoExpr, compare};
use crate::ir::{Arg, BufferId, CompareOp, Scope};
use crate::types::{Element, Scalar, Type};
use std::marker::PhantomData;

/// The address of an element, for intrinsics.
#[derive(Clone, Debug)]
pub struct Address<T> {
    pub(in crate::dsl) place: Option<(BufferId, Vec<Expr<i32>>)>,
    /// The rank of the block of the cluster in whose shared memory it lies, if that may be another block.
    pub(super) rank: Option<Expr<i32>>,
    pub(super) of: PhantomData<fn() -> T>,
    /// True if the last two axes of a matrix are exchanged.
    pub(super) transposed: bool,
}

impl ViewData {
    /// Returns the address in memory of the element at an index, and the number of elements from there on, at most `lanes`,
    /// that are inside of this view and of those below. The memory is read nowhere else.
    #[track_caller]
    pub(super) fn address_inside<T>(
        &self,
        index: &[Expr<i32>],
        lanes: i32,
        at: Caller,
    ) -> Option<(Address<T>, Expr<i32>)> {
        let place = self.place(index);
        let inside = self.count_inside(&place, lanes);
        match &self.base {
            Base::Memory(buffer) if self.last_axis_is_contiguous() => {
                let place = Some((*buffer, place));
                Some((Address { place, rank: None, of: PhantomData, transposed: false }, inside))
            }
            Base::Remapped { view, run, .. } if self.last_axis_is_contiguous() && run % lanes.max(1) as u32 == 0 => {
                let (address, below) = view.address_inside(&self.mapped(&place, at), lanes, at)?;
                Some((address, inside.min(below)))
            }
            Base::Remapped { run, .. } => {
                problem(
                    &format!("elements of this remapped tensor are contiguous in runs of {run}, not of {lanes}"),
                    at,
                );
                None
            }
            _ => {
                problem("this tensor is computed, so its elements have no address; ask `is_memory()` first", at);
                None
            }
        }
    }

    /// Returns the number of elements from a place in the base on, at most `lanes`, that are inside of its extents.
    #[track_caller]
    fn count_inside(&self, place: &[Expr<i32>], lanes: i32) -> Expr<i32> {
        let Some(((last, outer), (size, sizes))) = place.split_last().zip(self.bounds.split_last()) else {
            return lanes.into_expr();
        };
        let mut inside: Expr<bool> = compare(CompareOp::Ge, *last, 0i32.into_expr());
        for (coordinate, size) in outer.iter().zip(sizes) {
            inside = inside & compare(CompareOp::Ge, *coordinate, 0i32.into_expr());
            inside = inside & compare(CompareOp::Lt, *coordinate, size.expr());
        }
        inside.select((size.expr() - *last).max(0).min(lanes), 0)
    }
}

impl<S> Address<S> {
    /// Returns the same address with the type of its element.
    pub(super) fn retyped<T>(self) -> Address<T> {
        Address { place: self.place, rank: self.rank, of: PhantomData, transposed: self.transposed }
    }
}

impl<T: Element> Address<T> {
    /// Exchanges the last two axes of the matrix that begins here: an operand of `wgmma` whose buffer has the axes `(k,
    /// m)` or `(k, n)` instead of `(m, k)` or `(n, k)`.
    pub fn transposed(self) -> Address<T> {
        Address { transposed: !self.transposed, ..self }
    }

    /// Returns true if it was [`transposed`](Address::transposed).
    pub(crate) fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// Returns the type of the element.
    pub(crate) fn scalar(&self) -> Scalar {
        T::SCALAR
    }

    /// Returns true if it is in registers.
    pub(crate) fn is_register(&self, builder: &Builder) -> bool {
        self.place.as_ref().is_some_and(|(buffer, _)| builder.function.buffers[*buffer].scope == Scope::Register)
    }

    /// Requires the alignment for an access of that type.
    pub(crate) fn align(&self, ty: Type, at: Caller) {
        if let Some((buffer, _)) = &self.place {
            align(*buffer, ty, at);
        }
    }

    /// Returns the address as an operand of a call.
    pub(crate) fn arg(&self, builder: &mut Builder, at: Caller) -> Option<Arg> {
        let (buffer, index) = self.place.as_ref()?;
        Some(buffer::address(builder, *buffer, index, at))
    }
}
