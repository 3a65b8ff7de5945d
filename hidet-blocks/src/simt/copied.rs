//! Tiles of an input that all threads of a block copy to shared memory.

use hidet_core::dsl::intrinsics::{cp_async_partial, refuse, thread_id};
use hidet_core::dsl::{Expr, In, OnDevice, Registers, View, registers, shared};
use hidet_macros::device;
use hidet_mapping::{TaskMapping, repeat, spatial};

/// How a tile gets from global to shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Loads to registers, spread over the columns of the tile before, then stores: any view.
    Registers,
    /// Asynchronous copies that begin at this column of the tile before: only memory.
    Asynchronous(i32),
}

/// Tiles of a matrix of which one axis is `k`, two at the same time. In shared memory the other axis is the last one.
#[derive(Clone)]
pub struct CopiedInput {
    input: In<f32, 2>,
    /// The number of the axis that is `k`.
    k_axis: usize,
    route: Route,
    /// Number of the tile, k, line.
    pub(super) tiles: View<f32, 3>,
    stage: View<f32, 2>,
    copies: TaskMapping<2>,
    lines: u32,
    depth: i32,
    /// Lines that all threads copy at the same time, and how much of each along k.
    at_once: [i32; 2],
    /// The first line of all tiles, which may be negative.
    first: Expr<i32>,
    /// Where the tiles begin along k, if that is not 0.
    begin: Option<Expr<i32>>,
}

impl CopiedInput {
    /// Makes room for tiles of `depth` along axis `k_axis` and `lines` along the other, copied by `threads`, of each line 8 elements
    /// at a time, or `depth` if that is less. Lines begin at `first`; those before the matrix are zero.
    #[track_caller]
    pub fn new(
        input: In<f32, 2>,
        (k_axis, route): (usize, Route),
        [lines, depth]: [u32; 2],
        threads: u32,
        first: Expr<i32>,
    ) -> CopiedInput {
        // A sector of 32 bytes, of as many lines as possible.
        let along = depth.clamp(1, 8);
        let fits = depth >= 1 && depth.is_multiple_of(along) && threads.is_multiple_of(along) && k_axis < 2;
        if !fits || threads == 0 || !lines.is_multiple_of(threads / along) {
            refuse(&format!(
                "{threads} threads copy tiles of {lines} lines and {depth} along axis {k_axis}, {along} of each line at a time: \
                 depth and threads must be multiples of {along}, and the lines one of the threads for each of these"
            ));
            return CopiedInput::new(input, (0, route), [1, 1], 1, first);
        }
        if let Route::Asynchronous(at) = route
            && !(0..depth as i32).contains(&at)
        {
            refuse(&format!("copies begin at column {at} of a tile of {depth}"));
        }
        let at_once = threads / along;
        let copies = match k_axis {
            1 => repeat([lines / at_once, depth / along]) * spatial([at_once, along]),
            _ => repeat([depth / along, lines / at_once]) * spatial([along, at_once]),
        };
        // Threads of a warp store a column of a tile whose lines are rows: 4 elements of padding put them into different
        // banks.
        let padding = if k_axis == 1 { 4 } else { 0 };
        let tiles = shared::<f32, 3>([2, depth as i32, lines as i32 + padding]);
        let stage = registers(copies.register_layout());
        let (depth, at_once) = (depth as i32, [at_once as i32, along as i32]);
        CopiedInput { input, k_axis, route, tiles, stage, copies, lines, depth, at_once, first, begin: None }
    }

    /// Returns the tiles from this coordinate along k on.
    pub fn beginning_at(self, begin: Expr<i32>) -> CopiedInput {
        CopiedInput { begin: Some(begin), ..self }
    }

    /// Refuses tiles of another number of lines or threads.
    #[track_caller]
    pub(super) fn expect(&self, lines: u32, threads: u32) {
        if (self.lines, self.copies.workers()) != (lines, threads) {
            refuse(&format!(
                "{threads} threads multiply {lines} lines, but {} threads copy {} lines of this input",
                self.copies.workers(),
                self.lines
            ));
        }
    }

    /// Returns the extent of a tile along k.
    pub(super) fn depth(&self) -> i32 {
        self.depth
    }

    /// Copies the first tile, of which only `count` along k are inside of the matrix; the others are zero.
    #[device(crate = hidet_core)]
    pub(super) fn copy_first(&self, count: Expr<i32>) {
        for task in self.copies.on(thread_id()) {
            let [line, p] = self.ordered([task.0, task.1]);
            self.tiles[[0, p, line]] = if p < count { self.input.get(self.place(line, p)) } else { 0.0 };
        }
    }

    /// Copies the part of tile `next` that is due at a column of the tile before; it begins at `start` along k.
    #[device(crate = hidet_core)]
    pub(super) fn copy_at(&self, column: i32, next: Expr<i32>, start: Expr<i32>) {
        for task in self.copies.on(thread_id()) {
            let [line, p] = self.ordered([task.0, task.1]);
            match self.route {
                Route::Registers => {
                    let number = p / self.at_once[1] * self.repeats() + line / self.at_once[0];
                    if column == number / self.each_column() {
                        self.stage[[task.0, task.1]] = self.input.get(self.place(line, start + p));
                    }
                }
                Route::Asynchronous(at) => {
                    if column == at {
                        // Nothing is read for lines before the first.
                        let count = if self.first + line >= 0 { 1 } else { 0 };
                        let [row, col] = self.place(line, start + p);
                        cp_async_partial::<1>(&self.tiles[[next, p, line]], &self.input[[row, col]], count);
                    }
                }
            }
        }
    }

    /// Returns how often all threads copy lines, until all of a tile's have been.
    fn repeats(&self) -> i32 {
        self.lines as i32 / self.at_once[0]
    }

    /// Returns how many elements a thread loads at each column, so that the last ones are on their way for half of the columns.
    fn each_column(&self) -> i32 {
        let loads = self.repeats() * (self.depth / self.at_once[1]);
        (loads * 2 + self.depth - 1) / self.depth
    }

    /// Stores what was loaded to registers of tile `next`.
    #[device(crate = hidet_core)]
    pub(super) fn finish(&self, next: Expr<i32>) {
        if self.route == Route::Registers {
            for task in self.copies.on(thread_id()) {
                let [line, p] = self.ordered([task.0, task.1]);
                self.tiles[[next, p, line]] = self.stage[[task.0, task.1]];
            }
        }
    }

    /// Returns the coordinates in the matrix of a line of the tile.
    #[track_caller]
    fn place(&self, line: Expr<i32>, k: Expr<i32>) -> [Expr<i32>; 2] {
        self.ordered([self.first + line, self.begin.map_or(k, |begin| begin + k)])
    }

    /// Turns coordinates of the matrix into line and k, and the other way round.
    fn ordered(&self, [x, y]: [Expr<i32>; 2]) -> [Expr<i32>; 2] {
        if self.k_axis == 1 { [x, y] } else { [y, x] }
    }
}
