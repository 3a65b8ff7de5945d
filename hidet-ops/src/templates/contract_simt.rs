//! Sums of products of two tensors in f32 without tensor cores, whatever the order of their axes and however they are
//! indexed: convolutions of any number of axes, with channels first or last, as a product of two views.
//!
//! Coordinates of the result that one operand depends on are the rows, those of the other are the columns, or the other way
//! round if there are few of the others: tiles are wider than they are high. Products of matrices with enough tiles for the
//! device are left to `matmul_simt`; others are divided along k.

use super::parts::added;
use super::product::{Product, multiprocessors};
use super::tiling::Tiling;
use crate::error::TensorType;
use crate::expr::emit::emit;
use crate::expr::{ExprNode, ScalarExpr, part_of};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Parameters, Plan, Source, stored, unflattened};
use hidet::blocks::{CopiedInput, Route, multiply_by_threads};
use hidet::dsl::{AnyExpr, AnyView, IntoExpr, Signature};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Sums of products by threads.
pub(super) struct ContractSimt;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// What a block computes at a time.
    tiling: Tiling,
    /// How many blocks share the products along k of a tile, and the products of each.
    parts: u32,
    each: u32,
    /// Extents of the product.
    shape: [u32; 3],
    /// The axis of b that is k.
    k_axis: usize,
    /// Elements of the result that are stored together.
    lanes: i32,
}

/// Bytes per microsecond that are written where only one element of a sector is.
const SCATTERED: f64 = 3e6 / 32.0;

impl Schedule {
    /// Returns the schedule with the least expected time of those that a grid can have, and that time in microseconds.
    /// Adjacent columns are adjacent in memory or not.
    fn of(
        shape @ [m, n, k]: [u32; 3],
        multiprocessors: usize,
        k_axis: usize,
        computed: [bool; 2],
        adjacent: bool,
    ) -> Option<(Schedule, f64)> {
        let with = |tiling: Tiling, parts: u32| {
            let each = k.max(1).div_ceil(tiling.depth).div_ceil(parts) * tiling.depth;
            let parts = k.max(1).div_ceil(each);
            Schedule { tiling, parts, each, shape, k_axis, lanes: 1 }
        };
        let all = Tiling::all().flat_map(|tiling| [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].map(|parts| with(tiling, parts)));
        let blocks = |s: &Schedule| {
            let [rows, cols] = s.tiling.tile.extents();
            (m as usize).div_ceil(rows as usize) * (n as usize).div_ceil(cols as usize) * s.parts as usize
        };
        let expected = |s: &Schedule| {
            let join =
                if s.parts > 1 { 3.0 + f64::from(s.parts) * f64::from(m) * f64::from(n) * 8.0 / 3e6 } else { 0.0 };
            let scattered = if adjacent { 0.0 } else { f64::from(s.parts) * f64::from(m) * f64::from(n) / SCATTERED };
            s.tiling.time(blocks(s), s.each.min(k), computed, multiprocessors) + join + scattered
        };
        // A grid has at most so many blocks along y.
        let fits = |s: &Schedule| m.div_ceil(s.tiling.tile.extents()[0]) <= 65535;
        let timed = all.filter(fits).map(|schedule| (schedule, expected(&schedule)));
        let (s, time) = timed.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        Some((Schedule { tiling: s.tiling.fitted(blocks(&s), multiprocessors), ..s }, time))
    }
}

kernel! {
    /// c = a * b for each part of k; b is `[k, n]` or `[n, k]`.
    #[launch(
        grid = (
            s.shape[1].div_ceil(s.tiling.tile.extents()[1]),
            s.shape[0].div_ceil(s.tiling.tile.extents()[0]),
            s.parts
        ),
        block = s.tiling.tile.threads(),
        min_blocks = s.tiling.min_blocks
    )]
    fn contract_simt(
        #[meta] s: Schedule,
        a: In<f32, [m, _k]>,
        b: In<f32, [_b0, _b1]>,
        c: Out<f32, [parts, m, n]>,
    ) {
        let (tile, depth) = (s.tiling.tile, s.tiling.depth);
        let ([rows, cols], threads) = (tile.extents(), tile.threads());
        let first = [block_idx().y * rows as i32, block_idx().x * cols as i32];
        let origin = tile.inwards(first, [m, n]);
        let (k, each) = (s.shape[2] as i32, s.each as i32);
        let begin = block_idx().z * each;
        let a = CopiedInput::new(a, (1, Route::Registers), [rows, depth], threads, origin[0]).beginning_at(begin);
        let b = CopiedInput::new(b, (s.k_axis, Route::Registers), [cols, depth], threads, origin[1]).beginning_at(begin);
        let sums = tile.registers();
        sums.fill(0.0);
        multiply_by_threads(&tile, sums, (&a, &b), (k - begin).min(each));
        tile.store(sums, c.slice(block_idx().z), s.lanes, origin, first);
    }
}

