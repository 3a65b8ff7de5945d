//! `if`, `&&` and `||`: on the device for an `Expr<bool>`, while building for a `bool`.

use crate::dsl::builder::{Caller, ClosedBlock, here, with};
use crate::dsl::expr::{DeviceType, Expr, IntoExpr};
use crate::dsl::literal::Lit;
use crate::dsl::var::Var;
use crate::ir::{BinaryOp, Block, Op, Stmt};
use crate::types::{Element, Num, Type};

/// A condition.
#[diagnostic::on_unimplemented(
    message = "a condition must be a `bool` or an `Expr<bool>`, found `{Self}`",
    label = "not a condition",
    note = "compare it with something: `x != 0`"
)]
pub trait Cond: Sized {
    /// The corresponding `if`.
    type If: Branch;
    /// True if it is decided on the device.
    const DEVICE: bool;
    /// Begins an `if`.
    fn begin(self) -> Self::If;
    /// Returns true if a `while` continues; on the device, true the first time.
    fn test(self, header: &mut super::repeat::Header) -> bool;
    /// Returns the condition as a device value.
    fn device(self) -> Expr<bool>;
}

/// An `if` being built.
pub trait Branch {
    /// Returns true if it is decided on the device.
    fn device(&self) -> bool;
}

/// An `if` on a `bool`: decided while building.
#[derive(Debug)]
pub struct MetaIf(bool);
/// An `if` on the device.
#[derive(Debug)]
pub struct DeviceIf {
    cond: Expr<bool>,
    depth: usize,
    then: Option<ClosedBlock>,
    at: Caller,
}

#[diagnostic::do_not_recommend]
impl Cond for bool {
    type If = MetaIf;
    const DEVICE: bool = false;
    fn begin(self) -> MetaIf {
        MetaIf(self)
    }
    #[track_caller]
    fn test(self, header: &mut super::repeat::Header) -> bool {
        header.splice();
        self
    }
    #[track_caller]
    fn device(self) -> Expr<bool> {
        self.into_expr()
    }
}

#[diagnostic::do_not_recommend]
impl Cond for Expr<bool> {
    type If = DeviceIf;
    const DEVICE: bool = true;
    #[track_caller]
    fn begin(self) -> DeviceIf {
        let depth = with(|builder| builder.depth()).unwrap_or(1);
        DeviceIf { cond: self, depth, then: None, at: here() }
    }
    #[track_caller]
    fn test(self, header: &mut super::repeat::Header) -> bool {
        header.leave_unless(self);
        true
    }
    fn device(self) -> Expr<bool> {
        self
    }
}

impl Branch for MetaIf {
    fn device(&self) -> bool {
        false
    }
}
impl Branch for DeviceIf {
    fn device(&self) -> bool {
        true
    }
}

#[doc(hidden)]
impl MetaIf {
    pub fn then_(&self) -> bool {
        self.0
    }
    pub fn else_(&self) -> bool {
        !self.0
    }
    pub fn done(self) {}
    pub fn end<V>(self, then: Option<V>, otherwise: Option<V>) -> V {
        match (then, otherwise) {
            (Some(value), _) | (None, Some(value)) => value,
            // One branch runs, and either returns its value or jumps.
            (None, None) => unreachable!("a branch ended without its value"),
        }
    }
    pub fn only_then<V>(self, value: Option<V>) -> V {
        self.end(value, None)
    }
    pub fn only_else<V>(self, value: Option<V>) -> V {
        self.end(None, value)
    }
    pub fn device(&self) -> bool {
        false
    }
}

#[doc(hidden)]
impl DeviceIf {
    pub fn then_(&mut self) -> bool {
        with(|builder| builder.open());
        true
    }
    pub fn else_(&mut self) -> bool {
        with(|builder| {
            self.then = Some(builder.close(self.depth));
            builder.open();
        });
        true
    }
    pub fn device(&self) -> bool {
        true
    }

    /// Ends an `if` without a value.
    pub fn done(mut self) {
        let last = with(|builder| builder.close(self.depth));
        let (then, otherwise) = match self.then.take() {
            Some(then) => (then.block, last.map(|block| block.block).unwrap_or_default()),
            None => (last.map(|block| block.block).unwrap_or_default(), Block::default()),
        };
        self.push(then, otherwise);
    }

    fn push(self, then: Block, otherwise: Block) {
        with(|builder| {
            let cond = self.cond.resolve(builder, self.at);
            builder.push(Stmt::If { cond, then, otherwise }, self.at);
        });
    }

