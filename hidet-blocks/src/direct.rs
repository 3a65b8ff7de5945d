//! Results of warp groups, from registers to global memory without shared memory.

use crate::fragment::{self, moved};
use hidet_core::dsl::intrinsics::warp_id;
use hidet_core::dsl::{AnyExpr, AnyView, Expr, Out, View, unroll};
use hidet_core::types::Element;
use hidet_macros::device;

/// Stores the sums of a warp group, the one numbered `group`, of a tile with `cols` columns that begins at `first`, of which
/// each group has 64 rows: any type, any extents. `lanes` is 2 if columns of the output are a multiple of 2, else 1.
///
/// A warp writes 8 rows of 8 numbers at a time: half of the width of a TMA store, but no shared memory and no alignment.
#[device(crate = hidet_core)]
pub fn store_sums<S: Element, C: Element, const R: usize>(
    sums: View<S, 1>,
    output: Out<C, R>,
    (cols, lanes): (i32, i32),
    group: Expr<i32>,
    first: [Expr<i32>; R],
) {
    let output = AnyView::from(output);
    for i in unroll((0..cols / 2).step_by(lanes as usize)) {
        let (row, col) = fragment::element(i % 8);
        let place = moved(first, group * 64 + warp_id() % 4 * 16 + row, i / 8 * 16 + col);
        let values: Vec<AnyExpr> = (0..lanes).map(|lane| AnyExpr::from(sums[[i + lane]]).cast(C::SCALAR)).collect();
        output.store_inside(&place, AnyExpr::vector(&values));
    }
}
