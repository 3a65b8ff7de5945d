//! Tiles of an input in shared memory.

use crate::fragment::{coordinates, moved};
use crate::pipeline::Position;
use hidet_core::dsl::intrinsics::{Map, block_idx, refuse, tma_load, tma_load_multicast};
use hidet_core::dsl::{In, IndexTuple, Prologue, View, shared, unroll};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;
use hidet_macros::device;

/// Tiles of an input, one in each stage of a pipeline, copied by TMA. A tile is a matrix along the last two of the `R`
/// axes; a prologue of the input is applied when it is read.
///
/// In shared memory a tile consists of slabs of 128 bytes along its rows, as tensor cores read them.
#[derive(Clone)]
pub struct StagedInput<T, const R: usize> {
    pub(crate) prologue: Prologue<T, R>,
    /// Stage, slab, row, column in the slab.
    pub(crate) tiles: View<T, 4>,
    map: Map<T, R>,
    stages: i32,
    tile: [i32; 2],
    cluster: i32,
}

impl<T: Element, const R: usize> StagedInput<T, R> {
    /// Makes room for `stages` tiles of so many rows and columns; rows of a tile are multiples of 128 bytes.
    #[track_caller]
    pub fn new(input: In<T, R>, stages: i32, tile: [i32; 2]) -> StagedInput<T, R> {
        StagedInput::multicast(input, stages, tile, 1)
    }

    /// The same for tiles that all blocks of a cluster read: each loads a part of the rows for all.
    #[track_caller]
    pub fn multicast(input: In<T, R>, stages: i32, tile: [i32; 2], cluster: i32) -> StagedInput<T, R> {
        const { assert!(R >= 2, "a tile is a matrix, so the input has two axes or more") }
        let ([rows, cols], width) = (tile, Self::width());
        let right = stages >= 1 && rows >= 1 && cols >= 1 && cluster >= 1 && cols % width == 0 && rows % cluster == 0;
        if !right {
            refuse(&format!(
                "{stages} stages of tiles of {rows} x {cols} {}, each loaded by {cluster} blocks: columns must be a multiple \
                 of {width} (128 bytes), rows one of the number of blocks",
                T::SCALAR
            ));
            return StagedInput::multicast(input, 1, [8, width], 1);
        }
        let mut copied = [1; R];
        (copied[R - 2], copied[R - 1]) = (rows / cluster, width);
        let prologue = input.prologue();
        let map = prologue.below::<T>().tensor_map(copied, Swizzle::B128);
        let tiles = shared::<T, 4>(Layout::tma([stages, cols / width, rows, width], Swizzle::B128));
        StagedInput { prologue, tiles, map, stages, tile, cluster }
    }

    /// Returns the tiles for tensor cores, which read them as they were copied: refuses an input with a prologue.
    #[track_caller]
    pub(crate) fn as_copied(&self) -> View<T, 4> {
        if !self.prologue.is_identity() {
            refuse(
                "this input has a prologue, but tensor cores read its tiles as they were copied; only the left input of \
                 `multiply` goes through registers, where a prologue can be applied",
            );
        }
        self.tiles
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

    /// Waits until the stage may be overwritten, loads the tile that begins there into it, and goes to the next stage.
    #[device(crate = hidet_core)]
    pub fn fill(&self, at: &Position, origin: impl IndexTuple<R>) {
        at.fill(self.bytes());
        self.load(at, origin);
        at.advance();
    }

    /// Loads the tile that begins there into the stage, of which its bytes are expected.
    #[device(crate = hidet_core)]
    pub fn load(&self, at: &Position, origin: impl IndexTuple<R>) {
        if at.stages() > self.stages {
            refuse(&format!("a pipeline of {} stages fills an input of {}", at.stages(), self.stages));
        }
        let (origin, stage) = (coordinates(origin), at.stage());
        let (cluster, width) = (self.cluster, Self::width());
        for slab in unroll(0..self.tile[1] / width) {
            if cluster == 1 {
                let place = moved(origin, 0, slab * width);
                tma_load(&self.tiles[[stage, slab, 0, 0]], self.map, place, at.arrivals());
            } else {
                let (part, all) = (self.tile[0] / cluster, (1u32 << cluster as u32) - 1);
                let first = block_idx().x % cluster * part;
                let place = moved(origin, first, slab * width);
                tma_load_multicast(&self.tiles[[stage, slab, first, 0]], self.map, place, at.arrivals(), all);
            }
        }
    }
}

/// Waits until the stage may be overwritten, loads the tiles of both inputs that begin there into it, and goes to the next
/// stage.
#[device(crate = hidet_core)]
pub fn load_stage<T: Element, const R: usize, U: Element, const Q: usize>(
    at: &Position,
    (a, a_origin): (&StagedInput<T, R>, impl IndexTuple<R>),
    (b, b_origin): (&StagedInput<U, Q>, impl IndexTuple<Q>),
) {
    at.fill(a.bytes() + b.bytes());
    a.load(at, a_origin);
    b.load(at, b_origin);
    at.advance();
}
