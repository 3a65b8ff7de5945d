//! Launches with tensors that are not contiguous: results, refusals by name, and that the checkers of the simulated device
//! know that what is between the rows belongs to no one. And every kernel of the registry with strides in every pass and in
//! NVRTC; `hidet check --only kernels` compares their results.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use hidet::cuda::nvrtc;
use hidet::device::{Graph, RawTensor};
use hidet::ir::{BufferId, Function, Param, text, verify};
use hidet::kernel::RawArg;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet::{codegen, passes};
use hidet_examples::registry;
use rayon::prelude::*;

type Done = hidet::Result<()>;

kernel! {
    #[launch(grid = (n.div_ceil(32), m), block = 32)]
    pub fn double(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let at = (block_idx().y, block_idx().x * 32 + lane_id());
        y.set(at, x.get(at) * 2.0);
    }

    #[launch(grid = (n.div_ceil(128), m), block = 32)]
    pub fn double_vectors(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let (row, col) = (block_idx().y, block_idx().x * 128 + lane_id() * 4);
        if col < n {
            y.store((row, col), x.load::<4>((row, col)) * 2.0);
        }
    }

    /// Writes one element to the right of each row.
    #[launch(grid = m, block = 32)]
    pub fn beyond(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        for j in (lane_id()..n + 1).step_by(32) {
            y[[block_idx().x, j]] = x.get((block_idx().x, j));
        }
    }

    /// Does not write the last column.
    #[launch(grid = m, block = 32)]
    pub fn incomplete(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        for j in (lane_id()..n - 1).step_by(32) {
            y[[block_idx().x, j]] = x[[block_idx().x, j]];
        }
    }

    /// All threads write one element.
    #[launch(grid = 1, block = 32)]
    pub fn race(y: InOut<f32, [m, n]>) {
        y[[1, 2]] = lane_id() as f32;
    }

    #[launch(grid = 1, block = 32)]
    pub fn by_ptx(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let at = &x[[0, 0]];
        y.set((0, lane_id()), ptx!("ld.global.f32 $0, [$1];" => f32, at));
    }

    #[launch(grid = 1, block = 32)]
    pub fn in_bulk(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let (tile, full) = (shared::<f32>([2, 32]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 256);
            bulk_load(&tile[[0, 0]], &x[[0, 0]], 256, full.at(0));
        }
        full.wait(0, 0);
        for i in 0..2 {
            y.set((i, lane_id()), tile[[i, lane_id()]]);
        }
    }

    /// Rows of known length.
    #[launch(grid = 1, block = 32)]
    pub fn row_in_bulk(x: In<f32, [m, 32]>, y: Out<f32, [m, 32]>) {
        let (tile, full) = (shared::<f32>([2, 32]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 256);
            bulk_load(&tile[[0, 0]], &x[[0, 0]], 128, full.at(0));
            bulk_load(&tile[[1, 0]], &x[[1, 0]], 128, full.at(0));
        }
        full.wait(0, 0);
        for i in 0..2 {
            y.set((i, lane_id()), tile[[i, lane_id()]]);
        }
    }

    /// A box of rows of all batches, as one axis.
    #[launch(grid = 1, block = 32)]
    pub fn merged(x: In<f32, [b, m, 32]>, y: Out<f32, [b, m, 32]>) {
        let rows = x.remap([b * m, m * 0 + 32], 32, move |[row, col]| [row / m, row % m, col]);
        let map = rows.tensor_map([4, 32], Swizzle::None);
        let (tile, full) = (shared::<f32>([4, 32]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 512);
            tma_load(&tile[[0, 0]], map, (0, 0), full.at(0));
        }
        full.wait(0, 0);
        for i in 0..4 {
            y.set((i / m, i % m, lane_id()), tile[[i, lane_id()]]);
        }
    }

    /// A box of the rows of a batch.
    #[launch(grid = b, block = 32)]
    pub fn boxes(x: In<f32, [b, m, 32]>, y: Out<f32, [b, m, 32]>) {
        let map = x.slice(block_idx().x).tensor_map([4, 32], Swizzle::None);
        let (tile, full) = (shared::<f32>([4, 32]), mbarriers(1));
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, 512);
            tma_load(&tile[[0, 0]], map, (0, 0), full.at(0));
        }
        full.wait(0, 0);
        for i in 0..4 {
            y.set((block_idx().x, i, lane_id()), tile[[i, lane_id()]]);
        }
    }
}

fn counted<const R: usize>(device: &Device, shape: [usize; R]) -> Tensor<f32, R> {
    let count = shape.iter().product::<usize>();
    device.tensor(&(0..count).map(|i| i as f32).collect::<Vec<_>>(), shape).unwrap()
}

