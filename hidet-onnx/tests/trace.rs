//! Models looked at: their text before and after passes, what each pass changed, and for which nodes kernels are.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, list, model, node, tensor};
use hidet::prelude::Device;
use hidet_onnx::{Model, Pass, Rule};
use hidet_ops::Tensor;
use hidet_ops::fuse::CannotFuse;

/// A convolution with a batch normalisation, of which the sums of pixels are taken, and what is computed of shapes.
fn graph() -> Graph {
    let ones = |count: i64| vec![1.0f32; count as usize];
    let mut graph = Graph::default()
        .input("x", 1, &["n", "4", "6", "6"])
        .node(node("Conv", &["x", "w"], &["c"]).ints("pads", &[1, 1, 1, 1]))
        .node(node("BatchNormalization", &["c", "g", "h", "m", "v"], &["n1"]).float("epsilon", 1e-3))
        .node(node("Relu", &["n1"], &["r"]))
        .node(node("Softmax", &["r"], &["s"]).int("axis", -1))
        .node(node("Shape", &["s"], &["sizes"]))
        .node(node("Gather", &["sizes", "zero"], &["rows"]))
        .node(node("Concat", &["rows", "rest"], &["wanted"]).int("axis", 0))
        .node(node("Reshape", &["s", "wanted"], &["y"]))
        .initializer(tensor("w", &[4, 4, 3, 3], &ones(144)))
        .initializer(list("zero", &[0]))
        .initializer(list("rest", &[-1]))
        .output("y");
    for name in ["g", "h", "m", "v"] {
        graph = graph.initializer(tensor(name, &[4], &ones(4)));
    }
    graph
}

#[test]
fn passes_say_what_they_changed() {
    let device = Device::sim();
    let bytes = model(&graph());
    let session = Model::from_bytes(&bytes).unwrap().on(&device).unwrap();
    let changed: Vec<&Pass> = session.passes().iter().filter(|pass| pass.removed + pass.added > 0).collect();
    assert_eq!(changed, [&Pass { name: "fold_norm", removed: 2, added: 1 }]);
    assert_eq!(changed[0].to_string(), "fold_norm: 2 nodes replaced by 1");
    let names: Vec<&str> = session.passes().iter().map(|pass| pass.name).collect();
    assert_eq!(names, ["transposed", "fold_norm", "join_products", "attention", "gelu", "layer_norm", "aligned"]);
    assert_eq!(session.passes()[4].to_string(), "gelu: nothing");
    assert!(Model::without_passes(&bytes).unwrap().on(&device).unwrap().passes().is_empty());
}

#[test]
fn a_graph_is_a_text_with_types() {
    let device = Device::sim();
    let written = Model::without_passes(&model(&graph())).unwrap();
    let text = written.text();
    for line in [
        "inputs\n  %x: f32[n, 4, 6, 6]\nnodes\n",
        "\n  %c = Conv(%x, %w f32[4, 4, 3, 3]) {pads = [1, 1, 1, 1]}\n",
        "\n  %n1 = BatchNormalization(%c, [1.0, 1.0, 1.0, 1.0], ",
        "\n  %wanted = Concat(%rows, [-1]) {axis = 0}\n",
        "\noutputs\n  %y: ",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    let session = written.on(&device).unwrap();
    let x = Tensor::from(&device.tensor(&[0.5f32; 288], [2, 4, 6, 6]).unwrap());
    let trace = session.trace(&[("x", x)]).unwrap();
    let text = session.text(Some(&trace));
    for end in ["{pads = [1, 1, 1, 1]} : f32[2, 4, 6, 6]\n", "{axis = 0} : i64[2]\n", ") : f32[2, 144]\n"] {
        assert!(text.contains(end), "{end}:\n{text}");
    }
}

#[test]
fn kernels_are_of_nodes() {
    let device = Device::sim();
    let session = Model::from_bytes(&model(&graph())).unwrap().on(&device).unwrap();
    let x = Tensor::from(&device.tensor(&[0.5f32; 288], [2, 4, 6, 6]).unwrap());
    let trace = session.trace(&[("x", x)]).unwrap();
    assert!(!trace.has_computed);
    let fusion = &trace.fusion;
    let of = |at: usize| -> Vec<&str> {
        let makers = fusion.kernels[at].operators.iter().filter_map(|node| trace.maker(*node));
        let mut names: Vec<&str> = makers.map(|maker| maker.op_type.as_str()).collect();
        names.dedup();
        names
    };
    assert_eq!((0..fusion.kernels.len()).map(of).collect::<Vec<_>>(), [vec!["Conv"], vec!["Conv", "Relu", "Softmax"]]);
    // A convolution has no other reduction beside it.
    let [boundary] = fusion.boundaries.as_slice() else { panic!("{:?}", fusion.boundaries) };
    assert_eq!((boundary.from, boundary.to, boundary.why), (0, 1, CannotFuse::Alone));
    assert_eq!(trace.maker(boundary.tensor).map(|maker| maker.op_type.as_str()), Some("Conv"));
    assert!(fusion.graph.nodes().any(|node| trace.value(node.id) == Some("x") && trace.is_input(node.id)));
}

#[test]
fn what_a_rule_replaces_is_in_the_text() {
    let rule = Rule::new("scaled", "Mul(x, Sigmoid(x))", |values| values[0].silu()).unwrap();
    let graph = Graph::default()
        .input("x", 1, &["2", "3"])
        .node(node("Sigmoid", &["x"], &["s"]))
        .node(node("Mul", &["x", "s"], &["y"]))
        .output("y");
    let text = Model::from_bytes_with(&model(&graph), &[rule]).unwrap().text();
    assert!(text.contains("  %y = rule.scaled(%x)\n    replaces\n") && text.contains(" = Sigmoid(%x)\n"), "{text}");
}
