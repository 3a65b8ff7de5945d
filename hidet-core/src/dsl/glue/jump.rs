//! `break`, `continue`, `return`: emitted for the device, then followed by Rust's own control flow while building.

use super::branch::Merge;
use super::branch::{DeviceIf, MetaIf};
use super::repeat::{DeviceLoop, MetaLoop, While};
use super::statement::Group;
use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::Expr;
use crate::ir::Stmt;

/// Emits a `return`, which ends the thread.
#[track_caller]
pub fn emit_return() {
    let at = here();
    with(|builder| builder.push(Stmt::Return, at));
}

/// A frame that a jump leaves on its way to a loop, and that loop.
#[diagnostic::on_unimplemented(
    message = "`break` or `continue` of a loop that is unrolled while building, inside a device condition or device loop",
    label = "leaves a loop that is unrolled while building",
    note = "whether the loop is left is known only on the device; use a device loop (`for k in 0..n`), or a condition that is a meta value"
)]
pub trait Through {}

/// Checks that a jump may leave a frame.
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

/// Frames that do not exist on the device.
#[diagnostic::on_unimplemented(
    message = "a meta value cannot change inside a device condition or device loop",
    label = "changes a meta value",
    note = "the device would have to decide whether it changes; declare a device variable: `let mut` without `#[meta]`"
)]
pub trait MetaOnly {}

/// Frames that do not exist on the device, for code that ends the building.
#[diagnostic::on_unimplemented(
    message = "`panic!` and similar macros run while the kernel is built, so on both sides of a device condition",
    label = "ends the building of the kernel",
    note = "write `assert!(condition, \"why\")`, which is checked on the device, or `return`"
)]
pub trait PanicOnly {}

/// Frames that do not exist on the device, for code that returns a meta value.
#[diagnostic::on_unimplemented(
    message = "a meta value cannot be returned inside a device condition or device loop",
    label = "returns a meta value",
    note = "the device would have to decide which is returned; return an `Expr<..>` instead"
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

/// Checks that a meta value may be returned here.
pub fn return_only<G: ReturnOnly>(_: &G) {}

/// The result of a device function with a `return` inside a device condition or loop.
pub struct Outcome<A: Merge<A>> {
    slots: Option<A::Slots>,
    depth: usize,
    at: Caller,
}

impl<A: Merge<A>> Outcome<A> {
    /// Creates an outcome without a value; the block open now holds the variable.
    #[track_caller]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Outcome { slots: None, depth: with(|builder| builder.depth()).unwrap_or(1), at: here() }
    }

    /// Assigns the value.
    pub fn set(&mut self, value: A) {
        let (depth, at) = (self.depth, self.at);
        value.first(self.slots.get_or_insert_with(|| A::slots(depth, at)));
    }

    /// Returns the value.
    pub fn get(self) -> A::Out {
        let (depth, at) = (self.depth, self.at);
        A::read(self.slots.unwrap_or_else(|| A::slots(depth, at)))
    }
}
