//! Tiles in shared memory, as tensor cores read them.

use hidet_core::dsl::intrinsics::refuse;
use hidet_core::dsl::{View, shared};
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
        StagedTiles { memory, stages, tile, by_threads: false }
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
