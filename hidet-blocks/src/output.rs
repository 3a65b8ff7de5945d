//! Results of warp groups, from registers to global memory.

use crate::fragment::{self, coordinates, moved};
use crate::pipeline::Position;
use crate::staged::StagedInput;
use crate::staged_rows::StagedRows;
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{
    Map, barrier_sync, bulk_commit, bulk_wait, bulk_wait_read, fence_proxy_async, ldmatrix_x4, refuse, stmatrix_x4,
    thread_id, tma_load, tma_store, warp_id,
};
use hidet_core::dsl::{Epilogue, Expr, IndexTuple, IntoExpr, Out, View, registers, shared, unroll, vector2};
use hidet_core::ir::Swizzle;
use hidet_core::layout::Layout;
use hidet_core::types::Element;
use hidet_macros::device;
use std::cell::Cell;
use std::rc::Rc;

/// An output of which each warp group stores 64 rows of a tile, through shared memory and by TMA. A tile is a matrix along
/// the last two of the `R` axes. Sums are rounded to `C`, the type that the kernel writes, and its epilogue gives `T`, a type of
/// 16 bits.
///
/// The tiles of an operand of the epilogue that is as large as the output, such as a residual, are loaded into the stages
/// of an input by the thread that fills these, so that they arrive while the last products are computed. Operands that are the
/// same for all rows, such as a bias, are read from shared memory too.
#[derive(Clone)]
pub struct TiledOutput<C, T, const R: usize> {
    epilogue: Epilogue<C, R>,
    map: Map<T, R>,
    /// For each warp group `parts` matrices of 64 x 64: what it stores in one round.
    tiles: View<T, 3>,
    operand: Option<StagedOperand<T, R>>,
    rows: Option<StagedRows<T>>,
    /// The box of the output that is stored as a matrix: its rows are the elements along all axes but the last.
    stored: [i32; R],
    groups: i32,
    parts: i32,
    rounds: i32,
}

/// An operand of the epilogue whose tiles go through the pipeline.
#[derive(Clone)]
struct StagedOperand<T, const R: usize> {
    number: usize,
    map: Map<T, R>,
    /// True once the kernel's text loads it.
    is_loaded: Rc<Cell<bool>>,
}

/// Rows and columns of the matrices that are copied.
const PART: i32 = 64;

impl<C: Element, T: Element, const R: usize> TiledOutput<C, T, R> {
    /// Makes room for the results of `groups` warp groups, whose tile has `cols` columns: a multiple of 64.
    #[track_caller]
    pub fn new(output: Out<C, R>, groups: i32, cols: i32) -> TiledOutput<C, T, R> {
        let mut stored = [1; R];
        (stored[R - 2], stored[R - 1]) = (PART, PART);
        let output = TiledOutput::of_boxes(output, groups, cols, stored);
        let operand = output.epilogue.operand_in_memory::<T>().map(|(number, operand)| {
            let map = operand.tensor_map(stored, Swizzle::B128);
            StagedOperand { number, map, is_loaded: Rc::default() }
        });
        TiledOutput { operand, ..output }
    }

    /// Returns the bytes of shared memory that it takes at most.
    pub fn bytes(groups: i32, cols: i32) -> i32 {
        let matrices = groups * Self::parts(groups, cols);
        matrices * PART * PART * T::SCALAR.bytes() as i32 + StagedRows::<T>::bytes(groups, cols)
    }

    /// Returns how many matrices a warp group stores in one round.
    fn parts(groups: i32, cols: i32) -> i32 {
        if cols / PART % groups == 0 { cols / PART / groups } else { 1 }
    }

    /// The same for warp groups of which each stores the elements of a box along all axes but the last: `stored` are its
    /// extents, 64 elements in all, and 64 along the last axis. Operands of the epilogue are read where they are.
    #[track_caller]
    pub fn of_boxes(output: Out<C, R>, groups: i32, cols: i32, stored: [i32; R]) -> TiledOutput<C, T, R> {
        const { assert!(R >= 2, "a tile is a matrix, so the output has two axes or more") }
        if T::SCALAR.bytes() != 2 {
            refuse(&format!("an output of {} is stored by TMA: its elements must have 16 bits", T::SCALAR));
        }
        let whole = stored[R - 1] == PART && stored.iter().product::<i32>() == PART * PART;
        if groups < 1 || cols < PART || cols % PART != 0 || !whole || stored.iter().any(|extent| *extent < 1) {
            refuse(&format!(
                "{cols} columns of {groups} warp groups, stored in boxes of {stored:?}: columns must be a multiple of {PART}, \
                 and boxes consist of {PART} rows of {PART}"
            ));
            return TiledOutput::new(output, 1, PART);
        }
        let epilogue = output.epilogue();
        let map = epilogue.below::<T>().tensor_map(stored, Swizzle::B128);
        let parts = Self::parts(groups, cols);
        let tiles = shared::<T, 3>(Layout::tma([groups * parts, PART, PART], Swizzle::B128));
        let (rows, rounds) = (StagedRows::new(&epilogue, groups, cols), cols / PART / parts);
        TiledOutput { epilogue, map, tiles, operand: None, rows, stored, groups, parts, rounds }
    }

