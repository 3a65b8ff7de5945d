//! Tensor maps of views: a box that TMA copies has the elements that protected accesses to the view read.

#![allow(missing_docs, clippy::unwrap_used)]

use hidet::kernel::RawArg;
use hidet::prelude::*;

/// The extents of a box.
const BOX: [i32; 3] = [2, 3, 8];

#[device]
fn start(block: Expr<i32>) -> [Expr<i32>; 3] {
    [block % 3 * 3 - 2, block / 3 % 3 * 4 - 3, block / 9 * 8 - 4]
}

kernel! {
    /// Boxes of slices of `x` by TMA: one per block, some of them partly outside.
    #[launch(grid = blocks, block = 32)]
    pub fn by_tma(#[meta] steps: [i32; 2], x: In<f32, [n, a, b, c]>, y: Out<f32, [blocks, 2, 3, 8]>) {
        let map = x.slice(block_idx().x / 9).tensor_map_with_steps(BOX, [steps[0], steps[1], 1], Swizzle::None);
        let (tile, full) = (shared::<f32>([2, 3, 8]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 2 * 3 * 8 * 4);
            tma_load(&tile[[0, 0, 0]], map, start(block_idx().x), full.at(0));
        }
        full.wait(0, 0);
        for i in (thread_id()..48).step_by(32) {
            let (p, q, r) = (i / 24, i / 8 % 3, i % 8);
            y[[block_idx().x, p, q, r]] = tile[[p, q, r]];
        }
    }

    /// The same by protected accesses.
    #[launch(grid = blocks, block = 32)]
    pub fn by_get(#[meta] steps: [i32; 2], x: In<f32, [n, a, b, c]>, y: Out<f32, [blocks, 2, 3, 8]>) {
        for i in (thread_id()..48).step_by(32) {
            let (p, q, r) = (i / 24, i / 8 % 3, i % 8);
            let [u, v, w] = start(block_idx().x);
            let x = x.slice(block_idx().x / 9);
            y[[block_idx().x, p, q, r]] = x.get((u + p * steps[0], v + q * steps[1], w + r));
        }
    }
}

