//! The left operand of a convolution of images with few channels, such as colours: the part of an image below a tile of
//! results lies in shared memory, and each row of the operand is gathered from it into registers.
//!
//! TMA takes as long for a pixel of 6 bytes as for one of 128, so pixels are copied by threads, each once for all windows of
//! the tile that cover it. Elements may be computed on the way.

use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{lane_id, refuse, thread_id, warp_id};
use hidet_core::dsl::{Expr, IntoExpr, View, registers, shared, unroll};
use hidet_core::types::Element;
use hidet_macros::device;

/// Windows of images with few channels, and how the elements that they cover are numbered along k: first the rows of the
/// kernel, each a multiple of 8 elements, then its columns, then channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchShape {
    /// The extents of the kernel.
    pub kernel: [i32; 2],
    /// The distance of the windows of consecutive results.
    pub stride: [i32; 2],
    /// The channels of a pixel.
    pub channels: i32,
}

/// Rows and columns of results of a warp group: a warp has one row.
const TILE: [i32; 2] = [4, 16];

impl PatchShape {
    /// Returns the elements of a pixel in shared memory: the channels, and another one if windows would begin at odd
    /// elements, of which two cannot be read together.
    pub fn pixel(self) -> i32 {
        self.channels + self.stride[1] * self.channels % 2
    }

    /// Returns the elements along k of a row of the kernel.
    pub fn row(self) -> i32 {
        (self.kernel[1] * self.pixel() + 7) / 8 * 8
    }

    /// Returns the elements along k. The right operand has as many columns: column `r * row() + c * pixel() + channel` is that
    /// of a row `r`, a column `c` of the kernel and a channel; all others are 0.
    pub fn depth(self) -> i32 {
        self.kernel[0] * self.row()
    }

    /// Returns the rows and columns of results of a tile of so many warp groups.
    pub fn tile(self, groups: i32) -> [i32; 2] {
        [TILE[0] * groups, TILE[1]]
    }

    /// Returns the rows of pixels, and the elements of each, below a tile of so many warp groups.
    pub fn patch(self, groups: i32) -> [i32; 2] {
        let pixels = (TILE[1] - 1) * self.stride[1] + (self.row() + self.pixel() - 1) / self.pixel();
        // Rows begin at even elements.
        let pixels = pixels + pixels * self.pixel() % 2;
        [(TILE[0] * groups - 1) * self.stride[0] + self.kernel[0], pixels * self.pixel()]
    }

    /// Returns how many elements each thread copies.
    fn copies(self, groups: i32) -> i32 {
        let [rows, cols] = self.patch(groups);
        (rows * cols + groups * 128 - 1) / (groups * 128)
    }
}

/// The pixels below a tile of results, on their way through registers into shared memory.
#[derive(Clone, Copy, Debug)]
pub struct ImagePatch<T> {
    shape: PatchShape,
    groups: i32,
    /// True if rows of one channel are next to each other in memory, else the channels of a pixel.
    planar: bool,
    /// Rows, and elements of each.
    memory: View<T, 2>,
    /// What a thread copies.
    copied: View<T, 1>,
}

impl<T: Element> ImagePatch<T> {
    /// Makes room for the pixels below a tile of so many warp groups, which are all threads of the block. Threads that are next
    /// to each other copy elements of one channel if the images are `planar`, else channels of a pixel.
    #[track_caller]
    pub fn new(shape: PatchShape, groups: i32, planar: bool) -> ImagePatch<T> {
        let least = shape.kernel.into_iter().chain(shape.stride).chain([shape.channels, groups]).min();
        if T::SCALAR.bytes() != 2 || least < Some(1) {
            refuse(&format!(
                "{groups} warp groups multiply pixels of {} {}: elements have 16 bits, and all numbers are at least 1: {shape:?}",
                shape.channels,
                T::SCALAR
            ));
            return ImagePatch::new(PatchShape { kernel: [1; 2], stride: [1; 2], channels: 1 }, 1, planar);
        }
        let memory = shared::<T, 2>(shape.patch(groups));
        ImagePatch { shape, groups, planar, memory, copied: registers::<T, 1>([shape.copies(groups)]) }
    }

    /// Returns where a thread's copy of that number goes: its row, its pixel in that, and its channel.
    #[device(crate = hidet_core)]
    fn place(&self, number: i32) -> [Expr<i32>; 3] {
        let ([rows, cols], pixel) = (self.shape.patch(self.groups), self.shape.pixel());
        let (at, pixels) = (thread_id() + number * (self.groups * 128), cols / pixel);
        if self.planar {
            [at / pixels % rows, at % pixels, at / (pixels * rows)]
        } else {
            [at / cols, at % cols / pixel, at % pixel]
        }
    }

    /// Loads the pixels below a tile into registers; `element` returns one, by its row, its column and its channel from the
    /// first pixel below the tile on. It is asked for more than windows cover, which may be anything.
    #[device(crate = hidet_core)]
    pub fn load(&self, element: impl Fn([Expr<i32>; 3]) -> Expr<T>) {
        let pads = self.shape.pixel() > self.shape.channels;
        for number in unroll(0..self.shape.copies(self.groups)) {
            let place = self.place(number);
            let value = element(place);
            let zero = T::default().into_expr();
            self.copied[[number]] = if pads { (place[2] < self.shape.channels).select(value, zero) } else { value };
        }
    }

    /// Stores what was loaded in shared memory. Between that and a use of it, and the next store, threads must meet.
    #[device(crate = hidet_core)]
    pub fn store(&self) {
        let [rows, cols] = self.shape.patch(self.groups);
        let threads = self.groups * 128;
        for number in unroll(0..self.shape.copies(self.groups)) {
            let [row, pixel, channel] = self.place(number);
            if (number + 1) * threads <= rows * cols {
                self.memory[[row, pixel * self.shape.pixel() + channel]] = self.copied[[number]];
            } else {
                if thread_id() + number * threads < rows * cols {
                    self.memory[[row, pixel * self.shape.pixel() + channel]] = self.copied[[number]];
                }
            }
        }
    }

    /// Returns the left operand of a warp's results as [`issue_left`](crate::issue_left) takes it: 16 columns at a time, as
    /// many as `weights` has.
    #[device(crate = hidet_core)]
    pub fn left(&self, weights: StagedTiles<T>) -> View<T, 2> {
        let PatchShape { kernel, stride, .. } = self.shape;
        let (row, pixel) = (self.shape.row(), self.shape.pixel());
        let left = registers::<T, 2>([weights.cols() / 16, 8]);
        let (first, along) = (warp_id() * stride[0], lane_id() % 4 * 2);
        let zero = T::default().into_expr();
        for p in unroll(0..weights.cols() / 16) {
            for i in unroll((0..8).step_by(2)) {
                // As `fragment::element` numbers them.
                let k = p * 16 + i / 4 * 8;
                let (kernel_row, within) = (k / row, k % row);
                let inside = kernel[1] * pixel - within;
                if kernel_row < kernel[0] {
                    let result = lane_id() / 4 + i / 2 % 2 * 8;
                    let at = (first + kernel_row, result * (stride[1] * pixel) + along + within);
                    let [x, y] = self.memory.load::<2>(at).lanes();
                    // Behind a row of the kernel lies another pixel, which may be infinite.
                    left[[p, i]] = if inside < 8 { (along < inside).select(x, zero) } else { x };
                    left[[p, i + 1]] = if inside < 8 { (along + 1 < inside).select(y, zero) } else { y };
                } else {
                    left[[p, i]] = zero;
                    left[[p, i + 1]] = zero;
                }
            }
        }
        left
    }
}
