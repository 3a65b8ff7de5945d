//! Typed functions for the intrinsics, one file per family; each function names a row of [`crate::intrinsics`].
//!
//! An intrinsic without a function of its own is called by the name of its row: [`intrinsic`].

/// Defines functions that call a row without operands and without a result.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name() {
            $crate::dsl::intrinsics::intrinsic($row).run();
        }
    )*};
}

mod approx;
mod async_copy;
mod atomic;
mod barrier;
mod bits;
mod block;
mod cluster;
mod im2col;
mod index;
mod kinds;
mod mbarrier;
mod memory;
mod mma;
mod tma;
mod vector;
mod warp;
mod wgmma;

pub use async_copy::*;
pub use atomic::*;
pub use barrier::*;
pub use bits::*;
pub use block::*;
pub use cluster::*;
pub use im2col::*;
pub use index::*;
pub use kinds::*;
pub use mbarrier::*;
pub use memory::*;
pub use mma::*;
pub use tma::*;
pub use vector::*;
pub use warp::*;
pub use wgmma::*;

use super::address::Address;
use super::buffer;
use super::builder::{Builder, Caller, here, with};
use super::expr::{DeviceType, Expr, IntoExpr, TypedValue};
use super::reach;
use crate::intrinsics::{Intrinsic, Operand};
use crate::ir::{Arg, BufferId, Constraint, MapId, Relation, Stmt};
use crate::types::Type;

/// Begins a call of an intrinsic by the name of its row: `intrinsic("clock").give::<i64>()`. The verifier checks the
/// operands against the row.
#[track_caller]
pub fn intrinsic(name: &str) -> IntrinsicCall {
    let at = here();
    let intrinsic = Intrinsic::named(name);
    if intrinsic.is_none() {
        with(|builder| builder.problem(format!("there is no intrinsic `{name}`"), at));
    }
    IntrinsicCall { intrinsic, args: Some(Vec::new()), rank: None, at }
}

/// A call under construction.
#[derive(Debug)]
pub struct IntrinsicCall {
    intrinsic: Option<Intrinsic>,
    args: Option<Vec<Arg>>,
    /// The rank of the block in whose shared memory the addresses are, if that may be another block.
    rank: Option<Expr<i32>>,
    at: Caller,
}

impl IntrinsicCall {
    fn push(mut self, arg: &dyn Fn(&mut Builder, Caller) -> Option<Arg>) -> IntrinsicCall {
        let at = self.at;
        let arg = with(|builder| arg(builder, at)).flatten();
        self.args = self.args.zip(arg).map(|(mut args, arg)| {
            args.push(arg);
            args
        });
        self
    }

    /// Adds a value operand.
    #[track_caller]
    pub fn value<T: DeviceType>(self, value: impl IntoExpr<T>) -> IntrinsicCall {
        self.typed(value.into_expr().with_type())
    }

    fn typed(self, (value, ty): TypedValue) -> IntrinsicCall {
        self.push(&|builder, at| Some(Arg::Value(value.resolve_as(ty, builder, at))))
    }

    /// Adds coordinates as operands.
    pub(super) fn coordinates(self, coordinates: Vec<Expr<i32>>) -> IntrinsicCall {
        coordinates.into_iter().fold(self, |call, coordinate| call.typed(coordinate.with_type()))
    }

    /// Adds the address of an element as an operand. An address in the shared memory of another block
    /// ([`View::at_rank`](crate::dsl::View::at_rank)) selects the variant for such memory, if there is one.
    pub fn address<T>(self, address: &Address<T>) -> IntrinsicCall {
        self.place(address.place.as_ref(), address.rank)
    }

    fn place(mut self, place: Option<&(BufferId, Vec<Expr<i32>>)>, rank: Option<Expr<i32>>) -> IntrinsicCall {
        match (self.rank, rank) {
            (None, Some(rank)) => self = self.at_peer(rank),
            (Some(known), Some(rank)) => self.same_rank(known, rank),
            (_, None) => {}
        }
        let operand = self.args.as_ref().map_or(0, Vec::len);
        let count = match self.intrinsic.and_then(|intrinsic| intrinsic.row().operands.get(operand)) {
            Some(Operand::Address { count, .. }) => *count,
            _ => 1,
        };
        self.push(&|builder, at| {
            let (buffer, index) = place?;
            reach::operand(builder, *buffer, index, count, at);
            Some(buffer::address(builder, *buffer, index, at))
        })
    }