    /// Ends an `if` whose branches have values. Called while the second branch is still open.
    pub fn end<A: Merge<B>, B>(self, then: Option<A>, otherwise: Option<B>) -> A::Out {
        let slots = A::slots(self.depth, self.at);
        let slots = self.merge(
            slots,
            |slots| then.map_or((), |a| a.first(slots)),
            |slots| otherwise.map_or((), |b| A::second(b, slots)),
        );
        A::read(slots)
    }

    /// Ends an `if` of which only the first branch has a value, as the second one jumps.
    pub fn only_then<A: Merge<A>>(self, then: Option<A>) -> A::Out {
        let slots = A::slots(self.depth, self.at);
        let slots = self.merge(slots, |slots| then.map_or((), |a| a.first(slots)), |_| ());
        A::read(slots)
    }

    /// Ends an `if` of which only the second branch has a value, as the first one jumps.
    pub fn only_else<A: Merge<A>>(self, otherwise: Option<A>) -> A::Out {
        let slots = A::slots(self.depth, self.at);
        let slots = self.merge(slots, |_| (), |slots| otherwise.map_or((), |a| a.first(slots)));
        A::read(slots)
    }

    /// Assigns the values at the end of their branches, then adds the `if`.
    fn merge<S>(mut self, mut slots: S, first: impl FnOnce(&mut S), second: impl FnOnce(&mut S)) -> S {
        second(&mut slots);
        let otherwise = self.close_second();
        first(&mut slots);
        self.close_first(otherwise);
        slots
    }

    /// Closes the second branch and reopens the first.
    fn close_second(&mut self) -> Block {
        let then = self.then.take().unwrap_or_default();
        let closed = with(|builder| {
            let closed = builder.close(self.depth);
            builder.reopen(then);
            closed
        });
        closed.unwrap_or_default().block
    }

    /// Closes the first branch and adds the `if`.
    fn close_first(self, otherwise: Block) {
        let then = with(|builder| builder.close(self.depth)).unwrap_or_default();
        self.push(then.block, otherwise);
    }
}

/// The values of two branches that can be merged into one device value.
#[diagnostic::on_unimplemented(
    message = "the branches of an `if` on the device give `{Self}` and `{B}`",
    label = "the branches do not fit together",
    note = "both must give device values of one type, or tuples of them; cast one with `as`, or write a number beside a generic value as `lit(..)`"
)]
pub trait Merge<B>: Sized {
    /// The merged type.
    type Out;
    /// The variables that hold the value.
    type Slots;
    /// Declares the variables before the `if`.
    fn slots(depth: usize, at: Caller) -> Self::Slots;
    /// Assigns the value of the first branch.
    fn first(self, slots: &mut Self::Slots);
    /// Assigns the value of the second branch.
    fn second(other: B, slots: &mut Self::Slots);
    /// Returns the merged value.
    fn read(slots: Self::Slots) -> Self::Out;
}

macro_rules! merge {
    ($([$($generics:tt)*] $a:ty, $b:ty => $t:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> Merge<$b> for $a {
            type Out = Expr<$t>;
            type Slots = (Var<$t>, Caller);
            fn slots(depth: usize, at: Caller) -> Self::Slots {
                (Var::unset(depth, at), at)
            }
            fn first(self, slots: &mut Self::Slots) {
                slots.0.set_at(self, slots.1);
            }
            fn second(other: $b, slots: &mut Self::Slots) {
                slots.0.set_at(other, slots.1);
            }
            fn read(slots: Self::Slots) -> Expr<$t> {
                slots.0.read_at(slots.1)
            }
        }
    )*};
}
merge! {
    [T: DeviceType] Expr<T>, Expr<T> => T;
    [T: Element] Expr<T>, T => T;
    [T: Element] T, Expr<T> => T;
    [T: Element] T, T => T;
    [T: Num] Expr<T>, Lit => T;
    [T: Num] Lit, Expr<T> => T;
}

