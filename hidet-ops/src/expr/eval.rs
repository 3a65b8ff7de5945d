//! Evaluation on the host, the reference of every kernel.

use super::{ExprNode, ScalarExpr};
use hidet::ir::{BinaryOp, CompareOp, eval};
use hidet::types::{Const, Number, Scalar};
use std::collections::HashMap;

/// A value on the host: floats of all types in `f64`, without rounding to their own type, integers and `bool` exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Element64(Const);

impl Element64 {
    /// Returns the value that has these bits in a type.
    pub fn from_bits(dtype: Scalar, bits: u64) -> Element64 {
        let wide = wide(dtype);
        Element64(Const { scalar: wide, bits: eval::cast(dtype, wide, bits) })
    }

    /// Returns the value as `f64`; integers beyond 2^53 are rounded.
    pub fn to_f64(self) -> f64 {
        eval::to_f64(self.0.scalar, self.0.bits)
    }

    /// Returns a float.
    pub fn from_f64(value: f64) -> Element64 {
        Element64(Const { scalar: Scalar::F64, bits: value.to_bits() })
    }

    /// Returns a coordinate.
    pub(crate) fn integer(value: i64) -> Element64 {
        Element64(Const::int(Scalar::I64, value))
    }

    /// Returns a constant.
    pub(crate) fn constant(value: Const) -> Element64 {
        Element64::from_bits(value.scalar, value.bits)
    }

    /// Applies an operation to two values, if it is defined for them.
    pub(crate) fn binary(self, op: BinaryOp, other: Element64) -> Option<Element64> {
        let scalar = self.0.scalar;
        Some(Element64(Const { scalar, bits: eval::binary(op, scalar)?(self.0.bits, other.0.bits) }))
    }

    /// Compares two values.
    pub(crate) fn compare(self, op: CompareOp, other: Element64) -> bool {
        eval::compare(op, self.0.scalar).is_some_and(|compare| compare(self.0.bits, other.0.bits) != 0)
    }

    /// Returns the value as an index.
    fn index(self) -> i64 {
        match eval::number(self.0.scalar, self.0.bits) {
            Number::Int(value) => value as i64,
            Number::Float(value) => value as i64,
        }
    }
}

/// Returns the type in which values of a type are computed on the host.
fn wide(dtype: Scalar) -> Scalar {
    if dtype.is_float() { Scalar::F64 } else { dtype }
}

impl ScalarExpr {
    /// Returns the value at these coordinates, where `read` returns an element of an input at an index.
    ///
    /// # Errors
    ///
    /// If there is no such coordinate, or an operation is not defined for the type of its operands, or for their values (a division by zero).
    pub fn eval(
        &self,
        axes: &[usize],
        read: &dyn Fn(usize, &[i64]) -> Result<Element64, String>,
    ) -> Result<Element64, String> {
        Evaluator { axes, read, known: HashMap::new() }.value(self)
    }
}

struct Evaluator<'a> {
    axes: &'a [usize],
    read: &'a dyn Fn(usize, &[i64]) -> Result<Element64, String>,
    known: HashMap<usize, Element64>,
}

impl Evaluator<'_> {
    fn value(&mut self, expr: &ScalarExpr) -> Result<Element64, String> {
        if let Some(known) = self.known.get(&expr.identity()) {
            return Ok(*known);
        }
        let undefined = |name: &str| format!("`{name}` is not defined for {}", expr.dtype());
        let of = |bits: u64| Element64(Const { scalar: wide(expr.dtype()), bits });
        let value = match expr.node() {
            ExprNode::Axis(axis) => {
                let coordinate = self.axes.get(*axis).ok_or_else(|| format!("there is no coordinate {axis}"))?;
                Element64(Const::int(Scalar::I32, *coordinate as i64))
            }
            ExprNode::Const(value) => Element64::constant(*value),
            ExprNode::Read { input, index } => {
                let index: Result<Vec<i64>, String> =
                    index.iter().map(|index| self.value(index).map(Element64::index)).collect();
                (self.read)(*input, &index?)?
            }
            ExprNode::Unary(op, a) => {
                let a = self.value(a)?.0;
                of(eval::unary(*op, a.scalar).ok_or_else(|| undefined(op.name()))?(a.bits))
            }
            ExprNode::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?.0, self.value(b)?.0);
                if let Some(fault) = eval::fault(*op, a.scalar, b.bits) {
                    return Err(fault.to_owned());
                }
                of(eval::binary(*op, a.scalar).ok_or_else(|| undefined(op.name()))?(a.bits, b.bits))
            }
            ExprNode::Compare(op, a, b) => {
                let (a, b) = (self.value(a)?.0, self.value(b)?.0);
                of(eval::compare(*op, a.scalar).ok_or_else(|| undefined(op.name()))?(a.bits, b.bits))
            }
            ExprNode::Select(condition, then, otherwise) => {
                let taken = if self.value(condition)?.0.bits != 0 { then } else { otherwise };
                self.value(taken)?
            }
            ExprNode::Cast(a) => {
                let a = self.value(a)?.0;
                of(eval::cast(a.scalar, wide(expr.dtype()), a.bits))
            }
        };
        self.known.insert(expr.identity(), value);
        Ok(value)
    }
}