/// A sum of products of an element of a, which depends on the rows and k, and one of b, which depends on the columns and k.
struct Contraction {
    /// The inputs that are the operands, and their indices.
    operands: [(usize, Vec<ScalarExpr>); 2],
    /// The coordinates of the result that are rows and columns, and those of k.
    axes: [Vec<usize>; 3],
}

impl Contraction {
    fn of(fused: &FusedTask) -> Result<Contraction, String> {
        let [sum] = fused.reductions.as_slice() else { return Err("it is not one sum".to_owned()) };
        // Products of f32 are more exact than three of tf32.
        if sum.plain_product().is_none() || sum.term().dtype() != Scalar::F32 {
            return Err("its terms are not products in f32 of elements of two tensors".to_owned());
        }
        let rank = fused.output.rank();
        let operand = |expr: &ScalarExpr| {
            let ExprNode::Read { input, index } = expr.node() else { return None };
            let mut axes: Vec<usize> = Vec::new();
            let mut is_plain = expr.dtype().is_float() && expr.dtype() != Scalar::F64;
            for index in index {
                index.visit(&mut |expr| match expr.node() {
                    ExprNode::Axis(axis) if fused.extents[*axis] != 1 && !axes.contains(axis) => axes.push(*axis),
                    ExprNode::Read { .. } => is_plain = false,
                    _ => {}
                });
            }
            is_plain.then(|| ((*input, index.clone()), axes))
        };
        let operands: Option<Vec<_>> = sum.operands.iter().map(operand).collect();
        let operands = operands.ok_or("an operand is computed")?;
        let [(a, of_a), (b, of_b)] = <[_; 2]>::try_from(operands).map_err(|_| "a product has two operands")?;
        let own = |axis: &usize| fused.extents[*axis] != 1;
        let results: Vec<usize> = (0..rank).filter(own).collect();
        let only = |of: &[usize], other: &[usize]| -> Vec<usize> {
            results.iter().copied().filter(|axis| of.contains(axis) && !other.contains(axis)).collect()
        };
        let (rows, cols) = (only(&of_a, &of_b), only(&of_b, &of_a));
        if rows.len() + cols.len() != results.len() || fused.over.iter().any(|axis| *axis < rank) {
            return Err("a coordinate of the result is one of both operands, or of none".to_owned());
        }
        // Threads of a warp store adjacent columns.
        let last = results.last();
        let swap = rows.last() == last && last.is_some();
        let k = (rank..fused.extents.len()).collect();
        let ((a, rows), (b, cols)) = if swap { ((b, cols), (a, rows)) } else { ((a, rows), (b, cols)) };
        Ok(Contraction { operands: [a, b], axes: [rows, cols, k] })
    }

    /// Returns the same with rows as columns, which are then not adjacent in memory.
    fn turned(&self) -> Contraction {
        let ([a, b], [rows, cols, k]) = (self.operands.clone(), self.axes.clone());
        Contraction { operands: [b, a], axes: [cols, rows, k] }
    }

    /// Returns the schedule with the least expected time, in microseconds. Adjacent columns are adjacent in memory or not.
    fn scheduled(&self, fused: &FusedTask, given: &Given, adjacent: bool) -> Result<(Schedule, f64), String> {
        let extent = |axes: &[usize]| {
            let all = axes.iter().try_fold(1usize, |all, axis| all.checked_mul(fused.extents[*axis]));
            all.and_then(|all| i32::try_from(all).ok()).ok_or("an extent of the product is more than 2^31")
        };
        let [rows, cols, k] = &self.axes;
        let (shape, [a, b]) = ([extent(rows)?, extent(cols)?, extent(k)?], &self.operands);
        if shape.contains(&0) || a.0 == b.0 {
            return Err("it has no terms, or both operands are one tensor".to_owned());
        }
        // Adjacent threads read adjacent elements.
        let ends_in_k = |index: &[ScalarExpr]| {
            let last = index.last().and_then(ScalarExpr::affine);
            last.is_some_and(|(factors, _)| factors.keys().all(|axis| k.contains(axis)))
        };
        let k_axis = usize::from(ends_in_k(&b.1));
        let shape = shape.map(i32::unsigned_abs);
        let computed =
            [a, b].map(|(input, index)| part_of(index, &fused.extents, &fused.inputs[*input].shape).is_none());
        let (mut schedule, time) = Schedule::of(shape, multiprocessors(&given.device), k_axis, computed, adjacent)
            .ok_or("a grid has at most 65535 blocks along y")?;
        // Columns are adjacent as far as the last axis of the result goes.
        if let Some(last) = cols.last().filter(|axis| adjacent && **axis + 1 == fused.output.rank()) {
            schedule.lanes = Tiling::lanes(fused, given, fused.extents[*last]);
        }
        Ok((schedule, time))
    }
}

