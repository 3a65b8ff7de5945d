//! Addresses of elements, for intrinsics.

use super::buffer::{self, align};
use super::builder::{Builder, Caller};
use super::expr::Expr;
use crate::ir::{Arg, BufferId, Scope};
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
