//! [`Schedule`]: the shape of the work, chosen by a model of its time.

use hidet::blocks::{RowOutput, TiledOutput};
use hidet::prelude::f16;

/// The shape of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::templates) struct Schedule {
    /// Blocks, at most one per multiprocessor; a multiple of the blocks of a cluster.
    pub(super) blocks: i32,
    /// Tiles along k that are in flight at the same time.
    pub(super) stages: i32,
    /// Blocks that share the columns of b.
    pub(super) cluster: i32,
    /// Rows of tiles (of clusters) in a band, whose tiles are computed column by column.
    pub(super) band: i32,
    /// Warp groups that multiply, each 64 rows.
    pub(super) groups: i32,
    /// Rows of a tile of a that are copied: all, or a multiple of 8 of a product that has fewer.
    pub(super) rows: i32,
    /// Columns of a tile.
    pub(super) cols: i32,
    /// Products along k of a tile.
    pub(super) depth: i32,
    /// How the products along k are divided.
    pub(super) split: Split,
    /// True if columns of b are contiguous, false if k is.
    pub(super) along_rows: bool,
    /// True if each factor is two numbers.
    pub(super) three: bool,
    /// True if the result is stored by TMA: 16-bit floats in rows that are multiples of 16 bytes.
    pub(super) by_tma: bool,
    /// True if it is stored row by row through shared memory.
    pub(super) by_rows: bool,
    /// How many columns of the result are stored at once where it is not stored by TMA.
    pub(super) lanes: i32,
}

/// Returns how many blocks run at the same time, in clusters of that many: the multiprocessors of a cluster are neighbours,
/// and some have too few. On an H200, 32 clusters of 4 and 16 of 8 do not run at once.
pub(in crate::templates) fn blocks_at_once(multiprocessors: usize, cluster: usize) -> usize {
    let usable = match cluster {
        0..=2 => multiprocessors,
        3..=4 => multiprocessors * 7 / 8,
        _ => multiprocessors * 3 / 4,
    };
    (usable / cluster.max(1) * cluster.max(1)).max(cluster)
}

/// How the products along k of a tile are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::templates) enum Split {
    /// One block computes all.
    Whole,
    /// The blocks of a cluster, which add their sums through shared memory.
    Cluster(i32),
    /// That many blocks, whose sums another kernel adds.
    Parts(i32),
}

impl Split {
    /// Returns the number of blocks of a cluster that share a tile.
    fn cluster(self) -> usize {
        match self {
            Split::Cluster(blocks) => blocks as usize,
            Split::Whole | Split::Parts(_) => 1,
        }
    }

    /// Returns the number of blocks per tile.
    pub(super) fn blocks(self) -> i32 {
        match self {
            Split::Whole => 1,
            Split::Cluster(blocks) | Split::Parts(blocks) => blocks,
        }
    }
}

/// A product to be scheduled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) batch: usize,
    pub(super) shape: [usize; 3],
    pub(super) multiprocessors: usize,
    /// The size of an element of the operands.
    pub(super) bytes: usize,
    /// True if each factor is two numbers, of which three products are added.
    pub(super) three: bool,
    pub(super) along_rows: bool,
    /// True if rows of operands are not multiples of a line of L2, so that a row of a tile is a part of two.
    pub(super) straddles: bool,
    /// The size of an element of the result.
    pub(super) result_bytes: usize,
    pub(super) by_tma: bool,
    /// True if two adjacent results are stored at once.
    pub(super) in_pairs: bool,
    /// Tensors that factors are computed of beside the matrices: the part of a tile may be copied with it, if it is a row.
    pub(super) scales: usize,
    /// True if the sums of several kernels may be added by another one.
    pub(super) may_have_parts: bool,
}

/// Bytes of shared memory of a block that tiles may have: 227 KiB without barriers.
const SHARED_BYTES: i32 = 227 * 1024 - 256;

/// A stage is given back when the products of the next one are under way.
const LEAST_STAGES: i32 = 3;

/// The size of a tile.
#[derive(Clone, Copy, Debug)]
struct Tile {
    groups: i32,
    cols: i32,
    /// Bytes of a row along k.
    row: i32,
    /// The share of its peak that a multiprocessor reaches with it.
    share: f64,
}

impl Tile {
    const fn new(groups: i32, cols: i32, row: i32, share: f64) -> Tile {
        Tile { groups, cols, row, share }
    }

    /// Returns the bytes of the tiles of both operands.
    fn bytes(self) -> i32 {
        (self.groups * 64 + self.cols) * self.row
    }
}

