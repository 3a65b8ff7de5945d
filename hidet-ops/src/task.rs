//! [`Task`]: what an operator computes, without a word of how.

use crate::error::TensorType;
use crate::expr::{Element64, ExprNode, ScalarExpr};
use std::fmt;

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
    /// Each a sum of terms over further axes of these extents, whose coordinates follow those of the result. Terms have
    /// the type in which they are added; the sum is converted to that of the result.
    Sum {
        /// The extents of the further axes.
        extents: Vec<usize>,
        /// One term.
        term: ScalarExpr,
    },
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text())
    }
}

impl Task {
    /// Returns the expression of each element, if each is computed by itself.
    pub fn each(&self) -> Option<&ScalarExpr> {
        match &self.compute {
            Compute::Each(value) => Some(value),
            Compute::Sum { .. } => None,
        }
    }

    /// Returns true if each element is computed of elements of the inputs at its own coordinates: all of them in order, or
    /// some, where the input is broadcast.
    pub fn is_elementwise(&self) -> bool {
        let mut is = self.each().is_some();
        if let Some(value) = self.each() {
            value.visit(&mut |expr| {
                if let ExprNode::Read { index, .. } = expr.node() {
                    is &= axes_of(index).is_some();
                }
            });
        }
        is
    }

    /// Returns a text that is equal for tasks that compute the same.
    pub fn text(&self) -> String {
        let inputs = self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ");
        let compute = match &self.compute {
            Compute::Each(value) => value.to_string(),
            Compute::Sum { extents, term } => format!("sum over {extents:?} of {term}"),
        };
        format!("{}({inputs}) -> {}: {compute}", self.name, self.output)
    }

    /// Computes the result on the host, in `f64`: the reference of every implementation.
    ///
    /// # Errors
    ///
    /// If an operation is not defined for the values, or elements of an input are missing.
    pub fn evaluate(&self, inputs: &[Vec<Element64>]) -> Result<Vec<Element64>, String> {
        let read = |input: usize, index: &[i64]| {
            let missing = || format!("{} reads input {input}, which it has not or not whole", self.name);
            let shape = &self.inputs.get(input).ok_or_else(missing)?.shape;
            let mut at = 0;
            for (index, extent) in index.iter().zip(shape) {
                let index = usize::try_from(*index).ok().filter(|index| index < extent);
                at = at * extent + index.ok_or_else(|| format!("{} reads outside of input {input}", self.name))?;
            }
            inputs.get(input).and_then(|elements| elements.get(at)).copied().ok_or_else(missing)
        };
        let coordinates = |number: usize, shape: &[usize]| {
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
        };
        let element = |number: usize| {
            let own = coordinates(number, &self.output.shape);
            match &self.compute {
                Compute::Each(value) => value.eval(&own, &read),
                Compute::Sum { extents, term } => {
                    let mut sum = 0.0;
                    for number in 0..extents.iter().product() {
                        let all = [own.clone(), coordinates(number, extents)].concat();
                        sum += term.eval(&all, &read)?.to_f64();
                    }
                    Ok(Element64::from_f64(sum))
                }
            }
        };
        (0..self.output.len()).map(element).collect()
    }
}

/// Returns for each axis of an input the coordinate at which an index reads it, `None` where that is 0; or nothing for any
/// other index. No coordinate is read twice.
pub(crate) fn axes_of(index: &[ScalarExpr]) -> Option<Vec<Option<usize>>> {
    let axis = |index: &ScalarExpr| match index.node() {
        ExprNode::Axis(axis) => Some(Some(*axis)),
        ExprNode::Const(value) if value.bits == 0 => Some(None),
        _ => None,
    };
    let axes: Vec<Option<usize>> = index.iter().map(axis).collect::<Option<_>>()?;
    let once = |at: usize| axes[at].is_none() || !axes[..at].contains(&axes[at]);
    (0..axes.len()).all(once).then_some(axes)
}
