//! What is wrong with a model or with the inputs of a run is an error that says where and why, and nothing panics.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, external, list, model, node, tensor};
use hidet::prelude::Device;
use hidet_onnx::{Error, Model, Session};
use hidet_ops::Tensor;
use std::fs;
use std::path::PathBuf;

/// A model of one node, `y = Add(x, w)`, of floats `[n, 2]`.
fn add() -> Graph {
    let graph = Graph::default().input("x", 1, &["n", "2"]).output("y").initializer(tensor("w", &[2], &[1.0, 2.0]));
    graph.node(node("Add", &["x", "w"], &["y"]))
}

fn error(graph: &Graph) -> String {
    Model::from_bytes(&model(graph)).unwrap_err().to_string()
}

fn session(graph: &Graph) -> Session {
    Model::from_bytes(&model(graph)).unwrap().on(&Device::sim()).unwrap()
}

fn floats(numbers: &[f32], shape: [usize; 2]) -> Tensor {
    Tensor::from(&Device::sim().tensor(numbers, shape).unwrap())
}

#[test]
fn a_model_runs() {
    let outputs = session(&add()).run(&[("x", floats(&[1.0, 2.0, 3.0, 4.0], [2, 2]))]).unwrap();
    assert_eq!(outputs[0].0, "y");
    assert_eq!(outputs[0].1.to_vec::<f32>().unwrap(), [2.0, 4.0, 4.0, 6.0]);
}

#[test]
fn every_prefix_of_a_file_is_an_error_or_a_model() {
    let bytes = model(&add());
    for len in 0..bytes.len() {
        // Fields that are cut off between two of them may leave a valid model.
        if let Err(error) = Model::from_bytes(&bytes[..len]) {
            assert!(!error.to_string().is_empty());
        }
    }
    assert!(Model::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(matches!(Model::from_bytes(&[]), Err(Error::Invalid(why)) if why == "it has no graph"));
}

#[test]
fn every_changed_byte_is_an_error_or_a_model() {
    let bytes = model(&add());
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            let _ = Model::from_bytes(&changed).map(|model| model.on(&Device::sim()));
        }
    }
}

#[test]
fn all_unknown_operators_are_listed() {
    let graph = Graph::default().input("x", 1, &["2"]).output("b");
    let graph = graph.node(node("Wrong", &["x"], &["a"])).node(node("Further", &["a"], &["b"]).named("second"));
    assert_eq!(
        error(&graph),
        "the model needs what is not supported:\n  node 0 (Wrong, opset 21): the operator is not supported\n  \
         node 1 `second` (Further, opset 21): the operator is not supported"
    );
    let graph = Graph::default().input("x", 1, &["2"]).output("y").node(node("Relu", &["x"], &["y"]).int("odd", 1));
    assert!(error(&graph).ends_with("(Relu, opset 21): attribute `odd` is not supported in this version"));
    let graph = Graph::default().input("x", 1, &["2"]).output("y");
    let graph = graph.node(node("Relu", &["x"], &["y"]).of("com.example"));
    assert!(error(&graph).contains("the model does not import the operators of this domain"));
}

#[test]
fn names_are_checked() {
    let cycle = Graph::default().input("x", 1, &["2"]).output("b");
    let cycle = cycle.node(node("Add", &["x", "b"], &["a"])).node(node("Relu", &["a"], &["b"]));
    assert!(error(&cycle).contains("is in a cycle"), "{}", error(&cycle));
    let nothing = Graph::default().input("x", 1, &["2"]).output("y").node(node("Add", &["x", "z"], &["y"]));
    assert!(error(&nothing).ends_with("uses `z`, which nothing makes"));
    let twice = add().node(node("Relu", &["x"], &["y"]));
    assert!(error(&twice).ends_with("two values are named `y`"));
    let output = Graph::default().input("x", 1, &["2"]).output("y");
    assert!(error(&output).ends_with("the output `y` is a value that nothing makes"));
    let twice = add().initializer(tensor("w", &[2], &[1.0, 2.0]));
    assert!(error(&twice).ends_with("two initializers are named `w`"));
}

