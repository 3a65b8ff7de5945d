//! Tensor maps of views: a box that TMA copies has the elements that protected accesses to the view read.

#![allow(missing_docs, clippy::unwrap_used)]

use hidet::kernel::RawArg;
use hidet::prelude::*;

/// The extents of a box.
const BOX: [i32; 3] = [2, 3, 8];

#[device]
fn start(block: Expr<i32>) -> [Expr<i32>; 3] {
    [block % 3 * 3 - 2, block / 3 % 3 * 4 - 3, block / 9 * 6 - 5]
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

    /// A box is written to a part of `y` by TMA, and read again by threads.
    #[launch(grid = 1, block = 32)]
    pub fn stores(#[meta] step: i32, y: InOut<f32, [n, 8]>, z: Out<f32, [n, 8]>) {
        let map = y.tensor_map_with_steps([4, 8], [step, 1], Swizzle::None);
        let tile = shared::<f32>([4, 8]);
        tile[[thread_id() / 8, thread_id() % 8]] = thread_id() as f32;
        fence_proxy_async();
        sync_threads();
        if thread_id() == 0 {
            tma_store(map, (-1, 0), &tile[[0, 0]]);
            bulk_commit();
            bulk_wait(0);
        }
        sync_threads();
        for i in (thread_id()..n * 8).step_by(32) {
            z[[i / 8, i % 8]] = y[[i / 8, i % 8]];
        }
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
        agrees(steps, "x[m, h, w, d]", [2, 5, 7, 12], |x| x.tile([1, 0, 2, 3], [1, 5, 4, 8]));
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
fn stored_boxes_have_steps_and_the_tensor_can_be_accessed() {
    let device = Device::sim();
    for step in [1, 2, 3] {
        let mut y = device.tensor(&[-1.0; 56], [7, 8]).unwrap();
        let mut z = device.empty([7, 8]).unwrap();
        stores(step).compile(&device).unwrap().launch(&mut y, &mut z).unwrap();
        let expected: Vec<f32> = (0..56)
            .map(|i| {
                let (row, box_row) = (i / 8 + 1, (i / 8 + 1) / step);
                if row % step == 0 && box_row < 4 { (box_row * 8 + i % 8) as f32 } else { -1.0 }
            })
            .collect();
        assert_eq!((y.to_vec().unwrap(), z.to_vec().unwrap()), (expected.clone(), expected));
    }
}
