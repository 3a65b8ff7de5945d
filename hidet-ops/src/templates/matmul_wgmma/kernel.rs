//! The kernels: a warp group copies tiles by TMA, one or two multiply them.

use super::schedule::{Schedule, Split};
use hidet::blocks::{
    Pipeline, RowOutput, SplitSums, StagedInput, TileOrder, TiledOutput, load_stage, multiply, store_sums,
};
use hidet::dsl::{AnyExpr, AnyView};
use hidet::prelude::*;

kernel! {
    /// c = a * b. The extents of b are in the order in which it is in memory.
    #[launch(
        grid = s.blocks as u32,
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1,
        cluster = s.cluster as u32
    )]
    pub(super) fn matmul_wgmma<T: Element, C: Num>(
        #[meta] s: Schedule,
        a: In<T, [m, _k]>,
        b: In<T, [_b0, _b1]>,
        c: Out<C, [m, n]>,
    ) {
        whole::<T, C, 2>(s, (a, b, c), [m, n, a.extent(1)], |row, col| [row, col]);
    }

    /// The same for each matrix of a batch.
    #[launch(
        grid = (s.blocks as u32, 1, batch),
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1,
        cluster = s.cluster as u32
    )]
    pub(super) fn matmul_wgmma_batched<T: Element, C: Num>(
        #[meta] s: Schedule,
        a: In<T, [batch, m, _k]>,
        b: In<T, [batch, _b0, _b1]>,
        c: Out<C, [batch, m, n]>,
    ) {
        whole::<T, C, 3>(s, (a, b, c), [m, n, a.extent(2)], |row, col| [block_idx().z, row, col]);
    }

    /// The same by the blocks of a cluster, each of which multiplies a part of k.
    #[launch(
        grid = s.blocks as u32,
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1,
        cluster = s.split.blocks() as u32
    )]
    pub(super) fn matmul_wgmma_cluster<T: Element, C: Num>(
        #[meta] s: Schedule,
        a: In<T, [m, _k]>,
        b: In<T, [_b0, _b1]>,
        c: Out<C, [m, n]>,
    ) {
        let (work, steps) = (Work::new(s, (a, b), [m, n]), s.steps(a.extent(1)));
        let blocks = s.split.blocks();
        let [begin, end] = [0, 1].map(|part| (block_idx().x % blocks + part) * steps / blocks);
        let shared = SplitSums::new(s.groups, s.cols, blocks);
        let (at, sums) = (work.pipeline.start(), registers::<C>([s.cols / 2]));
        for (row, col) in work.tiles.split(blocks).origins() {
            #[warp_group(0)]
            {
                if thread_id() == 0 {
                    work.load(&at, (row, col), (begin, end), |row, col| [row, col]);
                }
            }
            #[warp_group(1..s.groups + 1)]
            {
                let group = warp_id() / 4 - 1;
                sums.fill(C::default());
                multiply(sums, (&work.a, &work.b), &at, (group * 64, (row, begin * s.depth)), end - begin);
                shared.share(sums, group);
            }
            cluster_sync();
            for (in_row, in_col) in shared.pairs(cluster_rank(), (s.groups + 1) * 128) {
                let sum = shared.total(in_row, in_col);
                store_pair(c, (row + in_row, col + in_col), sum, s.lanes);
            }
            // The sums may be overwritten.
            cluster_sync();
        }
    }

    /// The sums of a part of k for each part; `n` is a multiple of 2 for pairs.
    #[launch(grid = (s.blocks as u32, 1, parts), block = (s.groups as u32 + 1) * 128, min_blocks = 1)]
    pub(super) fn matmul_wgmma_parts<T: Element>(
        #[meta] s: Schedule,
        a: In<T, [m, _k]>,
        b: In<T, [_b0, _b1]>,
        c: Out<f32, [parts, m, n]>,
    ) {
        let (work, steps) = (Work::new(s, (a, b), [m, n]), s.steps(a.extent(1)));
        let [begin, end] = [0, 1].map(|part| (block_idx().z + part) * steps / parts);
        #[warp_group(0)]
        {
            if thread_id() == 0 {
                let at = work.pipeline.start();
                for (row, col) in work.tiles.origins() {
                    work.load(&at, (row, col), (begin, end), |row, col| [row, col]);
                }
            }
        }
        #[warp_group(1..s.groups + 1)]
        {
            let (at, group) = (work.pipeline.start(), warp_id() / 4 - 1);
            let sums = registers::<f32>([s.cols / 2]);
            for (row, col) in work.tiles.origins() {
                sums.fill(0.0);
                multiply(sums, (&work.a, &work.b), &at, (group * 64, (row, begin * s.depth)), end - begin);
                store_sums(sums, c, (s.cols, s.lanes), group, [block_idx().z, row, col]);
            }
        }
    }
}