#[test]
fn nodes_may_be_in_any_order() {
    let graph = Graph::default().input("x", 1, &["1", "2"]).output("b");
    let graph = graph.node(node("Neg", &["a"], &["b"])).node(node("Relu", &["x"], &["a"]));
    let outputs = session(&graph).run(&[("x", floats(&[-1.0, 2.0], [1, 2]))]).unwrap();
    assert_eq!(outputs[0].1.to_vec::<f32>().unwrap(), [0.0, -2.0]);
}

#[test]
fn a_result_without_a_name_is_not_an_input_without_one() {
    let graph = Graph::default().input("x", 1, &["1", "2"]).output("y").initializer(tensor("h", &[], &[3.0]));
    let dropped = node("LayerNormalization", &["x", "h"], &["", "m"]);
    let graph = graph.node(dropped).node(node("Clip", &["x", "", "h"], &["y"]));
    let outputs = session(&graph).run(&[("x", floats(&[-5.0, 5.0], [1, 2]))]).unwrap();
    assert_eq!(outputs[0].1.to_vec::<f32>().unwrap(), [-5.0, 3.0]);
}

#[test]
fn inputs_are_checked() {
    let session = session(&add().input("z", 1, &["n"]));
    let error = |inputs: &[(&str, Tensor)]| session.run(inputs).unwrap_err().to_string();
    let x = || floats(&[1.0, 2.0], [1, 2]);
    assert_eq!(error(&[("a", x())]), "input `a`: the model has no such input; it has `x`, `z`");
    assert_eq!(error(&[("x", x())]), "input `z`: it is missing");
    assert_eq!(error(&[("x", x()), ("x", x())]), "input `x`: it is given twice");
    let integers = Tensor::from(&Device::sim().tensor(&[1i64, 2], [1, 2]).unwrap());
    assert_eq!(error(&[("x", integers)]), "input `x`: it is i64[1, 2], but must be f32[n, 2]");
    assert_eq!(error(&[("x", floats(&[1.0], [1, 1]))]), "input `x`: it is f32[1, 1], but must be f32[n, 2]");
    let two = Tensor::from(&Device::sim().tensor(&[1.0f32, 2.0], [2]).unwrap());
    assert_eq!(
        error(&[("x", x()), ("z", two.clone())]),
        "input `z`: it is f32[2], but must be f32[n]: `n` is 1 elsewhere"
    );
    assert_eq!(error(&[("x", two)]), "input `x`: it is f32[2], but must have 2 axes: f32[n, 2]");
}

#[test]
fn an_error_of_a_run_names_the_node() {
    let graph = Graph::default().input("x", 1, &["n", "2"]).output("y").initializer(tensor("w", &[3], &[1.0; 3]));
    let session = session(&graph.node(node("Add", &["x", "w"], &["y"]).named("sum")));
    let error = session.run(&[("x", floats(&[1.0, 2.0], [1, 2]))]).unwrap_err().to_string();
    assert!(error.starts_with("node 0 `sum` (Add, opset 21): `add` of f32[1, 2] and f32[3]: "), "{error}");
}

