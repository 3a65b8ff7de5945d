//! Matrix products in f32 without tensor cores: the schedule of the paper. Operands may be parts of tensors, with any order of
//! axes, and rows and columns any axes of the result.
//!
//! Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, figure 8.

use super::product::{Product, batched, multiprocessors};
use super::tiling::Tiling;
use crate::expr::{Precision, ScalarExpr};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Plan, Space, stored, viewed};
use hidet::blocks::{CopiedInput, Route, multiply_by_threads};
use hidet::dsl::Signature;
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Products whose terms are added in f32, by threads.
pub(super) struct MatmulSimt;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// What a block computes at a time.
    tiling: Tiling,
    /// How tiles of both inputs are copied.
    routes: [Route; 2],
    /// The axes of both that are k.
    k_axes: [usize; 2],
    /// Elements of the result that are stored together.
    lanes: i32,
}

impl Schedule {
    /// Returns the schedule with the least expected time of those that a grid can have. What is in memory can be copied
    /// asynchronously.
    fn of(
        batch: usize,
        [m, n, k]: [usize; 3],
        multiprocessors: usize,
        are_memory: [bool; 2],
        k_axes: [usize; 2],
    ) -> Option<Schedule> {
        let counts = |tiling: &Tiling| {
            let [rows, cols] = tiling.tile.extents();
            [m.div_ceil(rows as usize), n.div_ceil(cols as usize)]
        };
        let k = u32::try_from(k).ok()?;
        let blocks = |tiling: &Tiling| batch * counts(tiling).iter().product::<usize>();
        let expected = |tiling: &Tiling| tiling.time(blocks(tiling), k, [false; 2], multiprocessors);
        // A grid has at most so many blocks along y.
        let all = Tiling::all().filter(|tiling| counts(tiling)[0] <= 65535);
        let tiling = all.map(|tiling| (tiling, expected(&tiling))).min_by(|(_, a), (_, b)| a.total_cmp(b))?.0;
        let tiling = tiling.fitted(blocks(&tiling), multiprocessors);
        // Both asynchronously is quickest (`benches/results/h200/matmul_f32.csv`); of one of them, in the middle of a tile.
        let routes = match are_memory {
            [true, true] => [Route::Asynchronous(0); 2],
            [_, true] => [Route::Registers, Route::Asynchronous(tiling.depth as i32 / 2)],
            [_, false] => [Route::Registers; 2],
        };
        Some(Schedule { tiling, routes, k_axes, lanes: 1 })
    }
}

kernel! {
    /// c = a * b; a is `[m, k]` or `[k, m]`, b is `[k, n]` or `[n, k]`.
    #[launch(
        grid = (n.div_ceil(s.tiling.tile.extents()[1]), m.div_ceil(s.tiling.tile.extents()[0])),
        block = s.tiling.tile.threads(),
        min_blocks = s.tiling.min_blocks
    )]
    fn matmul_simt(#[meta] s: Schedule, a: In<f32, [_a0, _a1]>, b: In<f32, [_b0, _b1]>, c: Out<f32, [m, n]>) {
        multiply(s, (a, b), c);
    }

    /// The same for each matrix of a batch.
    #[launch(
        grid = (n.div_ceil(s.tiling.tile.extents()[1]), m.div_ceil(s.tiling.tile.extents()[0]), batch),
        block = s.tiling.tile.threads(),
        min_blocks = s.tiling.min_blocks
    )]
    fn matmul_simt_batched(
        #[meta] s: Schedule,
        a: In<f32, [batch, _a0, _a1]>,
        b: In<f32, [batch, _b0, _b1]>,
        c: Out<f32, [batch, m, n]>,
    ) {
        let number = block_idx().z;
        multiply(s, (a.slice(number), b.slice(number)), c.slice(number));
    }
}

/// Computes the tile of a block.
#[device]
fn multiply(s: Schedule, (a, b): (In<f32, 2>, In<f32, 2>), c: Out<f32, 2>) {
    let k = a.extent(s.k_axes[0]);
    let (tile, depth) = (s.tiling.tile, s.tiling.depth);
    let ([rows, cols], threads) = (tile.extents(), tile.threads());
    let first = [block_idx().y * rows as i32, block_idx().x * cols as i32];
    let origin = tile.inwards(first, [c.extent(0), c.extent(1)]);
    let a = CopiedInput::new(a, (s.k_axes[0], s.routes[0]), [rows, depth], threads, origin[0]);
    let b = CopiedInput::new(b, (s.k_axes[1], s.routes[1]), [cols, depth], threads, origin[1]);
    let sums = tile.registers();
    sums.fill(0.0);
    multiply_by_threads(&tile, sums, (&a, &b), k);
    tile.store(sums, c, s.lanes, origin, first);
}

