//! Checks that the definition of a task holds together: its types, inputs and coordinates.

use super::{Compute, ReduceOp, Task};
use crate::expr::{ExprNode, ScalarExpr};
use hidet::ir::typing;
use hidet::types::{Scalar, Type};

impl Task {
    /// Checks the definition: that operations are defined for the types of their operands, that inputs are read with as
    /// many coordinates as they have axes, and that the result has the type that it says.
    ///
    /// # Errors
    ///
    /// Says what does not hold together, and what would.
    pub fn check(&self) -> Result<(), String> {
        let (value, further, wanted) = match &self.compute {
            Compute::Each(value) => (value, &[] as &[usize], Some(self.output.dtype)),
            Compute::Reduce { extents, term, .. } => (term, extents.as_slice(), None),
            Compute::Scan { term, .. } => (term, &[] as &[usize], None),
            Compute::Order { axis, len, term, .. } => return self.check_order(*axis, *len, term),
            Compute::Reshape => return self.check_reshape(),
            // It is checked when it is built.
            Compute::Kernel(_) => return Ok(()),
        };
        let extents = [&self.output.shape, further].concat();
        let mut problem = Ok(());
        value.visit(&mut |expr| {
            if problem.is_ok() {
                problem = self.check_node(expr, &extents);
            }
        });
        problem?;
        match wanted {
            Some(dtype) if value.dtype() != dtype => {
                Err(format!("its elements are {}, but those of its result {dtype}; `cast` them", value.dtype()))
            }
            None if !ReduceOp::TYPES.contains(&value.dtype()) => {
                let types = ReduceOp::TYPES.map(|dtype| dtype.to_string()).join(", ");
                Err(format!("terms of {} cannot be combined, only of {types}; `cast` them", value.dtype()))
            }
            _ => match &self.compute {
                Compute::Scan { axis, .. } if *axis >= self.output.rank() => {
                    Err(format!("the result {} has no axis {axis}", self.output))
                }
                _ => Ok(()),
            },
        }
    }

    fn check_order(&self, axis: usize, len: usize, term: &ScalarExpr) -> Result<(), String> {
        let mut extents = self.output.shape.clone();
        match extents.get_mut(axis) {
            Some(extent) if *extent <= len => *extent = len,
            Some(extent) => return Err(format!("axis {axis} has {len} terms, of which there are not {extent}")),
            None => return Err(format!("the result {} has no axis {axis}", self.output)),
        }
        let mut problem = Ok(());
        term.visit(&mut |expr| {
            if problem.is_ok() {
                problem = self.check_node(expr, &extents);
            }
        });
        problem
    }

    fn check_reshape(&self) -> Result<(), String> {
        match self.inputs.as_slice() {
            [input] if (input.dtype, input.len()) == (self.output.dtype, self.output.len()) => Ok(()),
            _ => Err(format!("{} has not the elements of its input", self.output)),
        }
    }

    fn check_node(&self, expr: &ScalarExpr, extents: &[usize]) -> Result<(), String> {
        let same =
            |name: &str, a: &ScalarExpr, b: &ScalarExpr| typing::same(name, &[a.dtype().into(), b.dtype().into()]);
        match expr.node() {
            ExprNode::Axis(axis) if *axis >= extents.len() => {
                Err(format!("it uses coordinate {axis}, but there are {}", extents.len()))
            }
            ExprNode::Read { input, index } => {
                let ty = self.inputs.get(*input).ok_or_else(|| format!("it has no input {input}"))?;
                if expr.dtype() != ty.dtype {
                    return Err(format!("input {input} is {ty}, but read as {}", expr.dtype()));
                }
                if index.len() != ty.rank() {
                    return Err(format!("input {input} is {ty}, but read with {} coordinates", index.len()));
                }
                for (own, extent) in index.iter().zip(&ty.shape) {
                    if own.dtype() != Scalar::I32 {
                        return Err(format!("a coordinate of input {input} is {}, not i32; `cast` it", own.dtype()));
                    }
                    if *extent != 1 && matches!(own.node(), ExprNode::Const(value) if value.bits == 0) {
                        return Err(format!(
                            "an axis with {extent} elements of input {input} is read at 0; a part of an axis is read at `0 + 0`"
                        ));
                    }
                    if let ExprNode::Axis(axis) = own.node()
                        && extents.get(*axis).is_some_and(|own| own != extent)
                    {
                        return Err(format!(
                            "coordinate {axis} goes to {}, but reads an axis with {extent} elements of input {input}; a part \
                             of an axis is read at `coordinate + 0`",
                            extents[*axis]
                        ));
                    }
                }
                Ok(())
            }
            ExprNode::Unary(op, a) => typing::unary(*op, a.dtype().into()).map(|_| ()),
            ExprNode::Binary(op, a, b) => same(op.name(), a, b).and(typing::binary(*op, a.dtype().into()).map(|_| ())),
            ExprNode::Compare(op, a, b) => {
                same(op.name(), a, b).and(typing::compare(*op, a.dtype().into()).map(|_| ()))
            }
            ExprNode::Select(condition, a, b) => {
                typing::condition(Type::from(condition.dtype())).and_then(|()| same("select", a, b))
            }
            ExprNode::Axis(_) | ExprNode::Const(_) | ExprNode::Cast(_) => Ok(()),
        }
    }
}
