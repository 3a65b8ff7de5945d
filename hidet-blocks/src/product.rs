//! Products of a warp group along k.

use crate::fragment::{self, at_column, coordinates, moved};
use crate::pipeline::Position;
use crate::staged::StagedInput;
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{
    barrier_sync, fence_proxy_async, ldmatrix_x4, refuse, thread_id, warp_id, wgmma_commit, wgmma_fence, wgmma_n,
    wgmma_wait,
};
use hidet_core::dsl::{Expr, IndexTuple, IntoExpr, View, registers, unroll, vector2};
use hidet_core::types::Element;
use hidet_macros::device;

/// Adds to `sums`, 64 rows of `n` numbers as [`wgmma_accumulator`](hidet_core::dsl::intrinsics::wgmma_accumulator) gives
/// them to the threads of a warp group, the products of 64 rows of `a` with all `n` rows of `b`, along `steps` stages.
/// The rows begin at `row` of each tile of `a`; the tiles begin at the row of `origin`, whose column has no meaning. Types are
/// those of [`wgmma`](hidet_core::dsl::intrinsics::wgmma); only inputs of 16 bits may have a prologue.
///
/// The named barrier with the number of the warp group in the block is used where `a` has a prologue.
///
/// Two stages are in flight: a stage is released when the next one's products have been issued and its own are complete.
#[device(crate = hidet_core)]
pub fn multiply<T: Element, C: Element, const R: usize>(
    sums: View<C, 1>,
    (a, b): (&StagedInput<T, R>, &StagedInput<T, R>),
    at: &Position,
    (row, origin): (impl IntoExpr<i32>, impl IndexTuple<R>),
    steps: Expr<i32>,
) {
    let (row, origin, t) = (row.into_expr(), coordinates(origin), thread_id() % 128);
    expect_two_stages(at);
    if a.prologue.is_identity() {
        multiply_tiles(sums, (a.as_copied(), b.as_copied()), at, row, steps);
    } else if T::SCALAR.bytes() != 2 {
        refuse(&format!(
            "an input of {} has a prologue, which is applied to elements of 16 bits in registers",
            T::SCALAR
        ));
    } else {
        let (mut before, b) = (0, b.as_copied());
        // Rows of the next stage are loaded while products with those of this one are computed.
        let left = registers::<T, 3>([2, a.cols() / 16, 8]);
        let issue_rows = |half: i32, step: Expr<i32>| {
            at.wait();
            load_left(left.slice(half), (a, at, row), moved(at_column(origin, step * a.cols()), row, 0));
            issue_left(sums, left.slice(half), (b, at));
            // All threads of the group have read the tile before one releases it.
            fence_proxy_async();
            barrier_sync(warp_id() / 4, 128);
            let stage = at.stage();
            at.advance();
            stage
        };
        for pair in 0..steps / 2 {
            let first = issue_rows(0, pair * 2);
            one_in_flight(at, pair > 0, before, t);
            before = issue_rows(1, pair * 2 + 1);
            one_in_flight(at, true.into_expr(), first, t);
        }
        wgmma_wait(0);
        if steps % 2 == 1 {
            let last = issue_rows(0, steps - 1);
            one_in_flight(at, steps > 1, before, t);
            before = last;
        }
        none_in_flight(at, steps > 0, before, t);
    }
}

/// The same for tiles as they are, however they were copied.
#[device(crate = hidet_core)]
pub fn multiply_tiles<T: Element, C: Element>(
    sums: View<C, 1>,
    (a, b): (StagedTiles<T>, StagedTiles<T>),
    at: &Position,
    row: impl IntoExpr<i32>,
    steps: Expr<i32>,
) {
    let (row, t) = (row.into_expr(), thread_id() % 128);
    expect_two_stages(at);
    let mut before = 0;
    for step in 0..steps {
        at.wait();
        issue(true, sums, (a, at, row), (b, at));
        one_in_flight(at, step > 0, before, t);
        before = at.stage();
        at.advance();
    }
    none_in_flight(at, steps > 0, before, t);
}

/// Refuses a pipeline in which a stage would wait for itself.
#[track_caller]
fn expect_two_stages(at: &Position) {
    if at.stages() < 2 {
        refuse(
            "a product needs a pipeline of two stages or more: a stage is given back when the products of the next one are \
             under way",
        );
    }
}

