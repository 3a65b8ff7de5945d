//! Kernels of users: operators that compute element by element become part of them through views.

use super::parts::{before, behind_steps, sources};
use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr};
use crate::fuse::{FusedTask, Reduction};
use crate::schedule::{Given, Implementation, KernelPlan, Parameters, Plan, Source, Space, stored, viewed};
use crate::task::{Compute, TaskKernel};
use hidet::dsl::intrinsics::refuse;
use hidet::dsl::{AnyView, Signature, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use std::ops::Range;
use std::sync::Arc;

/// The kernels that operators have of their own.
pub(super) struct Own;

impl Implementation for Own {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let [reduction] = fused.reductions.as_slice() else { return Err("it has no kernel of its own".to_owned()) };
        let Compute::Kernel(kernel) = &reduction.task.compute else {
            return Err("it has no kernel of its own".to_owned());
        };
        // What is behind the kernel is rather part of it than what is before it: that may be computed several times.
        let in_memory = given.contiguous && given.align >= 16;
        let mut refused = String::new();
        for apart in [[false, false], [true, false], [false, true], [true, true]] {
            if !in_memory && !apart[0] {
                continue;
            }
            let mut plan = Plan::default();
            let inner = parted(fused, apart, &mut plan);
            let parameters = Parameters::of(&inner, false);
            if parameters.all_at_coordinates().is_err() {
                continue;
            }
            // What a view cannot do is found when the kernel is built.
            if let Err(error) = template(kernel, &inner, &parameters).build() {
                refused = error.to_string();
                continue;
            }
            let made = KernelPlan::new(template(kernel, &inner, &parameters), parameters);
            plan.kernel(made, sources(fused, inner.inputs.len()), inner.output.clone());
            if apart[1] {
                behind(fused, &mut plan);
            }
            return Ok(plan);
        }
        Err(refused)
    }
}

/// Returns the coordinates of the kernel that are the axes of an input: each input has its own, behind those of the result.
fn axes(reduction: &Reduction, input: usize) -> Range<usize> {
    let before: usize = reduction.task.inputs[..input].iter().map(TensorType::rank).sum();
    let first = reduction.task.output.rank() + before;
    first..first + reduction.task.inputs[input].rank()
}

/// Returns what is computed by the kernel if what is before it, and what is behind it, are `apart`. Inputs that are computed
/// apart are steps of the plan, and follow the inputs of the task.
fn parted(fused: &FusedTask, [ahead, after]: [bool; 2], plan: &mut Plan) -> FusedTask {
    let reduction = &fused.reductions[0];
    let mut operands = reduction.operands.clone();
    if ahead {
        for (input, operand) in operands.iter_mut().enumerate() {
            before(fused, operand, &axes(reduction, input).collect::<Vec<usize>>(), plan);
        }
    }
    let mut inner = behind_steps(fused, operands, plan);
    if after {
        inner.value = ScalarExpr::read(inner.result_of(0), reduction.dtype(), Vec::new());
        inner.output = reduction.task.output.clone();
    }
    inner
}

/// Adds what is behind the kernel, the last step so far, as a task of its own.
fn behind(fused: &FusedTask, plan: &mut Plan) {
    let (result, output) = (fused.result_of(0), &fused.reductions[0].task.output);
    let value = fused.value.substitute(&mut |expr| match expr.node() {
        ExprNode::Read { input, .. } if *input == result => {
            Some(ScalarExpr::read(result, expr.dtype(), (0..output.rank()).map(ScalarExpr::axis).collect()))
        }
        _ => None,
    });
    let inputs = fused.inputs.iter().chain([output]).cloned().collect();
    let all = (0..fused.inputs.len()).map(Source::Input).chain([plan.last()]).collect();
    plan.fused(FusedTask::each(format!("behind_{}", fused.name), inputs, fused.output.clone(), value), all);
}

/// Returns the kernel with views of what is computed before and behind it.
fn template(kernel: &Arc<dyn TaskKernel>, fused: &FusedTask, parameters: &Parameters) -> Template<()> {
    let (own, parameters) = (fused.clone(), parameters.clone());
    let bound = move |signature: &mut Signature| {
        let dims: Vec<IndexExpr> = parameters.extents().iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
        let (views, reduction, rank) = (parameters.declare(signature, &dims), &own.reductions[0], own.output.rank());
        let view = |(input, operand): (usize, &ScalarExpr)| {
            let axes: Vec<usize> = axes(reduction, input).collect();
            viewed(operand, &parameters, &views, &Space { axes: &axes, dims: &dims })
        };
        let inputs: Result<Vec<AnyView>, String> = reduction.operands.iter().enumerate().map(view).collect();
        let made = inputs.and_then(|inputs| {
            let y = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            let axes: Vec<usize> = (0..rank).collect();
            let y = stored(&own, reduction.dtype(), (y, &axes), (&parameters, &views))?;
            Ok(inputs.into_iter().chain([y]).map(Into::into).collect())
        });
        made.unwrap_or_else(|why| {
            refuse(&why);
            Vec::new()
        })
    };
    kernel.bind(&fused.name, Box::new(bound))
}
