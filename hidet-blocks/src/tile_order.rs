//! The order in which persistent blocks compute the tiles of a matrix.

use hidet_core::dsl::glue::range;
use hidet_core::dsl::intrinsics::{block_idx, refuse};
use hidet_core::dsl::{Expr, MappedRange};
use hidet_macros::device;

/// The tiles of a matrix, distributed over as many blocks as run at the same time. Blocks of a cluster compute tiles above
/// each other.
#[derive(Clone, Copy, Debug)]
pub struct TileOrder {
    tile: [i32; 2],
    /// Rows and columns of tiles, the rows counted in clusters.
    rows: Expr<i32>,
    cols: Expr<i32>,
    band: i32,
    cluster: i32,
    split: i32,
    blocks: i32,
}

impl TileOrder {
    /// Returns the order in bands of `band` rows of tiles (of clusters), whose tiles are numbered column by column: blocks
    /// that run at the same time share rows and columns, so that most of what they read is in L2. `extents` are those of
    /// the matrix, `tile` those of a block's tile; `blocks` is the number of blocks in the grid, a multiple of `cluster`.
    #[device(crate = hidet_core)]
    pub fn in_bands(extents: [Expr<i32>; 2], tile: [i32; 2], band: i32, cluster: i32, blocks: i32) -> TileOrder {
        let ([m, n], height) = (extents, tile[0] * cluster);
        let (rows, cols) = ((m + (height - 1)) / height, (n + (tile[1] - 1)) / tile[1]);
        TileOrder { tile, rows, cols, band, cluster, split: 1, blocks }
    }

    /// Returns the same order for blocks of which `split` consecutive ones, a cluster, compute each tile together. Only for
    /// tiles of a cluster of one block.
    #[track_caller]
    pub fn split(self, split: i32) -> TileOrder {
        if self.cluster != 1 || split < 1 || self.blocks % split != 0 {
            refuse(&format!("{} blocks in clusters of {} cannot split tiles in {split}", self.blocks, self.cluster));
            return self;
        }
        TileOrder { split, ..self }
    }

    /// Returns the loop over this block's tiles, of which it gives the first row and the first column:
    /// `for (row, col) in tiles.origins()`.
    #[device(crate = hidet_core)]
    pub fn origins(self) -> MappedRange<i32, impl FnMut(Expr<i32>) -> (Expr<i32>, Expr<i32>)> {
        let tiles = range(block_idx().x / (self.cluster * self.split), self.rows * self.cols);
        tiles.step_by(self.blocks / (self.cluster * self.split)).map(move |tile| self.origin(tile))
    }

    /// Returns the first row and the first column of this block's tile of that number.
    #[device(crate = hidet_core)]
    fn origin(self, tile: Expr<i32>) -> (Expr<i32>, Expr<i32>) {
        let TileOrder { rows, cols, band, cluster, .. } = self;
        let above = tile / (cols * band) * band;
        let (within, height) = (tile % (cols * band), (rows - above).min(band));
        let (row, col) = (above + within % height, within / height);
        ((row * cluster + block_idx().x % cluster) * self.tile[0], col * self.tile[1])
    }
}
