//! Matrix products on the tensor cores of sm_90, of floats of 16 and 8 bits, tf32, and integers of 8 bits: persistent blocks go
//! through the tiles of the result, or share the products along k of few tiles.

mod kernel;
mod schedule;
mod three;

use super::operands::{Operands, sums_of};
use super::parts::{added, apart};
use super::product::{Product, multiprocessors};
use crate::error::TensorType;
use crate::expr::Precision;
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Plan, Source};
use hidet::dispatch;
use hidet::dsl::{Binding, Signature};
use hidet::prelude::*;
use hidet::types::{E4M3, E5M2, Scalar, TF32};
use kernel::{matmul_wgmma, matmul_wgmma_batched, matmul_wgmma_cluster, matmul_wgmma_parts};
pub(super) use schedule::{LAUNCH, RATES, SECOND, blocks_at_once};
use schedule::{Problem, Schedule, Split};

/// Products by wgmma.
pub(super) struct MatmulWgmma;

impl Implementation for MatmulWgmma {
    fn name(&self) -> &'static str {
        "matmul_wgmma"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let product = Product::of(fused, given)?;
        if given.arch != 90 {
            return Err("wgmma is an instruction of sm_90a".to_owned());
        }
        let dtype = product.multiplied();
        if sums_of(dtype) != Some(product.sums) || product.factors[1].dtype() != product.factors[0].dtype() {
            return Err("operands are not of one type that tensor cores multiply".to_owned());
        }
        if product.rank > 3 {
            return Err("matrices are numbered by several axes".to_owned());
        }
        // What is before the product and cannot be part of it is computed before.
        planned(product, fused, given).or_else(|why| apart(fused).ok_or(why))
    }
}

fn planned(mut product: Product, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
    let dtype = product.multiplied();
    if dtype == Scalar::TF32 {
        product.read_bits(dtype);
    }
    let mut plan = Plan::default();
    let operands = Operands::of(&mut product, fused, given, &mut plan, true)?;
    let [m, n, k] = product.shape;
    let is_half = dtype.bytes() == 2;
    let readable = given.contiguous && given.align >= 16;
    let s = Schedule::of(Problem {
        batch: product.batch,
        shape: [m, n, k],
        multiprocessors: multiprocessors(&given.device),
        bytes: dtype.bytes(),
        three: product.precision == Precision::Tf32x3,
        along_rows: operands.along_rows,
        straddles: operands.straddles,
        result_bytes: fused.output.dtype.bytes(),
        by_tma: is_half && fused.output.dtype == dtype && n % 8 == 0 && readable,
        in_pairs: n % 2 == 0 && readable,
        scales: product.factors.iter().map(|factor| factor.reads().len().saturating_sub(1)).sum(),
        may_have_parts: (is_half || product.precision == Precision::Tf32x3) && product.rank == 2,
    });
    let parts = match s.split {
        Split::Parts(parts) => Some(parts as usize),
        _ => None,
    };
    let kernel = kernel_of(fused, &product, &operands, s)?;
    let inputs = plan.sources(fused.inputs.len());
    match parts {
        None => plan.kernel(kernel, inputs, fused.output.clone()),
        Some(parts) => {
            let partial = TensorType::new(Scalar::F32, &[&[parts], fused.output.shape.as_slice()].concat());
            plan.kernel(kernel.with_result(&[parts, m, n]), inputs, partial.clone());
            let sums = std::iter::once(plan.last()).chain((0..fused.inputs.len()).map(Source::Input)).collect();
            plan.fused(added(fused, partial), sums);
        }
    }
    Ok(plan)
}

/// Returns the kernel of a product.
fn kernel_of(fused: &FusedTask, product: &Product, operands: &Operands, s: Schedule) -> Result<KernelPlan, String> {
    let bound = operands.bound(fused, product, s.has_parts());
    let (name, dtype, rank) = (fused.name.as_str(), product.factors[0].dtype(), product.rank);
    let template = match (dtype.bytes(), product.sums) {
        (2, _) => dispatch!(dtype; T in [f16, bf16] => match s.split {
            Split::Parts(_) => matmul_wgmma_parts::<T>(s).bind(name, bound),
            _ => made::<T, f32>(s, rank, name, bound),
        }),
        (_, Scalar::I32) => dispatch!(dtype; T in [i8, u8] => made::<T, i32>(s, rank, name, bound)),
        _ if s.three => Ok(match (rank, s.split) {
            (2, Split::Parts(_)) => three::matmul_three_parts(s).bind(name, bound),
            (2, _) => three::matmul_three(s).bind(name, bound),
            _ => three::matmul_three_batched(s).bind(name, bound),
        }),
        _ => dispatch!(dtype; T in [TF32, E4M3, E5M2] => made::<T, f32>(s, rank, name, bound)),
    };
    Ok(KernelPlan::new(template.map_err(|error| error.to_string())?, product.parameters.clone()))
}

/// Returns the kernel for one matrix or several, whose products along k are not divided among kernels.
fn made<T: Element, C: Num>(
    s: Schedule,
    rank: usize,
    name: &str,
    bound: impl FnOnce(&mut Signature) -> Vec<Binding> + 'static,
) -> Template<()> {
    match (rank, s.split) {
        (2, Split::Whole | Split::Parts(_)) => matmul_wgmma::<T, C>(s).bind(name, bound),
        (2, Split::Cluster(_)) => matmul_wgmma_cluster::<T, C>(s).bind(name, bound),
        _ => matmul_wgmma_batched::<T, C>(s).bind(name, bound),
    }
}