/// The windows of a convolution along two axes.
#[derive(Clone, Copy)]
pub struct Windows {
    kernel: [i32; 2],
    padding: [i32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
}

/// The channels of the input and of the results.
const CHANNELS: i32 = 32;

kernel! {
    /// Convolves by columns of pixels: 32 results per block, of all channels `k`.
    #[launch(grid = (n * p * q).div_ceil(32), block = 32)]
    pub fn convolve(#[meta] windows: Windows, x: In<f32, [n, h, w, 32]>, f: In<f32, [k, r, s, 32]>, y: Out<f32, [n, p, q, k]>) {
        let Windows { kernel, padding, stride, dilation } = windows;
        let pixels = PixelBox::of_convolution(kernel, padding, stride, dilation);
        let map = x.im2col_map(pixels, [32, CHANNELS], Swizzle::B128);
        let (tile, full) = (shared::<f32>(Layout::tma([32, CHANNELS], Swizzle::B128)), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        let first = block_idx().x * 32;
        let (image, row, column) = (first / (p * q), first / q % p, first % q);
        let mut phase = 0;
        let result = first + thread_id();
        for channel in 0..k {
            let mut sum = 0.0;
            for tap in 0..r * s {
                if thread_id() == 0 {
                    full.arrive_expect(0, 32 * CHANNELS * 4);
                    let at = (image, row * stride[0] - padding[0], column * stride[1] - padding[1], 0);
                    tma_load_im2col(&tile[[0, 0]], map, at, (tap / s * dilation[0], tap % s * dilation[1]), full.at(0));
                }
                full.wait(0, phase);
                phase = phase ^ 1;
                for c in 0..CHANNELS { sum += tile[[thread_id(), c]] * f[[channel, tap / s, tap % s, c]]; }
                sync_threads();
            }
            if result < n * p * q {
                y[[result / (p * q), result / q % p, result % q, channel]] = sum;
            }
        }
    }

    /// A column that does not begin in its box, one with an offset that is too large, and one with too few bytes.
    #[launch(grid = 1, block = 32)]
    pub fn wrong(#[meta] fault: usize, x: In<f32, [2, 5, 7, 8]>, y: Out<f32, [1]>) {
        let pixels = PixelBox { lower: [-1, 0], upper: [-1, 0], steps: [1, 2] };
        let map = x.im2col_map(pixels, [16, 8], Swizzle::None);
        let (tile, full) = (shared::<f32>([16, 8]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, if fault == 3 { 256 } else { 512 });
            let at = [(0, -1, 2, 0), (0, -2, 2, 0), (0, -1, 1, 0), (0, -1, 2, 0)][fault];
            tma_load_im2col(&tile[[0, 0]], map, at, (0, if fault == 0 { 256 } else { 0 }), full.at(0));
        }
        full.wait(0, 0);
        y[[0]] = tile[[0, 0]];
    }

    /// The same column for both blocks of a cluster.
    #[launch(grid = 2, block = 32, cluster = 2)]
    pub fn shared_column(x: In<f32, [3, 9, 8]>, y: Out<f32, [2, 16, 8]>) {
        let pixels = PixelBox::of_convolution([3], [1], [2], [1]);
        let map = x.im2col_map(pixels, [16, 8], Swizzle::None);
        let (tile, full) = (shared::<f32>([16, 8]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
            full.arrive_expect(0, 512);
        }
        cluster_sync();
        if thread_id() == 0 && cluster_rank() == 0 {
            tma_load_im2col_multicast(&tile[[0, 0]], map, (0, 1, 0), (2,), full.at(0), 0b11);
        }
        full.wait(0, 0);
        for i in (thread_id()..128).step_by(32) {
            y[[block_idx().x, i / 8, i % 8]] = tile[[i / 8, i % 8]];
        }
        cluster_sync();
    }
}

type Parameters = (In<f32, 4>, Out<f32, 4>);

/// Runs both kernels on a view of a tensor of this shape, and compares; returns the number of elements that are not zero.
#[track_caller]
fn agrees<V: Fn(In<f32, 4>) -> In<f32, 4> + Copy + Send + Sync + 'static>(
    steps: [i32; 2],
    names: &'static str,
    shape: [usize; 4],
    view: V,
) -> usize {
    let device = Device::sim();
    let host: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32 + 1.0).collect();
    let x = device.tensor(&host, shape).unwrap();
    let run = |template: Template<Parameters>| {
        let fused = template.fuse("fused", [names, "y[blocks, 2, 3, 8]"], move |(x, y): Parameters| (view(x), y));
        let mut y = device.empty::<f32, 4>([27, 2, 3, 8]).unwrap();
        let args = [RawArg::from(&x), RawArg::from(&mut y)];
        fused.compile(&device).unwrap().launch_raw(&args).unwrap();
        y.to_vec().unwrap()
    };
    let (copied, read) = (run(by_tma(steps)), run(by_get(steps)));
    assert_eq!(copied, read);
    read.iter().filter(|value| **value != 0.0).count()
}

#[test]
fn parts_and_slices() {
    for steps in [[1, 1], [2, 1], [3, 5], [1, 8]] {
        assert!(agrees(steps, "x[m, h, w, d]", [3, 5, 7, 12], |x| x) > 100);
        agrees(steps, "x[m, h, w, d]", [2, 5, 7, 12], |x| x.tile([1, 0, 2, 4], [1, 5, 4, 8]));
    }
}

#[test]
fn remapped_axes() {
    // Exchanged.
    agrees([1, 2], "x[m, h, w, d]", [2, 5, 7, 12], |x| {
        let [m, h, w, d] = [0, 1, 2, 3].map(|axis| x.extent(axis));
        x.remap([w, m, h, d], 1, |[j, n, i, k]| [n, i, j, k])
    });
    // Begins before the tensor, ends behind it, and stops before its end.
    for (from, rows) in [(-2, 9), (2, 9), (-1, 3), (1, 2), (3, 2)] {
        let some = agrees([1, 1], "x[m, h, w, d]", [2, 5, 7, 12], move |x| {
            x.remap([1, rows, 7, 12], 1, move |[n, i, j, k]| [n + 1, i + from, j, k])
        });
        assert!(some > 0);
    }
    // In steps, with padding: rows of a convolution.
    for (step, pad, rows) in [(2, 1, 3), (2, 0, 3), (3, 2, 2), (2, 3, 9), (8, 7, 3)] {
        for steps in [[1, 1], [2, 1]].into_iter().filter(|steps| step * steps[0] <= 8) {
            agrees(steps, "x[m, h, w, d]", [2, 6, 9, 12], move |x| {
                x.remap([2, rows, 5, 12], 1, move |[n, i, j, k]| [n, i * step - pad, j * 2 - 1, k])
            });
        }
    }
}

#[test]
fn axes_split_and_merged() {
    agrees([1, 2], "x[m, h, w, d]", [2, 3, 5, 12], |x| {
        let [m, h, w, d] = [0, 1, 2, 3].map(|axis| x.extent(axis));
        x.remap([m, 1.into_expr(), h * w, d], 1, move |[n, _, k, c]| [n, k / w, k % w, c])
    });
    agrees([2, 1], "x[m, h, 12, 8]", [2, 2, 12, 8], |x| {
        x.remap([2, 4, 6, 8], 1, |[n, i, j, k]| [n, i / 2, i % 2 * 6 + j, k])
    });
    // The last axis in groups of four.
    agrees([1, 1], "x[m, h, w, d]", [1, 2, 6, 12], |x| {
        x.remap([2, 6, 3, 4], 1, |[n, i, j, k]| [0.into_expr(), n, i, j * 4 + k])
    });
    // One remapped view of another.
    agrees([1, 1], "x[m, h, 6, 8]", [2, 4, 6, 8], |x| {
        let one = x.remap([2, 24, 1, 8], 1, |[n, i, _, k]| [n, i / 6, i % 6, k]);
        one.remap([2, 5, 4, 8], 1, |[n, i, j, k]| [n, i * 4 + j + 3, 0.into_expr(), k])
    });
}

#[test]
fn what_no_tensor_map_describes_is_told() {
    let why = |names: &'static str, view: fn(In<f32, 4>) -> In<f32, 4>| {
        let fused = by_tma([1, 1]).fuse("fused", [names, "y[blocks, 2, 3, 8]"], move |(x, y): Parameters| (view(x), y));
        fused.build().unwrap_err().to_string()
    };
    let gather = why("x[m, h, w, d]", |x| x.remap([4, 4, 4, 8], 1, |[n, i, j, k]| [n * j, i, j, k]));
    assert!(
        gather.contains("coordinate 0 below this remapped tensor is not known to the launcher as a sum"),
        "{gather}"
    );
    let column = why("x[m, h, w, d]", |x| x.remap([4, 4, 4, 8], 1, |[n, i, j, k]| [n, i, k, j]));
    assert!(column.contains("consecutive elements of this one are d apart"), "{column}");
    let gaps = why("x[m, h, 8, d]", |x| x.remap([4, 1, 24, 8], 1, |[n, _, i, k]| [n, i / 6, i % 6, k]));
    assert!(gaps.contains("merges axes that are not contiguous in memory"), "{gaps}");
    let again = why("x[m, h, w, d]", |x| x.remap([4, 4, 4, 8], 1, |[n, i, _, k]| [n, i, 0.into_expr(), k]));
    assert!(again.contains("axis 2 of this remapped tensor repeats the same elements"), "{again}");
    let twice = why("x[m, h, w, d]", |x| {
        let padded = x.remap([1, 6, 6, 8], 1, |[n, i, j, k]| [n, i - 1, j - 1, k]);
        padded.remap([1, 6, 6, 8], 1, |[n, i, j, k]| [n, j, i, k])
    });
    assert!(twice.contains("in steps or with padding only once"), "{twice}");
    let negative = why("x[m, h, w, d]", |x| x.remap([4, 4, 4, 8], 1, |[n, i, j, k]| [n, 3 - i, j, k]));
    assert!(negative.contains("coordinate 1 below this remapped tensor may be negative"), "{negative}");
    let odd = why("x[m, h, w, 6]", |x| x);
    assert!(odd.contains("rows of `x`, but they are 6 elements apart, which is not aligned"), "{odd}");
}