/// Tiles for any product, and for those of few rows, which are as quick as the other operand is read.
const TILES: [Tile; 4] = [
    Tile::new(2, 256, 128, 1.0),
    Tile::new(2, 128, 128, 0.85),
    Tile::new(1, 128, 128, 0.6),
    Tile::new(1, 64, 128, 0.45),
];
const NARROW: [Tile; 2] = [Tile::new(1, 128, 256, 0.7), Tile::new(1, 64, 256, 0.55)];

// Measured on an H200, in microseconds.
/// A launch, and filling the pipeline.
pub(in crate::templates) const LAUNCH: f64 = 2.4;
/// Adding the sums of a cluster.
const CLUSTER: f64 = 1.5;
/// A second kernel behind the first.
pub(in crate::templates) const SECOND: f64 = 2.0;
/// The least time of a step along k, whatever its size, and of 128 bytes along k in it.
const STEP: [f64; 2] = [0.1, 0.05];
/// Products per microsecond of a multiprocessor, of elements of 16 bits.
const PRODUCTS: f64 = 3.0e6;
/// Bytes per microsecond that a multiprocessor reads of L2, that it reads of memory, and that all read of memory.
pub(in crate::templates) const RATES: [f64; 3] = [100e3, 50e3, 4.0e6];

impl Schedule {
    /// Returns the schedule with the least expected time.
    pub(super) fn of(problem: Problem) -> Schedule {
        let splits =
            [1, 2, 4, 8].into_iter().map(|blocks| if blocks == 1 { Split::Whole } else { Split::Cluster(blocks) });
        let parts = if problem.three { [2, 4, 8, 16] } else { [8, 16, 33, 66] };
        let parts = parts.into_iter().map(Split::Parts).filter(|_| problem.may_have_parts);
        let steps = (problem.shape[2] * problem.bytes).div_ceil(128);
        // Several tensors of a batch fill the device without it.
        let fits = |split: &Split| *split == Split::Whole || problem.batch == 1 && split.blocks() as usize * 4 <= steps;
        let has_kernel = |split: &Split| !problem.three || !matches!(split, Split::Cluster(_));
        let splits: Vec<Split> = splits.chain(parts).filter(fits).filter(has_kernel).collect();
        let narrow = NARROW.into_iter().filter(|_| problem.shape[0] <= 64 && !problem.three);
        let all = TILES.into_iter().chain(narrow).flat_map(|tile| splits.iter().map(move |split| (tile, *split)));
        // Sums in registers and those that are added to them have as many columns.
        let fits = |(tile, split): &(Tile, Split)| {
            problem.stages(*tile, *split) >= LEAST_STAGES && !(problem.three && tile.cols > 128)
        };
        let all = all.filter(fits);
        let best = all.min_by(|a, b| problem.expected(*a).total_cmp(&problem.expected(*b)));
        let (tile, split) = best.unwrap_or((TILES[0], Split::Whole));
        problem.scheduled(tile, split)
    }
}

impl Problem {
    fn tiles(&self, tile: Tile) -> [usize; 2] {
        [self.shape[0].div_ceil(64 * tile.groups as usize), self.shape[1].div_ceil(tile.cols as usize)]
    }

    /// Returns how many elements a tile has along k.
    fn depth(&self, tile: Tile) -> i32 {
        tile.row / self.bytes as i32
    }

    /// Returns the rows of a tile that are copied.
    fn rows(&self, tile: Tile) -> i32 {
        self.shape[0].min(64 * tile.groups as usize).next_multiple_of(8) as i32
    }

    /// Returns the expected time in microseconds.
    fn expected(&self, (tile, split): (Tile, Split)) -> f64 {
        let [m, n, k] = self.shape.map(|extent| extent as f64);
        let (batch, tiles) = (self.batch as f64, self.tiles(tile));
        let blocks = (tiles[0] * tiles[1] * self.batch * split.blocks() as usize) as f64;
        let most = blocks_at_once(self.multiprocessors, split.cluster()) as f64;
        let (at_once, waves) = (blocks.min(most), (blocks / most).ceil());
        // Twice the bytes of a product take twice as long.
        let terms = if self.three { 3.0 } else { 1.0 };
        let products = terms * f64::from(tile.groups * 64 * tile.cols * tile.row / 2) / PRODUCTS / tile.share;
        let loads = f64::from((self.rows(tile) + tile.cols) * tile.row) / RATES[0];
        let (depth, size) = (f64::from(self.depth(tile)), self.bytes as f64);
        let steps = (k / depth / f64::from(split.blocks())).ceil();
        let bytes = batch * (size * (m * k + n * k) + 2.0 * m * n);
        let memory = bytes / RATES[2].min(at_once * RATES[1]);
        let computing = waves * steps * products.max(loads).max(STEP[0] + STEP[1] * f64::from(tile.row) / 128.0);
        // What is hidden behind the other is not hidden whole.
        let time = computing.max(memory) + computing.min(memory) / 8.0 + LAUNCH;
        match split {
            Split::Whole => time,
            Split::Cluster(_) => time + CLUSTER * waves,
            Split::Parts(parts) => time + SECOND + f64::from(parts) * m * n * 8.0 / RATES[2],
        }
    }

