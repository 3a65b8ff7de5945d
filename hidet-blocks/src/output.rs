//! Results of warp groups, from registers to global memory.

use crate::fragment::{self, coordinates, moved};
use crate::pipeline::Position;
use crate::staged::StagedInput;
use hidet_core::dsl::intrinsics::{
    Map, barrier_sync, bulk_commit, bulk_wait, bulk_wait_read, fence_proxy_async, refuse, stmatrix_x4, thread_id,
    tma_load, tma_store, warp_id,
};
use hidet_core::dsl::{Epilogue, IndexTuple, IntoExpr, Out, View, registers, shared, unroll, vector2};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;
use hidet_macros::device;

/// An output of which each warp group stores 64 rows of a tile, through shared memory and by TMA. A tile is a matrix along
/// the last two of the `R` axes. Sums are rounded
/// to `C`, the type that the kernel writes, and its epilogue gives `T`, a type of 16 bits.
///
/// The tiles of an operand of the epilogue that is as large as the output, such as a residual, are loaded into the stages
/// of an input by the thread that fills these, so that they arrive while the last products are computed.
#[derive(Clone)]
pub struct TiledOutput<C, T, const R: usize> {
    epilogue: Epilogue<C, R>,
    map: Map<T, R>,
    /// For each warp group `parts` matrices of 64 x 64: what it stores in one round.
    tiles: View<T, 3>,
    operand: Option<StagedOperand<T, R>>,
    groups: i32,
    parts: i32,
    rounds: i32,
}

/// An operand of the epilogue whose tiles go through the pipeline.
#[derive(Clone, Copy)]
struct StagedOperand<T, const R: usize> {
    number: usize,
    map: Map<T, R>,
}

/// Rows and columns of the matrices that are copied.
const PART: i32 = 64;

impl<C: Element, T: Element, const R: usize> TiledOutput<C, T, R> {
    /// Makes room for the results of `groups` warp groups, whose tile has `cols` columns: a multiple of 64.
    #[track_caller]
    pub fn new(output: Out<C, R>, groups: i32, cols: i32) -> TiledOutput<C, T, R> {
        const { assert!(R >= 2, "a tile is a matrix, so the output has two axes or more") }
        const { assert!(T::SCALAR.bytes() == 2, "the output's elements have 16 bits") }
        if groups < 1 || cols < PART || cols % PART != 0 {
            refuse(&format!("{cols} columns of {groups} warp groups: they must be a multiple of {PART}"));
            return TiledOutput::new(output, 1, PART);
        }
        let mut copied = [1; R];
        (copied[R - 2], copied[R - 1]) = (PART, PART);
        let epilogue = output.epilogue();
        let operand = epilogue.operand_in_memory::<T>().map(|(number, operand)| {
            let map = operand.tensor_map(copied, Swizzle::B128);
            StagedOperand { number, map }
        });
        let map = epilogue.below::<T>().tensor_map(copied, Swizzle::B128);
        let parts = if cols / PART % groups == 0 { cols / PART / groups } else { 1 };
        let tiles = shared::<T, 3>(Layout::tma([groups * parts, PART, PART], Swizzle::B128));
        TiledOutput { epilogue, map, tiles, operand, groups, parts, rounds: cols / PART / parts }
    }

    /// Loads the operand's tile that begins there into stages of `input`: one for each round of stores, of a matrix of
    /// 64 x 64 for each that is stored.
    #[device(crate = hidet_core)]
    pub fn load_operand<const Q: usize>(&self, input: &StagedInput<T, Q>, at: &Position, origin: impl IndexTuple<R>) {
        let (origin, groups, parts) = (coordinates(origin), self.groups, self.parts);
        if let Some(operand) = self.operand {
            if groups * parts * PART > input.rows() {
                refuse("the tiles of an operand of the epilogue need tiles of the input with as many rows");
            }
            for round in 0..self.rounds {
                at.fill(groups * parts * PART * PART * T::SCALAR.bytes() as i32);
                for part in unroll(0..groups * parts) {
                    let place = moved(origin, part / parts * PART, round * (parts * PART) + part % parts * PART);
                    tma_load(&input.tiles[[at.stage(), 0, part * PART, 0]], operand.map, place, at.arrivals());
                }
                at.advance();
            }
        }
    }

    /// Stores what the epilogue makes of the sums of a warp group, the one numbered `group`, in the tile of the output that
    /// begins at `origin`. `input` and `at` are those of [`load_operand`](Self::load_operand).
    #[device(crate = hidet_core)]
    pub fn store<const Q: usize>(
        &self,
        sums: View<f32, 1>,
        (input, at): (&StagedInput<T, Q>, &Position),
        group: impl IntoExpr<i32>,
        origin: impl IndexTuple<R>,
    ) {
        let (t, parts, warp_row) = (thread_id() % 128, self.parts, warp_id() % 4 * 16);
        let group = group.into_expr();
        let origin = moved(coordinates(origin), group * PART, 0);
        let out = registers::<T, 1>([8]);
        for round in unroll(0..self.rounds) {
            if self.operand.is_some() {
                at.wait();
            }
            // The previous stores have read their source.
            if t == 0 {
                bulk_wait_read(0);
            }
            barrier_sync(group + 1, 128);
            for q in unroll(0..parts * 4) {
                let (part, first) = (q / 4, moved(origin, 0, (round * parts + q / 4) * PART));
                let epilogue = match self.operand {
                    Some(operand) => {
                        let tile = input.tiles.slice(at.stage()).slice(0);
                        let tile = tile.tile([(group * parts + part) * PART, 0], [PART, PART]);
                        self.epilogue.read_from(operand.number, tile, [first[R - 2], first[R - 1]])
                    }
                    None => self.epilogue.clone(),
                };
                for i in unroll((0..8).step_by(2)) {
                    let sum = (round * parts * 4 + q) * 8 + i;
                    let pair = vector2(sums[[sum]] as C, sums[[sum + 1]] as C);
                    let (in_row, in_col) = fragment::element(i);
                    let place = moved(first, warp_row + in_row, q % 4 * 16 + in_col);
                    let [x, y] = epilogue.apply::<T, 2>(pair, place).lanes();
                    out[[i]] = x;
                    out[[i + 1]] = y;
                }
                let (in_row, in_col) = fragment::address();
                let place = &self.tiles[[group * parts + part, warp_row + in_row, q % 4 * 16 + in_col]];
                stmatrix_x4(place, &out[[0]]);
            }
            fence_proxy_async();
            barrier_sync(group + 1, 128);
            if self.operand.is_some() {
                at.pass(t);
            }
            if t == 0 {
                for part in unroll(0..parts) {
                    let place = moved(origin, 0, (round * parts + part) * PART);
                    tma_store(self.map, place, &self.tiles[[group * parts + part, 0, 0]]);
                }
                bulk_commit();
            }
        }
    }

    /// Waits until all stores of this warp group are complete, so that its shared memory may be freed.
    #[device(crate = hidet_core)]
    pub fn finish(&self) {
        if thread_id() % 128 == 0 {
            bulk_wait(0);
        }
    }
}
