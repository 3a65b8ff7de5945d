//! Tiles in shared memory, as tensor cores read them.

use hidet_core::dsl::intrinsics::{matrix_layout, refuse, wgmma_n};
use hidet_core::dsl::{Address, Expr, IntoExpr, View, shared};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;

/// Matrices in shared memory, one in each stage of a pipeline.
///
/// A tile consists of slabs of 128 bytes along its rows, swizzled as TMA writes and tensor cores read them.
#[derive(Clone, Copy, Debug)]
pub struct StagedTiles<T> {
    /// Stage, slab, row, column in the slab.
    pub(crate) memory: View<T, 4>,
    /// Stage, row, column, if the rows go along k: the right operand of a product whose columns are contiguous.
    pub(crate) along_rows: Option<View<T, 3>>,
    pub(crate) stages: i32,
    tile: [i32; 2],
    /// True if threads write the tiles, so that tensor cores see them only behind a fence.
    pub(crate) by_threads: bool,
}

impl<T: Element> StagedTiles<T> {
    /// Makes room for `stages` tiles of so many rows and columns; rows of a tile are multiples of 128 bytes.
    #[track_caller]
    pub(crate) fn new(stages: i32, tile: [i32; 2]) -> StagedTiles<T> {
        let ([rows, cols], width) = (tile, Self::width());
        if stages < 1 || rows < 1 || cols < 1 || cols % width != 0 {
            refuse(&format!(
                "{stages} stages of tiles of {rows} x {cols} {}: columns must be a multiple of {width} (128 bytes)",
                T::SCALAR
            ));
            return StagedTiles::new(1, [8, width]);
        }
        let memory = shared::<T, 4>(Layout::tma([stages, cols / width, rows, width], Swizzle::B128));
        StagedTiles { memory, along_rows: None, stages, tile, by_threads: false }
    }

    /// The same for tiles whose rows go along k, of elements of 16 bits: tensor cores read no others so.
    #[track_caller]
    pub(crate) fn along_rows(stages: i32, tile: [i32; 2]) -> StagedTiles<T> {
        let tiles = StagedTiles::new(stages, tile);
        let layout = Layout::row_major([tiles.stages]) + matrix_layout::<T>(tiles.tile, Swizzle::B128);
        StagedTiles { along_rows: Some(tiles.memory.relaid(layout)), ..tiles }
    }

    /// Returns how far a tile goes along k, and across.
    pub(crate) fn extents(&self) -> [i32; 2] {
        let [rows, cols] = self.tile;
        if self.along_rows.is_some() { [rows, cols] } else { [cols, rows] }
    }

    /// Returns 64 rows of 128 bytes of a stage, by their number.
    #[track_caller]
    pub(crate) fn part(&self, stage: Expr<i32>, number: Expr<i32>) -> View<T, 2> {
        let slabs = self.memory.slice(stage);
        match self.along_rows {
            Some(_) => slabs.slice(number),
            None => slabs.slice(0).tile([number * 64, 0.into_expr()], [64, Self::width()]),
        }
    }

    /// Issues the products of 32 bytes of columns on the left with the part of the tile that begins at `k`: `left * tile`.
    #[track_caller]
    pub(crate) fn multiply<C: Element>(&self, add: bool, sums: View<C, 1>, left: Address<T>, stage: Expr<i32>, k: i32) {
        let n = self.extents()[1];
        match self.along_rows {
            Some(tiles) => wgmma_n(n, add, sums.address((0,)), left, tiles.address((stage, k, 0)).transposed()),
            None => {
                let (slab, col) = (k / Self::width(), k % Self::width());
                wgmma_n(n, add, sums.address((0,)), left, self.memory.address((stage, slab, 0, col)));
            }
        }
    }

    /// Returns how many columns tensor cores multiply at once: 32 bytes.
    pub(crate) fn depth() -> i32 {
        32 / T::SCALAR.bytes() as i32
    }

    /// Returns the number of columns of a slab.
    pub(crate) fn width() -> i32 {
        128 / T::SCALAR.bytes() as i32
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

    /// Refuses a pipeline with more stages than there are tiles.
    #[track_caller]
    pub(crate) fn expect(&self, stages: i32) {
        if stages > self.stages {
            refuse(&format!("a pipeline of {stages} stages fills an input of {}", self.stages));
        }
    }
}