/// NaN stays where arithmetic has it, also where passes compute with it before: other rows and channels are as without it.
#[test]
fn weights_that_are_nan_give_nan_where_they_are_used() {
    let graph =
        Graph::default().input("x", 1, &["n", "2"]).output("y").initializer(tensor("w", &[2], &[f32::NAN, 2.0]));
    let session = session(&graph.node(node("Add", &["x", "w"], &["y"])));
    let y = session.run(&[("x", floats(&[1.0, 2.0, 3.0, 4.0], [2, 2]))]).unwrap()[0].1.to_vec::<f32>().unwrap();
    assert!(y[0].is_nan() && y[2].is_nan() && (y[1], y[3]) == (4.0, 6.0), "{y:?}");
    let graph = Graph::default()
        .input("x", 1, &["1", "1", "2", "2"])
        .node(node("Conv", &["x", "w"], &["c"]))
        .node(node("BatchNormalization", &["c", "g", "h", "m", "v"], &["n"]).float("epsilon", 0.0))
        .node(node("Neg", &["n"], &["y"]))
        .output("y")
        .initializer(tensor("w", &[3, 1, 1, 1], &[1.0, f32::NAN, 2.0]))
        .initializer(tensor("g", &[3], &[1.0, 1.0, f32::NAN]))
        .initializer(tensor("h", &[3], &[0.5, 0.0, 0.0]))
        .initializer(tensor("m", &[3], &[0.0; 3]))
        .initializer(tensor("v", &[3], &[1.0; 3]));
    let x = Tensor::from(&Device::sim().tensor(&[1.0f32, 2.0, 3.0, -4.0], [1, 1, 2, 2]).unwrap());
    for model in [Model::from_bytes(&model(&graph)), Model::without_passes(&model(&graph))] {
        let y = model.unwrap().on(&Device::sim()).unwrap().run(&[("x", x.clone())]).unwrap()[0].1.to_vec().unwrap();
        assert_eq!(y[..4], [-1.5f32, -2.5, -3.5, 3.5]);
        assert!(y[4..].iter().all(|y: &f32| y.is_nan()), "{y:?}");
    }
}

/// What does not fit into memory is an error, and the session and its device go on.
#[test]
fn a_run_without_enough_memory_is_an_error_and_the_next_one_is_right() {
    let graph = Graph::default().input("x", 1, &["1", "2"]).input("n", 7, &["3"]).output("y");
    let session = session(&graph.node(node("Expand", &["x", "n"], &["e"])).node(node("Neg", &["e"], &["y"])));
    let run = |sizes: [i64; 3]| {
        let sizes = Tensor::from(&Device::sim().tensor(&sizes, [3]).unwrap());
        let outputs = session.run(&[("x", floats(&[1.0, 2.0], [1, 2])), ("n", sizes)])?;
        Ok::<Vec<f32>, Error>(outputs[0].1.to_vec()?)
    };
    let cases = [
        ([1 << 30, 1 << 8, 2], "out of memory: 2199023255552 bytes requested"),
        ([1 << 30, 1 << 20, 2], "more than 2^40 elements"),
        ([i64::MAX, 1, 2], "more than 2^40 elements"),
        ([-1, 1, 2], "negative"),
    ];
    for (sizes, words) in cases {
        let error = run(sizes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}\ndoes not say: {words}");
        assert_eq!(run([2, 1, 2]).unwrap(), [-1.0, -2.0, -1.0, -2.0]);
    }
}

/// Tensors of 2 GiB and more between nodes: right where they need no memory, or else an error.
#[test]
fn tensors_of_2_gib_are_right_or_an_error() {
    for rows in [1i64 << 29, (1 << 31) + 8] {
        let graph = Graph::default()
            .input("x", 1, &["1", "1"])
            .node(node("Expand", &["x", "n"], &["e"]))
            .node(node("Slice", &["e", "a", "b", "axes"], &["y"]))
            .output("y")
            .initializer(list("n", &[rows, 1]))
            .initializer(list("a", &[rows - 2]))
            .initializer(list("b", &[rows]))
            .initializer(list("axes", &[0]));
        match session(&graph).run(&[("x", floats(&[3.0], [1, 1]))]) {
            Ok(outputs) => assert_eq!(outputs[0].1.to_vec::<f32>().unwrap(), [3.0, 3.0]),
            Err(error) => println!("{rows}: {error}"),
        }
    }
}

#[test]
fn files_of_more_than_2_gib_are_refused() {
    let path = folder("large").join("model/large.onnx");
    // Nothing is stored of what was never written.
    fs::File::create(&path).unwrap().set_len((1 << 31) + 1).unwrap();
    let error = Model::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("large.onnx: it has 2147483649 bytes, but a model of ONNX at most 2147483648"), "{error}");
    fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
}