#[test]
fn the_launcher_refuses_a_view_that_exceeds_its_tensor() {
    let device = Device::sim();
    let fused = by_tma([1, 1]).fuse("fused", ["x[m, h, w, d]", "y[blocks, 2, 3, 8]"], |(x, y): Parameters| {
        (x.remap([1, 2, 6, 8], 1, |[n, i, j, k]| [n, 0.into_expr(), i * 6 + j, k]), y)
    });
    let kernel = fused.compile(&device).unwrap();
    for (rows, fits) in [(11, false), (12, true), (20, true)] {
        let x = device.zeros::<f32, 4>([1, 1, rows, 8]).unwrap();
        let mut y = device.empty::<f32, 4>([27, 2, 3, 8]).unwrap();
        let done = kernel.launch_raw(&[RawArg::from(&x), RawArg::from(&mut y)]);
        assert_eq!(done.is_ok(), fits, "{rows}: {done:?}");
        if let Err(error) = done {
            assert!(error.to_string().contains("axis 2 of `x` is accessed up to there"), "{error}");
        }
    }
}

#[test]
fn convolutions_by_columns_of_pixels() {
    let device = Device::sim();
    let kernels = [[3, 3], [1, 1], [2, 3]];
    for (kernel, padding, stride, dilation) in [
        (kernels[0], [1, 1], [1, 1], [1, 1]),
        (kernels[0], [1, 1], [2, 2], [1, 1]),
        (kernels[0], [2, 2], [1, 1], [2, 2]),
        (kernels[0], [0, 1], [1, 3], [1, 2]),
        (kernels[1], [0, 0], [2, 1], [1, 1]),
        (kernels[2], [1, 2], [1, 2], [3, 1]),
    ] {
        let (images, [h, w], channels) = (3, [7i32, 9], CHANNELS);
        let results: [i32; 2] = std::array::from_fn(|axis| {
            ([h, w][axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1
        });
        let x: Vec<f32> = (0..images * h * w * channels).map(|i| (i * 37 % 19 - 9) as f32).collect();
        let f: Vec<f32> = (0..2 * kernel[0] * kernel[1] * channels).map(|i| (i * 23 % 11 - 5) as f32).collect();
        let mut wanted = Vec::new();
        for (image, p, q, k) in (0..images * results[0] * results[1] * 2).map(|i| {
            let (k, i) = (i % 2, i / 2);
            (i / results[1] / results[0], i / results[1] % results[0], i % results[1], k)
        }) {
            let mut sum = 0.0;
            for (r, s) in (0..kernel[0] * kernel[1]).map(|tap| (tap / kernel[1], tap % kernel[1])) {
                let row = p * stride[0] - padding[0] + r * dilation[0];
                let column = q * stride[1] - padding[1] + s * dilation[1];
                if (0..h).contains(&row) && (0..w).contains(&column) {
                    let (pixel, tap) = ((image * h + row) * w + column, (k * kernel[0] + r) * kernel[1] + s);
                    let product = |c| x[(pixel * channels + c) as usize] * f[(tap * channels + c) as usize];
                    sum += (0..channels).map(product).sum::<f32>();
                }
            }
            wanted.push(sum);
        }
        let shape = |extents: [i32; 4]| extents.map(|extent| extent as usize);
        let x = device.tensor(&x, shape([images, h, w, channels])).unwrap();
        let f = device.tensor(&f, shape([2, kernel[0], kernel[1], channels])).unwrap();
        let mut y = device.empty(shape([images, results[0], results[1], 2])).unwrap();
        let windows = Windows { kernel, padding, stride, dilation };
        convolve(windows).compile(&device).unwrap().launch(&x, &f, &mut y).unwrap();
        assert_eq!(y.to_vec().unwrap(), wanted);
    }
}

#[test]
fn wrong_columns_are_faults() {
    let device = Device::sim();
    let (x, mut y) = (device.zeros([2, 5, 7, 8]).unwrap(), device.empty([1]).unwrap());
    for (fault, wanted) in [
        "a column of pixels has an offset of 256; with 4 axes it must be 0 to 255",
        "a column of pixels begins at pixel -2 along axis 1; its box has -1 to 3",
        "a column of pixels begins at pixel 1 along axis 2; its box has 0 to 6 in steps of 2",
        "256 more bytes arrive",
    ]
    .into_iter()
    .enumerate()
    {
        let error = wrong(fault).compile(&device).unwrap().launch(&x, &mut y).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("tensor_maps.rs"), "{error}");
    }
}

#[test]
fn a_column_goes_to_all_blocks_of_a_cluster() {
    let device = Device::sim();
    let host: Vec<f32> = (0..3 * 9 * 8).map(|i| i as f32).collect();
    let (x, mut y) = (device.tensor(&host, [3, 9, 8]).unwrap(), device.empty([2, 16, 8]).unwrap());
    shared_column().compile(&device).unwrap().launch(&x, &mut y).unwrap();
    let wanted = (1..17).flat_map(|result| {
        // Five results per image, whose corners begin at pixel -1; the offset is 2.
        let (image, pixel) = (result / 5, result % 5 * 2 + 1);
        let host = &host;
        (0..8).map(move |c| if image < 3 && pixel < 9 { host[(image * 9 + pixel) * 8 + c] } else { 0.0 })
    });
    let wanted: Vec<f32> = wanted.collect();
    assert_eq!(y.to_vec().unwrap(), [wanted.clone(), wanted].concat());
}

#[test]
fn nvrtc_compiles_columns_of_pixels() {
    if !hidet::testing::nvrtc::available().unwrap() {
        return;
    }
    let windows = Windows { kernel: [3, 3], padding: [1, 1], stride: [2, 2], dilation: [1, 1] };
    let ptx = convolve(windows).ptx("sm_90a").unwrap();
    assert!(
        ptx.contains("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes"),
        "{ptx}"
    );
    for cubin in [convolve(windows).cubin("sm_90a"), shared_column().cubin("sm_90"), by_tma([2, 2]).cubin("sm_90")] {
        cubin.unwrap();
    }
}
