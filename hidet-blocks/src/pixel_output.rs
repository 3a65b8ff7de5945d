//! Results of a convolution, from registers to global memory.

use crate::output::TiledOutput;
use crate::pixels::{ROWS, StagedPixels};
use crate::split::SplitSums;
use hidet_core::dsl::intrinsics::{cluster_rank, cluster_sync};
use hidet_core::dsl::{Epilogue, Expr, Out, View, vector2};
use hidet_core::types::Element;
use hidet_macros::device;

/// The results of a convolution, a matrix of a row per result, in the order of images, rows and columns. Sums are rounded to
/// `C`, the type that the kernel writes, and its epilogue gives `T`, a type of 16 bits.
#[derive(Clone)]
pub struct PixelOutput<C, T> {
    route: Route<C, T>,
    threads: i32,
}

#[derive(Clone)]
enum Route<C, T> {
    /// Results in the order of memory.
    Matrix(TiledOutput<C, T, 2>),
    /// Boxes of images, rows and columns.
    Boxes(TiledOutput<C, T, 4>),
    /// Sums of the blocks of a cluster.
    Split(SplitSums<f32>, Epilogue<C, 2>),
}

impl<C: Element, T: Element> PixelOutput<C, T> {
    /// Makes room for the results of `groups` warp groups, and `cols` output channels: a multiple of 64. If `split` is more
    /// than one, each block of a cluster of so many has multiplied a part of k. Boxes take an epilogue only then.
    #[track_caller]
    pub fn new<I: Element>(
        output: Out<C, 2>,
        pixels: &StagedPixels<I>,
        [groups, cols]: [i32; 2],
        split: i32,
    ) -> PixelOutput<C, T> {
        let route = match pixels.boxes() {
            _ if split > 1 => Route::Split(SplitSums::new(groups, cols, split), output.epilogue()),
            None => Route::Matrix(TiledOutput::of_boxes(output, groups, cols, [ROWS, 64])),
            Some([images, rows, columns]) => {
                let [n, p, q] = pixels.results;
                let image = output.remap([n, p, q, output.extent(1)], 8, move |[image, row, column, channel]| {
                    [(image * p + row) * q + column, channel]
                });
                Route::Boxes(TiledOutput::of_boxes(image, groups, cols, [images, rows, columns, 64]))
            }
        };
        PixelOutput { route, threads: (groups + 1) * 128 }
    }

    /// Reads what the epilogue needs of operands that are the same for all results ahead, for channels from `channel` on: see
    /// [`TiledOutput::read_rows_ahead`].
    #[track_caller]
    pub fn read_rows_ahead(&self, channel: Expr<i32>) {
        match &self.route {
            Route::Matrix(output) => output.read_rows_ahead(channel),
            Route::Boxes(output) => output.read_rows_ahead(channel),
            Route::Split(..) => {}
        }
    }

    /// Stores the sums of the warp group numbered `group` for the tile of results from number `result` on, and channels
    /// from `channel` on. Those of a split product are stored by [`join`](Self::join).
    #[device(crate = hidet_core)]
    pub fn store<I: Element>(
        &self,
        sums: View<f32, 1>,
        pixels: &StagedPixels<I>,
        group: Expr<i32>,
        (result, channel): (Expr<i32>, Expr<i32>),
    ) {
        let first = result + group * ROWS;
        match &self.route {
            Route::Matrix(output) => output.store_box(sums, group, (first, channel)),
            Route::Boxes(output) => {
                let [image, row, column] = pixels.first(first);
                output.store_box(sums, group, (image, row, column, channel));
            }
            Route::Split(split, _) => split.share(sums, group),
        }
    }

    /// Adds the sums of the blocks of the cluster for the tile, and stores this block's part of them. All threads of the
    /// block, `groups` + 1 warp groups, must call it; if the product is not split, it does nothing.
    #[device(crate = hidet_core)]
    pub fn join<I: Element>(&self, pixels: &StagedPixels<I>, (result, channel): (Expr<i32>, Expr<i32>)) {
        if let Route::Split(split, epilogue) = &self.route {
            let output = epilogue.below::<T>();
            cluster_sync();
            for (row, col) in split.pairs(cluster_rank(), self.threads) {
                let (place, is_result) = pixels.result(result + row / ROWS * ROWS, row % ROWS);
                let sum = split.total(row, col);
                if is_result && channel + col < output.extent(1) {
                    let [x, y] = sum;
                    let pair = epilogue.apply::<T, 2>(vector2(x as C, y as C), (place, channel + col));
                    output.store((place, channel + col), pair);
                }
            }
            // The sums may be overwritten.
            cluster_sync();
        }
    }

    /// Waits until all stores of this warp group are complete, so that its shared memory may be freed.
    #[track_caller]
    pub fn finish(&self) {
        match &self.route {
            Route::Matrix(output) => output.finish(),
            Route::Boxes(output) => output.finish(),
            Route::Split(..) => {}
        }
    }
}
