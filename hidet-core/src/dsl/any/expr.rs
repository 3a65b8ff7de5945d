//! [`AnyExpr`]: a device value whose type is known when the kernel is built.

use crate::dsl::access::{extract, join, problem};
use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::{DeviceType, Expr};
use crate::dsl::literal::Lit;
use crate::ir::{BinaryOp, CompareOp, Op, UnaryOp, ValueId, typing};
use crate::types::{Const, Scalar, Type};

/// A device value whose type is a value: an [`Expr`] for code that learns the type of its operands only while the kernel is
/// built. Its methods are the operations of the IR.
///
/// An operation that is not defined for its operands is an error of the kernel at the line of the call:
///
/// ```
/// use hidet::dsl::{AnyExpr, Template};
/// use hidet::ir::{Access, BinaryOp};
/// use hidet::types::Scalar;
///
/// let build = |scalar: Scalar| {
///     Template::<()>::new("double", move |signature| {
///         let x = signature.param("x", scalar, &[1.into()], Access::InOut);
///         signature.launch([1.into(), 1.into(), 1.into()], [1, 1, 1], [1, 1, 1], 0);
///         let index = [AnyExpr::lit(Scalar::I32, 0).typed::<i32>()];
///         x.write(&index, x.read(&index).binary(BinaryOp::Mul, AnyExpr::lit(Scalar::F16, 2.0)));
///     })
/// };
/// assert!(build(Scalar::F16).build().is_ok());
/// let error = build(Scalar::F32).build().unwrap_err().to_string();
/// assert!(error.contains("`mul` of operands of different types: f32, f16"), "{error}");
/// # Ok::<(), hidet::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnyExpr {
    value: Expr<()>,
    ty: Type,
}

impl<T: DeviceType> From<Expr<T>> for AnyExpr {
    fn from(value: Expr<T>) -> AnyExpr {
        AnyExpr { value: value.assume(), ty: T::TYPE }
    }
}

impl AnyExpr {
    pub(in crate::dsl) fn new(value: Expr<()>, ty: impl Into<Type>) -> AnyExpr {
        AnyExpr { value, ty: ty.into() }
    }

    /// Returns a handle that names no value, the result of a mistake.
    pub(in crate::dsl) fn dead(ty: impl Into<Type>) -> AnyExpr {
        AnyExpr::new(Expr::dead(), ty)
    }

    /// Returns the handle without its type.
    pub(in crate::dsl) fn erased(self) -> Expr<()> {
        self.value
    }

    /// Emits a constant.
    #[track_caller]
    pub fn constant(value: Const) -> AnyExpr {
        let at = here();
        AnyExpr::emit(at, Ok(value.scalar.into()), || Op::Const(value))
    }

    /// Emits a number as a constant of a type. A number that the type cannot represent is an error of the kernel.
    #[track_caller]
    pub fn lit(scalar: Scalar, number: impl Into<Lit>) -> AnyExpr {
        AnyExpr::new(number.into().emit(scalar, here()), scalar)
    }

    /// Returns its type.
    pub fn ty(self) -> Type {
        self.ty
    }

    /// Returns the type of each lane; of a scalar, its own.
    pub fn scalar(self) -> Scalar {
        self.ty.scalar
    }

    /// Returns the number of lanes, 1 for a scalar.
    pub fn lanes(self) -> u8 {
        self.ty.lanes
    }

    /// Returns the value as one of a type known to rustc. If it has another, that is an error of the kernel.
    #[track_caller]
    pub fn typed<T: DeviceType>(self) -> Expr<T> {
        if self.ty != T::TYPE {
            problem(&format!("a value of type {} is used as one of type {}", self.ty, T::TYPE), here());
            return Expr::dead();
        }
        self.value.assume()
    }

    /// Emits a unary operation; on vectors, lane by lane.
    #[track_caller]
    pub fn unary(self, op: UnaryOp) -> AnyExpr {
        let at = here();
        AnyExpr::emit(at, typing::unary(op, self.ty), || Op::Unary(op, self.value_id(at)))
    }

    /// Emits a binary operation on two values of one type; on vectors, lane by lane.
    #[track_caller]
    pub fn binary(self, op: BinaryOp, other: AnyExpr) -> AnyExpr {
        let at = here();
        let ty = typing::same(op.name(), &[self.ty, other.ty]).and_then(|()| typing::binary(op, self.ty));
        AnyExpr::emit(at, ty, || Op::Binary(op, self.value_id(at), other.value_id(at)))
    }

