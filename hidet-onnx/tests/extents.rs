//! Models for all sizes of an extent that they name: equal to what each size computes by itself, saved and loaded, without a new
//! plan or kernel; and models that mix rows, refused by their node.
//!
//! With real models: `HIDET_MODELS=FOLDER HIDET_DEVICE=cuda cargo test --release -p hidet-onnx --test extents`, where the folder has
//! `resnet50.opset13.onnx` with its weights (`paper_models.py` makes it); `HIDET_ARITHMETIC` chooses the floats.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, list, model, node, tensor};
use hidet::device::Device;
use hidet::sim::Options;
use hidet_onnx::{Arithmetic, Compiled, Extent, Model, Result, Session};
use hidet_ops::{Tensor, testing};
use std::env;
use std::path::Path;
use std::time::Instant;

fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0).collect()
}

fn on(device: &Device, seed: usize, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let flat = device.tensor(&numbers(seed, count), [count]).unwrap();
    Tensor::from(flat.raw().view(0, shape).unwrap())
}

/// Convolutions with a residual, a pool, and a classifier behind a reshape whose shape is computed of that of the images, as
/// exporters write it. The axis of the images is named `batch`.
fn network() -> Vec<u8> {
    let weights = |name, dims: &[i64], seed| tensor(name, dims, &numbers(seed, dims.iter().product::<i64>() as usize));
    let graph = Graph::default()
        .input("images", 1, &["batch", "2", "4", "4"])
        .initializer(weights("k1", &[4, 2, 3, 3], 1))
        .initializer(weights("b1", &[4], 2))
        .initializer(weights("k2", &[4, 4, 3, 3], 3))
        .initializer(weights("w", &[16, 5], 4))
        .initializer(weights("b", &[5], 5))
        .initializer(list("zero", &[0]))
        .initializer(list("rest", &[-1]))
        .node(node("Conv", &["images", "k1", "b1"], &["c1"]).ints("pads", &[1, 1, 1, 1]))
        .node(node("Relu", &["c1"], &["r1"]))
        .node(node("Conv", &["r1", "k2"], &["c2"]).ints("pads", &[1, 1, 1, 1]))
        .node(node("Add", &["c2", "r1"], &["s"]))
        .node(node("MaxPool", &["s"], &["p"]).ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]))
        .node(node("Shape", &["p"], &["shape"]))
        .node(node("Gather", &["shape", "zero"], &["n"]))
        .node(node("Concat", &["n", "rest"], &["flat"]).int("axis", 0))
        .node(node("Reshape", &["p", "flat"], &["rows"]))
        .node(node("MatMul", &["rows", "w"], &["y"]))
        .node(node("Add", &["y", "b"], &["z"]))
        .node(node("Softmax", &["z"], &["chances"]).int("axis", 1))
        .output("chances")
        .output("s");
    model(&graph)
}

fn bytes(outputs: &[(String, Tensor)]) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let each = outputs.iter();
    each.map(|(name, y)| (name.clone(), y.shape().to_vec(), y.compute().unwrap().to_bytes().unwrap())).collect()
}

#[test]
fn one_compiled_model_is_right_at_each_batch() -> Result<()> {
    let device = Device::sim();
    let loaded = Model::from_bytes(&network())?;
    let (direct, session) = (loaded.on(&device)?, loaded.on(&device)?.with_extent("batch", 1..=16)?);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network.hidet");
    session.save(&path)?;
    let compiled = Compiled::load(&path, &device)?;
    assert_eq!(compiled.extents(), session.extents());
    assert_eq!(compiled.inputs(), [("images", "f32[batch, 2, 4, 4]".to_owned())]);
    assert_eq!(compiled.memory(), session.memory());
    for batch in 1..=16 {
        let inputs = [("images", on(&device, batch, &[batch, 2, 4, 4]))];
        let wanted = bytes(&direct.run(&inputs)?);
        let before = testing::made();
        assert!(bytes(&session.run(&inputs)?) == wanted, "batch {batch}");
        assert!(bytes(&compiled.run(&inputs)?) == wanted, "batch {batch}, loaded");
        assert_eq!(testing::made(), before, "batch {batch}");
    }
    for batch in [0, 17] {
        let inputs = [("images", on(&device, 1, &[batch, 2, 4, 4]))];
        let words = format!("extent `batch`: it is {batch}, but kernels were compiled for 1 to 16");
        assert_eq!(session.run(&inputs).map(|_| ()).unwrap_err().to_string(), words);
        assert_eq!(compiled.run(&inputs).map(|_| ()).unwrap_err().to_string(), words);
    }
    let other = [("images", on(&device, 1, &[3, 2, 4, 5]))];
    let error = compiled.run(&other).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("the launches are for f32[batch, 2, 4, 4]"), "{error}");
    Ok(())
}

