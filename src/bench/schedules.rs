//! Schedules of the kernels that run at the speed of memory: the one of the rule, without a suffix, and others to
//! compare it with. A name is `softmax_fast<f16>/16x256`.

use crate::examples::row_kernels::Rows;
use crate::examples::streams::Stream;
use crate::examples::transpose_fast::Squares;
use hidet::prelude::*;

/// Of copies: accesses a thread, threads a block.
pub const COPIES: [(&str, i32, i32); 7] = [
    ("", 4, 256),
    ("/1x256", 1, 256),
    ("/2x256", 2, 256),
    ("/8x256", 8, 256),
    ("/2x512", 2, 512),
    ("/4x512", 4, 512),
    ("/4x128", 4, 128),
];

/// Of sums, which read two vectors.
pub const ADDS: [(&str, i32, i32); 6] =
    [("", 2, 256), ("/1x256", 1, 256), ("/4x256", 4, 256), ("/1x512", 1, 512), ("/2x512", 2, 512), ("/2x128", 2, 128)];

/// Of rows: elements a thread, threads a block where a warp takes a row.
pub const ROWS: [(&str, usize, usize); 7] = [
    ("", 32, 128),
    ("/32x64", 32, 64),
    ("/32x256", 32, 256),
    ("/16x128", 16, 128),
    ("/16x256", 16, 256),
    ("/64x128", 64, 128),
    ("/64x256", 64, 256),
];

/// Of transposes: through shared memory, or written as read by warps of so many rows of squares.
pub const SQUARES: [(&str, Option<i32>); 4] =
    [("", None), ("/direct4", Some(4)), ("/direct8", Some(8)), ("/direct16", Some(16))];

/// `softmax_fast/16x256` for each schedule.
pub fn names<'a>(
    kernel: &'a str,
    suffixes: impl IntoIterator<Item = &'static str> + 'a,
) -> impl Iterator<Item = String> + 'a {
    suffixes.into_iter().map(move |suffix| format!("{kernel}{suffix}"))
}

/// A schedule of long vectors that begin at multiples of 16 bytes.
pub fn stream<T: Element>(pieces: i32, threads: i32) -> Stream {
    Stream { threads, ..Stream::of::<T>(16, pieces) }
}

/// A schedule of rows that begin at multiples of 16 bytes.
pub fn rows<T: Element>(cols: usize, most: usize, threads: usize) -> Option<Rows> {
    Rows::with::<T>(cols, 16, most, threads)
}

/// A schedule of matrices that begin at multiples of 16 bytes.
pub fn squares<T: Element>([rows, cols]: [usize; 2], direct: Option<i32>) -> Option<Squares> {
    Squares::of::<T>(rows, cols, 16).map(|plan| Squares { direct, ..plan })
}
