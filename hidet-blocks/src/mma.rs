//! Tiles of floats of 16 bits that threads copy asynchronously, and their products by `mma.sync`: for sm_80 and later, of which
//! only sm_90 has better ([`multiply`](crate::multiply)).

use crate::fragment::{self, moved};
use hidet_core::dsl::intrinsics::{
    lane_id, ldmatrix_x4, ldmatrix_x4_trans, matrix_layout, mma_m16n8k16, refuse, thread_id, warp_id,
};
use hidet_core::dsl::{AnyExpr, AnyView, Expr, In, Out, View, registers, shared, unroll};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;
use hidet_macros::device;

/// Tiles of a matrix, one in each stage, copied by all threads of a block.
#[derive(Clone, Copy, Debug)]
pub struct AsyncTiles<T> {
    input: In<T, 2>,
    /// Stage, row, column.
    tiles: View<T, 3>,
    tile: [i32; 2],
    threads: i32,
}

impl<T: Element> AsyncTiles<T> {
    /// Makes room for `stages` tiles of so many rows and columns, which `threads` copy; rows of the input, and of tiles, are
    /// multiples of 16 bytes, those of tiles 64 bytes or a multiple of 128.
    #[track_caller]
    pub fn new(input: In<T, 2>, stages: i32, tile: [i32; 2], threads: i32) -> AsyncTiles<T> {
        let [rows, cols] = tile;
        if T::SCALAR.bytes() != 2
            || stages < 1
            || rows < 8
            || rows % 8 != 0
            || cols < 32
            || cols != 32 && cols % 64 != 0
        {
            refuse(&format!(
                "{stages} stages of tiles of {rows} x {cols} {}: elements have 16 bits, rows are a multiple of 8, columns 32 \
                 or a multiple of 64",
                T::SCALAR
            ));
            return AsyncTiles { input, tiles: shared::<T, 3>([1, 1, 1]), tile, threads };
        }
        let swizzle = if cols == 32 { Swizzle::B64 } else { Swizzle::B128 };
        let layout = Layout::row_major([stages]) + matrix_layout::<T>(tile, swizzle);
        AsyncTiles { input, tiles: shared::<T, 3>(layout), tile, threads }
    }

    /// Copies the tile that begins there to a stage; what is outside of the input is 0.
    #[device(crate = hidet_core)]
    pub fn copy(&self, stage: Expr<i32>, (row, col): (Expr<i32>, Expr<i32>)) {
        let [rows, cols] = self.tile;
        for piece in (thread_id()..rows * cols / 8).step_by(self.threads) {
            let (r, c) = (piece / (cols / 8), piece % (cols / 8) * 8);
            self.input.cp_async(&self.tiles[[stage, r, c]], (row + r, col + c), 8);
        }
    }
}

/// The tile of a block: of warps below and beside each other, each with a tile of its own.
#[derive(Clone, Copy, Debug)]
pub struct WarpTiles {
    /// Warps below each other, and beside each other.
    pub warps: [i32; 2],
    /// Rows and columns of the tile of a warp: multiples of 16.
    pub tile: [i32; 2],
}

impl WarpTiles {
    /// Returns the rows and columns of the block's tile.
    pub fn extents(&self) -> [i32; 2] {
        [self.warps[0] * self.tile[0], self.warps[1] * self.tile[1]]
    }

    /// Returns the threads of the block.
    pub fn threads(&self) -> i32 {
        self.warps[0] * self.warps[1] * 32
    }

    /// Makes room for the sums of a warp: rows and columns of tiles of 16 x 8, and what a thread has of each.
    #[track_caller]
    pub fn sums(&self) -> View<f32, 3> {
        registers::<f32, 3>([self.tile[0] / 16, self.tile[1] / 8, 4])
    }

    /// Returns the first row and column of the warp in the block's tile.
    #[device(crate = hidet_core)]
    fn origin(&self) -> [Expr<i32>; 2] {
        [warp_id() / self.warps[1] * self.tile[0], warp_id() % self.warps[1] * self.tile[1]]
    }

    /// Adds the products of the tiles of a stage, of a `[rows, k]` and of b, `[k, cols]` if it goes `along_rows`, else `[cols,
    /// k]`.
    #[device(crate = hidet_core)]
    pub fn multiply<T: Element>(
        &self,
        sums: View<f32, 3>,
        (a, b, along_rows): (&AsyncTiles<T>, &AsyncTiles<T>, bool),
        stage: Expr<i32>,
    ) {
        let ([row, col], lane, [rows, cols]) = (self.origin(), lane_id(), self.tile);
        let (left, right) = (registers::<T, 2>([rows / 16, 8]), registers::<T, 2>([cols / 16, 8]));
        for p in unroll((0..a.tile[1]).step_by(16)) {
            for i in unroll(0..rows / 16) {
                ldmatrix_x4(&left[[i, 0]], &a.tiles[[stage, row + i * 16 + lane % 16, lane / 16 * 8 + p]]);
            }
            for j in unroll(0..cols / 16) {
                if along_rows {
                    let place = &b.tiles[[stage, lane % 16 + p, col + j * 16 + lane / 16 * 8]];
                    ldmatrix_x4_trans(&right[[j, 0]], place);
                } else {
                    let place = &b.tiles[[stage, col + j * 16 + lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8 + p]];
                    ldmatrix_x4(&right[[j, 0]], place);
                }
            }
            for i in unroll(0..rows / 16) {
                for j in unroll(0..cols / 8) {
                    mma_m16n8k16(&sums[[i, j, 0]], &left[[i, 0]], &right[[j / 2, j % 2 * 4]]);
                }
            }
        }
    }

    /// Stores the sums in the block's tile of the output that begins at `first`. `lanes` is 2 if columns of the output are a
    /// multiple of 2, else 1.
    #[device(crate = hidet_core)]
    pub fn store<C: Element, const R: usize>(
        &self,
        sums: View<f32, 3>,
        output: Out<C, R>,
        lanes: i32,
        first: [Expr<i32>; R],
    ) {
        let ([row, col], output) = (self.origin(), AnyView::from(output));
        for i in unroll(0..self.tile[0] / 16) {
            for j in unroll(0..self.tile[1] / 8) {
                for e in unroll((0..4).step_by(lanes as usize)) {
                    let (in_row, in_col) = fragment::element(e);
                    let place = moved(first, row + i * 16 + in_row, col + j * 8 + in_col);
                    let values: Vec<AnyExpr> =
                        (0..lanes).map(|lane| AnyExpr::from(sums[[i, j, e + lane]]).cast(C::SCALAR)).collect();
                    output.store_inside(&place, AnyExpr::vector(&values));
                }
            }
        }
    }
}