/// Returns the coordinates of a fused task for numbers of the elements along several lists of them.
fn coordinates(extents: &[usize], parts: &[(&[usize], Expr<i32>)]) -> Vec<Expr<i32>> {
    let mut all = vec![0.into_expr(); extents.len()];
    for (axes, number) in parts {
        let own: Vec<Expr<i32>> = axes.iter().map(|axis| (extents[*axis] as i32).into_expr()).collect();
        for (axis, at) in axes.iter().zip(unflattened(*number, &own)) {
            all[*axis] = at;
        }
    }
    all
}

impl Implementation for ContractSimt {
    fn name(&self) -> &'static str {
        "contract_simt"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let straight = Contraction::of(fused)?;
        let both = [(straight.turned(), false), (straight, true)].map(|(own, adjacent)| {
            let (s, time) = own.scheduled(fused, given, adjacent)?;
            Ok::<_, String>((own, s, time, adjacent))
        });
        let (own, s, _, adjacent) = match both {
            [Ok(turned), Ok(straight)] if turned.2 < straight.2 => turned,
            [_, Ok(own)] | [Ok(own), _] => own,
            [_, Err(why)] => return Err(why),
        };
        let Contraction { operands: [a, b], axes } = own;
        let shape = s.shape.map(i64::from);
        let are_matrices = Product::in_any_order(fused, given).is_ok();
        if s.parts == 1 && are_matrices && adjacent {
            return Err("there are enough tiles for `matmul_simt`".to_owned());
        }
        let mut after = fused.clone();
        after.reductions[0].operands.clear();
        after.extents.truncate(fused.output.rank());
        after.over.clear();
        if s.parts > 1 {
            after.value = ScalarExpr::read(fused.result_of(0), Scalar::F32, Vec::new());
        }
        let whole = [a.0, b.0].map(|input| (input, fused.inputs[input].clone()));
        let parameters = Parameters::of(&after, false).behind(&whole);
        let mut output = fused.output.clone();
        if s.parts > 1 {
            output = TensorType::new(Scalar::F32, &[&[s.parts as usize], output.shape.as_slice()].concat());
        }
        let (extents, result, all) = (fused.extents.clone(), output.clone(), parameters.clone());
        let bound = move |signature: &mut Signature| {
            let rank = after.extents.len();
            let dims: Vec<IndexExpr> = after.extents.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let views = all.declare(signature, &dims);
            let [rows, cols, k] = [0, 1, 2].map(|at| axes[at].clone());
            let sizes = shape.map(IndexExpr::Const);
            let operand = |view: AnyView, (_, index): &(usize, Vec<ScalarExpr>), lines: &[usize], k_axis: usize| {
                let (index, lines, k, extents) = (index.clone(), lines.to_vec(), k.clone(), extents.clone());
                let size = if lines == rows { sizes[0].clone() } else { sizes[1].clone() };
                let order = if k_axis == 1 { [size, sizes[2].clone()] } else { [sizes[2].clone(), size] };
                let remapped = view.remap(&order, 1, move |at| {
                    let all = coordinates(&extents, &[(&lines, at[1 - k_axis]), (&k, at[k_axis])]);
                    let axis = |leaf: &ScalarExpr| match leaf.node() {
                        ExprNode::Axis(axis) => AnyExpr::from(all[*axis]),
                        _ => AnyExpr::lit(leaf.dtype(), 0),
                    };
                    index.iter().map(|index| emit(index, &mut |leaf, _| axis(leaf)).typed::<i32>()).collect()
                });
                match remapped.scalar() {
                    Scalar::F32 => remapped,
                    _ => remapped.map(Scalar::F32, &[], |value, _, _| value.cast(Scalar::F32)),
                }
            };
            let inputs = [operand(views[0], &a, &rows, 1), operand(views[1], &b, &cols, s.k_axis)];
            let shape: Vec<IndexExpr> = result.shape.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let y = signature.param("y", result.dtype, &shape, Access::Out);
            let of_result: Vec<usize> = (0..rank).collect();
            let stored = match s.parts {
                1 => stored(&after, Scalar::F32, (y, &of_result), (&all, &views)),
                _ => Ok(y),
            };
            match stored {
                Ok(y) => {
                    let (extents, parts) = (after.extents.clone(), s.parts);
                    let order = [IndexExpr::Const(parts.into()), sizes[0].clone(), sizes[1].clone()];
                    let y = y.remap(&order, s.lanes as u32, move |at| {
                        let place = coordinates(&extents, &[(&rows, at[1]), (&cols, at[2])]);
                        if parts > 1 { [&[at[0]], place.as_slice()].concat() } else { place }
                    });
                    [inputs[0], inputs[1], y].map(Into::into).into()
                }
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let kernel = KernelPlan::new(contract_simt(s).bind(&fused.name, bound), parameters).with_result(&output.shape);
        let inputs: Vec<Source> = (0..fused.inputs.len()).map(Source::Input).collect();
        let mut plan = Plan::default();
        plan.kernel(kernel, inputs.clone(), output.clone());
        if s.parts > 1 {
            let sums = [vec![plan.last()], inputs].concat();
            plan.fused(added(fused, output), sums);
        }
        Ok(plan)
    }
}
