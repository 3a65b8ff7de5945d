//! Convolutions 3 x 3 of images of odd size, by every way to copy pixels: strides, dilation, and products split over clusters.

use super::bench::{Bench, Limit, modes};
use super::matmul::PRODUCT;
use super::numbers::{Random, Real};
use crate::examples::convolution::{Schedule, convolution};
use hidet::blocks::{PixelRoute, Window};
use hidet::kernel::CompileOptions;
use hidet::prelude::*;

/// The ways to copy pixels.
const ROUTES: [(&str, PixelRoute); 4] = [
    ("boxes", PixelRoute::Boxes([1, 8, 8])),
    ("boxes of images", PixelRoute::Boxes([2, 2, 16])),
    ("columns", PixelRoute::Columns),
    ("threads", PixelRoute::Threads),
];

/// A convolution and its tiles.
struct Case {
    stride: i32,
    dilation: i32,
    /// Images, height, width, input channels, output channels.
    shape: [usize; 5],
    /// Warp groups that multiply, output channels per block, blocks per tile.
    tile: [i32; 3],
}

const CASES: [Case; 4] = [
    Case { stride: 1, dilation: 1, shape: [3, 9, 7, 72, 72], tile: [2, 64, 1] },
    Case { stride: 2, dilation: 1, shape: [2, 15, 17, 16, 136], tile: [1, 128, 1] },
    Case { stride: 1, dilation: 2, shape: [1, 9, 11, 136, 64], tile: [1, 64, 4] },
    Case { stride: 2, dilation: 2, shape: [5, 7, 7, 64, 200], tile: [2, 128, 8] },
];

/// Each case by each route, as it is, and one of each route in checked mode as well.
pub(super) fn check(bench: &mut Bench) {
    for (number, case) in CASES.iter().enumerate() {
        let problem = Problem::new(case);
        for (route, (name, copied)) in ROUTES.into_iter().enumerate() {
            let modes = modes(&format!("convolution, {name}"));
            for (name, options) in modes.into_iter().take(if route == number { 2 } else { 1 }) {
                problem.run(bench, &name, case, copied, &options);
            }
        }
    }
}

/// Random images and weights, their convolution in `f64`, and the allowed error of a kernel.
struct Problem {
    window: Window,
    x: Vec<f16>,
    f: Vec<f16>,
    expected: Vec<f64>,
    limits: Vec<f64>,
}

impl Problem {
    fn new(case: &Case) -> Problem {
        let Case { stride, dilation, shape: [n, h, w, c, k], .. } = *case;
        // As many results as pixels, divided by the stride.
        let (padding, stride, dilation) = ([dilation; 2], [stride; 2], [dilation; 2]);
        let window = Window { kernel: [3, 3], padding, stride, dilation };
        let mut random = Random::new(28);
        let (x, f): (Vec<f16>, Vec<f16>) = (random.reals(n * h * w * c, 1.0), random.reals(k * 9 * c, 1.0));
        let [p, q] = [window.results(0, h), window.results(1, w)];
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for (result, output) in (0..n * p * q).flat_map(|result| (0..k).map(move |output| (result, output))) {
            let (image, row, col) = (result / (p * q), result / q % p, result % q);
            let (mut sum, mut size) = (0.0, 0.0);
            for position in 0..9 {
                let place = (window.pixel(0, row, position / 3, h), window.pixel(1, col, position % 3, w));
                let (Some(v), Some(u)) = place else { continue };
                for channel in 0..c {
                    let pixel = x[((image * h + v) * w + u) * c + channel].real();
                    let term = pixel * f[(output * 9 + position) * c + channel].real();
                    sum += term;
                    size += term.abs();
                }
            }
            expected.push(sum);
            limits.push((9 * c) as f64 * 2f64.powi(-23) * size);
        }
        Problem { window, x, f, expected, limits }
    }

    fn run(&self, bench: &mut Bench, name: &str, case: &Case, route: PixelRoute, options: &CompileOptions) {
        let ([n, h, w, c, k], [groups, outputs, split]) = (case.shape, case.tile);
        let schedule = Schedule { route, groups, outputs, split, stages: 3, blocks: 8 };
        let limit = Limit::Bound(&self.limits, PRODUCT);
        bench.case_of::<f16, f16>(name, &case.shape, limit, &self.expected, |device| {
            let (x, f) = (device.tensor(&self.x, [n, h, w, c])?, device.tensor(&self.f, [k, 3, 3, c])?);
            let results = self.expected.len() / k;
            // Not uninitialised: TMA writes the result, and compute-sanitizer's initcheck does not follow that.
            let mut y = device.tensor(&vec![f16::NAN; results * k], [results, k])?;
            convolution::<f16>(self.window, schedule).compile_with(device, options)?.launch(&x, &f, &mut y)?;
            y.to_vec()
        });
    }
}
