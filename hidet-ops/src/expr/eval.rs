//! Evaluation on the host, the reference of every kernel.

use super::{ExprNode, ScalarExpr};
use hidet::ir::eval::{self, BinaryFn, UnaryFn};
use hidet::ir::{BinaryOp, CompareOp};
use hidet::types::{Const, Number, Scalar};
use std::cell::RefCell;
use std::cmp::Ordering;
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

    /// Returns a coordinate.
    pub(crate) fn integer(value: i64) -> Element64 {
        Element64(Const::int(Scalar::I64, value))
    }

    /// Converts the value to a type, as Rust's `as`; floats of all types are `f64`.
    pub(crate) fn cast(self, dtype: Scalar) -> Element64 {
        let to = wide(dtype);
        Element64(Const { scalar: to, bits: eval::cast(self.0.scalar, to, self.0.bits) })
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

    /// Returns the order of two values, in which NaN is larger than any number.
    pub(crate) fn order(self, other: Element64) -> Ordering {
        if self.compare(CompareOp::Lt, other) {
            return Ordering::Less;
        }
        if other.compare(CompareOp::Lt, self) {
            return Ordering::Greater;
        }
        let is_nan = |value: Element64| !value.compare(CompareOp::Eq, value);
        is_nan(self).cmp(&is_nan(other))
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
    /// If there is no such coordinate, or an operation is not defined for the type of its operands, or for their values (a
    /// division by zero).
    pub fn eval(
        &self,
        axes: &[usize],
        read: &dyn Fn(usize, &[i64]) -> Result<Element64, String>,
    ) -> Result<Element64, String> {
        Program::of(self)?.run(axes, read)
    }
}

/// An expression as a list of operations, each on values of those before it: quick to evaluate for many elements.
pub(crate) struct Program {
    steps: Vec<Step>,
    /// Values of the steps, and the index of a read; kept to be used again.
    values: RefCell<(Vec<Value>, Vec<i64>)>,
}

/// A value. Without one there is the fault (a division by zero), which matters only where the value is used.
type Value = Result<Element64, &'static str>;

/// An operation; operands are numbers of steps.
enum Step {
    Axis(usize),
    Const(Element64),
    Read(usize, Vec<usize>),
    Unary(UnaryFn, Scalar, usize),
    Binary(BinaryOp, BinaryFn, Scalar, [usize; 2]),
    Compare(BinaryFn, [usize; 2]),
    Select([usize; 3]),
    Cast(Scalar, usize),
}

impl Program {
    /// Returns the operations of an expression.
    ///
    /// # Errors
    ///
    /// If one is not defined for the types of its operands.
    pub(crate) fn of(expr: &ScalarExpr) -> Result<Program, String> {
        let (mut steps, mut places, mut problem) = (Vec::new(), HashMap::new(), None);
        expr.visit(&mut |expr| {
            let at = |operand: &ScalarExpr| places.get(&operand.identity()).copied().unwrap_or(0);
            let undefined = |name: &str| format!("`{name}` is not defined for {}", expr.dtype());
            let to = wide(expr.dtype());
            let step = match expr.node() {
                ExprNode::Axis(axis) => Ok(Step::Axis(*axis)),
                ExprNode::Const(value) => Ok(Step::Const(Element64::constant(*value))),
                ExprNode::Read { input, index } => Ok(Step::Read(*input, index.iter().map(at).collect())),
                ExprNode::Unary(op, a) => {
                    let found = eval::unary(*op, wide(a.dtype())).ok_or_else(|| undefined(op.name()));
                    found.map(|f| Step::Unary(f, to, at(a)))
                }
                ExprNode::Binary(op, a, b) => {
                    let found = eval::binary(*op, wide(a.dtype())).ok_or_else(|| undefined(op.name()));
                    found.map(|f| Step::Binary(*op, f, to, [at(a), at(b)]))
                }
                ExprNode::Compare(op, a, b) => {
                    let found = eval::compare(*op, wide(a.dtype())).ok_or_else(|| undefined(op.name()));
                    found.map(|f| Step::Compare(f, [at(a), at(b)]))
                }
                ExprNode::Select(condition, a, b) => Ok(Step::Select([at(condition), at(a), at(b)])),
                ExprNode::Cast(a) => Ok(Step::Cast(to, at(a))),
            };
            match step {
                Ok(step) => steps.push(step),
                Err(why) => problem = problem.take().or(Some(why)),
            }
            places.insert(expr.identity(), steps.len().saturating_sub(1));
        });
        problem.map_or(Ok(Program { steps, values: RefCell::default() }), Err)
    }

    /// Returns the value at these coordinates, where `read` returns an element of an input at an index.
    ///
    /// # Errors
    ///
    /// If there is no such coordinate, an element cannot be read, or an operation is not defined for its values.
    pub(crate) fn run(
        &self,
        axes: &[usize],
        read: &dyn Fn(usize, &[i64]) -> Result<Element64, String>,
    ) -> Result<Element64, String> {
        let (values, index) = &mut *self.values.borrow_mut();
        values.clear();
        for step in &self.steps {
            let value = match step {
                Step::Axis(axis) => {
                    let coordinate = axes.get(*axis).ok_or_else(|| format!("there is no coordinate {axis}"))?;
                    Ok(Element64(Const::int(Scalar::I32, *coordinate as i64)))
                }
                Step::Const(value) => Ok(*value),
                Step::Read(input, operands) => {
                    index.clear();
                    // An index that is not defined is outside.
                    index.extend(operands.iter().map(|operand| values[*operand].map_or(-1, Element64::index)));
                    Ok(read(*input, index)?)
                }
                Step::Unary(f, to, a) => values[*a].map(|a| Element64(Const { scalar: *to, bits: f(a.0.bits) })),
                Step::Binary(op, f, to, [a, b]) => values[*a].and_then(|a| {
                    let b = values[*b]?;
                    let result = || Element64(Const { scalar: *to, bits: f(a.0.bits, b.0.bits) });
                    eval::fault(*op, a.0.scalar, b.0.bits).map_or_else(|| Ok(result()), Err)
                }),
                Step::Compare(f, [a, b]) => values[*a].and_then(|a| {
                    let b = values[*b]?;
                    Ok(Element64(Const { scalar: Scalar::Bool, bits: f(a.0.bits, b.0.bits) }))
                }),
                Step::Select([condition, a, b]) => {
                    values[*condition].and_then(|condition| values[if condition.0.bits != 0 { *a } else { *b }])
                }
                Step::Cast(to, a) => {
                    values[*a].map(|a| Element64(Const { scalar: *to, bits: eval::cast(a.0.scalar, *to, a.0.bits) }))
                }
            };
            values.push(value);
        }
        values.last().copied().unwrap_or(Err("nothing is computed")).map_err(str::to_owned)
    }
}
