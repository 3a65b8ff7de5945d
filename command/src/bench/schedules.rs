//! Schedules of the kernels that run at the speed of memory: the default one, without a suffix, and others to compare
//! it with. A name is `softmax_fast<f16>/16x256`.

use crate::examples::row_kernels::Rows;
use crate::examples::streams::Copies;
use crate::examples::transpose_fast::Squares;
use hidet::prelude::*;

/// For copies: accesses per thread, threads per block.
pub const COPIES: [(&str, i32, i32); 7] = [
    ("", 1, 256),
    ("/2x256", 2, 256),
    ("/4x256", 4, 256),
    ("/8x256", 8, 256),
    ("/1x128", 1, 128),
    ("/1x512", 1, 512),
    ("/2x512", 2, 512),
];

/// For sums, which read two vectors.
pub const ADDS: [(&str, i32, i32); 4] = [("", 1, 256), ("/2x256", 2, 256), ("/4x256", 4, 256), ("/1x512", 1, 512)];

/// For rows: elements per thread (0: the default), threads per block if each row is handled by one warp, and blocks per
/// multiprocessor of a persistent grid.
pub const ROWS: [(&str, usize, usize, i32); 7] = [
    ("", 0, 64, 0),
    ("/16x64", 16, 64, 0),
    ("/32x32", 32, 32, 0),
    ("/32x64", 32, 64, 0),
    ("/32x128", 32, 128, 0),
    ("/64x64", 64, 64, 0),
    ("/32x128x4", 32, 128, 4),
];

/// Multiprocessors of an H200, for which persistent grids are sized.
const MULTIPROCESSORS: i32 = 132;

/// For transposes: through shared memory, or written as read, by warps of so many rows of squares.
pub const SQUARES: [(&str, Option<i32>); 4] =
    [("", None), ("/direct4", Some(4)), ("/direct8", Some(8)), ("/direct16", Some(16))];

/// Returns `softmax_fast/16x256` for each schedule.
pub fn names<'a>(
    kernel: &'a str,
    suffixes: impl IntoIterator<Item = &'static str> + 'a,
) -> impl Iterator<Item = String> + 'a {
    suffixes.into_iter().map(move |suffix| format!("{kernel}{suffix}"))
}

/// A schedule of long vectors that begin at multiples of 16 bytes.
pub fn stream<T: Element>(pieces: i32, threads: i32) -> Copies {
    Copies { threads, ..Copies::of::<T>(16, pieces) }
}

/// A schedule of rows that begin at multiples of 16 bytes.
pub fn rows<T: Element>(cols: usize, most: usize, threads: usize, blocks: i32) -> Option<Rows> {
    let plan = if most == 0 { Rows::of::<T>(cols, 16)? } else { Rows::with::<T>(cols, 16, most, threads)? };
    let persistent = (plan.warps == 1 && blocks > 0).then_some([blocks, MULTIPROCESSORS]);
    Some(Rows { persistent, ..plan })
}

/// A schedule of matrices that begin at multiples of 16 bytes.
pub fn squares<T: Element>([rows, cols]: [usize; 2], direct: Option<i32>) -> Option<Squares> {
    Squares::of::<T>(rows, cols, 16).map(|plan| Squares { direct, ..plan })
}
