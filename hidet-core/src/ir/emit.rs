//! Integer arithmetic as operations of the IR: [`Arith`] that appends `let` statements to a block being built.
//!
//! Numbers stay numbers until a device value is needed; operations on two numbers, or with a neutral element, emit
//! nothing. Everything else is left to the simplifier.

use super::function::{DimId, Function, Span, ValueId};
use super::op::{BinaryOp, CompareOp, Op};
use super::stmt::{Stmt, StmtId};
use super::{Handle, MappingExtent};
use crate::types::{Const, Scalar, Type};
use hidet_mapping::{Arith, IndexExpr};

/// An integer: a constant, or a device value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntValue {
    /// A number.
    Const(i64),
    /// A value of the emitter's type.
    Value(ValueId),
}

/// Appends operations to a list of statements.
pub struct Emitter<'a> {
    /// The function whose arenas grow.
    pub function: &'a mut Function,
    /// The list that receives the statements.
    pub out: &'a mut Vec<StmtId>,
    /// The source position given to them.
    pub span: Span,
    scalar: Scalar,
}

impl<'a> Emitter<'a> {
    /// Creates `i32` arithmetic in which symbol `i` is dim `i` of the function.
    pub fn new(function: &'a mut Function, out: &'a mut Vec<StmtId>, span: Span) -> Self {
        Emitter { function, out, span, scalar: Scalar::I32 }
    }

    /// Changes the integer type.
    pub fn with_scalar(mut self, scalar: Scalar) -> Self {
        self.scalar = scalar;
        self
    }

    /// Returns an emitter at the same place with another integer type.
    pub fn again(&mut self, scalar: Scalar) -> Emitter<'_> {
        Emitter { function: self.function, out: self.out, span: self.span, scalar }
    }

    /// Appends a statement.
    pub fn push(&mut self, stmt: Stmt) -> StmtId {
        let id = self.function.new_stmt(stmt, self.span);
        self.out.push(id);
        id
    }

    /// Appends a `let`.
    pub fn emit(&mut self, ty: impl Into<Type>, op: Op) -> ValueId {
        let value = self.function.new_value(ty, "");
        self.push(Stmt::Let { value, op });
        value
    }

    /// Emits a constant.
    pub fn constant_value(&mut self, constant: Const) -> ValueId {
        self.emit(constant.scalar, Op::Const(constant))
    }

    /// Returns the integer as a value; emits a number as a constant.
    pub fn value(&mut self, int: IntValue) -> ValueId {
        match int {
            IntValue::Const(number) => self.constant_value(Const::int(self.scalar, number)),
            IntValue::Value(value) => value,
        }
    }

    /// Emits a formula over the symbols.
    pub fn index(&mut self, expr: &IndexExpr) -> IntValue {
        expr.emit(self)
    }

    /// Converts an extent of a mapping.
    pub fn extent(extent: &MappingExtent) -> IntValue {
        match extent {
            MappingExtent::Const(number) => IntValue::Const(i64::from(*number)),
            MappingExtent::Value(value) => IntValue::Value(*value),
        }
    }

    /// Converts an existing integer value of any type to the type of this arithmetic.
    pub fn convert(&mut self, value: ValueId) -> IntValue {
        let have = self.function.values[value].ty;
        IntValue::Value(if have == self.scalar.into() { value } else { self.emit(self.scalar, Op::Cast(value)) })
    }

    /// Emits a comparison; a constant result is returned as the error.
    pub fn compare(&mut self, op: CompareOp, a: IntValue, b: IntValue) -> Result<ValueId, bool> {
        if let (IntValue::Const(a), IntValue::Const(b)) = (a, b) {
            return Err(op.holds(a.cmp(&b)));
        }
        let (a, b) = (self.value(a), self.value(b));
        Ok(self.emit(Type::BOOL, Op::Compare(op, a, b)))
    }

    /// Emits the conjunction of two conditions, each a value or known.
    pub fn both(&mut self, a: Result<ValueId, bool>, b: Result<ValueId, bool>) -> Result<ValueId, bool> {
        match (a, b) {
            (Err(false), _) | (_, Err(false)) => Err(false),
            (Err(true), other) | (other, Err(true)) => other,
            (Ok(a), Ok(b)) => Ok(self.emit(Type::BOOL, Op::Binary(BinaryOp::And, a, b))),
        }
    }

    fn binary(&mut self, op: BinaryOp, a: IntValue, b: IntValue) -> IntValue {
        use BinaryOp::{Add, And, Div, Max, Min, Mul, Rem, Sub, Xor};
        match (op, a, b) {
            (_, IntValue::Const(x), IntValue::Const(y)) => {
                let known = match op {
                    Add => x.checked_add(y),
                    Sub => x.checked_sub(y),
                    Mul => x.checked_mul(y),
                    Div => x.checked_div(y),
                    Rem => x.checked_rem(y),
                    And => Some(x & y),
                    Xor => Some(x ^ y),
                    Min => Some(x.min(y)),
                    Max => Some(x.max(y)),
                    _ => None,
                };
                if let Some(known) = known {
                    return IntValue::Const(known);
                }
            }
            (Add | Sub | Xor, _, IntValue::Const(0)) | (Mul | Div, _, IntValue::Const(1)) => return a,
            (Add | Xor, IntValue::Const(0), _) | (Mul, IntValue::Const(1), _) => return b,
            (Mul | And, _, IntValue::Const(0)) | (Mul | And, IntValue::Const(0), _) | (Rem, _, IntValue::Const(1)) => {
                return IntValue::Const(0);
            }
            _ => {}
        }
        let (a, b) = (self.value(a), self.value(b));
        IntValue::Value(self.emit(self.scalar, Op::Binary(op, a, b)))
    }
}

impl CompareOp {
    /// Returns true if the comparison holds for two integers in that order.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            CompareOp::Eq => order.is_eq(),
            CompareOp::Ne => order.is_ne(),
            CompareOp::Lt => order.is_lt(),
            CompareOp::Le => order.is_le(),
            CompareOp::Gt => order.is_gt(),
            CompareOp::Ge => order.is_ge(),
        }
    }
}

impl Arith for Emitter<'_> {
    type Int = IntValue;

    fn constant(&mut self, value: i64) -> IntValue {
        IntValue::Const(value)
    }
    fn symbol(&mut self, symbol: u32) -> IntValue {
        let dim = self.emit(Type::I32, Op::Dim(DimId::new(symbol as usize)));
        self.convert(dim)
    }
    fn add(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Add, *a, *b)
    }
    fn sub(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Sub, *a, *b)
    }
    fn mul(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Mul, *a, *b)
    }
    fn div(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Div, *a, *b)
    }
    fn rem(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Rem, *a, *b)
    }
    fn xor(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Xor, *a, *b)
    }
    fn and(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::And, *a, *b)
    }
    fn min(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Min, *a, *b)
    }
    fn max(&mut self, a: &IntValue, b: &IntValue) -> IntValue {
        self.binary(BinaryOp::Max, *a, *b)
    }
}