/// Operands, the pipeline through which they go, and the tiles of a block.
struct Work<T, const R: usize> {
    s: Schedule,
    a: StagedInput<T, R>,
    b: StagedInput<T, R>,
    pipeline: Pipeline,
    tiles: TileOrder,
}

impl<T: Element, const R: usize> Work<T, R> {
    #[track_caller]
    fn new(s: Schedule, (a, b): (In<T, R>, In<T, R>), extents: [Expr<i32>; 2]) -> Work<T, R> {
        let tile = [s.groups * 64, s.depth];
        let a = match s.rows < tile[0] {
            true => StagedInput::of_few_rows(a, s.stages, tile, (s.rows, (s.groups + 1) * 128)),
            false => StagedInput::new(a, s.stages, tile),
        };
        let b = match s.along_rows {
            true => StagedInput::along_rows(b, s.stages, [s.depth, s.cols], s.cluster),
            false => StagedInput::multicast(b, s.stages, [s.cols, s.depth], s.cluster),
        };
        let pipeline = Pipeline::new(s.stages, s.groups, s.cluster);
        let tiles = TileOrder::in_bands(extents, [s.groups * 64, s.cols], s.band, s.cluster, s.blocks);
        Work { s, a, b, pipeline, tiles }
    }

    /// Loads the tiles of both operands from step `begin` on, for a tile of the result.
    #[device]
    fn load(
        &self,
        at: &hidet::blocks::Position,
        (row, col): (Expr<i32>, Expr<i32>),
        (begin, end): (Expr<i32>, Expr<i32>),
        place: impl Fn(Expr<i32>, Expr<i32>) -> [Expr<i32>; R],
    ) {
        for step in begin..end {
            let along = step * self.s.depth;
            let of_b = if self.s.along_rows { place(along, col) } else { place(col, along) };
            load_stage(at, (&self.a, place(row, along)), (&self.b, of_b));
        }
    }
}

/// Computes the tiles of a block, along all of k. `place` returns the index of a row and a column, of which one may go along
/// k.
#[device]
fn whole<T: Element, C: Num, const R: usize>(
    s: Schedule,
    (a, b, c): (In<T, R>, In<T, R>, Out<C, R>),
    [m, n, k]: [Expr<i32>; 3],
    place: impl Fn(Expr<i32>, Expr<i32>) -> [Expr<i32>; R],
) {
    let work = Work::new(s, (a, b), [m, n]);
    let output = s.by_tma.then(|| TiledOutput::<C, T, R>::new(c, s.groups, s.cols));
    let rows = s.by_rows.then(|| RowOutput::<C>::new(s.groups));
    let steps = s.steps(k);
    #[warp_group(0)]
    {
        if s.groups == 2 {
            set_max_registers(40);
        }
        if thread_id() == 0 {
            let at = work.pipeline.start();
            for (row, col) in work.tiles.origins() {
                work.load(&at, (row, col), (0.into_expr(), steps), &place);
                if let Some(output) = &output {
                    output.load_operand(&work.b, &at, place(row, col));
                }
            }
        }
    }
    #[warp_group(1..s.groups + 1)]
    {
        if s.groups == 2 {
            set_max_registers(232);
        }
        let (at, group) = (work.pipeline.start(), warp_id() / 4 - 1);
        let sums = registers::<C>([s.cols / 2]);
        for (row, col) in work.tiles.origins() {
            if let Some(output) = &output {
                output.read_rows_ahead(col);
            }
            sums.fill(C::default());
            multiply(sums, (&work.a, &work.b), &at, (group * 64, place(row, 0.into_expr())), steps);
            match (&output, &rows) {
                (Some(output), _) => output.store(sums, (&work.b, &at), group, place(row, col)),
                (None, Some(rows)) => rows.store(sums, c, (s.cols, s.lanes), group, place(row, col)),
                (None, None) => store_sums(sums, c, (s.cols, s.lanes), group, place(row, col)),
            }
        }
        if let Some(output) = &output {
            output.finish();
        }
    }
    work.pipeline.finish();
}

/// Stores two sums next to each other, those inside of the result.
#[device]
fn store_pair<C: Num>(c: Out<C, 2>, (row, col): (Expr<i32>, Expr<i32>), sum: [Expr<C>; 2], lanes: i32) {
    let c = AnyView::from(c);
    if lanes == 2 {
        c.store_inside(&[row, col], AnyExpr::vector(&sum.map(AnyExpr::from)));
    } else {
        for (lane, sum) in sum.into_iter().enumerate() {
            c.set(&[row, col + lane as i32], sum.into());
        }
    }
}

impl Schedule {
    /// Returns the number of tiles along k.
    #[track_caller]
    pub(super) fn steps(&self, k: Expr<i32>) -> Expr<i32> {
        (k + (self.depth - 1)) / self.depth
    }

    /// Returns true if sums are added by another kernel.
    pub(super) fn has_parts(&self) -> bool {
        matches!(self.split, Split::Parts(_))
    }
}