    /// Loads the operand's tile that begins there into stages of `input`: one for each round of stores, of a matrix of
    /// 64 x 64 for each that is stored.
    #[device(crate = hidet_core)]
    pub fn load_operand<const Q: usize>(&self, input: &StagedInput<T, Q>, at: &Position, origin: impl IndexTuple<R>) {
        let (origin, groups, parts) = (coordinates(origin), self.groups, self.parts);
        if let Some(operand) = &self.operand {
            operand.is_loaded.set(true);
            if groups * parts * PART > input.tiles.extents()[1] {
                refuse("the tiles of an operand of the epilogue need tiles of the input with as many rows");
            }
            for round in 0..self.rounds {
                at.fill(groups * parts * PART * PART * T::SCALAR.bytes() as i32);
                for part in unroll(0..groups * parts) {
                    let place = moved(origin, part / parts * PART, round * (parts * PART) + part % parts * PART);
                    let tile = input.tiles.part(at.stage(), part.into_expr());
                    tma_load(&tile[[0, 0]], operand.map, place, at.arrivals());
                }
                at.advance();
            }
        }
    }

    /// Reads what the epilogue needs of operands that are the same for all rows, of the columns from `col` on, into registers of
    /// the threads that store: before their products, so that it is there when these are complete. It is for the store that
    /// comes next in the kernel's text, which reads by itself what was not read ahead.
    #[track_caller]
    pub fn read_rows_ahead(&self, col: impl IntoExpr<i32>) {
        if let Some(rows) = &self.rows {
            rows.read_ahead(col.into_expr());
        }
    }

    /// Stores what the epilogue makes of the sums of a warp group, the one numbered `group`, in the tile of the output that
    /// begins at `origin`, of which each group has 64 rows. `input` and `at` are those of [`load_operand`](Self::load_operand).
    #[device(crate = hidet_core)]
    pub fn store<S: Element, const Q: usize>(
        &self,
        sums: View<S, 1>,
        (input, at): (&StagedInput<T, Q>, &Position),
        group: impl IntoExpr<i32>,
        origin: impl IndexTuple<R>,
    ) {
        let group = group.into_expr();
        if self.operand.as_ref().is_some_and(|operand| !operand.is_loaded.get()) {
            refuse(
                "no tiles of the epilogue's operand are loaded: a kernel calls `load_operand` before `store` in its text",
            );
        }
        let staged = self.operand.as_ref().map(|operand| (operand.number, input.tiles, at));
        self.write(sums, staged, group, moved(coordinates(origin), group * PART, 0));
    }

    /// Stores the box of a warp group that begins at `origin`, of an output [`of_boxes`](Self::of_boxes).
    #[device(crate = hidet_core)]
    pub fn store_box<S: Element>(&self, sums: View<S, 1>, group: impl IntoExpr<i32>, origin: impl IndexTuple<R>) {
        self.write(sums, None, group.into_expr(), coordinates(origin));
    }

    /// Stores a box, with an operand of that number in stages of a pipeline.
    #[device(crate = hidet_core)]
    fn write<S: Element>(
        &self,
        sums: View<S, 1>,
        staged: Option<(usize, StagedTiles<T>, &Position)>,
        group: Expr<i32>,
        origin: [Expr<i32>; R],
    ) {
        let (t, parts, warp_row) = (thread_id() % 128, self.parts, warp_id() % 4 * 16);
        let (out, given) = (registers::<T, 1>([8]), registers::<T, 1>([8]));
        let (in_row, in_col) = fragment::address();
        #[meta]
        let mut epilogue = self.epilogue.clone();
        if let Some(rows) = &self.rows {
            rows.share(group, origin[R - 1]);
            epilogue = rows.read_by(epilogue, group, origin[R - 1]);
        }
        for round in unroll(0..self.rounds) {
            if let Some((_, _, at)) = staged {
                at.wait();
            }
            // The previous stores have read their source.
            if t == 0 {
                bulk_wait_read(0);
            }
            barrier_sync(group + 1, 128);
            for q in unroll(0..parts * 4) {
                let (part, first) = (q / 4, moved(origin, 0, (round * parts + q / 4) * PART));
                let fragment = |tile: View<T, 2>| &tile[[warp_row + in_row, q % 4 * 16 + in_col]];
                if let Some((_, tiles, at)) = staged {
                    ldmatrix_x4(&given[[0]], fragment(tiles.part(at.stage(), group * parts + part)));
                }
                for i in unroll((0..8).step_by(2)) {
                    let sum = (round * parts * 4 + q) * 8 + i;
                    let pair = vector2(sums[[sum]] as C, sums[[sum + 1]] as C);
                    let (in_row, in_col) = fragment::element(i);
                    let place = self.place(first, warp_row + in_row, q % 4 * 16 + in_col);
                    let epilogue = match staged {
                        Some((number, ..)) => epilogue.given(number, vector2(given[[i]], given[[i + 1]])),
                        None => epilogue.clone(),
                    };
                    let [x, y] = epilogue.apply::<T, 2>(pair, place).lanes();
                    out[[i]] = x;
                    out[[i + 1]] = y;
                }
                stmatrix_x4(fragment(self.tiles.slice(group * parts + part)), &out[[0]]);
            }
            fence_proxy_async();
            barrier_sync(group + 1, 128);
            if let Some((_, _, at)) = staged {
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

    /// Returns the coordinates of an element of the matrix that is stored from `first` on.
    #[track_caller]
    fn place(&self, mut first: [Expr<i32>; R], row: Expr<i32>, col: Expr<i32>) -> [Expr<i32>; R] {
        let mut left = row;
        for axis in (0..R - 1).rev().filter(|axis| self.stored[*axis] > 1) {
            let is_outermost = self.stored[..axis].iter().all(|extent| *extent == 1);
            let own = if is_outermost { left } else { left % self.stored[axis] };
            first[axis] = first[axis] + own;
            left = left / self.stored[axis];
        }
        first[R - 1] = first[R - 1] + col;
        first
    }

    /// Waits until all stores of this warp group are complete, so that its shared memory may be freed.
    #[device(crate = hidet_core)]
    pub fn finish(&self) {
        if thread_id() % 128 == 0 {
            bulk_wait(0);
        }
    }
}