    /// Emits a comparison of two scalars of one type.
    #[track_caller]
    pub fn compare(self, op: CompareOp, other: AnyExpr) -> AnyExpr {
        let at = here();
        let ty = typing::same(op.name(), &[self.ty, other.ty]).and_then(|()| typing::compare(op, self.ty));
        AnyExpr::emit(at, ty, || Op::Compare(op, self.value_id(at), other.value_id(at)))
    }

    /// Returns `then` if this condition is true, else `otherwise`. Both are evaluated.
    #[track_caller]
    pub fn select(self, then: AnyExpr, otherwise: AnyExpr) -> AnyExpr {
        let at = here();
        let same = || typing::same("select", &[then.ty, otherwise.ty]);
        let ty = typing::condition(self.ty).and_then(|()| same()).map(|()| then.ty);
        AnyExpr::emit(at, ty, || Op::Select(self.value_id(at), then.value_id(at), otherwise.value_id(at)))
    }

    /// Emits `self * factor + summand`, rounded once; floats of one type only.
    #[track_caller]
    pub fn fma(self, factor: AnyExpr, summand: AnyExpr) -> AnyExpr {
        let at = here();
        let ty = typing::same("fma", &[self.ty, factor.ty, summand.ty]).and_then(|()| typing::fma(self.ty));
        AnyExpr::emit(at, ty, || Op::Fma(self.value_id(at), factor.value_id(at), summand.value_id(at)))
    }

    /// Converts each lane to another type, as Rust's `as`.
    #[track_caller]
    pub fn cast(self, to: Scalar) -> AnyExpr {
        if to == self.ty.scalar {
            return self;
        }
        let at = here();
        AnyExpr::emit(at, Ok(Type::vector(to, self.ty.lanes)), || Op::Cast(self.value_id(at)))
    }

    /// Returns the same bits as another scalar type of the same size, lane by lane.
    #[track_caller]
    pub fn bitcast(self, to: Scalar) -> AnyExpr {
        let (at, to) = (here(), Type::vector(to, self.ty.lanes));
        AnyExpr::emit(at, typing::bitcast(self.ty, to).map(|()| to), || Op::Bitcast(self.value_id(at)))
    }

    /// Returns a vector of these scalars; of one scalar, the scalar itself.
    #[track_caller]
    pub fn vector(lanes: &[AnyExpr]) -> AnyExpr {
        let at = here();
        if let [lane] = lanes {
            return *lane;
        }
        match typing::vector(&lanes.iter().map(|lane| lane.ty).collect::<Vec<_>>()) {
            Ok(ty) => AnyExpr::new(join(&lanes.iter().map(|lane| lane.value).collect::<Vec<_>>(), ty, at), ty),
            Err(message) => AnyExpr::refused(&message, at),
        }
    }

    /// Returns a lane of a vector; of a scalar, lane 0 is the scalar itself.
    #[track_caller]
    pub fn lane(self, lane: u8) -> AnyExpr {
        let at = here();
        if (self.ty.lanes, lane) == (1, 0) {
            return self;
        }
        match typing::extract(self.ty, lane) {
            Ok(ty) => AnyExpr::new(extract(self.value, ty.scalar, lane, at), ty),
            Err(message) => AnyExpr::refused(&message, at),
        }
    }

    /// Returns the value for use in the open block.
    fn value_id(self, at: Caller) -> ValueId {
        with(|builder| self.value.raw(builder, at)).unwrap_or_else(|| crate::ir::Handle::new(0))
    }

    fn refused(message: &str, at: Caller) -> AnyExpr {
        problem(message, at);
        AnyExpr::dead(Scalar::Bool)
    }

    /// Emits an operation with a result of this type, or reports why there is none.
    fn emit(at: Caller, ty: Result<Type, String>, op: impl FnOnce() -> Op) -> AnyExpr {
        let ty = match ty {
            Ok(ty) => ty,
            Err(message) => return AnyExpr::refused(&message, at),
        };
        let op = op();
        let value = with(|builder| {
            let value = builder.emit(op, ty, at);
            Expr::new(builder, value)
        });
        AnyExpr::new(value.unwrap_or_else(Expr::dead), ty)
    }
}