    /// Selects the variant for the memory of another block.
    fn at_peer(mut self, rank: Expr<i32>) -> IntrinsicCall {
        let Some(row) = self.intrinsic.map(Intrinsic::row) else { return self };
        if row.peer.is_none() {
            let name = format!("cluster.{}", row.name);
            self.intrinsic = Intrinsic::named(&name);
            if self.intrinsic.is_none() {
                let message = format!(
                    "`{}` cannot reach the shared memory of another block of the cluster (`at_rank`)",
                    row.name
                );
                with(|builder| builder.problem(message, self.at));
            }
        }
        self.rank = Some(rank);
        self
    }

    /// Requires that all addresses of a call are in the same block.
    fn same_rank(&self, known: Expr<i32>, rank: Expr<i32>) {
        with(|builder| {
            let [a, b] = [known, rank].map(|rank| rank.resolve(builder, self.at));
            let (is, other) = (builder.definition(a), builder.definition(b));
            if a != b && !(matches!(is, Some(crate::ir::Op::Const(_))) && is == other) {
                builder
                    .problem("all addresses of this call must lie in one block: take `at_rank` of one value", self.at);
            }
        });
    }

    /// Adds an immediate: a constant number.
    pub fn imm(self, number: i64) -> IntrinsicCall {
        self.push(&|_, _| Some(Arg::Imm(number)))
    }

    /// Adds a tensor map.
    pub(crate) fn map(self, map: MapId) -> IntrinsicCall {
        self.push(&|_, _| Some(Arg::Map(map)))
    }

    fn emit(self, result: Option<Type>) -> Option<Expr<()>> {
        let (intrinsic, mut args) = (self.intrinsic?, self.args?);
        with(|builder| {
            if let Some(rank) = self.rank {
                args.push(Arg::Value(rank.resolve(builder, self.at)));
            }
            let result = result.map(|ty| builder.value(ty));
            builder.push(Stmt::Call { intrinsic, args, result }, self.at);
            result.map(|value| Expr::new(builder, value))
        })
        .flatten()
    }

    /// Emits the call of an intrinsic with a result of type `T`.
    pub fn give<T: DeviceType>(self) -> Expr<T> {
        self.emit(Some(T::TYPE)).map_or_else(Expr::dead, Expr::assume)
    }

    /// Emits the call of an intrinsic without a result.
    pub fn run(self) {
        self.emit(None);
    }
}

/// Adds a condition on the extents that the launcher checks before the kernel runs. The message gives the reason; the
/// launcher states the condition: `require(n.multiple_of(4), "rows are read four numbers at once")` is reported as "n =
/// 5 must be a multiple of 4: rows are read four numbers at once". The condition may compare extents with extents and
/// numbers, and join comparisons by `&&`.
#[track_caller]
pub fn require(condition: Expr<bool>, message: &str) {
    let at = here();
    with(|builder| {
        let condition = condition.resolve(builder, at);
        match constraints(builder, condition, message) {
            Some(found) => builder.function.constraints.extend(found),
            None => builder.problem(
                "`require` compares extents of the parameters and numbers only; the launcher knows nothing else",
                at,
            ),
        }
    });
}

/// Reports that the kernel cannot be built: for parts of kernels and templates, of arguments that they cannot take, such as
/// a computed tensor.
#[track_caller]
pub fn refuse(why: &str) {
    let at = here();
    with(|builder| builder.problem(why, at));
}

/// Returns a condition as relations of formulas.
fn constraints(builder: &Builder, condition: crate::ir::ValueId, message: &str) -> Option<Vec<Constraint>> {
    use crate::ir::{BinaryOp, CompareOp, Op};
    match builder.definition(condition)? {
        Op::Binary(BinaryOp::And, a, b) => {
            let mut both = constraints(builder, *a, message)?;
            both.extend(constraints(builder, *b, message)?);
            Some(both)
        }
        Op::Compare(op, a, b) => {
            if let (CompareOp::Eq, Some(Op::Binary(BinaryOp::Rem, n, by))) = (op, builder.definition(*a)) {
                if builder.formula(*b)?.as_const() == Some(0) {
                    let (left, right) = (builder.formula(*n)?, builder.formula(*by)?);
                    let message = message.to_owned();
                    return Some(vec![Constraint { left, relation: Relation::MultipleOf, right, message }]);
                }
            }
            let (a, b) = (builder.formula(*a)?, builder.formula(*b)?);
            let (left, relation, right) = match op {
                CompareOp::Eq => (a, Relation::Equal, b),
                CompareOp::Lt => (a, Relation::Less, b),
                CompareOp::Le => (a, Relation::LessEqual, b),
                CompareOp::Gt => (b, Relation::Less, a),
                CompareOp::Ge => (b, Relation::LessEqual, a),
                CompareOp::Ne => return None,
            };
            Some(vec![Constraint { left, relation, right, message: message.to_owned() }])
        }
        _ => None,
    }
}