/// Waits for all products but the last group, and releases the stage `before`, of the group before that, if there is one.
#[device(crate = hidet_core)]
fn one_in_flight(at: &Position, is_any: Expr<bool>, before: Expr<i32>, t: Expr<i32>) {
    wgmma_wait(1);
    if is_any {
        at.release(before, t);
    }
}

/// Waits for all products, and releases the stage `last` if there is one.
#[device(crate = hidet_core)]
fn none_in_flight(at: &Position, is_any: Expr<bool>, last: Expr<i32>, t: Expr<i32>) {
    wgmma_wait(0);
    if is_any {
        at.release(last, t);
    }
}

/// Issues the products of 64 rows of a tile, from `row` on, with all rows of another, as one group of wgmma. They are added
/// to `sums` if `add`, else they replace them.
#[device(crate = hidet_core)]
pub fn issue<T: Element, C: Element>(
    add: bool,
    sums: View<C, 1>,
    (a, a_at, row): (StagedTiles<T>, &Position, Expr<i32>),
    (b, b_at): (StagedTiles<T>, &Position),
) {
    if a.cols() != b.extents()[0] {
        refuse(&format!("tiles of {} and {} columns are multiplied along their columns", a.cols(), b.extents()[0]));
    }
    if a.by_threads || b.by_threads {
        fence_proxy_async();
    }
    wgmma_fence();
    for p in unroll((0..a.cols()).step_by(StagedTiles::<T>::depth() as usize)) {
        let (slab, col) = (p / StagedTiles::<T>::width(), p % StagedTiles::<T>::width());
        let left = &a.memory[[a_at.stage(), slab, row, col]];
        b.multiply(add || p > 0, sums, left, b_at.stage(), p);
    }
    wgmma_commit();
}

/// Issues the products of 64 rows in registers, 16 columns at a time, with all rows of a tile, as one group of wgmma.
#[device(crate = hidet_core)]
pub fn issue_left<T: Element, C: Element>(sums: View<C, 1>, left: View<T, 2>, (b, at): (StagedTiles<T>, &Position)) {
    wgmma_fence();
    for p in unroll((0..b.extents()[0]).step_by(16)) {
        b.multiply(true, sums, &left[[p / 16, 0]], at.stage(), p);
    }
    wgmma_commit();
}

/// Loads 64 rows of a tile, from `row` on, into registers, and applies the prologue of the input, in which they begin at
/// `origin`.
#[device(crate = hidet_core)]
fn load_left<T: Element, const R: usize>(
    left: View<T, 2>,
    (a, at, row): (&StagedInput<T, R>, &Position, Expr<i32>),
    origin: [Expr<i32>; R],
) {
    let (warp_row, width) = (warp_id() % 4 * 16, StagedTiles::<T>::width());
    let prologue = a.prologue_at(at, origin[R - 1]);
    for p in unroll(0..a.cols() / 16) {
        let (in_row, in_col) = fragment::address();
        let (slab, col) = (p * 16 / width, p * 16 % width);
        ldmatrix_x4(&left[[p, 0]], &a.tiles.memory[[at.stage(), slab, row + warp_row + in_row, col + in_col]]);
        for i in unroll((0..8).step_by(2)) {
            let (in_row, in_col) = fragment::element(i);
            let place = moved(origin, warp_row + in_row, p * 16 + in_col);
            let [x, y] = prologue.apply::<T, 2>(vector2(left[[p, i]], left[[p, i + 1]]), place).lanes();
            left[[p, i]] = x;
            left[[p, i + 1]] = y;
        }
    }
}

/// Issues the products of 64 rows in registers with a tile whose rows they are multiplied with: as many as the registers
/// have columns. The sums have the columns of the tile. One group of wgmma.
#[device(crate = hidet_core)]
pub fn issue_left_by_rows<T: Element>(sums: View<f32, 1>, left: View<T, 2>, (b, at): (StagedTiles<T>, &Position)) {
    let width = StagedTiles::<T>::width();
    wgmma_fence();
    for slab in unroll(0..b.cols() / width) {
        for p in unroll(0..b.rows() / 16) {
            let right = &b.memory[[at.stage(), slab, p * 16, 0]];
            wgmma_n(width, true, &sums[[slab * width / 2]], &left[[p, 0]], right.transposed());
        }
    }
    wgmma_commit();
}
