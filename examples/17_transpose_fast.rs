//! A transpose at the speed of memory: 16 bytes per access on both sides.
//!
//! A thread reads a square of N x N elements by N accesses to N rows. Transposed in registers, it is again N vectors,
//! which only have to be moved to the right thread: they go through a tile in shared memory, from which the block
//! writes rows of the result, 256 consecutive bytes each. The tile's chunks of N elements are swizzled by the number of
//! the square, so that neither the columns, which are written, nor the rows, which are read, have bank conflicts.

use hidet::dsl::{AnyExpr, AnyView};
use hidet::prelude::*;

#[allow(clippy::duplicate_mod)]
#[path = "05_transpose.rs"]
mod transpose;

/// Squares along each side of a tile: one for each of 256 threads.
const SIDE: i32 = 16;

/// How a matrix is split into squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squares {
    /// Elements per access, and per side of a thread's square.
    pub lanes: i32,
    /// `None` to go through shared memory; else each thread writes what it read, and 32 lanes are this many rows of
    /// squares.
    pub direct: Option<i32>,
}

impl Squares {
    /// The rule for matrices that begin at a multiple of `align` bytes; `None` if only single elements can be moved.
    /// The access is the widest, up to 16 bytes and 8 elements, that divides both extents and the beginning.
    pub fn of<T: Element>(rows: usize, cols: usize, align: u64) -> Option<Squares> {
        let bytes = std::mem::size_of::<T>();
        let fits = |lanes: &usize| {
            (lanes * bytes) as u64 <= align.min(16) && rows.is_multiple_of(*lanes) && cols.is_multiple_of(*lanes)
        };
        let lanes = [8, 4, 2].into_iter().find(fits)?;
        Some(Squares { lanes: lanes as i32, direct: None })
    }

    /// Returns the elements along each side of a block's tile.
    pub fn tile(&self) -> i32 {
        SIDE * self.lanes
    }

    /// Returns the square of this thread: its row and column in the tile, in squares. Neighbours are adjacent along
    /// rows of x.
    #[track_caller]
    fn place(&self) -> (Expr<i32>, Expr<i32>) {
        match self.direct {
            None => (thread_id() / SIDE, thread_id() % SIDE),
            Some(high) => {
                // A warp is high x wide squares; warps fill the tile from left to right.
                let (wide, across) = (32 / high, SIDE * high / 32);
                let (row, col) = (lane_id() / wide, lane_id() % wide);
                (warp_id() / across * high + row, warp_id() % across * wide + col)
            }
        }
    }
}

kernel! {
    #[launch(grid = (cols.div_ceil(plan.tile()), rows.div_ceil(plan.tile())), block = SIDE * SIDE)]
    fn transpose_squares<T: Element>(#[meta] plan: Squares, x: In<T, [rows, cols]>, y: Out<T, [cols, rows]>) {
        let n = plan.lanes;
        let swizzled = Layout::row_major([plan.tile(), SIDE]).swizzle(1, 0, n.ilog2() as u8);
        let tile = shared::<T, 2>(swizzled * Layout::row_major([1, n]));
        let (x, y, tile) = (AnyView::from(x), AnyView::from(y), AnyView::from(tile));
        let (row0, col0) = (block_idx().y * plan.tile(), block_idx().x * plan.tile());
        let (i, j) = plan.place();
        let (row, col) = (row0 + i * n, col0 + j * n);
        if row < rows && col < cols {
            let held: Vec<_> = (0..n).map(|k| x.load(&[row + k, col], n as u8)).collect();
            for k in unroll(0..n) {
                let turned: Vec<_> = held.iter().map(|line| line.lane(k as u8)).collect();
                if plan.direct.is_some() {
                    y.store(&[col + k, row], AnyExpr::vector(&turned));
                } else {
                    tile.store(&[j * n + k, i * n], AnyExpr::vector(&turned));
                }
            }
        }
        if plan.direct.is_none() {
            sync_threads();
            let at = thread_id() % SIDE * n;
            let lines: Vec<_> = (0..n).map(|k| k * SIDE + thread_id() / SIDE).collect();
            if rows - row0 >= plan.tile() && cols - col0 >= plan.tile() {
                let held: Vec<_> = lines.iter().map(|line| (*line, tile.load(&[*line, at], n as u8))).collect();
                for (line, value) in unroll(held) {
                    y.store(&[col0 + line, row0 + at], value);
                }
            } else {
                for line in unroll(lines) {
                    if col0 + line < cols && row0 + at < rows {
                        y.store(&[col0 + line, row0 + at], tile.load(&[line, at], n as u8));
                    }
                }
            }
        }
    }
}

/// y = x transposed. Without a schedule, for matrices of any extents.
pub fn transpose_fast<T: Element>(plan: Option<Squares>) -> Template<(In<T, 2>, Out<T, 2>)> {
    let Some(plan) = plan else { return transpose::transpose::<T>() };
    transpose_squares::<T>(plan).named("transpose_fast")
}

/// Transposes matrices of awkward extents.
pub fn run(device: &Device) -> hidet::Result<()> {
    for (rows, cols) in [(64, 128), (68, 132), (70, 46), (33, 65)] {
        let host: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
        let x = device.tensor(&host, [rows, cols])?;
        let mut y = device.empty([cols, rows])?;
        transpose_fast::<f32>(Squares::of::<f32>(rows, cols, 16)).compile(device)?.launch(&x, &mut y)?;
        let y = y.to_vec()?;
        assert!((0..rows).all(|r| (0..cols).all(|c| y[c * rows + r] == host[r * cols + c])));
    }
    println!("matrices of four shapes transposed");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
