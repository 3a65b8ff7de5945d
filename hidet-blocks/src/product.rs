//! Products of a warp group along k.

use crate::fragment;
use crate::pipeline::Position;
use crate::staged::StagedInput;
use hidet_core::dsl::intrinsics::{ldmatrix_x4, thread_id, warp_id, wgmma_commit, wgmma_fence, wgmma_n, wgmma_wait};
use hidet_core::dsl::{Expr, View, registers, unroll, vector2};
use hidet_core::types::Element;
use hidet_macros::device;

/// Adds to `sums`, 64 rows of `n` numbers as [`wgmma_accumulator`](hidet_core::dsl::intrinsics::wgmma_accumulator) gives
/// them to the threads of a warp group, the products of 64 rows of `a` with all `n` rows of `b`, along `steps` stages.
/// The rows begin at `row` of each tile of `a`, which is row `first` of the whole. `T` has 16 bits.
///
/// Two stages are in flight: a stage is released when the next one's products have been issued and its own are complete.
#[device(crate = hidet_core)]
pub fn multiply<T: Element>(
    sums: View<f32, 1>,
    (a, b): (&StagedInput<T>, &StagedInput<T>),
    at: &Position,
    (row, first): (Expr<i32>, Expr<i32>),
    steps: Expr<i32>,
) {
    let (t, n, cols) = (thread_id() % 128, b.rows(), a.cols());
    // The rows of a, with the prologue applied: 16 columns at a time.
    let left = registers::<T, 2>([cols / 16, 8]);
    let mut before = 0;
    for step in 0..steps {
        at.wait();
        if a.prologue.is_identity() {
            wgmma_fence();
            for p in unroll((0..cols).step_by(16)) {
                wgmma_n(n, &sums[[0]], &a.tiles[[at.stage(), row, p]], &b.tiles[[at.stage(), 0, p]]);
            }
        } else {
            // Meanwhile the products of other warp groups continue.
            wgmma_wait(0);
            let warp_row = warp_id() % 4 * 16;
            for p in unroll(0..cols / 16) {
                let (matrix_row, matrix_col) = fragment::address();
                ldmatrix_x4(&left[[p, 0]], &a.tiles[[at.stage(), row + warp_row + matrix_row, p * 16 + matrix_col]]);
                for i in unroll((0..8).step_by(2)) {
                    let (in_row, in_col) = fragment::element(i);
                    let place = (first + warp_row + in_row, step * cols + p * 16 + in_col);
                    let loaded = vector2(left[[p, i]], left[[p, i + 1]]);
                    let [x, y] = a.prologue.apply::<T, 2>(loaded, place).lanes();
                    left[[p, i]] = x;
                    left[[p, i + 1]] = y;
                }
            }
            wgmma_fence();
            for p in unroll(0..cols / 16) {
                wgmma_n(n, &sums[[0]], &left[[p, 0]], &b.tiles[[at.stage(), 0, p * 16]]);
            }
        }
        wgmma_commit();
        wgmma_wait(1);
        if step > 0 {
            at.release(before, t);
        }
        before = at.stage();
        at.advance();
    }
    wgmma_wait(0);
    if steps > 0 {
        at.release(before, t);
    }
}