/// Weights are there once, whatever the number of buckets, or of kept runs.
#[test]
fn a_file_has_weights_once() -> Result<()> {
    let device = Device::sim_with(Options::fast());
    let (rows, columns) = (1024, 512);
    let weights = tensor("w", &[rows as i64, columns as i64], &numbers(1, rows * columns));
    let graph = Graph::default().input("x", 1, &["batch", "1024"]).initializer(weights);
    let graph = graph.node(node("MatMul", &["x", "w"], &["y"])).output("y");
    let loaded = Model::from_bytes(&model(&graph))?;
    let runs = |batches: &[usize]| -> Result<Session> {
        let session = loaded.on(&device)?;
        batches.iter().try_for_each(|batch| session.run(&[("x", on(&device, 1, &[*batch, rows]))]).map(|_| ()))?;
        Ok(session)
    };
    let buckets = loaded.on(&device)?.with_extent("batch", 1..=5)?;
    let [one, many, all] = [runs(&[4])?, runs(&[1, 2, 3, 4])?, buckets];
    let [one, many, all] = [one.to_bytes()?.len(), many.to_bytes()?.len(), all.to_bytes()?.len()];
    let weights = rows * columns * 4;
    assert!(one > weights && many < one + weights / 2 && all < one + weights / 2, "{one} {many} {all}");
    Ok(())
}

fn compiled(graph: &Graph) -> Result<Session> {
    Model::from_bytes(&model(graph))?.on(&Device::sim())?.with_extent("batch", 2..=4)
}

#[test]
fn models_that_mix_rows_are_refused_by_their_node() {
    let graph = || Graph::default().input("x", 1, &["batch", "6"]);
    let says = |graph: Graph, words: &[&str]| {
        let error = compiled(&graph.output("y")).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("extent `batch`: rows are not proved to be independent: node "), "{error}");
        let more = ["give each size that is needed by itself"];
        words.iter().chain(&more).for_each(|words| assert!(error.contains(words), "{error}\ndoes not say: {words}"));
    };
    let exp = || graph().node(node("Exp", &["x"], &["e"]));
    says(
        exp().node(node("Softmax", &["e"], &["y"]).int("axis", 0).named("mix")),
        &["node 1 `mix` (Softmax, opset 21)"],
    );
    let mean = node("ReduceMean", &["e", "axes"], &["m"]);
    let mean = exp().initializer(list("axes", &[0])).node(mean).node(node("Sub", &["e", "m"], &["y"]));
    says(mean, &["(ReduceMean, opset 21)", "is made of all rows"]);
    let gather = exp().initializer(list("first", &[1, 0])).node(node("Gather", &["e", "first"], &["g"]));
    says(
        gather.node(node("ReduceMax", &["g"], &["y"]).int("keepdims", 0)),
        &["(Gather, opset 21)", "made of all rows"],
    );
    let inward = exp().node(node("Transpose", &["e"], &["t"])).node(node("Exp", &["t"], &["y"]));
    says(inward, &["(Transpose, opset 21)", "rows are not the first axis alone"]);
    let reshaped = exp().initializer(list("shape", &[3, -1])).node(node("Reshape", &["e", "shape"], &["y"]));
    says(reshaped, &["(Reshape, opset 21)", "rows are not the first axis alone"]);
    let size = exp().node(node("Shape", &["x"], &["s"])).node(node("Cast", &["s"], &["f"]).int("to", 1));
    let size = size.initializer(list("zero", &[0])).node(node("Gather", &["f", "zero"], &["n"]));
    says(size.node(node("Mul", &["e", "n"], &["y"])), &["(Mul, opset 21)"]);
    // Statistics of a batch, as in training.
    let statistics = ["scale", "bias", "mean", "var"];
    let norm_node =
        node("BatchNormalization", &[&["x"], &statistics[..]].concat(), &["y", "m", "v"]).int("training_mode", 1);
    let norm = statistics.iter().fold(graph(), |graph, name| graph.initializer(tensor(name, &[6], &numbers(1, 6))));
    says(norm.node(norm_node), &["(BatchNormalization, opset 21)", "is made of all rows"]);
}

