//! Typed functions for the intrinsics. One file a family; each function names a row of [`crate::intrinsics`].

mod index;
mod warp;

pub use index::*;
pub use warp::*;

use super::builder::{Builder, Place, here, with};
use super::expr::{DeviceType, Expr, IntoExpr};
use super::view::Address;
use crate::intrinsics::Intrinsic;
use crate::ir::{Arg, Stmt};
use crate::types::{Element, Type};

/// An operand of a call, not resolved yet.
pub(crate) enum Operand<'a> {
    Value(Expr<()>),
    Address(&'a dyn Resolve),
    Imm(i64),
}

/// An address whose element type was forgotten.
pub(crate) trait Resolve {
    fn resolve(&self, builder: &mut Builder, at: Place) -> Option<Arg>;
}

impl<T: Element> Resolve for Address<T> {
    fn resolve(&self, builder: &mut Builder, at: Place) -> Option<Arg> {
        self.arg(builder, at)
    }
}

/// A value as an operand.
#[track_caller]
pub(crate) fn value<T: DeviceType>(value: impl IntoExpr<T>) -> Operand<'static> {
    Operand::Value(value.into_expr().assume())
}

/// Resolves the operands and emits the call; `result` is its type.
fn emit_call(name: &str, operands: Vec<Operand<'_>>, result: Option<Type>, at: Place) -> Option<Expr<()>> {
    with(|builder| {
        let Some(intrinsic) = Intrinsic::named(name) else {
            builder.problem(format!("there is no intrinsic `{name}`"), at);
            return None;
        };
        let mut args = Vec::with_capacity(operands.len());
        for operand in operands {
            args.push(match operand {
                Operand::Value(value) => Arg::Value(value.raw(builder, at)),
                Operand::Address(address) => address.resolve(builder, at)?,
                Operand::Imm(number) => Arg::Imm(number),
            });
        }
        let result = result.map(|ty| builder.value(ty));
        builder.push(Stmt::Call { intrinsic, args, result }, at);
        result.map(|value| Expr::new(builder, value))
    })
    .flatten()
}

/// Calls an intrinsic with a result.
#[track_caller]
pub(crate) fn call<T: DeviceType>(name: &str, operands: Vec<Operand<'_>>) -> Expr<T> {
    emit_call(name, operands, Some(T::TYPE), here()).map_or_else(Expr::dead, Expr::assume)
}

/// Calls an intrinsic without a result.
#[track_caller]
pub(crate) fn run(name: &str, operands: Vec<Operand<'_>>) {
    emit_call(name, operands, None, here());
}
