//! The left operand of a convolution as a product: the pixels below one position of the kernel, staged in three ways.

use crate::pipeline::Position;
use crate::staged::StagedInput;
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{Im2colMap, Map, PixelBox, refuse, thread_id, tma_load, tma_load_im2col};
use hidet_core::dsl::{Expr, In, IntoExpr};
use hidet_core::ir::Swizzle;
use hidet_core::types::Element;
use hidet_macros::device;

/// The windows of a convolution, along rows and columns of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The extents of the kernel.
    pub kernel: [i32; 2],
    /// Zeros on both sides of an image.
    pub padding: [i32; 2],
    /// The distance of the windows of consecutive results.
    pub stride: [i32; 2],
    /// The distance of consecutive positions of the kernel.
    pub dilation: [i32; 2],
}

impl Window {
    /// Returns the number of positions of the kernel.
    pub fn positions(self) -> i32 {
        self.kernel[0] * self.kernel[1]
    }

    /// Returns the number of results along an axis of `extent` pixels, 0 if the kernel is larger than the padded image.
    pub fn results(self, axis: usize, extent: usize) -> usize {
        let covered = i64::from(self.dilation[axis]) * (i64::from(self.kernel[axis]) - 1) + 1;
        let room = extent as i64 + 2 * i64::from(self.padding[axis]) - covered;
        if room < 0 { 0 } else { (room / i64::from(self.stride[axis].max(1))) as usize + 1 }
    }

    /// Returns the coordinate along an axis of `extent` pixels of the pixel below a position of the kernel, for a result
    /// there, or `None` if it is padding.
    pub fn pixel(self, axis: usize, result: usize, position: usize, extent: usize) -> Option<usize> {
        let first = result as i64 * i64::from(self.stride[axis]) - i64::from(self.padding[axis]);
        let pixel = first + position as i64 * i64::from(self.dilation[axis]);
        usize::try_from(pixel).ok().filter(|pixel| *pixel < extent)
    }

    /// [`results`](Self::results) on the device.
    #[device(crate = hidet_core)]
    fn results_of(self, axis: usize, extent: Expr<i32>) -> Expr<i32> {
        let covered = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
        (extent + (2 * self.padding[axis] - covered)) / self.stride[axis] + 1
    }

    /// [`pixel`](Self::pixel) on the device, also of padding.
    #[device(crate = hidet_core)]
    fn pixel_of(self, axis: usize, result: Expr<i32>, position: Expr<i32>) -> Expr<i32> {
        result * self.stride[axis] - self.padding[axis] + position * self.dilation[axis]
    }
}

/// How pixels are copied to shared memory. Each warp group multiplies those of 64 results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelRoute {
    /// By TMA, one box of so many images, rows and columns of results, of which the strides are the steps. Boxes end where
    /// an image does, so that extents which are not multiples of theirs waste work.
    Boxes([i32; 3]),
    /// By TMA's im2col mode: results in the order of memory.
    Columns,
    /// By asynchronous copies of 16 bytes of the 128 threads of a warp group, from a remapped view of windows; in the same
    /// order.
    Threads,
}

impl PixelRoute {
    /// Returns the number of threads that fill a stage.
    pub fn producers(self) -> i32 {
        if self == PixelRoute::Threads { 128 } else { 1 }
    }
}

/// Pixels of an input `[n, h, w, c]` in shared memory: for each result, a row of 128 bytes of channels of the pixel below
/// one position of the kernel.
#[derive(Clone)]
pub struct StagedPixels<T> {
    tiles: StagedTiles<T>,
    window: Window,
    source: Source<T>,
    /// Images, and rows and columns of their results.
    pub(crate) results: [Expr<i32>; 3],
}

#[derive(Clone)]
enum Source<T> {
    Boxes(Map<T, 4>, [i32; 3]),
    Columns(Im2colMap<T, 4, 2>),
    /// The windows: of an image, row and column of a result, those of the kernel, and a channel.
    Threads(In<T, 6>),
}

/// Results of a warp group.
pub(crate) const ROWS: i32 = 64;