#[track_caller]
fn refused(result: Done, words: &[&str]) {
    let report = result.unwrap_err().to_string();
    words.iter().for_each(|word| assert!(report.contains(word), "expected `{word}` in\n{report}"));
}

#[test]
fn parts_are_read_and_written_where_they_are() -> Done {
    let device = Device::sim();
    let (x, y) = (counted(&device, [5, 9]), device.zeros::<f32, 2>([6, 7])?);
    let (part, mut out) = (x.slice([1..4, 2..6])?, y.slice([2..5, 1..5])?);
    let kernel = double().compile(&device)?;
    kernel.launch(&part, &mut out)?;
    let expected = [22.0, 24.0, 26.0, 28.0, 40.0, 42.0, 44.0, 46.0, 58.0, 60.0, 62.0, 64.0];
    assert_eq!(out.to_vec()?, expected);
    let all = y.to_vec()?;
    assert_eq!(all[14..21], [0.0, 22.0, 24.0, 26.0, 28.0, 0.0, 0.0]);
    assert_eq!(all.iter().filter(|v| **v != 0.0).count(), 12);
    // With one of them contiguous, and other strides with the same kernel.
    let mut dense = device.empty([3, 4])?;
    kernel.launch(&part, &mut dense)?;
    assert_eq!(dense.to_vec()?, expected);
    kernel.launch(&x.strided_view(3, [3, 4], [2, 1])?, &mut dense)?;
    assert_eq!(dense.to_vec()?, [6.0, 8.0, 10.0, 12.0, 10.0, 12.0, 14.0, 16.0, 14.0, 16.0, 18.0, 20.0]);
    kernel.launch(&x.strided_view(3, [3, 4], [0, 1])?, &mut dense)?;
    assert_eq!(dense.to_vec()?, [6.0, 8.0, 10.0, 12.0].repeat(3));
    // Prepared, and in graphs.
    let launch = kernel.prepare(&part, &mut dense)?;
    launch.launch()?;
    assert_eq!(dense.to_vec()?, expected);
    Graph::of(&device, [launch])?.replay(&device.stream()?)?;
    let stream = device.stream()?;
    let graph = Graph::capture(&stream, |stream| kernel.on(stream).launch(&part, &mut dense))?;
    dense.write(&[0.0; 12])?;
    graph.replay(&stream)?;
    assert_eq!(dense.to_vec()?, expected);
    Ok(())
}