#[test]
fn data_must_be_there() {
    let graph = |dims: &[i64]| add().initializer(tensor("v", dims, &[1.0, 2.0]));
    // No memory is taken for extents of which there are no data.
    for dims in [&[3][..], &[1 << 40, 1 << 20], &[i64::MAX, i64::MAX], &[-1], &[1; 100]] {
        assert!(error(&graph(dims)).contains("tensor `v`: "), "{dims:?}");
    }
}

/// A folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hidet_onnx_{name}_{}", std::process::id()));
    fs::create_dir_all(folder.join("model/data")).unwrap();
    folder
}

#[test]
fn external_data_stay_in_the_folder_of_the_model() {
    let folder = folder("external");
    let path = folder.join("model/m.onnx");
    let numbers: Vec<u8> = [0.0f32, 10.0, 20.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(folder.join("model/data/w.bin"), &numbers).unwrap();
    fs::write(folder.join("secret.bin"), &numbers).unwrap();
    let load = |location: &str, offset: &str, length: &str| {
        let graph = Graph::default().input("x", 1, &["n", "2"]).output("y").node(node("Add", &["x", "w"], &["y"]));
        let graph = graph.initializer(external("w", &[2], location, offset, length));
        fs::write(&path, model(&graph)).unwrap();
        Model::load(&path)
    };
    let session = load("data/w.bin", "4", "8").unwrap().on(&Device::sim()).unwrap();
    let y = session.run(&[("x", floats(&[1.0, 2.0], [1, 2]))]).unwrap();
    assert_eq!(y[0].1.to_vec::<f32>().unwrap(), [11.0, 22.0]);
    let error = |location: &str, offset: &str, length: &str| load(location, offset, length).unwrap_err().to_string();
    for outside in ["../secret.bin", "data/../../secret.bin", "/etc/hostname", ""] {
        let why = error(outside, "0", "8");
        assert!(why.contains("must be in the folder of the model or below it"), "{why}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../../secret.bin", folder.join("model/data/link.bin")).unwrap();
        assert!(error("data/link.bin", "0", "8").contains("a link that leaves the folder of the model"));
    }
    assert!(error("data/none.bin", "0", "8").contains("none.bin"));
    assert!(error("data/w.bin", "8", "8").contains("has 12 bytes, but 8 are needed from byte 8 on"));
    assert!(error("data/w.bin", "18446744073709551615", "8").contains("has 12 bytes"));
    assert!(error("data/w.bin", "0", "12").contains("it has 8 bytes, but 12 are stored"));
    assert!(error("data/w.bin", "x", "8").contains("its offset `x` is not a number"));
    let alone = Model::from_bytes(&fs::read(&path).unwrap()).unwrap_err().to_string();
    assert!(alone.contains("load the model from its path, not from bytes"), "{alone}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let error = Model::load("/none/model.onnx").unwrap_err();
    assert!(matches!(&error, Error::File { .. }));
    assert!(error.to_string().starts_with("/none/model.onnx: "));
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let graph = Graph::default().input("x", 1, &["2"]).output("y");
    let graph = graph.node(node("Again", &["x"], &["y"]).of("local"));
    let graph = graph.function("Again", node("Again", &["a"], &["b"]).of("local"));
    assert!(error(&graph).contains("more than 32 deep"), "{}", error(&graph));
}

#[test]
fn functions_take_attributes() {
    let graph = Graph::default().input("x", 1, &["1", "2"]).output("y");
    let graph = graph.node(node("Leak", &["x"], &["y"]).of("local").float("slope", 0.5));
    let graph = graph.function("Leak", node("LeakyRelu", &["a"], &["b"]).reference("alpha", "slope"));
    let outputs = session(&graph).run(&[("x", floats(&[-4.0, 2.0], [1, 2]))]).unwrap();
    assert_eq!(outputs[0].1.to_vec::<f32>().unwrap(), [-2.0, 2.0]);
}
