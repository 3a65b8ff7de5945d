//! The rule for sums: each thread adds the terms of one element of the result, in order.

use super::{Given, Implementation, KernelPlan, Parameters, Space, flattened, stored, viewed};
use crate::fuse::FusedTask;

use hidet::dispatch;
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;

/// The rule.
pub(super) struct SumByThreads;

kernel! {
    /// Each element of y is the sum of a row of terms.
    #[launch(grid = count.div_ceil(128), block = 128)]
    fn sum_by_threads<T: Num>(terms: In<T, [count, along]>, y: Out<T, [count, 1]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        if i < count {
            let mut sum: T = lit(0);
            for j in 0..along {
                sum += terms[[i, j]];
            }
            y[[i, 0]] = sum;
        }
    }
}

impl Implementation for SumByThreads {
    fn name(&self) -> &'static str {
        "sum_by_threads"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<KernelPlan, String> {
        let anchor = fused.anchor.as_ref().ok_or("it is not a sum")?;
        let term = anchor.term().ok_or("it is not a sum")?;
        let parameters = Parameters::of(fused, given.contiguous)?;
        let (given, own, dtype) = (parameters.clone(), fused.clone(), term.dtype());
        let bound = move |signature: &mut hidet::dsl::Signature| {
            let (rank, all) = (given.rank(), given.merge(&own.extents()).len());
            let dims: Vec<IndexExpr> = (0..all).map(|axis| signature.dim(&format!("n{axis}"))).collect();
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            let axes: Vec<usize> = (0..all).collect();
            let made = viewed(&term, &given, &views, &Space { axes: &axes, dims: &dims })
                .and_then(|terms| Ok((terms, stored(&own, dtype, y, (&given, &views))?)));
            match made {
                Ok((terms, y)) => vec![flattened(terms, rank).into(), flattened(y, rank).into()],
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = dispatch!(dtype; T in [f32, f64, i32, i64, u32, u64] => {
            sum_by_threads::<T>().bind(&fused.name, bound)
        });
        Ok(KernelPlan { template: template.map_err(|error| error.to_string())?, parameters })
    }
}
