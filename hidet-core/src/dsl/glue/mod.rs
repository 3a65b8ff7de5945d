//! The functions that the expansion of `kernel!` calls. Not for direct use; names may change.
//!
//! The macro does not know types. Here the type decides whether a construct is evaluated on the device or while
//! building: an inherent method is found for `Expr`, a blanket trait method for any other type.

mod branch;
mod call;
mod compare;
mod element;
mod jump;
mod matched;
mod operator;
mod ptx;
mod repeat;
mod statement;

pub use super::literal::{FloatLiteral, IntegerLiteral};
pub use super::loops::{range, range_inclusive};
pub use super::signature::Signature;
pub use super::template::Template;
pub use super::{Expr, Var};
pub use crate::ir::Unroll;
pub use branch::{Branch, Cond, DeviceIf, Junction, Merge, MetaIf, and, or};
pub use call::DeviceCall;
pub use compare::{Cmp, CmpMeta};
pub use element::{address, load, store, update};
pub use hidet_mapping::IndexExpr;
pub use jump::{
    MetaOnly, Outcome, PanicOnly, ReturnOnly, Through, emit_return, meta_only, panic_only, return_only, through,
};
pub use matched::{Matched, MatchedMeta};
pub use operator::{Like, LikeMeta, Named, NamedMeta, OpMeta, OpValue, memory};
pub use ptx::{IntoPtx, PtxResult, ptx, ptx_operand};
pub use repeat::{DeviceLoop, ForOver, LoopGuard, MetaLoop, While, device_loop, for_over, meta_loop};
pub use statement::{
    Group, MetaAssert, Printed, TupleVar, assert_that, count, declare, declare_int, extent, given, group, int, piece,
    print, text,
};
pub use std::option::Option::{None, Some};
