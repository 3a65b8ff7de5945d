//! [`Task`]: what an operator computes, without a word of how.

mod check;
mod kernel;

pub use kernel::{Bound, TaskKernel};

use crate::error::TensorType;
use crate::expr::{Element64, Program, ScalarExpr};
use hidet::ir::{BinaryOp, CompareOp, eval};
use hidet::types::{Const, Scalar};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an operator computes of its inputs.
#[derive(Clone)]
pub struct Task {
    /// The name of the operator.
    pub name: &'static str,
    /// The inputs.
    pub inputs: Vec<TensorType>,
    /// The result.
    pub output: TensorType,
    /// Its elements.
    pub compute: Compute,
}

/// The elements of the result of a task.
#[derive(Clone, Debug)]
pub enum Compute {
    /// Each by itself: an expression of its coordinates.
    Each(ScalarExpr),
    /// Each of terms over further axes of these extents, whose coordinates follow those of the result. Terms have the type
    /// in which they are combined, one of [`ReduceOp::TYPES`]; what comes out is converted to the type of the result.
    Reduce {
        /// How terms are combined.
        op: ReduceOp,
        /// The extents of the further axes.
        extents: Vec<usize>,
        /// One term.
        term: ScalarExpr,
    },
    /// Each the sum of the terms at its own coordinates and at the smaller ones along an axis. Terms have the type in
    /// which they are added.
    Scan {
        /// The axis.
        axis: usize,
        /// One term.
        term: ScalarExpr,
    },
    /// Each the number of a term along an axis, those of the first ones in order. Equal terms stay in order, NaN is larger than
    /// any number. Terms have coordinates of the result, but along the axis they go to `len`.
    Order {
        /// The axis.
        axis: usize,
        /// The number of terms.
        len: usize,
        /// True if the largest comes first.
        descending: bool,
        /// One term.
        term: ScalarExpr,
    },
    /// Those of the one input, in the same order: the result is its memory under another shape, and no kernel.
    Reshape,
    /// What a kernel makes of the inputs.
    Kernel(Arc<dyn TaskKernel>),
}

/// How the terms of a reduction are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// Their sum; 0 of none.
    Sum,
    /// Their product; 1 of none.
    Product,
    /// The largest, the smallest number of the type if there is none; NaN only if all are.
    Max,
    /// The smallest, the largest number of the type if there is none; NaN only if all are.
    Min,
    /// The number of the first term that is the largest, in row-major order of the further axes; 0 of none. NaN is less
    /// than any number.
    ArgMax,
    /// The number of the first term that is the smallest; 0 of none. NaN is greater than any number.
    ArgMin,
}

impl ReduceOp {
    /// The types in which terms are combined.
    pub const TYPES: [Scalar; 6] = [Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64, Scalar::U32, Scalar::U64];

    /// Returns the operation that combines two values.
    pub fn op(self) -> BinaryOp {
        match self {
            ReduceOp::Sum => BinaryOp::Add,
            ReduceOp::Product => BinaryOp::Mul,
            ReduceOp::Max | ReduceOp::ArgMax => BinaryOp::Max,
            ReduceOp::Min | ReduceOp::ArgMin => BinaryOp::Min,
        }
    }

    /// Returns true if the result is the number of a term.
    pub fn is_arg(self) -> bool {
        matches!(self, ReduceOp::ArgMax | ReduceOp::ArgMin)
    }

    /// Returns what does not change the result when it is one more term.
    pub fn identity(self, dtype: Scalar) -> Const {
        let number = match self {
            ReduceOp::Sum => 0.0,
            ReduceOp::Product => 1.0,
            // The smallest and the largest integer, for types of integers.
            ReduceOp::Max | ReduceOp::ArgMax => f64::NEG_INFINITY,
            ReduceOp::Min | ReduceOp::ArgMin => f64::INFINITY,
        };
        Const { scalar: dtype, bits: eval::from_f64(dtype, number) }
    }
}

impl Compute {
    /// Returns true if another one has the same definition, perhaps for results of another shape.
    pub(crate) fn is_same(&self, other: &Compute) -> bool {
        match (self, other) {
            (Compute::Each(a), Compute::Each(b)) => a.is_same(b),
            (Compute::Reduce { op: o, extents: e, term: a }, Compute::Reduce { op, extents, term: b }) => {
                (o, e) == (op, extents) && a.is_same(b)
            }
            (Compute::Scan { axis: own, term: a }, Compute::Scan { axis, term: b }) => own == axis && a.is_same(b),
            (
                Compute::Order { axis: x, len: l, descending: d, term: a },
                Compute::Order { axis, len, descending, term: b },
            ) => (x, l, d) == (axis, len, descending) && a.is_same(b),
            (Compute::Reshape, Compute::Reshape) => true,
            (Compute::Kernel(a), Compute::Kernel(b)) => a.is_same(&**b),
            _ => false,
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text())
    }
}

impl Task {
    /// Returns a text that is equal for tasks that compute the same.
    pub fn text(&self) -> String {
        let inputs = self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ");
        let compute = match &self.compute {
            Compute::Each(value) => value.to_string(),
            Compute::Reduce { op, extents, term } => format!("{op:?} over {extents:?} of {term}"),
            Compute::Scan { axis, term } => format!("sums along {axis} of {term}"),
            Compute::Order { axis, len, descending, term } => {
                format!("{}order along {axis} of {len} of {term}", if *descending { "falling " } else { "" })
            }
            Compute::Reshape => "the same elements".to_owned(),
            Compute::Kernel(kernel) => kernel.text(),
        };
        format!("{}({inputs}) -> {}: {compute}", self.name, self.output)
    }

