//! [`Expr`]: a handle to a device value.

use super::builder::{Builder, Caller, Serial, here, with};
use super::vector::Vector;
use crate::ir::{BinaryOp, CompareOp, Handle, Op, UnaryOp, ValueId};
use crate::types::{Element, Type};
use std::fmt;
use std::marker::PhantomData;

/// A type of device values: an [`Element`], or a [`Vector`] of 2, 4, 8 or 16.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a device type", label = "not a device type")]
pub trait DeviceType: Copy + 'static {
    /// The type in the IR.
    const TYPE: Type;
}

#[diagnostic::do_not_recommend]
impl<T: Element> DeviceType for T {
    const TYPE: Type = Type { scalar: T::SCALAR, lanes: 1 };
}

#[diagnostic::do_not_recommend]
impl<T: Element, const N: usize> DeviceType for Vector<T, N> {
    const TYPE: Type = Type { scalar: T::SCALAR, lanes: N as u8 };
}

/// A device value: a small `Copy` handle to a value that is computed once.
///
/// It belongs to the kernel being built on this thread and cannot be sent to another thread.
///
/// Methods have the names and the meaning of Rust's own methods, including the edge cases of every type (a test
/// compares all of them, and `hidet check --only edges` does on any device). The list of methods follows this table of
/// differences from Rust, and of replacements for what is missing:
///
/// | Rust | hidet |
/// |---|---|
/// | `a + b`, `a.abs()`, `a.div_ceil(b)`, .. of integers panic on overflow | wrap, as `wrapping_add`; so does `-a`, also of unsigned integers |
/// | `i32::MIN / -1` and `i32::MIN % -1` panic | `i32::MIN` and 0, as `wrapping_div` and `wrapping_rem` |
/// | integer division by 0 panics | a fault, which the simulated device reports; no GPU detects it, and the result is unspecified there |
/// | `a << b` panics if `b` is not less than the width | the same fault; `a << (b & 31)` is defined |
/// | `(a..b).step_by(k)`, where `k` is a `usize` and 0 panics | `k` has the type of `a`; a `k` below 1 is the same fault, and a GPU may loop forever |
/// | `a.clamp(b, c)` panics if `b > c`, or if a bound is NaN | `c` if `b > c`; a bound that is NaN is ignored |
/// | `a.is_multiple_of(b)` | `a.multiple_of(b)`; a `b` of 0 is the fault of a division |
/// | `min` and `max` of `0.0` and `-0.0` return either | `-0.0` is less than `0.0`; if one operand is NaN, the result is the other, as in Rust |
/// | sign and payload of a NaN result are unspecified | unspecified, too: devices agree that the result is NaN, not on its sign and payload, which `to_bits` shows. `select`, `copysign` and memory accesses preserve them |
/// | `a * b + c` of floats rounds twice | rounds once, unless [`CompileOptions::contract`](crate::kernel::CompileOptions::contract) is off |
/// | `if a < b { a } else { b }` without a branch | `(a < b).select(a, b)`, in `kernel!`; `select` is a method of conditions only |
/// | `f32::from_bits(b)` | `Expr::<f32>::from_bits(b)` |
/// | `x.powi(n)` | `n` is a meta value, and each product rounds; otherwise `x.powf(n as f32)` |
/// | `a.hypot(b)` | `(a * a + b * b).sqrt()`, which may overflow |
/// | `x.cbrt()` | `x.abs().powf(1.0 / 3.0).copysign(x)` |
/// | `x.exp() / (1.0 + x.exp())` and other functions of your own | a function, `fn sigmoid(x: Expr<f32>) -> Expr<f32> { 1.0 / (1.0 + (-x).exp()) }`; a trait of your own makes it a method |
/// | a signalling NaN | stays NaN; converted to a smaller float it may become an infinity, as a GPU may keep only the upper bits |
/// | `x.to_degrees()` | `x * (180.0 / PI)` |
/// | `x as f32` | the same in `kernel!`; elsewhere `x.to::<f32>()` |
/// | `checked_*`, `saturating_*`, `overflowing_*` | compare, or compute in a wider type |
pub struct Expr<T> {
    kernel: Serial,
    id: ValueId,
    of: PhantomData<(fn() -> T, *const ())>,
}

impl<T> Copy for Expr<T> {}
impl<T> Clone for Expr<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> fmt::Debug for Expr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of kernel #{}", self.id, self.kernel.0)
    }
}

/// A value that can be used as a device value of type `T`: an `Expr<T>`, or a meta value of type `T`.
#[diagnostic::on_unimplemented(
    message = "expected a value of device type `{T}`, found `{Self}`",
    label = "not a `{T}`",
    note = "convert it with `as {T}`; an `if` without `else` has no value, `()`",
    note = "a literal needs a point where a float is expected (`1.0`), and none where an integer is; where the type is generic or \
            has no Rust literal, write `lit(..)`"
)]
pub trait IntoExpr<T> {
    /// Returns the value as a handle.
    fn into_expr(self) -> Expr<T>;
}

#[diagnostic::do_not_recommend]
impl<T> IntoExpr<T> for Expr<T> {
    fn into_expr(self) -> Expr<T> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Element> IntoExpr<T> for T {
    #[track_caller]
    fn into_expr(self) -> Expr<T> {
        let constant = self.constant();
        emit(here(), &[], &|_| Op::Const(constant))
    }
}

impl<T> Expr<T> {
    /// Returns a handle that names no value, the result of operations outside of a kernel.
    pub(crate) fn dead() -> Self {
        Expr { kernel: Serial::NONE, id: ValueId::new(0), of: PhantomData }
    }

