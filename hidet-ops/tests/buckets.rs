//! Kept runs for ranges of sizes: equal to what each size computes by itself, without a new plan or kernel; and what is refused.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::kernel;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_ops::{Buckets, Error, Extent, PadMode, Replay, Result, Tensor, Traced, Window, testing};

fn tensor(device: &Device, seed: usize, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|at| ((at * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0).collect();
    Tensor::from(device.tensor(&values, [count]).unwrap().raw().view(0, shape).unwrap())
}

fn bytes(tensors: &[Tensor]) -> Vec<Vec<u8>> {
    tensors.iter().map(|tensor| tensor.compute().unwrap().to_bytes().unwrap()).collect()
}

/// Traces one input, with rows of this shape.
fn of_rows(
    device: &Device,
    row: &[usize],
    model: &dyn Fn(&Tensor) -> Result<Vec<Tensor>>,
) -> impl FnMut(&[usize]) -> Result<Traced> {
    move |sizes| {
        let x = tensor(device, 0, &[sizes, row].concat());
        let outputs = model(&x)?;
        Ok(Traced { inputs: vec![x], outputs, parts: Vec::new() })
    }
}

/// Computes sizes by buckets, loaded ones too, and by themselves: the bits are equal, and nothing is made for a request.
fn check(
    device: &Device,
    extent: Extent,
    row: &[usize],
    sizes: &[usize],
    model: &dyn Fn(&Tensor) -> Result<Vec<Tensor>>,
) {
    let buckets = Buckets::of(&[extent], of_rows(device, row, model)).unwrap();
    let loaded = Buckets::from_bytes(device, &buckets.to_bytes().unwrap()).unwrap();
    assert_eq!((loaded.inputs(), loaded.extents()), (buckets.inputs(), buckets.extents()));
    for (round, size) in sizes.iter().chain(sizes).enumerate() {
        let x = tensor(device, round + 1, &[&[*size], row].concat());
        let wanted = model(&x).unwrap();
        let shapes: Vec<&[usize]> = wanted.iter().map(Tensor::shape).collect();
        let wanted_bytes = bytes(&wanted);
        let before = testing::made();
        for (what, buckets) in [("made", &buckets), ("loaded", &loaded)] {
            let found = buckets.run(&[&x]).unwrap();
            assert_eq!(found.iter().map(Tensor::shape).collect::<Vec<&[usize]>>(), shapes, "{what}, {size} rows");
            assert!(bytes(&found) == wanted_bytes, "{what}, {size} rows: {:?}", found[0].to_vec::<f32>());
        }
        assert_eq!(testing::made(), before, "{size} rows");
    }
}

/// A small network with images, of which rows of several kinds come: in front, several of each, and none.
#[test]
fn each_batch_is_computed_by_its_bucket() {
    let device = Device::sim();
    let (kernel, w) = (tensor(&device, 1, &[4, 2, 3, 3]), tensor(&device, 2, &[4, 3]));
    let places = tensor(&device, 3, &[16, 3]);
    check(&device, Extent::rows("batch", 1..=7), &[2, 4, 4], &[1, 2, 3, 5, 6, 7], &|x| {
        let features = x.conv(&kernel, &Window::new(2).padding(&[1, 1]), 1)?.relu()?;
        let means = features.global_avg_pool()?.flatten(1)?;
        let flat = features.permute(&[0, 2, 3, 1])?.reshape(&[x.shape()[0] * 16, 4])?.matmul(&w)?;
        let chances = means.matmul(&w)?.softmax(1)?;
        // Rows with a number of their own, and what has none.
        let placed = flat.reshape(&[x.shape()[0], 16, 3])?.add(&places)?.cumsum(1, false, false)?;
        Ok(vec![chances, flat, placed.max(&[1], false)?, w.mul(2.0)?])
    });
}

/// One bucket is enough for all sizes.
#[test]
fn buckets_may_be_chosen() {
    let device = Device::sim();
    let w = tensor(&device, 1, &[6, 6]);
    let model = |x: &Tensor| Ok(vec![x.matmul(&w)?.relu()?]);
    check(&device, Extent::rows("batch", 2..=5).in_buckets([]), &[6], &[2, 3, 4, 5], &model);
}

/// Operators that are put together once, for the one size before and for the other now, have the same graph.
#[test]
fn what_was_put_together_before_is_the_same() {
    let device = Device::sim();
    let (scale, bias) = (tensor(&device, 1, &[8]), tensor(&device, 2, &[8]));
    let model = |x: &Tensor| Ok(vec![x.exp()?.layer_norm(1, Some(&scale), Some(&bias), 1e-5)?.softmax(1)?]);
    for rows in [3, 6] {
        model(&tensor(&device, 0, &[rows, 8])).unwrap();
    }
    check(&device, Extent::rows("batch", 2..=4), &[8], &[3], &model);
    check(&device, Extent::rows("batch", 5..=7), &[8], &[6], &model);
}

/// Along an axis inside, where the caller promises it: sums up to each element.
#[test]
fn what_is_behind_does_not_matter_if_it_is_promised() {
    let device = Device::sim();
    let sums = |x: &Tensor| Ok::<_, Error>(vec![x.cumsum(1, false, false)?.mul(2.0)?]);
    let traced = |sizes: &[usize]| {
        let x = tensor(&device, 0, &[sizes[0], sizes[1], 3]);
        Ok::<_, Error>(Traced { outputs: sums(&x)?, inputs: vec![x], parts: Vec::new() })
    };
    let extents = [Extent::rows("batch", 2..=5), Extent::masked("tokens", 3..=11)];
    let buckets = Buckets::of(&extents, traced).unwrap();
    assert_eq!(buckets.inputs(), ["f32[batch, tokens, 3]"]);
    assert_eq!(buckets.runs().count(), 3 * 4);
    for (batch, tokens) in [(2, 3), (3, 5), (5, 11), (4, 9), (3, 4)] {
        let x = tensor(&device, batch + tokens, &[batch, tokens, 3]);
        assert_eq!(bytes(&buckets.run(&[&x]).unwrap()), bytes(&sums(&x).unwrap()));
    }
    // The largest arena is that of all.
    let largest = buckets.runs().map(|(_, run)| run.memory().arena).max();
    assert_eq!(Some(buckets.memory().arena), largest);
}

/// What launches make of weights before the first run, and weights, are there once.
#[test]
fn constants_are_there_once() {
    let device = Device::sim();
    let w = tensor(&device, 1, &[64, 64]);
    // A sum up to each element is a kernel of its own, whose result is constant.
    let model = |x: &Tensor| Ok(vec![x.matmul(&w.cumsum(0, false, false)?)?.matmul(&w)?]);
    let size =
        |extent: Extent| Buckets::of(&[extent], of_rows(&device, &[64], &model)).unwrap().to_bytes().unwrap().len();
    let (one, five) = (size(Extent::exactly("batch", [16])), size(Extent::rows("batch", 1..=16)));
    let weights = 2 * 64 * 64 * 4;
    assert!(one > weights && five - one < weights / 2, "{one} {five}");
    check(&device, Extent::rows("batch", 1..=6), &[64], &[3, 5], &model);
}

kernel! {
    /// y = 2 x.
    #[launch(grid = m, block = 32)]
    fn twice(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let row = block_idx().x;
        for col in (thread_id()..n).step_by(32) {
            y[[row, col]] = x[[row, col]] * 2.0;
        }
    }
}

#[test]
fn rows_that_are_mixed_are_refused() {
    let device = Device::sim();
    let says = |model: &dyn Fn(&Tensor) -> Result<Tensor>, words: &[&str]| {
        let model = |x: &Tensor| Ok(vec![model(x)?]);
        let error = Buckets::of(&[Extent::rows("batch", 2..=4)], of_rows(&device, &[6], &model));
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("extent `batch`: "), "{error}");
        words.iter().for_each(|words| assert!(error.contains(words), "{error}\ndoes not say: {words}"));
    };
    let proof = "rows are not proved to be independent: ";
    says(&|x| x.softmax(0), &[proof, "`max` of f32[4, 6]", "is made of all rows", "give each size that is needed"]);
    says(&|x| x.sub(&x.mean(&[0], true)?), &["`sum` of f32[4, 6]: its result f32[1, 6] is made of all rows"]);
    says(&|x| x.flip(&[0]), &["`flip` of f32[4, 6]: it may read other rows"]);
    says(&|x| x.roll(1, 0), &["it may read other rows"]);
    says(&|x| x.cumsum(0, false, false), &["it goes from row to row of f32[4, 6]"]);
    says(&|x| x.mul(x.shape()[0] as f64), &["`mul` of f32[4, 6]", "is another for 4 rows than for 3"]);
    says(&|x| x.add(&tensor(&device, x.shape()[0], &[6])), &["a tensor f32[6]", "other elements"]);
    says(&|x| x.pad(&[1, 0], &[0, 0], PadMode::Constant(0.0)), &["rows are not the first axis alone"]);
    says(&|x| x.pad(&[1, 0], &[0, 0], PadMode::Constant(0.0))?.slice(&[(0, 0, -1, 1)]), &["`"]);
    let extent = |x: &Tensor| x.shape()[0];
    says(&|x| x.reshape(&[6, extent(x)])?.add(1.0)?.reshape(&[extent(x), 6]), &["rows are not the first axis alone"]);
    says(&|x| x.t()?.exp()?.t(), &["`permute` of f32[4, 6]", "f32[6, 4] for 4 rows and f32[6, 3] for 3"]);
    says(&|x| Tensor::by_kernel("twice", &[x], &x.mul(2.0)?, (), |()| twice()), &["a kernel of its own"]);
    // The row whose number the first element of a row is.
    let picked =
        |x: &Tensor| x.take(&x.slice(&[(0, 0, i64::MAX, 1), (1, 0, 1, 1)])?.cast(Scalar::I64)?.squeeze(&[1])?, 0);
    says(&picked, &["`take`", "it may read other rows"]);
    // One row is computed in another way than several.
    let model = |x: &Tensor| Ok(vec![if extent(x) == 3 { x.exp()? } else { x.neg()? }]);
    let error = Buckets::of(&[Extent::rows("batch", 1..=4)], of_rows(&device, &[6], &model));
    assert!(error.map(|_| ()).unwrap_err().to_string().contains("is another for 4 rows than for 3"));
}