/// Lines that 128 threads copy at the same time.
const LINES: i32 = 16;

impl<T: Element> StagedPixels<T> {
    /// Makes room for `stages` tiles of the pixels of so many warp groups. Padding must be at most 127 pixels, and strides
    /// at most 8 where TMA copies.
    #[track_caller]
    pub fn new(input: In<T, 4>, window: Window, route: PixelRoute, stages: i32, groups: i32) -> StagedPixels<T> {
        let Window { kernel, padding, stride, dilation } = window;
        let mut tiles = StagedTiles::new(stages, [groups * ROWS, StagedTiles::<T>::width()]);
        let results = [input.extent(0), window.results_of(0, input.extent(1)), window.results_of(1, input.extent(2))];
        let channels = tiles.cols();
        let source = match route {
            PixelRoute::Boxes(extents @ [images, rows, cols]) => {
                if extents.iter().product::<i32>() != ROWS || extents.iter().any(|extent| *extent < 1) {
                    refuse(&format!("boxes of {extents:?} results: each warp group multiplies {ROWS}"));
                    return StagedPixels::new(input, window, PixelRoute::Boxes([1, 8, 8]), stages, groups);
                }
                let steps = [1, stride[0], stride[1], 1];
                let map = input.tensor_map_with_steps([images, rows, cols, channels], steps, Swizzle::B128);
                Source::Boxes(map, extents)
            }
            PixelRoute::Columns => {
                let pixels = PixelBox::of_convolution(kernel, padding, stride, dilation);
                Source::Columns(input.im2col_map(pixels, [ROWS, channels], Swizzle::B128))
            }
            PixelRoute::Threads => {
                tiles.by_threads = true;
                let kernel = kernel.map(IntoExpr::into_expr);
                let shape = [results[0], results[1], results[2], kernel[0], kernel[1], input.extent(3)];
                Source::Threads(input.remap(shape, 8, move |[image, y, x, row, col, channel]| {
                    [image, window.pixel_of(0, y, row), window.pixel_of(1, x, col), channel]
                }))
            }
        };
        StagedPixels { tiles, window, source, results }
    }

    /// Returns the images, rows and columns of a warp group's box of results, if they are computed in boxes.
    pub(crate) fn boxes(&self) -> Option<[i32; 3]> {
        match self.source {
            Source::Boxes(_, extents) => Some(extents),
            _ => None,
        }
    }

    /// Returns the tiles.
    pub fn tiles(&self) -> StagedTiles<T> {
        self.tiles
    }

    /// Returns the number of results.
    #[device(crate = hidet_core)]
    pub fn count(&self) -> Expr<i32> {
        let [n, p, q] = self.results;
        n * p * q
    }

    /// Returns the number of rows of the product: results in the order in which warp groups compute them, 64 each. With
    /// boxes there may be more than results, since those at the end of an image are computed in whole.
    #[device(crate = hidet_core)]
    pub fn rows(&self) -> Expr<i32> {
        match &self.source {
            Source::Boxes(_, extents) => {
                let [n, p, q] = boxes(self.results, *extents);
                n * p * q * ROWS
            }
            _ => self.count(),
        }
    }

    /// Returns image, row and column of the first of a warp group's results, from number `result` on.
    #[device(crate = hidet_core)]
    pub fn first(&self, result: Expr<i32>) -> [Expr<i32>; 3] {
        match &self.source {
            Source::Boxes(_, extents) => {
                let ([_, rows, cols], number) = (boxes(self.results, *extents), result / ROWS);
                let place = [number / (rows * cols), number / cols % rows, number % cols];
                std::array::from_fn(|axis| place[axis] * extents[axis])
            }
            _ => {
                let [_, p, q] = self.results;
                [result / (p * q), result / q % p, result % q]
            }
        }
    }

