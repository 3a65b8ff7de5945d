//! Results of warp groups of any extents, from registers to global memory: at once, or through shared memory row by row.

use crate::fragment::{self, moved};
use hidet_core::dsl::intrinsics::{lane_id, refuse, sync_warp, warp_id};
use hidet_core::dsl::{AnyExpr, AnyView, Expr, Out, View, shared, unroll, vector2};
use hidet_core::types::Element;
use hidet_macros::device;

/// Stores the sums of a warp group, the one numbered `group`, of a tile with `cols` columns that begins at `first`, of which
/// each group has 64 rows: any type, any extents. `lanes` is 2 if columns of the output are a multiple of 2, else 1.
///
/// A warp writes 8 rows of 8 numbers at a time, which are whole sectors of 32 bytes if two numbers have 8 bytes; where they have
/// fewer, [`RowOutput`] is quicker.
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

/// Shared memory through which the warps of `groups` warp groups store sums row by row, so that lanes store numbers beside each
/// other: 16-bit results whose rows begin anywhere, which TMA does not store.
#[derive(Clone, Copy, Debug)]
pub struct RowOutput<S> {
    /// Warp, row, column.
    rooms: View<S, 3>,
}

/// Columns that a warp stores at a time.
const COLS: i32 = 32;
/// Columns of a room: rows of pairs, written by lanes of different rows, are in different banks.
const ROOM: i32 = COLS + 8;

impl<S: Element> RowOutput<S> {
    /// The bytes of shared memory for each warp group.
    pub const BYTES: i32 = 4 * 16 * ROOM * 4;

    /// Makes room for so many warp groups.
    #[track_caller]
    pub fn new(groups: i32) -> RowOutput<S> {
        RowOutput { rooms: shared::<S, 3>([groups * 4, 16, ROOM]) }
    }

    /// Stores sums as [`store_sums`] does; `cols` is a multiple of 32.
    #[device(crate = hidet_core)]
    pub fn store<C: Element, const R: usize>(
        &self,
        sums: View<S, 1>,
        output: Out<C, R>,
        (cols, lanes): (i32, i32),
        group: Expr<i32>,
        first: [Expr<i32>; R],
    ) {
        if cols % COLS != 0 {
            refuse(&format!("{cols} columns of a tile: they are stored {COLS} at a time"));
        }
        let (output, warp) = (AnyView::from(output), warp_id() % 4);
        let room = self.rooms.slice(group * 4 + warp);
        let (in_row, across) = (COLS / lanes, lane_id() * lanes);
        for slab in unroll(0..cols / COLS) {
            for i in unroll((0..COLS / 2).step_by(2)) {
                let (row, col) = fragment::element(i % 8);
                let pair = vector2(sums[[slab * COLS / 2 + i]], sums[[slab * COLS / 2 + i + 1]]);
                room.store((row, i / 8 * 16 + col), pair);
            }
            sync_warp();
            for row in unroll((0..16).step_by((32 / in_row) as usize)) {
                let (row, col) = (row + across / COLS, across % COLS);
                let values: Vec<AnyExpr> =
                    (0..lanes).map(|lane| AnyExpr::from(room[[row, col + lane]]).cast(C::SCALAR)).collect();
                let place = moved(first, group * 64 + warp * 16 + row, slab * COLS + col);
                output.store_inside(&place, AnyExpr::vector(&values));
            }
            sync_warp();
        }
    }
}
