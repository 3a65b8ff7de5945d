//! Convolutions 3 x 3 with padding 1, f16 and channels last: the ways to copy pixels, each with several tiles.

use super::contestant::Contestant;
use super::problem::{Engine, Family, Make, Problem, Work, random, say, share};
use super::sample::{Elements, error, judge, on_all_cores, places};
use crate::examples::convolution::{Schedule, convolution};
use hidet::blocks::{PixelRoute, Window};
use hidet::prelude::*;

/// The axes of a shape: images, their height and width, input channels, output channels, stride.
const AXES: [&str; 5] = ["n", "size", "c", "k", "stride"];

/// Layers 2, 6, 10, 12, 16, 18 and 22 of resnet50: size, input channels, output channels, stride.
const LAYERS: [[usize; 4]; 7] = [
    [56, 64, 64, 1],
    [56, 128, 128, 2],
    [28, 128, 128, 1],
    [28, 256, 256, 2],
    [14, 256, 256, 1],
    [14, 512, 512, 2],
    [7, 512, 512, 1],
];

/// Warp groups that multiply, and output channels per block.
const TILES: [[i32; 2]; 4] = [[1, 64], [2, 64], [1, 128], [2, 128]];

/// Blocks that share a tile.
const SPLITS: [i32; 4] = [1, 2, 4, 8];

/// The ways to copy pixels.
const ROUTES: [(&str, PixelRoute); 4] = [
    ("boxes", PixelRoute::Boxes([1, 8, 8])),
    ("boxes_of_images", PixelRoute::Boxes([8, 2, 4])),
    ("columns", PixelRoute::Columns),
    ("threads", PixelRoute::Threads),
];

/// The schedules by name.
fn schedules() -> Vec<(String, Schedule)> {
    let each = ROUTES.into_iter().flat_map(|route| TILES.into_iter().map(move |tile| (route, tile)));
    let each = each.flat_map(|(route, tile)| SPLITS.into_iter().map(move |split| (route, tile, split)));
    each.map(|((name, route), [groups, outputs], split)| {
        // A multiple of each cluster, at most the multiprocessors of an H200 that have room for one.
        let blocks = 132 / split * split;
        let stages = Schedule::stages([groups, outputs], split).min(8);
        let schedule = Schedule { route, groups, outputs, split, blocks, stages };
        (format!("convolution/{name}/{}x{outputs}x{split}", groups * 64), schedule)
    })
    .collect()
}

/// The family.
pub fn families() -> Vec<Family> {
    let shape = |n: usize| LAYERS.map(|layer| [vec![n], layer.to_vec()].concat());
    vec![Family {
        kernels: schedules().into_iter().map(|(name, _)| name).collect(),
        baselines: &[],
        axes: &AXES,
        shapes: [shape(1), shape(8)].concat(),
        small: vec![1, 9, 16, 64, 2],
        open,
    }]
}

fn open(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let &[n, size, c, k, stride @ 1..=8] = shape else {
        return Err("a convolution has five extents, of which the stride is 1 to 8, as in 8x56x64x64x1".to_owned());
    };
    let window = Window { kernel: [3, 3], padding: [1, 1], stride: [stride as i32; 2], dilation: [1, 1] };
    let results = n * window.results(0, size) * window.results(1, size);
    let x = random::<f16, 4>(device, [n, size, size, c], 1)?;
    let f = random::<f16, 4>(device, [k, 3, 3, c], 2)?;
    let y: Tensor<f16, 2> = device.empty([results, k]).map_err(say)?;
    let make = |(name, schedule): (String, Schedule)| -> Result<(String, Make), String> {
        let (device, label) = (device.clone(), name.clone());
        let (x, f, y) = (share(&x)?, share(&f)?, share(&y)?);
        let make = move || {
            let (x, f, mut y) = (share(&x)?, share(&f)?, share(&y)?);
            let launch = move |kernel: &Kernel<(In<f16, 4>, In<f16, 4>, Out<f16, 2>)>| kernel.launch(&x, &f, &mut y);
            Contestant::kernel(&label, &device, convolution::<f16>(window, schedule), launch)
        };
        Ok((name, Box::new(make)))
    };
    let bytes = (x.raw().bytes() + f.raw().bytes() + y.raw().bytes()) as f64;
    Ok(Problem {
        work: Work { flops: 18.0 * (results * k * c) as f64, engine: Engine::Tensor, bytes },
        kernels: schedules().into_iter().map(make).collect::<Result<_, _>>()?,
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || check(window, &x, &f, &y)),
    })
}

/// Checks one element of each of 512 parts of the result, chosen at random. Sums are in the registers of tensor cores, as for
/// products.
fn check(window: Window, x: &Tensor<f16, 4>, f: &Tensor<f16, 4>, y: &Tensor<f16, 2>) -> Result<f64, String> {
    let ([_, h, w, c], [k, ..]) = (x.shape(), f.shape());
    let [p, q] = [window.results(0, h), window.results(1, w)];
    let (host_x, host_f, host_y) = (Elements::all(x)?, Elements::all(f)?, Elements::all(y)?);
    let places = places(y.len(), 512);
    judge(on_all_cores(places.len(), |index| {
        let (result, output) = (places[index] / k, places[index] % k);
        let (image, row, col) = (result / (p * q), result / q % p, result % q);
        let (mut sum, mut squares) = (0.0, 0.0);
        for position in 0..9 {
            let pixel = (window.pixel(0, row, position / 3, h), window.pixel(1, col, position % 3, w));
            let (Some(v), Some(u)) = pixel else { continue };
            for channel in 0..c {
                let pixel = host_x.at(((image * h + v) * w + u) * c + channel);
                let term = pixel * host_f.at((output * 9 + position) * c + channel);
                sum += term;
                squares += term * term;
            }
        }
        let got = host_y.at(places[index]);
        let place = format!("y[{result}, {output}] is {got}, expected {sum}");
        (error::<f16>(got, sum, f64::sqrt(squares) * 2f64.powi(-10)), place)
    }))
}
