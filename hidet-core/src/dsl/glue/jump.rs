//! `break`, `continue`, `return`: emitted for the device, then followed by Rust's own control flow while building.

use super::branch::Merge;
use super::branch::{DeviceIf, MetaIf};
use super::repeat::{DeviceLoop, MetaLoop, While};
use super::statement::Group;
use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::Expr;
use crate::ir::Stmt;

/// Emits a `return`: the thread's work ends.
#[track_caller]
pub fn emit_return() {
    let at = here();
    with(|builder| builder.push(Stmt::Return, at));
}

/// What a jump passes on its way to a loop, and that loop.
#[diagnostic::on_unimplemented(
    message = "`break` or `continue` of a loop that is unrolled while building stands under a condition or loop of the device",
    label = "leaves a loop that is unrolled while building",
    note = "whether it is left would be known on the device only; make the loop one of the device (`for k in 0..n`), or the condition one known while building"
)]
pub trait Through {}

/// Checks that a jump may pass.
pub fn through<P: Through>(_: P) {}

macro_rules! through {
    (meta: $($meta:ty),*; from: $($from:ty),*; to: $to:tt) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<L> Through for (&$meta, &L) {}
        )*
        $( through!(@to $from, $to); )*
    };
    (@to $from:ty, [$($to:ty),*]) => {$(
        #[diagnostic::do_not_recommend]
        impl Through for (&$from, &$to) {}
    )*};
}
through! {
    meta: MetaIf, MetaLoop, While<bool>;
    from: DeviceIf, Group, DeviceLoop, While<Expr<bool>>;
    to: [DeviceLoop, While<Expr<bool>>]
}

/// Frames that are gone when the kernel runs.
#[diagnostic::on_unimplemented(
    message = "a value known while building cannot change under a condition or loop of the device",
    label = "changes a value known while building",
    note = "the device would have to decide whether it changes; declare a device variable: `let mut` without `#[meta]`"
)]
pub trait MetaOnly {}

/// Frames that are gone when the kernel runs, for what ends its building.
#[diagnostic::on_unimplemented(
    message = "`panic!` and its like run while the kernel is built, and so on both sides of a condition of the device",
    label = "ends the building of the kernel",
    note = "write `assert!(condition, \"why\")`, which is checked on the device, or `return`"
)]
pub trait PanicOnly {}

/// Frames that are gone when the kernel runs, for what returns a value of the host.
#[diagnostic::on_unimplemented(
    message = "a value known while building cannot be returned under a condition or loop of the device",
    label = "returns a value known while building",
    note = "the device would have to decide which is returned; let the function give an `Expr<..>`"
)]
pub trait ReturnOnly {}

macro_rules! host {
    ($($frame:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl MetaOnly for $frame {}
        #[diagnostic::do_not_recommend]
        impl PanicOnly for $frame {}
        #[diagnostic::do_not_recommend]
        impl ReturnOnly for $frame {}
    )*};
}
host! { MetaIf, MetaLoop, While<bool> }

/// Checks that a meta value may change here.
pub fn meta_only<G: MetaOnly>(_: &G) {}

/// Checks that the building may end here.
pub fn panic_only<G: PanicOnly>(_: &G) {}

/// Checks that a value of the host may be returned here.
pub fn return_only<G: ReturnOnly>(_: &G) {}

/// What a device function returns, where `return` stands under a condition or loop.
pub struct Outcome<A: Merge<A>> {
    slots: Option<A::Slots>,
    depth: usize,
    at: Caller,
}

impl<A: Merge<A>> Outcome<A> {
    /// Nothing yet; the block that is open now keeps the value.
    #[track_caller]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Outcome { slots: None, depth: with(|builder| builder.depth()).unwrap_or(1), at: here() }
    }

    /// Keeps a value.
    pub fn set(&mut self, value: A) {
        let (depth, at) = (self.depth, self.at);
        value.first(self.slots.get_or_insert_with(|| A::slots(depth, at)));
    }

    /// What was kept.
    pub fn get(self) -> A::Out {
        let (depth, at) = (self.depth, self.at);
        A::read(self.slots.unwrap_or_else(|| A::slots(depth, at)))
    }
}