    /// Returns the number in memory of the result that is `row` rows after `first`, the first of a warp group, and true if
    /// there is one.
    #[device(crate = hidet_core)]
    pub fn result(&self, first: Expr<i32>, row: Expr<i32>) -> (Expr<i32>, Expr<bool>) {
        match &self.source {
            Source::Boxes(_, [_, rows, cols]) => {
                let (place, [n, p, q]) = (self.first(first), self.results);
                let [image, y, x] =
                    [place[0] + row / (*rows * *cols), place[1] + row / *cols % *rows, place[2] + row % *cols];
                ((image * p + y) * q + x, image < n && y < p && x < q)
            }
            _ => (first + row, first + row < self.count()),
        }
    }

    /// Returns the tile of the results from number `result` on, to load it position by position of the kernel.
    #[device(crate = hidet_core)]
    pub fn tile(&self, result: Expr<i32>) -> PixelTile<'_, T> {
        let each = |distance: i32| move |number: i32| number * distance;
        let firsts = match self.source {
            // Those of the lines that this thread copies.
            Source::Threads(_) => {
                let lines = (0..self.tiles.rows() / LINES).map(each(LINES));
                lines.map(|line| self.first(result + (thread_id() % 128 / 8 + line))).collect()
            }
            _ => (0..self.tiles.rows() / ROWS).map(each(ROWS)).map(|row| self.first(result + row)).collect(),
        };
        PixelTile { pixels: self, firsts }
    }
}

/// The pixels of a tile of results: see [`StagedPixels::tile`].
pub struct PixelTile<'a, T> {
    pixels: &'a StagedPixels<T>,
    /// Image, row and column of the first result of each copy of this thread.
    firsts: Vec<[Expr<i32>; 3]>,
}

impl<T: Element> PixelTile<'_, T> {
    /// Waits until the stage may be overwritten, loads the pixels below a row and a column of the kernel, from a channel
    /// on, and goes to the next stage. The same position of `weights`, whose axes are row, column, output and channel, is
    /// loaded from `output` on. All producers of the route must call it.
    #[device(crate = hidet_core)]
    pub fn load(
        &self,
        at: &Position,
        [row, col, channel]: [Expr<i32>; 3],
        (weights, output): (&StagedInput<T, 4>, Expr<i32>),
    ) {
        let StagedPixels { tiles, window, source, .. } = self.pixels;
        tiles.expect(at.stages());
        if let Source::Threads(pixels) = source {
            at.claim();
            let (t, lanes) = (thread_id() % 128, 16 / T::SCALAR.bytes() as i32);
            for (number, [image, y, x]) in self.firsts.iter().enumerate() {
                let (line, piece) = (t / 8 + number as i32 * LINES, t % 8 * lanes);
                let to = &tiles.memory[[at.stage(), 0, line, piece]];
                pixels.cp_async(to, (*image, *y, *x, row, col, channel + piece), lanes);
            }
            if t == 0 {
                at.expect(weights.bytes());
                weights.load(at, (row, col, output, channel));
            }
            at.fill_together();
        } else {
            at.fill(tiles.bytes() + weights.bytes());
            for (group, [image, y, x]) in self.firsts.iter().enumerate() {
                let to = &tiles.memory[[at.stage(), 0, group as i32 * ROWS, 0]];
                match source {
                    Source::Boxes(map, _) => {
                        let place = (*image, window.pixel_of(0, *y, row), window.pixel_of(1, *x, col), channel);
                        tma_load(to, *map, place, at.arrivals())
                    }
                    Source::Columns(map) => {
                        let none = 0i32.into_expr();
                        let place = (*image, window.pixel_of(0, *y, none), window.pixel_of(1, *x, none), channel);
                        let offsets = (row * window.dilation[0], col * window.dilation[1]);
                        tma_load_im2col(to, *map, place, offsets, at.arrivals())
                    }
                    Source::Threads(_) => {}
                }
            }
            weights.load(at, (row, col, output, channel));
        }
        at.advance();
    }
}

/// Returns the number of boxes along images, rows and columns.
#[track_caller]
fn boxes(results: [Expr<i32>; 3], extents: [i32; 3]) -> [Expr<i32>; 3] {
    std::array::from_fn(|axis| (results[axis] + (extents[axis] - 1)) / extents[axis])
}