#[test]
fn copies_gather_and_scatter() -> Done {
    let device = Device::sim();
    let x = counted(&device, [2, 3, 4]);
    let mut part = x.slice([0..2, 1..3, 1..3])?;
    assert_eq!(part.to_vec()?, [5.0, 6.0, 9.0, 10.0, 17.0, 18.0, 21.0, 22.0]);
    assert_eq!((part.strides(), part.raw().is_contiguous()), ([12, 4, 1], false));
    let copy = part.to_device(&device)?;
    assert!(copy.raw().is_contiguous() && copy.to_vec()? == part.to_vec()?);
    part.write(&[-1.0; 8])?;
    assert_eq!(x.to_vec()?[4..12], [4.0, -1.0, -1.0, 7.0, 8.0, -1.0, -1.0, 11.0]);
    device.stream()?.copy(&copy, &mut part)?;
    assert_eq!(x.to_vec()?[4..12], [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    // The stride of one element does not matter, nor those of no elements.
    assert!(x.slice([1..2, 0..3, 0..4])?.raw().is_contiguous() && x.slice([0..2, 1..1, 2..3])?.raw().is_contiguous());
    let what = |result: hidet::Result<Tensor<f32, 2>>| result.unwrap_err().to_string();
    assert!(what(part.view(0, [4, 2])).contains("this one has the strides [12, 4, 1]"));
    assert!(what(x.strided_view(0, [4, 3], [1, 4])).contains("the stride of the last axis must be 1"));
    assert!(what(x.strided_view(2, [3, 4], [10, 1])).contains("does not fit in a tensor of 24 elements"));
    assert!(
        x.slice([0..2, 0..4, 0..4]).is_err() && x.slice([0..2, std::ops::Range { start: 2, end: 1 }, 0..4]).is_err()
    );
    Ok(())
}

#[test]
fn strides_that_a_kernel_cannot_take_are_refused() -> Done {
    let device = Device::sim();
    let x = counted(&device, [6, 48]);
    let mut y = device.empty([3, 32])?;
    let vectors = double_vectors().compile(&device)?;
    vectors.launch(&x.slice([0..3, 4..36])?, &mut y)?;
    refused(
        vectors.launch(&x.slice([0..3, 2..34])?, &mut y),
        &["argument `x` begins at an address aligned to 8 bytes"],
    );
    refused(
        vectors.launch(&x.strided_view(0, [3, 32], [33, 1])?, &mut y),
        &["x_stride_0 = 33 must be a multiple of 4", "the kernel accesses rows of `x` in units of 16 bytes"],
    );
    // What is written must be apart.
    let kernel = double().compile(&device)?;
    let mut repeated = x.strided_view(0, [3, 32], [0, 1])?;
    let words = ["argument `y`, which the kernel writes, has the strides [0, 1] for the shape [3, 32]"];
    refused(kernel.launch(&y, &mut repeated), &words);
    let (a, mut b) = (x.slice([0..3, 0..32])?, x.slice([2..5, 0..32])?);
    refused(kernel.launch(&a, &mut b), &["argument `y`, which the kernel writes, shares memory with argument `x`"]);
    // Columns of one matrix do not overlap.
    let (a, mut b) = (x.slice([0..6, 0..24])?, x.slice([0..6, 24..48])?);
    kernel.launch(&a, &mut b)?;
    assert_eq!(b.to_vec()?[24..28], [96.0, 98.0, 100.0, 102.0]);
    let mut b = x.slice([0..6, 23..47])?;
    refused(kernel.launch(&a, &mut b), &["shares memory"]);
    Ok(())
}

#[test]
fn kernels_that_need_contiguous_tensors_say_why() -> Done {
    let device = Device::sim();
    let x = counted(&device, [4, 64]);
    let mut y = device.empty([2, 32])?;
    let part = x.slice([0..2, 0..32])?;
    let not_contiguous = "argument `x` is not contiguous, and the kernel needs it to be, because";
    refused(by_ptx().compile(&device)?.launch(&part, &mut y), &[not_contiguous, "passes its address to inline PTX"]);
    refused(in_bulk().compile(&device)?.launch(&part, &mut y), &[not_contiguous, "copies it by `bulk.load`"]);
    row_in_bulk().compile(&device)?.launch(&part, &mut y)?;
    assert_eq!(y.to_vec()?[30..34], [30.0, 31.0, 64.0, 65.0]);
    let (x, mut y) = (counted(&device, [3, 4, 32]), device.empty([2, 2, 32])?);
    let part = x.slice([0..2, 1..3, 0..32])?;
    refused(
        merged().compile(&device)?.launch(&part, &mut y),
        &[
            "b * m = 4 must be at most m = 2: `x` is not contiguous, so an axis of a tensor map must be within its axis 1",
        ],
    );
    Ok(())
}

#[test]
fn tensor_maps_take_strides() -> Done {
    let device = Device::sim();
    let x = counted(&device, [2, 6, 40]);
    let mut y = device.empty([2, 4, 32])?;
    let kernel = boxes().compile(&device)?;
    kernel.launch(&x.slice([0..2, 2..6, 4..36])?, &mut y)?;
    let expected = |i: usize| (i / 128 * 240 + (i / 32 % 4 + 2) * 40 + i % 32 + 4) as f32;
    assert_eq!(y.to_vec()?, (0..256).map(expected).collect::<Vec<_>>());
    // Rows beyond the extent are zero, although there is memory.
    let mut short = device.empty([2, 3, 32])?;
    kernel.launch(&x.slice([0..2, 1..4, 4..36])?, &mut short)?;
    refused(
        kernel.launch(&x.strided_view(0, [2, 4, 32], [160, 38, 1])?, &mut y),
        &["x_stride_1 = 38 must be a multiple of 4", "`x`"],
    );
    refused(kernel.launch(&x.slice([0..2, 2..6, 3..35])?, &mut y), &["argument `x` begins at an address"]);
    Ok(())
}

#[test]
fn what_is_between_the_rows_belongs_to_no_one() -> Done {
    let device = Device::sim();
    let (x, y) = (counted(&device, [3, 5]), device.zeros::<f32, 2>([3, 8])?);
    let mut part = y.slice([0..3, 0..5])?;
    refused(beyond().compile(&device)?.launch(&x, &mut part), &["y", "out of bounds"]);
    refused(incomplete().compile(&device)?.launch(&x, &mut part), &["ends without writing y[[0, 4]]", "3 elements"]);
    refused(race().compile(&device)?.launch(&mut part), &["race"]);
    // Elements between the rows may be uninitialised.
    let y = device.empty::<f32, 2>([3, 8])?;
    let (mut part, mut z) = (y.slice([0..3, 2..7])?, device.empty([3, 5])?);
    let kernel = double().compile(&device)?;
    kernel.launch(&x, &mut part)?;
    kernel.launch(&part, &mut z)?;
    refused(kernel.launch(&y.slice([0..3, 1..6])?, &mut z), &["element 0 of `x` is read before it was written"]);
    // `forget` takes the elements of the rows only.
    let y = device.zeros::<f32, 2>([3, 8])?;
    let columns = |first: usize, count: usize| {
        RawTensor::strided(&device, y.raw().storage().clone(), first * 4, Scalar::F32, &[3, count], &[8, 1])
    };
    let (left, right, both) = (columns(0, 2)?, columns(2, 5)?, columns(1, 5)?);
    let launch = |x: &RawTensor, y: &RawTensor| kernel.launch_raw(&[RawArg::Tensor(x), RawArg::Tensor(y)]);
    right.forget()?;
    refused(launch(&right, z.raw()), &["element 0 of `x` is read before it was written"]);
    launch(&left, device.empty::<f32, 2>([3, 2])?.raw())?;
    launch(x.raw(), &right)?;
    launch(&right, z.raw())?;
    refused(launch(&both, z.raw()), &["argument `x`", "given to another one"]);
    Ok(())
}

/// Untyped tensors, and batches whose memory is not in their order.
#[test]
fn axes_may_be_exchanged() -> Done {
    let device = Device::sim();
    let x = counted(&device, [4, 2, 32]);
    let raw = x.raw();
    let (storage, shape, strides) = (raw.storage().clone(), [2, 4, 32], [32, 64, 1]);
    let turned = RawTensor::strided(&device, storage, 0, Scalar::F32, &shape, &strides)?;
    let y = device.empty::<f32, 3>(shape)?;
    boxes().compile(&device)?.launch_raw(&[RawArg::Tensor(&turned), (&y).into()])?;
    let expected = |i: usize| (i / 32 % 4 * 64 + i / 128 * 32 + i % 32) as f32;
    assert_eq!(y.to_vec()?, (0..256).map(expected).collect::<Vec<_>>());
    Ok(())
}

/// Returns the tensors of a kernel that have rows.
fn with_rows(function: &Function) -> Vec<BufferId> {
    let tensor = |param: &Param| match param {
        Param::Tensor { buffer, .. } => Some(*buffer).filter(|id| {
            let buffer = &function.buffers[*id];
            buffer.shape.len() > 1 && buffer.entries.is_none()
        }),
        Param::Scalar { .. } => None,
    };
    function.params.iter().filter_map(tensor).collect()
}

/// NVRTC compiles those with wide indices and checks of every third kernel: `HIDET_ALL=1` has all.
#[test]
fn kernels_take_strides_in_every_pass_and_in_nvrtc() {
    let nvrtc = nvrtc::version();
    assert!(nvrtc.is_ok() || std::env::var_os("CI").is_none(), "on CI, NVRTC must be there");
    let all = std::env::var_os("HIDET_ALL").is_some();
    registry::all().into_par_iter().enumerate().for_each(|(number, entry)| {
        let built = (entry.build)().unwrap();
        let mut tensors = with_rows(&built);
        if entry.name == "convolution, boxes" {
            // A tensor map splits the rows of its result into images, rows and columns.
            let error = passes::strided(&built, &tensors).unwrap_err().to_string();
            assert!(error.contains('y'), "{error}");
            tensors.pop();
        }
        if tensors.is_empty() {
            return;
        }
        let strided = match passes::strided(&built, &tensors) {
            Ok(strided) => strided,
            // Of these kernels there is no other that needs contiguous tensors.
            Err(error) => panic!("{}: {error}", entry.name),
        };
        for wide_index in [false, true] {
            let options = passes::LoweringOptions { wide_index, checks: wide_index, ..Default::default() };
            let lowered = passes::lower_with(&strided, &options, &mut |pass, function| {
                verify::check(function).unwrap_or_else(|error| panic!("{} after {}: {error}", entry.name, pass.name));
            });
            let lowered = lowered.unwrap();
            let printed = text::print(&lowered);
            assert_eq!(text::print(&text::parse(&printed).unwrap()), printed, "{}", entry.name);
            let arch = *codegen::archs(&lowered).last().unwrap();
            let source = codegen::cuda(&lowered, arch).unwrap();
            assert!(source.text.contains("_stride_0"), "{}\n{}", entry.name, source.text);
            if nvrtc.is_ok() && (!wide_index || all || number % 3 == 0) {
                let cubin = nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
                let usage = cubin.usage;
                if entry.name.starts_with("matmul") && !wide_index {
                    let spilled = usage.spill_stores + usage.spill_loads;
                    assert_eq!((spilled, usage.stack), (0, 0), "{} keeps data in local memory", entry.name);
                }
            }
        }
    });
}