    /// Returns true if what a lane stores at once is less than its part of a sector, unless all is stored by TMA.
    fn by_rows(&self) -> bool {
        !self.by_tma && !self.three && self.result_bytes * if self.in_pairs { 2 } else { 1 } < 8
    }

    /// Returns how many tiles along k fit the shared memory of a block, at most 8.
    fn stages(&self, tile: Tile, split: Split) -> i32 {
        let Tile { groups, cols, .. } = tile;
        let results = match split {
            Split::Cluster(_) => groups * 64 * (cols + 8) * 4,
            // Of any type of 16 bits.
            Split::Whole if self.by_tma && cols % 64 == 0 => TiledOutput::<f32, f16, 2>::bytes(groups, cols),
            Split::Whole if self.by_rows() => groups * RowOutput::<f32>::BYTES,
            _ => 0,
        };
        // The rests of b, and rows of scales.
        let rests = if self.three { cols * tile.row } else { 0 };
        ((SHARED_BYTES - results) / (tile.bytes() + rests + self.scales as i32 * tile.row)).min(8)
    }

    fn scheduled(&self, tile: Tile, split: Split) -> Schedule {
        let (Tile { groups, cols, .. }, depth) = (tile, self.depth(tile));
        let [down, across] = self.tiles(tile);
        let tiles = down * across;
        // Blocks of a cluster wait for each other: where there are few, that costs more than what they need not read, except
        // where each row of a tile is read from two lines.
        let least = if self.straddles { self.multiprocessors * 2 / 3 } else { self.multiprocessors };
        let enough = tiles * self.batch >= least;
        let cluster = if split == Split::Whole && !self.three && down.is_multiple_of(2) && enough { 2 } else { 1 };
        let (each, own) = match split {
            Split::Cluster(blocks) => (blocks as usize, tiles * blocks as usize),
            _ => (cluster, tiles),
        };
        let all = blocks_at_once(self.multiprocessors, each);
        let most = (all / self.batch.clamp(1, all)).max(1);
        let blocks = own.next_multiple_of(each).min((most / each * each).max(each)) as i32;
        let (stages, rows) = (self.stages(tile, split), self.rows(tile));
        let (along_rows, three) = (self.along_rows, self.three);
        // TMA stores 64 columns at a time.
        let (by_tma, lanes) = (self.by_tma && cols % 64 == 0, if self.in_pairs { 2 } else { 1 });
        Schedule {
            blocks,
            stages,
            cluster: cluster as i32,
            band: 8,
            groups,
            rows,
            cols,
            depth,
            split,
            along_rows,
            three,
            by_tma,
            by_rows: self.by_rows() && split == Split::Whole,
            lanes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: [usize; 3]) -> Schedule {
        scheduled(shape, 0)
    }

    fn scheduled(shape: [usize; 3], scales: usize) -> Schedule {
        let (along_rows, by_tma, in_pairs, may_have_parts) = (false, true, true, true);
        Schedule::of(Problem {
            batch: 1,
            shape,
            multiprocessors: 132,
            bytes: 2,
            three: false,
            along_rows,
            straddles: false,
            result_bytes: 2,
            by_tma,
            in_pairs,
            scales,
            may_have_parts,
        })
    }

    #[test]
    fn rows_of_scales_have_room_in_shared_memory() {
        let scaled = scheduled([128, 4096, 4096], 1);
        assert!(matches!(scaled.split, Split::Cluster(_)), "{scaled:?}");
        assert!(scaled.stages < schedule([128, 4096, 4096]).stages, "{scaled:?}");
        assert_eq!([0, 1, 2].map(|scales| scheduled([4096, 4096, 4096], scales).stages), [4, 4, 3]);
    }

    #[test]
    fn large_products_have_large_tiles_and_deep_ones_are_split() {
        let large = schedule([4096, 4096, 4096]);
        assert_eq!((large.groups, large.cols, large.split, large.cluster), (2, 256, Split::Whole, 2));
        assert!(matches!(schedule([256, 256, 65536]).split, Split::Parts(_)), "{:?}", schedule([256, 256, 65536]));
        assert!(matches!(schedule([16, 4096, 4096]).split, Split::Cluster(_)), "{:?}", schedule([16, 4096, 4096]));
        assert_eq!(schedule([64, 64, 64]).split, Split::Whole);
        for shape in [[16, 4096, 4096], [1, 4096, 4096], [128, 768, 3072], [2048, 2048, 2048], [7, 8, 9]] {
            assert!(schedule(shape).stages >= LEAST_STAGES, "{:?}", schedule(shape));
        }
    }
}
