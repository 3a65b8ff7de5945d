//! Addresses of elements, for intrinsics.

use super::access::{self, align};
use super::builder::{Builder, Caller};
use super::expr::Expr;
use crate::ir::{Arg, BufferId, Scope};
use crate::types::{Element, Scalar, Type};
use std::marker::PhantomData;

/// The address of an element, for intrinsics.
#[derive(Clone, Debug)]
pub struct Address<T> {
    pub(in crate::dsl) place: Option<(BufferId, Vec<Expr<i32>>)>,
    /// The rank of the block of the cluster in whose shared memory it lies, where that may be another one.
    pub(super) rank: Option<Expr<i32>>,
    pub(super) of: PhantomData<fn() -> T>,
    /// Whether the last two axes of a matrix are to be read the other way round.
    pub(super) transposed: bool,
}

impl<T: Element> Address<T> {
    /// The matrix that begins here with its last two axes exchanged: an operand of `wgmma` whose buffer has the axes
    /// `(k, m)` or `(k, n)`, not `(m, k)` or `(n, k)`.
    pub fn transposed(self) -> Address<T> {
        Address { transposed: !self.transposed, ..self }
    }

    /// Whether it was [`transposed`](Address::transposed).
    pub(crate) fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// The type of the element.
    pub(crate) fn scalar(&self) -> Scalar {
        T::SCALAR
    }

    /// Whether it lies in registers.
    pub(crate) fn is_register(&self, builder: &Builder) -> bool {
        self.place.as_ref().is_some_and(|(buffer, _)| builder.function.buffers[*buffer].scope == Scope::Register)
    }

    /// Asks for what an access of that type needs.
    pub(crate) fn align(&self, ty: Type, at: Caller) {
        if let Some((buffer, _)) = &self.place {
            align(*buffer, ty, at);
        }
    }

    /// The address as an operand of a call.
    pub(crate) fn arg(&self, builder: &mut Builder, at: Caller) -> Option<Arg> {
        let (buffer, index) = self.place.as_ref()?;
        Some(access::address(builder, *buffer, index, at))
    }
}