    /// Adds what it computes to a hash.
    pub(crate) fn hash(&self, hasher: &mut impl Hasher) {
        (self.name, &self.inputs, &self.output).hash(hasher);
        match &self.compute {
            Compute::Each(value) => (0, value.hash()).hash(hasher),
            Compute::Reduce { op, extents, term } => (1, op, extents, term.hash()).hash(hasher),
            Compute::Scan { axis, term } => (2, axis, term.hash()).hash(hasher),
            Compute::Order { axis, len, descending, term } => (5, axis, len, descending, term.hash()).hash(hasher),
            Compute::Reshape => 3.hash(hasher),
            Compute::Kernel(_) => 4.hash(hasher),
        }
    }

    /// Returns true if another task has the same definition.
    pub(crate) fn is_same(&self, other: &Task) -> bool {
        let same = self.compute.is_same(&other.compute);
        same && (self.name, &self.inputs, &self.output) == (other.name, &other.inputs, &other.output)
    }

    /// Computes the result on the host, in `f64`: the reference of every implementation.
    ///
    /// # Errors
    ///
    /// If an operation is not defined for the values, or elements of an input are missing.
    pub fn evaluate(&self, inputs: &[Vec<Element64>]) -> Result<Vec<Element64>, String> {
        let read = |input: usize, index: &[i64]| {
            let missing = || format!("{} reads input {input}, which it has not or not whole", self.name);
            let ty = self.inputs.get(input).ok_or_else(missing)?;
            let mut at = 0;
            for (index, extent) in index.iter().zip(&ty.shape) {
                let Some(index) = usize::try_from(*index).ok().filter(|index| index < extent) else {
                    return Ok(Element64::constant(Const::zero(ty.dtype)));
                };
                at = at * extent + index;
            }
            inputs.get(input).and_then(|elements| elements.get(at)).copied().ok_or_else(missing)
        };
        let expr = match &self.compute {
            Compute::Each(value) => value,
            Compute::Reduce { term, .. } | Compute::Scan { term, .. } | Compute::Order { term, .. } => term,
            Compute::Reshape => return inputs.first().cloned().ok_or_else(|| format!("{} has no input", self.name)),
            Compute::Kernel(kernel) => return kernel.evaluate(inputs),
        };
        let (program, dtype) = (Program::of(expr)?, expr.dtype());
        // Integers are converted to the type of the result as on a device; floats are not rounded.
        let rounded = |value: Element64| value.cast(self.output.dtype);
        let element = |number: usize| {
            let own = coordinates(number, &self.output.shape);
            match &self.compute {
                Compute::Each(_) | Compute::Reshape | Compute::Kernel(_) => program.run(&own, &read),
                Compute::Reduce { op, extents, .. } => {
                    let terms = (0..extents.iter().product())
                        .map(|number| program.run(&[own.as_slice(), &coordinates(number, extents)].concat(), &read));
                    reduced(*op, dtype, terms).map(rounded)
                }
                Compute::Order { axis, len, descending, .. } => {
                    // All numbers of a line are made for each of them: definitions are for small tensors.
                    let at = |along: usize| {
                        let mut at = own.clone();
                        at[*axis] = along;
                        program.run(&at, &read)
                    };
                    let terms = (0..*len).map(at).collect::<Result<Vec<Element64>, String>>()?;
                    let mut numbers: Vec<usize> = (0..*len).collect();
                    numbers.sort_by(|a, b| {
                        let order = terms[*a].order(terms[*b]);
                        if *descending { order.reverse() } else { order }
                    });
                    Ok(rounded(Element64::integer(numbers[own[*axis]] as i64)))
                }
                Compute::Scan { axis, .. } => {
                    let at = |along| {
                        let mut at = own.clone();
                        at[*axis] = along;
                        program.run(&at, &read)
                    };
                    reduced(ReduceOp::Sum, dtype, (0..=own[*axis]).map(at)).map(rounded)
                }
            }
        };
        (0..self.output.len()).map(element).collect()
    }
}

/// Returns the coordinates of an element of a tensor, of its number in row-major order.
pub(crate) fn coordinates(number: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = number;
    let mut at: Vec<usize> = shape
        .iter()
        .rev()
        .map(|extent| {
            let own = rest % extent;
            rest /= extent;
            own
        })
        .collect();
    at.reverse();
    at
}

/// Combines terms on the host.
fn reduced(
    op: ReduceOp,
    dtype: Scalar,
    terms: impl Iterator<Item = Result<Element64, String>>,
) -> Result<Element64, String> {
    let mut result = Element64::constant(op.identity(dtype));
    let mut first = None;
    for (number, term) in terms.enumerate() {
        let term = term?;
        if op.is_arg() {
            let better = if op == ReduceOp::ArgMax { CompareOp::Gt } else { CompareOp::Lt };
            if term.compare(better, result) || first.is_none() && term.compare(CompareOp::Eq, result) {
                (result, first) = (term, Some(number));
            }
        } else {
            result = result.binary(op.op(), term).ok_or_else(|| format!("`{}` is not defined", op.op().name()))?;
        }
    }
    Ok(if op.is_arg() { Element64::integer(first.unwrap_or(0) as i64) } else { result })
}
