//! Products of 16-bit floats with few rows, of which b has k contiguous or is computed of what has, such as weights of 8 bits
//! with a scale: on the tensor cores of sm_80 and later, by `mma.sync`.
//!
//! Such a product takes as long as its b is read. What comes out of registers cannot be the right operand of wgmma, and a copy
//! of b, converted, would be three times the bytes. Here each thread reads 16 adjacent elements of b as they are in memory, for
//! four products: which ones `mma` takes along k is free as long as both operands have the same.

use super::operands::Operands;
use super::product::{Product, multiprocessors};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Plan};
use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView};
use hidet::prelude::*;
use hidet::types::Scalar;

/// Products with few rows by `mma.sync`.
pub(super) struct MatmulNarrow;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// Warps of a block, each with a part of the products along k.
    warps: i32,
    /// How many times [`DEPTH`] elements of a row are on their way to a warp at the same time.
    ahead: i32,
    /// True if all warps have as many products, none of which is behind the end of a row.
    exact: bool,
}

/// The most rows; more are rather multiplied by a copy of b.
const MOST_ROWS: usize = 32;
/// Columns of a block.
const COLS: i32 = 32;
/// Rows of a block.
const ROWS: i32 = 16;
/// Elements along k of a warp at once: 16 of each of four lanes.
const DEPTH: i32 = 64;

kernel! {
    /// c = a * transposed b.
    #[launch(grid = (n.div_ceil(COLS), m.div_ceil(ROWS)), block = s.warps * 32, min_blocks = 1)]
    fn matmul_narrow<T: Element>(
        #[meta] s: Schedule,
        a: In<T, [m, _k]>,
        b: In<T, [_cols, _b]>,
        c: Out<f32, [m, n]>,
    ) {
        let (row, col, tiles) = (block_idx().y * ROWS, block_idx().x * COLS, COLS / 8);
        let (group, along) = (lane_id() / 4, lane_id() % 4 * 16);
        let (left, right) = (registers::<T, 3>([s.ahead, 2, 16]), registers::<T, 3>([s.ahead, tiles, 16]));
        let (pairs, sums) = (registers::<T, 1>([8]), registers::<f32, 2>([tiles, 4]));
        sums.fill(0.0);
        let chunks = (a.extent(1) + (DEPTH - 1)) / DEPTH;
        for first in (warp_id() * s.ahead..chunks).step_by(s.warps * s.ahead) {
            for u in unroll(0..s.ahead) {
                let k = (first + u) * DEPTH + along;
                for j in unroll(0..tiles) {
                    copy_row(s, b.into(), [col + group + j * 8, k], 16, right.slice(u).slice(j).into());
                }
                for half in unroll(0..2) {
                    for eight in unroll((0..16).step_by(8)) {
                        let to = left.slice(u).slice(half).tile([eight], [8]);
                        copy_row(s, a.into(), [row + group + half * 8, k + eight], 8, to.into());
                    }
                }
            }
            for u in unroll(0..s.ahead) {
                for four in unroll((0..16).step_by(4)) {
                    for e in unroll(0..8) {
                        pairs[[e]] = left[[u, e / 2 % 2, four + e / 4 * 2 + e % 2]];
                    }
                    for j in unroll(0..tiles) {
                        mma_m16n8k16(&sums[[j, 0]], &pairs[[0]], &right[[u, j, four]]);
                    }
                }
            }
        }
        let parts = shared::<f32, 3>([s.warps, ROWS, COLS]);
        for j in unroll(0..tiles) {
            for half in unroll(0..2) {
                let pair = vector2(sums[[j, half * 2]], sums[[j, half * 2 + 1]]);
                parts.store((warp_id(), group + half * 8, lane_id() % 4 * 2 + j * 8), pair);
            }
        }
        sync_threads();
        for number in (thread_id()..ROWS * COLS).step_by(s.warps * 32) {
            let (in_row, in_col) = (number / COLS, number % COLS);
            let mut sum = 0.0;
            for part in unroll(0..s.warps) {
                sum += parts[[part, in_row, in_col]];
            }
            c.set((row + in_row, col + in_col), sum);
        }
    }
}

/// Copies elements along the last axis to registers. Rows are multiples of 16 elements, so that all or none are inside of them;
/// those behind are 0. Of rows behind the last that one is copied: what is computed of it is dropped.
#[device]
fn copy_row(s: Schedule, from: AnyView, [row, col]: [Expr<i32>; 2], lanes: u8, to: AnyView) {
    let row = row.min(from.extent(0) - 1);
    if s.exact {
        to.store(&[0.into_expr()], from.load(&[row, col], lanes));
    } else {
        let zero = AnyExpr::lit(from.scalar(), 0);
        to.store(&[0.into_expr()], AnyExpr::vector(&vec![zero; lanes.into()]));
        if col < from.extent(1) {
            to.store(&[0.into_expr()], from.load(&[row, col], lanes));
        }
    }
}

impl Implementation for MatmulNarrow {
    fn name(&self) -> &'static str {
        "matmul_narrow"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let product = Product::of(fused, given)?;
        if given.arch < 80 {
            return Err("mma.sync of floats of 16 bits with 16 columns is an instruction of sm_80".to_owned());
        }
        let ([a, b], [m, n, k]) = (&product.factors, product.shape);
        let dtype = a.dtype();
        if ![Scalar::F16, Scalar::BF16].contains(&dtype) || b.dtype() != dtype {
            return Err("operands are not both f16 or both bf16".to_owned());
        }
        if product.rank != 2 || m > MOST_ROWS {
            return Err(format!("it is not one matrix of at most {MOST_ROWS} rows"));
        }
        let is_computed = product.memory_axes(b).is_none();
        let blocks = n.div_ceil(COLS as usize);
        if !is_computed && (m > ROWS as usize || blocks * 4 < multiprocessors(&given.device) * 3 || given.arch < 90) {
            return Err("b is in memory as it is multiplied, and there are more rows, or few columns".to_owned());
        }
        let axes = [[0, 2], [1, 2]].map(Vec::from);
        let lies = |factor: &ScalarExpr, axes: &Vec<usize>| {
            factor.reads().iter().any(|read| product.memory_axes(read).as_ref() == Some(axes))
        };
        if !lies(a, &axes[0]) || !lies(b, &axes[1]) || k % 16 != 0 || !given.contiguous || given.align < 16 {
            return Err("k is not contiguous in both operands, in rows that begin at multiples of 16 bytes".to_owned());
        }
        let operands = Operands { axes, along_rows: false, straddles: false, is_copied: false };
        // Measured for 4,096 and 14,336 columns: more of 8 bits have to be on their way.
        let (warps, ahead) = if is_computed { (16, 2) } else { (8, 1) };
        let s = Schedule { warps, ahead, exact: k.is_multiple_of((DEPTH * warps * ahead) as usize) };
        let template = || {
            let bound = operands.bound(fused, &product, false);
            dispatch!(dtype; T in [f16, bf16] => matmul_narrow::<T>(s).bind(&fused.name, bound))
        };
        // What a view cannot do is found when the kernel is built.
        let made = template().and_then(hidet::dsl::Template::build).and_then(|_| template());
        let made = made.map_err(|error| error.to_string())?;
        let mut plan = Plan::default();
        let inputs = plan.sources(fused.inputs.len());
        plan.kernel(KernelPlan::new(made, product.parameters), inputs, fused.output.clone());
        Ok(plan)
    }
}
