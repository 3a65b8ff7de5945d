//! The rule for sums of all terms up to an element: each thread adds those of one line in order.

use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, unflattened};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;

use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Num;

/// The rule.
pub(super) struct Scan;

impl Implementation for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let axis = fused.scan.ok_or("it is not a sum of the terms up to each element")?;
        let parameters = Parameters::of(fused, given.contiguous);
        let extents = parameters.extents().to_vec();
        let lines = extents.iter().enumerate().filter(|(at, _)| *at != axis);
        let lines = lines.map(|(_, extent)| *extent).product::<usize>();
        let lines = i32::try_from(lines).map_err(|_| format!("{lines} lines: there may be less than 2^31"))?;
        let (own, given) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let dims: Vec<IndexExpr> = extents.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let blocks = IndexExpr::Const(lines.into()).div_ceil(128);
            signature.launch([blocks, 1.into(), 1.into()], [128, 1, 1], [1, 1, 1], 0);
            let body = Body::new(given.clone(), views, own.inputs.len());
            let added = dispatch!(own.value.dtype(); T in [f32, f64, i32, i64, u32, u64] => {
                add::<T>(&body, &own.value, &extents, (axis, lines), y)
            });
            if let Err(why) = added {
                refuse(&why.to_string());
            }
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// Adds the terms of the line of a thread.
#[device]
fn add<T: Num>(body: &Body, term: &ScalarExpr, extents: &[usize], (axis, lines): (usize, i32), y: AnyView) {
    let line = block_idx().x * 128 + thread_idx().x;
    if line < lines {
        let mut sum: T = lit(0);
        for at in 0..extents[axis] as i32 {
            let front: Vec<Expr<i32>> = extents
                .iter()
                .enumerate()
                .filter(|(own, _)| *own != axis)
                .map(|(_, extent)| (*extent as i32).into_expr())
                .collect();
            let others = unflattened(line, &front);
            let coordinates = [&others[..axis], &[at], &others[axis..]].concat();
            let place = Place::new(coordinates.clone(), None, 1, false);
            for value in body.values(term, &place, &[]) {
                sum += value.typed::<T>();
            }
            y.write(&coordinates, AnyExpr::from(sum).cast(y.scalar()));
        }
    }
}