#[test]
fn extents_that_do_not_fit_are_refused() -> Result<()> {
    let device = Device::sim();
    let graph = Graph::default().input("x", 1, &["batch", "tokens"]).node(node("Exp", &["x"], &["y"])).output("y");
    let loaded = Model::from_bytes(&model(&graph))?;
    let says = |extents: &[Extent], words: &str| {
        let error = loaded.on(&device).unwrap().with_extents(extents).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}\ndoes not say: {words}");
    };
    let batch = || Extent::rows("batch", 1..=3);
    says(&[batch()], "input `x`: it is f32[batch, tokens]: give the sizes of `tokens` too");
    says(&[Extent::exactly("batch", [1]), Extent::rows("tokens", 2..=4)], "rows are not the first axis alone");
    says(&[batch(), Extent::masked("tokens", 2..=4)], "extent `tokens`: what is behind a size changes results");
    says(&[batch(), Extent::exactly("tokens", [2]), Extent::rows("n", 1..=2)], "only one extent may be rows");
    says(&[batch(), Extent::exactly("tokens", [2]), Extent::exactly("n", [1, 2])], "extent `n`: no input has it");
    // A list of sizes beside a range.
    let session = loaded.on(&device)?.with_extents(&[batch(), Extent::exactly("tokens", [2, 7])])?;
    for shape in [[2, 7], [3, 2]] {
        let x = on(&device, 1, &shape);
        assert_eq!(session.run(&[("x", x.clone())])?[0].1.to_vec::<f32>()?, x.exp()?.to_vec::<f32>()?);
    }
    let error = session.run(&[("x", on(&device, 1, &[3, 3]))]).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "extent `tokens`: it is 3, but kernels were compiled for 2, 7");
    Ok(())
}

/// ResNet-50 of 224 x 224 pixels in one compiled model, beside runs at exact sizes; on a device for which that is little work.
#[test]
fn resnet50_at_each_batch() -> Result<()> {
    let Ok(folder) = env::var("HIDET_MODELS") else { return Ok(()) };
    let path = Path::new(&folder).join("resnet50.opset13.onnx");
    if !path.exists() || env::var("HIDET_DEVICE").is_err() {
        return Ok(());
    }
    let device = Device::best()?;
    let arithmetic = env::var("HIDET_ARITHMETIC").map_or(Arithmetic::F32, |name| name.parse().unwrap());
    let loaded = Model::load(path)?;
    let named = |dim: &hidet_onnx::Dim| if let hidet_onnx::Dim::Named(name) = dim { Some(name.clone()) } else { None };
    let input = &loaded.required().next().unwrap().clone();
    let extent = input.shape.iter().flatten().find_map(named).expect("the batch has no name");
    let begin = Instant::now();
    let session = loaded.on_by(&device, arithmetic)?.with_extent(&extent, 1..=16)?;
    let compiled_in = begin.elapsed();
    let begin = Instant::now();
    let bytes = session.to_bytes()?;
    let compiled = Compiled::from_bytes(&bytes, &device)?;
    println!(
        "{device}: compiled in {compiled_in:.1?}, {} bytes, saved and loaded in {:.1?}",
        bytes.len(),
        begin.elapsed()
    );
    for batch in 1..=16 {
        let x = on(&device, batch, &[batch, 3, 224, 224]);
        let inputs = [(input.name.as_str(), x)];
        let before = testing::made();
        let begin = Instant::now();
        let found = session.run(&inputs)?.remove(0).1.elements()?;
        let took = begin.elapsed();
        assert!(compiled.run(&inputs)?.remove(0).1.elements()? == found, "batch {batch}, loaded");
        assert_eq!(testing::made(), before, "batch {batch}");
        let direct = loaded.on_by(&device, arithmetic)?;
        let wanted = direct.run(&inputs)?.remove(0).1.elements()?;
        let range = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let error = found.iter().zip(&wanted).fold(0.0f64, |most, (a, b)| most.max((a - b).abs())) / range;
        println!("batch {batch}: {took:.2?}, largest difference from the exact size {error:.1e} of the range");
        let most = if arithmetic == Arithmetic::F32 { 1e-4 } else { 2e-2 };
        assert!(found.len() == wanted.len() && error < most, "batch {batch}: {error}");
    }
    Ok(())
}
