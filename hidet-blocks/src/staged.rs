//! Tiles of an input in shared memory.

use crate::pipeline::Position;
use hidet_core::dsl::intrinsics::{Map, block_idx, tma_load, tma_load_multicast};
use hidet_core::dsl::{Expr, In, Prologue, View, shared};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;
use hidet_macros::device;

/// Tiles of an input matrix, one in each stage of a pipeline, copied by TMA with rows of 128 bytes. A prologue of the
/// input is applied when a tile is read.
#[derive(Clone)]
pub struct StagedInput<T> {
    pub(crate) prologue: Prologue<T, 2>,
    pub(crate) tiles: View<T, 3>,
    map: Map<T, 2>,
    tile: [i32; 2],
    cluster: i32,
}

impl<T: Element> StagedInput<T> {
    /// Makes room for `stages` tiles of `rows` rows.
    #[track_caller]
    pub fn new(input: In<T, 2>, stages: i32, rows: i32) -> StagedInput<T> {
        StagedInput::multicast(input, stages, rows, 1)
    }

    /// The same for tiles that all blocks of a cluster read: each loads a part for all.
    #[device(crate = hidet_core)]
    pub fn multicast(input: In<T, 2>, stages: i32, rows: i32, cluster: i32) -> StagedInput<T> {
        let cols = 128 / T::SCALAR.bytes() as i32;
        let prologue = input.prologue();
        let map = prologue.below::<T>().tensor_map([rows / cluster, cols], Swizzle::B128);
        let tiles = shared::<T, 3>(Layout::tma([stages, rows, cols], Swizzle::B128));
        StagedInput { prologue, map, tiles, tile: [rows, cols], cluster }
    }

    /// Returns the number of rows of a tile.
    pub fn rows(&self) -> i32 {
        self.tile[0]
    }

    /// Returns the number of columns of a tile.
    pub fn cols(&self) -> i32 {
        self.tile[1]
    }

    /// Returns the size of a tile in bytes.
    pub fn bytes(&self) -> i32 {
        self.tile[0] * self.tile[1] * T::SCALAR.bytes() as i32
    }

    /// Loads the tile that begins there into the stage, of which its bytes are expected.
    #[device(crate = hidet_core)]
    pub fn load(&self, at: &Position, row: Expr<i32>, col: Expr<i32>) {
        let (stage, cluster) = (at.stage(), self.cluster);
        if cluster == 1 {
            tma_load(&self.tiles[[stage, 0, 0]], self.map, (row, col), at.arrivals());
        } else {
            let (part, all) = (self.tile[0] / cluster, (1u32 << cluster as u32) - 1);
            let first = block_idx().x % cluster * part;
            tma_load_multicast(&self.tiles[[stage, first, 0]], self.map, (row + first, col), at.arrivals(), all);
        }
    }
}

/// Waits until the stage may be overwritten, and loads the tiles of both inputs that begin at these rows and at column
/// `col` into it.
#[device(crate = hidet_core)]
pub fn load_stage<T: Element, U: Element>(
    at: &Position,
    (a, a_row): (&StagedInput<T>, Expr<i32>),
    (b, b_row): (&StagedInput<U>, Expr<i32>),
    col: Expr<i32>,
) {
    at.fill(a.bytes() + b.bytes());
    a.load(at, a_row, col);
    b.load(at, b_row, col);
    at.advance();
}