impl Implementation for MatmulSimt {
    fn name(&self) -> &'static str {
        "matmul_simt"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        // Matrices that are numbered by one axis need no division for their place.
        let fewer = fused.without_ones().and_then(|fewer| self.plan_as(&fewer, given).ok());
        let Some(mut plan) = fewer else { return self.plan_as(fused, given) };
        plan.steps.iter_mut().for_each(|step| step.output = fused.output.clone());
        Ok(plan)
    }
}

impl MatmulSimt {
    /// Makes the kernel for a task with these axes.
    fn plan_as(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let product = Product::in_any_order(fused, given)?;
        // Products of f32 are more exact than three of tf32.
        if product.sums != Scalar::F32 || product.precision == Precision::Tf32 {
            return Err("its terms are not products of f32".to_owned());
        }
        let ([a, b], [mut of_a, mut of_b], rank) = (product.factors.clone(), product.axes(), product.rank);
        // Adjacent threads read adjacent elements: the last axis is that in memory.
        let last = |operand: &ScalarExpr| product.memory_axes(operand).and_then(|own| own.last().copied());
        if last(&a) == Some(product.order[rank - 2]) {
            of_a.swap(rank - 2, rank - 1);
        }
        if last(&b) == Some(rank) {
            of_b.swap(rank - 2, rank - 1);
        }
        let k_axes = [&of_a, &of_b].map(|own| usize::from(own[rank - 1] == rank));
        // A tensor that is copied asynchronously is in memory as the kernel sees it, but for the order of the axes in front.
        let is_memory = |operand: &ScalarExpr, axes: &[usize]| {
            let is_same = |own: Vec<usize>| own.last() == axes.last() && axes.iter().all(|axis| own.contains(axis));
            operand.dtype() == Scalar::F32 && rank <= 3 && product.memory_axes(operand).is_some_and(is_same)
        };
        let are_memory = [is_memory(&a, &of_a), is_memory(&b, &of_b)];
        let multiprocessors = multiprocessors(&given.device);
        let mut schedule = Schedule::of(product.batch, product.shape, multiprocessors, are_memory, k_axes)
            .ok_or("a grid has at most 65535 blocks along y")?;
        if product.order[rank - 1] + 1 == rank {
            schedule.lanes = Tiling::lanes(fused, given, product.shape[1]);
        }
        let (parameters, order) = (product.parameters, product.order);
        let (given, own) = (parameters.clone(), fused.clone());
        let bound = move |signature: &mut Signature| {
            // Of one product for each element, k may be the extent of no parameter.
            let has_axis = |axis: usize| {
                axis < rank || (0..given.len()).any(|at| given.axes(at).is_some_and(|own| own.contains(&axis)))
            };
            let dim = |axis: usize| match has_axis(axis) {
                true => signature.dim(&format!("n{axis}")),
                false => IndexExpr::Const(given.extents()[axis] as i64),
            };
            let dims: Vec<IndexExpr> = (0..=rank).map(dim).collect();
            let views = given.declare(signature, &dims);
            let c = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            let view = |operand: &ScalarExpr, axes: &[usize]| {
                viewed(&operand.cast(Scalar::F32), &given, &views, &Space { axes, dims: &dims })
            };
            let made = view(&a, &of_a).and_then(|a| {
                let (b, all) = (view(&b, &of_b)?, (0..rank).collect::<Vec<usize>>());
                let c = stored(&own, Scalar::F32, (c, &all), (&given, &views))?;
                Ok([a, b, c.permute(&order)])
            });
            match made {
                Ok(all) if rank == 2 => all.map(Into::into).into(),
                Ok(all) => all.map(batched).map(Into::into).into(),
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = match rank {
            2 => matmul_simt(schedule).bind(&fused.name, bound),
            _ => matmul_simt_batched(schedule).bind(&fused.name, bound),
        };
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}
