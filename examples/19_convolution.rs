//! A convolution as a product on tensor cores, for images with channels last: a row of the left operand is a result, a
//! column a position of the kernel and a channel, and the pixels of each position go through the pipeline of the product.
//!
//! There are three ways to copy them (`PixelRoute`): boxes by TMA with steps, columns by TMA's im2col mode, and asynchronous
//! copies of threads from a remapped view. The kernel is the same.

use hidet::blocks::{Pipeline, PixelOutput, PixelRoute, StagedInput, StagedPixels, TileOrder, Window, multiply_tiles};
use hidet::prelude::*;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How pixels are copied.
    pub route: PixelRoute,
    /// Blocks that run at the same time.
    pub blocks: i32,
    /// Positions and channels that are in flight at the same time.
    pub stages: i32,
    /// Warp groups per block that multiply, each 64 results.
    pub groups: i32,
    /// Output channels per block, a multiple of 64.
    pub outputs: i32,
    /// Blocks, a cluster, that share the positions and channels of a tile: 1, 2, 4 or 8.
    pub split: i32,
}

impl Default for Schedule {
    /// For the 132 multiprocessors of an H200.
    fn default() -> Self {
        Schedule { route: PixelRoute::Columns, blocks: 132, stages: 6, groups: 2, outputs: 64, split: 1 }
    }
}

impl Schedule {
    /// Returns the number of stages that fit the shared memory of a block, 227 KiB, beside its results.
    pub fn stages([groups, outputs]: [i32; 2], split: i32) -> i32 {
        let (rows, stage) = (groups * 64, (groups * 64 + outputs) * 128);
        let results = if split > 1 { rows * (outputs + 8) * 4 } else { rows * outputs * 2 };
        (227 * 1024 - 2048 - results) / stage
    }

    /// Threads per block: a warp group copies, the others multiply.
    fn threads(self) -> u32 {
        (self.groups as u32 + 1) * 128
    }
}

kernel! {
    /// y = the convolution of the images x with the weights f. The rows of y are the results, in the order of images, rows
    /// and columns. Channels must be multiples of 8, since copies are of 16 bytes.
    #[launch(grid = s.blocks as u32, block = s.threads(), cluster = s.split as u32)]
    pub fn convolution<Y: Element>(
        #[meta] window: Window,
        #[meta] s: Schedule,
        x: In<f16, [n, h, w, c]>,
        f: In<f16, [k, rows, cols, c]>,
        y: Out<Y, [results, k]>,
    ) {
        let pixels = StagedPixels::new(x, window, s.route, s.stages, s.groups);
        require(results == pixels.count(), "the results of images of this size");
        require(rows == window.kernel[0] && cols == window.kernel[1], "the weights of this kernel");
        let weights = f.remap([rows, cols, k, c], 8, |[row, col, k, c]| [k, row, col, c]);
        let weights = StagedInput::new(weights, s.stages, [s.outputs, 64]);
        let y = PixelOutput::<Y, f16>::new(y, &pixels, [s.groups, s.outputs], s.split);
        let pipeline = Pipeline::filled_by(s.route.producers(), s.stages, s.groups, 1);
        let tiles = TileOrder::in_bands([pixels.rows(), k], [s.groups * 64, s.outputs], 8, 1, s.blocks).split(s.split);
        let (at, channels) = (pipeline.start(), (c + 63) / 64);
        let [begin, end] = [0, 1].map(|part| (block_idx().x % s.split + part) * (window.positions() * channels) / s.split);
        let sums = registers::<f32>([s.outputs / 2]);
        for (first, output) in tiles.origins() {
            #[warp_group(0)]
            {
                if thread_id() < s.route.producers() {
                    let tile = pixels.tile(first);
                    for step in begin..end {
                        let (position, channel) = (step / channels, step % channels * 64);
                        let (row, col) = (position / window.kernel[1], position % window.kernel[1]);
                        tile.load(&at, [row, col, channel], (&weights, output));
                    }
                }
            }
            #[warp_group(1..s.groups + 1)]
            {
                let group = warp_id() / 4 - 1;
                sums.fill(0.0);
                multiply_tiles(sums, (pixels.tiles(), weights.as_copied()), &at, group * 64, end - begin);
                y.store(sums, &pixels, group, (first, output));
            }
            y.join(&pixels, (first, output));
        }
        y.finish();
    }
}

/// Convolves two images of odd size, and compares with the result of the host.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (n, [h, w], c, k) = (2, [9, 7], 16, 24);
    let window = Window { kernel: [3, 3], padding: [1, 1], stride: [2, 1], dilation: [1, 2] };
    let [p, q] = [window.results(0, h), window.results(1, w)];
    let x: Vec<f16> = (0..n * h * w * c).map(|i| f16::from_f32((i % 5) as f32 - 2.0)).collect();
    let f: Vec<f16> = (0..k * 9 * c).map(|i| f16::from_f32((i % 7) as f32 - 3.0)).collect();
    let (images, weights) = (device.tensor(&x, [n, h, w, c])?, device.tensor(&f, [k, 3, 3, c])?);
    let routes = [PixelRoute::Boxes([1, 8, 8]), PixelRoute::Columns, PixelRoute::Threads];
    for (route, split) in routes.into_iter().zip([1, 4, 2]) {
        let mut y = device.empty([n * p * q, k])?;
        let schedule = Schedule { route, split, ..Schedule::default() };
        convolution::<f16>(window, schedule).compile(device)?.launch(&images, &weights, &mut y)?;
        let y = y.to_vec()?;
        for (i, value) in y.iter().enumerate() {
            let (result, output) = (i / k, i % k);
            let (image, row, col) = (result / (p * q), result / q % p, result % q);
            let mut sum = 0.0;
            for (r, s) in (0..3).flat_map(|r| (0..3).map(move |s| (r, s))) {
                let (Some(v), Some(u)) = (window.pixel(0, row, r, h), window.pixel(1, col, s, w)) else { continue };
                for channel in 0..c {
                    let pixel = x[((image * h + v) * w + u) * c + channel].to_f32();
                    sum += pixel * f[((output * 3 + r) * 3 + s) * c + channel].to_f32();
                }
            }
            assert_eq!(*value, f16::from_f32(sum));
        }
        println!("{route:?}: y[0, 0] = {}", y[0]);
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