macro_rules! merge_tuples {
    ($($($a:ident $b:ident $n:tt)*;)*) => {$(
        #[diagnostic::do_not_recommend]
        #[allow(unused)]
        impl<$($a: Merge<$b>, $b),*> Merge<($($b,)*)> for ($($a,)*) {
            type Out = ($($a::Out,)*);
            type Slots = ($($a::Slots,)*);
            fn slots(depth: usize, at: Caller) -> Self::Slots {
                ($($a::slots(depth, at),)*)
            }
            fn first(self, slots: &mut Self::Slots) {
                $(self.$n.first(&mut slots.$n);)*
            }
            fn second(other: ($($b,)*), slots: &mut Self::Slots) {
                $($a::second(other.$n, &mut slots.$n);)*
            }
            fn read(slots: Self::Slots) -> Self::Out {
                ($($a::read(slots.$n),)*)
            }
        }
    )*};
}
merge_tuples! {
    ;
    A0 B0 0;
    A0 B0 0 A1 B1 1;
    A0 B0 0 A1 B1 1 A2 B2 2;
    A0 B0 0 A1 B1 1 A2 B2 2 A3 B3 3;
    A0 B0 0 A1 B1 1 A2 B2 2 A3 B3 3 A4 B4 4;
    A0 B0 0 A1 B1 1 A2 B2 2 A3 B3 3 A4 B4 4 A5 B5 5;
}

/// The left operand of `&&` or `||`.
#[diagnostic::on_unimplemented(
    message = "`&&` and `||` are for `bool` and `Expr<bool>`, not for `{Self}` and `{B}`",
    label = "not a condition"
)]
pub trait Junction<B>: Sized {
    /// The result: `bool` if both operands are meta values.
    type Out;
    /// Returns `self && right`, or `self || right`; the right operand is evaluated only if needed.
    fn join(self, is_and: bool, right: impl FnOnce() -> B, at: Caller) -> Self::Out;
}

#[diagnostic::do_not_recommend]
impl Junction<bool> for bool {
    type Out = bool;
    fn join(self, is_and: bool, right: impl FnOnce() -> bool, _: Caller) -> bool {
        if self == is_and { right() } else { self }
    }
}

#[diagnostic::do_not_recommend]
impl Junction<Expr<bool>> for bool {
    type Out = Expr<bool>;
    fn join(self, is_and: bool, right: impl FnOnce() -> Expr<bool>, _: Caller) -> Expr<bool> {
        if self == is_and { right() } else { self.into_expr() }
    }
}

#[diagnostic::do_not_recommend]
impl<B: Cond> Junction<B> for Expr<bool> {
    type Out = Expr<bool>;
    fn join(self, is_and: bool, right: impl FnOnce() -> B, at: Caller) -> Expr<bool> {
        let depth = open_right();
        joined(self, is_and, right().device(), depth, at)
    }
}

/// Opens a block for the right operand, and returns the number of blocks around it.
fn open_right() -> usize {
    with(|builder| {
        builder.open();
        builder.depth() - 1
    })
    .unwrap_or_default()
}

/// Returns `left && right`, or `left || right`, where the right operand was built in the block that is open.
fn joined(left: Expr<bool>, is_and: bool, right: Expr<bool>, depth: usize, at: Caller) -> Expr<bool> {
    with(|builder| {
        let right = right.resolve(builder, at);
        let closed = builder.close(depth);
        let left = left.resolve(builder, at);
        if closed.block.0.iter().all(|stmt| always_safe(&builder.function.stmts[*stmt])) {
            builder.splice(closed);
            let op = if is_and { BinaryOp::And } else { BinaryOp::Or };
            let value = builder.emit(Op::Binary(op, left, right), Type::BOOL, at);
            return Expr::new(builder, value);
        }
        let var = builder.declare("", Type::BOOL, Some(left), depth, at);
        let span = builder.span(at);
        let assign = builder.function.new_stmt(Stmt::Assign { var, value: right }, span);
        let mut block = closed.block;
        block.0.push(assign);
        let (then, otherwise) = if is_and { (block, Block::default()) } else { (Block::default(), block) };
        builder.push(Stmt::If { cond: left, then, otherwise }, at);
        let value = builder.emit(Op::Read(var), Type::BOOL, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

/// Returns true if a statement may be executed speculatively: it does not access memory and cannot fail.
fn always_safe(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Let { op, .. } => !matches!(
            op,
            Op::Load { .. } | Op::Binary(BinaryOp::Div | BinaryOp::Rem | BinaryOp::Shl | BinaryOp::Shr, ..)
        ),
        _ => false,
    }
}

/// `a && b`
#[track_caller]
pub fn and<A: Junction<B>, B>(a: A, b: impl FnOnce() -> B) -> A::Out {
    a.join(true, b, here())
}

/// `a || b`
#[track_caller]
pub fn or<A: Junction<B>, B>(a: A, b: impl FnOnce() -> B) -> A::Out {
    a.join(false, b, here())
}
