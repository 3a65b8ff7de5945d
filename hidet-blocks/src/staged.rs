//! Tiles of an input in shared memory, copied by TMA.

use crate::fragment::{coordinates, moved};
use crate::pipeline::Position;
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{Map, block_idx, fence_proxy_async, refuse, thread_id, tma_load, tma_load_multicast};
use hidet_core::dsl::{AnyExpr, AnyView, Expr, In, IndexTuple, Prologue, View, shared, unroll};
use hidet_core::ir::Swizzle;
use hidet_core::types::Element;
use hidet_macros::device;

/// Tiles of an input, one in each stage of a pipeline, copied by TMA. A tile is a matrix along the last two of the `R`
/// axes; a prologue of the input is applied when it is read. Operands of the prologue that follow the columns alone, such as
/// a scale, are staged with the tiles.
#[derive(Clone)]
pub struct StagedInput<T, const R: usize> {
    pub(crate) prologue: Prologue<T, R>,
    pub(crate) tiles: StagedTiles<T>,
    operands: Vec<StagedRow<T>>,
    map: Map<T, R>,
    cluster: i32,
    /// The rows of a tile that are copied, the first ones; the others are 0.
    copied: i32,
}

/// The columns of an operand of the prologue.
#[derive(Clone, Copy)]
struct StagedRow<T> {
    number: usize,
    map: Map<T, 1>,
    /// Stage, column.
    rows: View<T, 2>,
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
        let tiles = StagedTiles::new(stages, tile);
        StagedInput::of(input, tiles, cluster, tiles.rows())
    }

    /// The same for an input of at most `rows` rows, a multiple of 8: only these are copied, and the other rows of a tile are
    /// set to 0. The `threads` threads of the block must call it together, before they make the pipeline.
    #[device(crate = hidet_core)]
    pub fn of_few_rows(input: In<T, R>, stages: i32, tile: [i32; 2], (rows, threads): (i32, i32)) -> StagedInput<T, R> {
        let tiles = StagedTiles::new(stages, tile);
        if rows < 8 || rows % 8 != 0 || rows > tiles.rows() {
            refuse(&format!(
                "{rows} rows of tiles of {}: they must be a multiple of 8, and at most as many",
                tiles.rows()
            ));
        }
        // Pieces of 16 bytes.
        let (lanes, left) = (16 / T::SCALAR.bytes() as i32, tiles.rows() - rows);
        let zeros = AnyExpr::vector(&vec![AnyExpr::lit(T::SCALAR, 0); lanes as usize]);
        let slabs = tiles.cols() / StagedTiles::<T>::width();
        for piece in (thread_id()..stages * slabs * left * 8).step_by(threads) {
            let (slab, row) = (piece / (left * 8), piece / 8 % left + rows);
            AnyView::from(tiles.memory).store(&[slab / slabs, slab % slabs, row, piece % 8 * lanes], zeros);
        }
        fence_proxy_async();
        StagedInput::of(input, tiles, 1, rows)
    }

    /// The same for the right operand of a product whose rows go along k: columns are contiguous.
    #[track_caller]
    pub fn along_rows(input: In<T, R>, stages: i32, tile: [i32; 2], cluster: i32) -> StagedInput<T, R> {
        let tiles = StagedTiles::along_rows(stages, tile);
        StagedInput::of(input, tiles, cluster, tiles.rows())
    }

    #[track_caller]
    fn of(input: In<T, R>, tiles: StagedTiles<T>, cluster: i32, copied: i32) -> StagedInput<T, R> {
        const { assert!(R >= 2, "a tile is a matrix, so the input has two axes or more") }
        if cluster < 1 || copied % cluster != 0 {
            refuse(&format!("{copied} rows of a tile are loaded by {cluster} blocks in equal parts"));
            return StagedInput::of(input, tiles, 1, copied);
        }
        let mut extents = [1; R];
        (extents[R - 2], extents[R - 1]) = (copied / cluster, StagedTiles::<T>::width());
        let prologue = input.prologue();
        let map = prologue.below::<T>().tensor_map(extents, Swizzle::B128);
        let operands = prologue.row_operands::<T>().into_iter().map(|(number, operand)| {
            let map = operand.tensor_map([tiles.cols()], Swizzle::None);
            StagedRow { number, map, rows: shared::<T, 2>([tiles.stages, tiles.cols()]) }
        });
        let operands = operands.collect();
        StagedInput { prologue, tiles, operands, map, cluster, copied }
    }

    /// Returns the prologue of the tile in the stage of a position, whose columns begin at `col`.
    #[track_caller]
    pub(crate) fn prologue_at(&self, at: &Position, col: Expr<i32>) -> Prologue<T, R> {
        let mut prologue = self.prologue.clone();
        for operand in &self.operands {
            prologue = prologue.read_from(operand.number, operand.rows.slice(at.stage()), col);
        }
        prologue
    }

    /// Returns the tiles for tensor cores, which read them as they were copied: refuses an input with a prologue.
    #[track_caller]
    pub fn as_copied(&self) -> StagedTiles<T> {
        if !self.prologue.is_identity() {
            refuse(
                "this input has a prologue, but tensor cores read its tiles as they were copied; only the left input of \
                 `multiply` goes through registers, where a prologue can be applied",
            );
        }
        self.tiles
    }

    /// Returns the number of rows of a tile.
    pub fn rows(&self) -> i32 {
        self.tiles.rows()
    }

    /// Returns the number of columns of a tile.
    pub fn cols(&self) -> i32 {
        self.tiles.cols()
    }

    /// Returns the bytes that are copied per stage: a tile, and its operands.
    pub fn bytes(&self) -> i32 {
        let row = self.cols() * T::SCALAR.bytes() as i32;
        (self.copied + self.operands.len() as i32) * row
    }

    /// Waits until the stage may be overwritten, loads the tile that begins there into it, and goes to the next stage.
    #[device(crate = hidet_core)]
    pub fn fill(&self, at: &Position, origin: impl IndexTuple<R>) {
        at.fill(self.bytes());
        self.load(at, origin);
        at.advance();
    }

    /// Loads the tile that begins there, and its operands, into the stage, of which their bytes are expected.
    #[device(crate = hidet_core)]
    pub fn load(&self, at: &Position, origin: impl IndexTuple<R>) {
        self.tiles.expect(at.stages());
        let (origin, stage) = (coordinates(origin), at.stage());
        let (cluster, width, tiles) = (self.cluster, StagedTiles::<T>::width(), self.tiles.memory);
        for operand in &self.operands {
            tma_load(&operand.rows[[stage, 0]], operand.map, (origin[R - 1],), at.arrivals());
        }
        for slab in unroll(0..self.cols() / width) {
            if cluster == 1 {
                let place = moved(origin, 0, slab * width);
                tma_load(&tiles[[stage, slab, 0, 0]], self.map, place, at.arrivals());
            } else {
                let (part, all) = (self.copied / cluster, (1u32 << cluster as u32) - 1);
                let first = block_idx().x % cluster * part;
                let place = moved(origin, first, slab * width);
                tma_load_multicast(&tiles[[stage, slab, first, 0]], self.map, place, at.arrivals(), all);
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