    /// Returns the handle of a value of this builder.
    pub(crate) fn new(builder: &Builder, value: ValueId) -> Self {
        Expr { kernel: builder.serial(), id: value, of: PhantomData }
    }
}

impl<T> Expr<T> {
    /// Returns the same handle with another type: views keep handles to elements with erased types.
    pub(crate) fn assume<U>(self) -> Expr<U> {
        Expr { kernel: self.kernel, id: self.id, of: PhantomData }
    }
}

impl<T: DeviceType> Expr<T> {
    /// Returns the value for use in the open block. A handle that cannot be used there is recorded as a problem of the
    /// kernel.
    pub(crate) fn resolve(self, builder: &mut Builder, at: Caller) -> ValueId {
        self.assume::<()>().resolve_as(T::TYPE, builder, at)
    }

    /// Returns the value and its type, for [`emit`].
    pub(crate) fn with_type(self) -> TypedValue {
        (self.assume(), T::TYPE)
    }

    /// Names the value, for messages and generated code.
    pub(crate) fn set_name(self, name: &str) {
        self.assume::<()>().set_name_if_new(name);
    }
}

/// A value with its type.
pub(crate) type TypedValue = (Expr<()>, Type);

// rustc compiles a generic function for each type, in each crate that calls it, so these do the work for all types.
impl Expr<()> {
    /// Does the work of [`Expr::resolve`].
    pub(crate) fn resolve_as(self, ty: Type, builder: &mut Builder, at: Caller) -> ValueId {
        let value = self.id;
        if self.kernel != builder.serial() {
            builder.problem(
                "a value of another kernel is used here; pass it as a parameter, or build it inside of this kernel",
                at,
            );
        } else if !builder.visible(value) {
            builder.problem(
                format!(
                    "{value} was computed inside a branch or loop that has ended; \
                     assign it to a `let mut` declared before the branch or loop"
                ),
                at,
            );
        } else {
            return value;
        }
        builder.value(ty)
    }

    fn set_name_if_new(self, name: &str) {
        with(|builder| {
            if self.kernel == builder.serial() {
                let value = &mut builder.function.values[self.id];
                if value.name.is_empty() {
                    value.name = name.to_owned();
                }
            }
        });
    }
}

/// Emits an operation on these operands.
pub(crate) fn emit<T: DeviceType>(at: Caller, operands: &[TypedValue], op: &dyn Fn(&[ValueId]) -> Op) -> Expr<T> {
    emit_untyped(T::TYPE, at, operands, op).assume()
}

fn emit_untyped(ty: Type, at: Caller, operands: &[TypedValue], op: &dyn Fn(&[ValueId]) -> Op) -> Expr<()> {
    with(|builder| {
        let values: Vec<ValueId> = operands.iter().map(|(value, ty)| value.resolve_as(*ty, builder, at)).collect();
        let value = builder.emit(op(&values), ty, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

/// Emits an operation on one value.
#[track_caller]
pub(crate) fn unary<T: DeviceType, U: DeviceType>(op: UnaryOp, a: Expr<T>) -> Expr<U> {
    unary_untyped(op, a.with_type(), U::TYPE, here()).assume()
}

fn unary_untyped(op: UnaryOp, a: TypedValue, ty: Type, at: Caller) -> Expr<()> {
    emit_untyped(ty, at, &[a], &|values| Op::Unary(op, values[0]))
}

/// Emits an operation on two values of one type.
#[track_caller]
pub(crate) fn binary<T: DeviceType>(op: BinaryOp, a: Expr<T>, b: Expr<T>) -> Expr<T> {
    binary_untyped(op, a.assume(), b.assume(), T::TYPE, here()).assume()
}

fn binary_untyped(op: BinaryOp, a: Expr<()>, b: Expr<()>, ty: Type, at: Caller) -> Expr<()> {
    emit_untyped(ty, at, &[(a, ty), (b, ty)], &|values| Op::Binary(op, values[0], values[1]))
}

/// Emits a comparison.
#[track_caller]
pub(crate) fn compare<T: DeviceType>(op: CompareOp, a: Expr<T>, b: Expr<T>) -> Expr<bool> {
    compare_untyped(op, a.assume(), b.assume(), T::TYPE, here()).assume()
}

fn compare_untyped(op: CompareOp, a: Expr<()>, b: Expr<()>, ty: Type, at: Caller) -> Expr<()> {
    emit_untyped(Type::BOOL, at, &[(a, ty), (b, ty)], &|values| Op::Compare(op, values[0], values[1]))
}

/// Emits a conversion.
#[track_caller]
pub(crate) fn cast<T: DeviceType, U: DeviceType>(a: Expr<T>) -> Expr<U> {
    cast_untyped(a.with_type(), U::TYPE, here()).assume()
}

fn cast_untyped((value, from): TypedValue, to: Type, at: Caller) -> Expr<()> {
    with(|builder| {
        let value = value.resolve_as(from, builder, at);
        let value = if from == to { value } else { builder.emit(Op::Cast(value), to, at) };
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}