#[test]
fn other_sizes_and_types_are_refused() {
    let device = Device::sim();
    let model = |x: &Tensor| Ok(vec![x.exp()?]);
    let buckets = |extent: Extent| Buckets::of(&[extent], of_rows(&device, &[6], &model)).unwrap();
    let says = |buckets: &Buckets, shape: &[usize], words: &str| {
        let error = buckets.run(&[&tensor(&device, 1, shape)]).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, words);
    };
    says(&buckets(Extent::rows("n", 2..=4)), &[5, 6], "extent `n`: it is 5, but kernels were compiled for 2 to 4");
    says(&buckets(Extent::rows("n", 2..=4)), &[1, 6], "extent `n`: it is 1, but kernels were compiled for 2 to 4");
    says(&buckets(Extent::exactly("n", [4, 2])), &[3, 6], "extent `n`: it is 3, but kernels were compiled for 2, 4");
    says(&buckets(Extent::rows("n", 2..=4)), &[3, 5], "`buckets` of f32[3, 5]: the launches are for f32[n, 6]");
    // Sizes that are given each by itself need no proof.
    let mixes = |x: &Tensor| Ok(vec![x.softmax(0)?]);
    check(&device, Extent::exactly("batch", [1, 4]), &[6], &[1, 4], &mixes);
    let none = Buckets::of(&[Extent::rows("n", 1..=4)], |_: &[usize]| {
        let x = tensor(&device, 0, &[3, 6]);
        Ok::<_, Error>(Traced { outputs: vec![x.exp()?], inputs: vec![x], parts: Vec::new() })
    });
    assert_eq!(none.map(|_| ()).unwrap_err().to_string(), "extent `n`: no input has it");
}

/// An input that is a part of an allocation.
#[test]
fn inputs_may_begin_anywhere() -> Result<()> {
    let device = Device::sim();
    let (x, large) = (tensor(&device, 1, &[2, 3]), tensor(&device, 2, &[4, 3]));
    let part = Tensor::from(large.compute()?.view(6, &[2, 3])?);
    let replay = Replay::of(&[&x], &[&x.mul(2.0)?])?;
    assert_eq!(bytes(&replay.run(&[&part])?), bytes(&[part.mul(2.0)?]));
    Ok(())
}
