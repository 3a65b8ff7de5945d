//! Passes change what runs, and not what comes out: each model runs as it is, and with something that a pass must not touch, such
//! as a value in the middle that is an output too.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, list, model, node, tensor};
use hidet::prelude::Device;
use hidet::types::Scalar;
use hidet_onnx::{Arithmetic, Model};
use hidet_ops::Tensor;

/// Numbers from -1 to 1 that look random.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 37 + seed * 11 + at / 7) % 41) as f32 / 20.0 - 1.0).collect()
}

/// Returns a graph with an initializer of such numbers.
fn weight(graph: Graph, name: &str, dims: &[i64], seed: usize) -> Graph {
    let count = dims.iter().product::<i64>() as usize;
    graph.initializer(tensor(name, dims, &numbers(count, seed)))
}

/// Returns the first output and its kernels for an input of such numbers.
fn run(graph: &Graph, shape: &[usize], arithmetic: Arithmetic) -> (Vec<f32>, Vec<String>) {
    let device = Device::sim();
    let count = shape.iter().product();
    let x = Tensor::from(&device.tensor(&numbers(count, 9), [count]).unwrap()).reshape(shape).unwrap();
    let x = Tensor::from(x.compute().unwrap());
    let session = Model::from_bytes(&model(graph)).unwrap().on_by(&device, arithmetic).unwrap();
    let (_, lazy) = session.lazy(&[("x", x.clone())]).unwrap().remove(0);
    let (_, y) = session.run(&[("x", x)]).unwrap().remove(0);
    assert_eq!(y.dtype(), Scalar::F32);
    (y.to_vec().unwrap(), lazy.kernels())
}

#[track_caller]
fn is_near(found: &[f32], wanted: &[f32], bound: f32) {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    assert!(largest > 0.0);
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() <= bound * largest, "element {at} is {found}, not {wanted}");
    }
}

/// Runs a graph with and without a value in the middle that is an output too, and returns the kernels of both.
fn both(graph: impl Fn() -> Graph, middle: &str, shape: &[usize]) -> [Vec<String>; 2] {
    let (found, kernels) = run(&graph().output("y"), shape, Arithmetic::F32);
    let (wanted, others) = run(&graph().output("y").output(middle), shape, Arithmetic::F32);
    is_near(&found, &wanted, 1e-5);
    [kernels, others]
}

#[test]
fn a_norm_is_folded_into_a_convolution() {
    let graph = || {
        let graph = Graph::default()
            .input("x", 1, &["2", "4", "6", "5"])
            .node(node("Conv", &["x", "w", "b"], &["c"]).ints("pads", &[1, 1, 1, 1]))
            .node(node("BatchNormalization", &["c", "g", "h", "m", "v"], &["n"]).float("epsilon", 1e-3))
            .node(node("Relu", &["n"], &["y"]));
        let graph = weight(weight(graph, "w", &[6, 4, 3, 3], 1), "b", &[6], 2);
        let graph = weight(weight(weight(graph, "g", &[6], 3), "h", &[6], 4), "m", &[6], 5);
        graph.initializer(tensor("v", &[6], &[0.5, 1.0, 2.0, 0.1, 3.0, 0.0]))
    };
    let [folded, apart] = both(graph, "c", &[2, 4, 6, 5]);
    let norms =
        |kernels: &[String]| kernels.iter().filter(|name| name.contains("sub") || name.contains("norm")).count();
    assert_eq!(norms(&folded), 0, "{folded:?}");
    assert!(norms(&apart) > 0, "{apart:?}");
}

/// Attention of two heads, with queries, keys and values made of one input.
fn attention() -> Graph {
    let mut graph = Graph::default().input("x", 1, &["1", "5", "16"]);
    for (name, order) in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])] {
        let own = |part: &str| format!("{name}{part}");
        graph = graph
            .node(node("MatMul", &["x", &own("w")], &[&own("1")]))
            .node(node("Add", &[&own("1"), &own("b")], &[&own("2")]))
            .node(node("Reshape", &[&own("2"), "shape"], &[&own("3")]))
            .node(node("Transpose", &[&own("3")], &[&own("4")]).ints("perm", &order));
        graph = weight(weight(graph, &own("w"), &[16, 16], order[3] as usize), &own("b"), &[16], 7);
    }
    let graph = graph
        .node(node("MatMul", &["q4", "k4"], &["scores"]))
        .node(node("Mul", &["scores", "scale"], &["scaled"]))
        .node(node("Add", &["mask", "scaled"], &["masked"]))
        .node(node("Softmax", &["masked"], &["shares"]).int("axis", -1))
        .node(node("MatMul", &["shares", "v4"], &["heads"]))
        .node(node("Transpose", &["heads"], &["turned"]).ints("perm", &[0, 2, 1, 3]))
        .node(node("Reshape", &["turned", "back"], &["y"]))
        .initializer(tensor("scale", &[], &[0.35]))
        .initializer(list("shape", &[1, 5, 2, 8]))
        .initializer(list("back", &[1, 5, 16]));
    weight(graph, "mask", &[5, 5], 3)
}

#[test]
fn attention_is_found_and_its_products_are_joined() {
    let [found, apart] = both(attention, "shares", &[1, 5, 16]);
    assert!(found.iter().any(|name| name.contains("mask")), "{found:?}");
    assert!(!apart.iter().any(|name| name.contains("mask")), "{apart:?}");
    // One product of the input in both.
    let [_, three] = both(attention, "q2", &[1, 5, 16]);
    let of_input = |kernels: &[String]| kernels.iter().filter(|name| name.starts_with("matmul_add")).count();
    assert_eq!((of_input(&found), of_input(&three)), (1, 2), "{found:?} {three:?}");
}

/// Formulas of attention whose operands are broadcast, as those of the standard's `Attention` are not.
#[test]
fn attention_may_broadcast_its_operands() {
    let graph = |mask: &[i64], keys: &[i64], values: &[i64], axis: i64| {
        let graph = Graph::default()
            .input("x", 1, &["2", "3", "2", "4"])
            .node(node("Transpose", &["x"], &["q"]).ints("perm", &[0, 2, 1, 3]))
            .node(node("MatMul", &["q", "k"], &["scores"]))
            .node(node("Add", &["scores", "mask"], &["masked"]))
            .node(node("Softmax", &["masked"], &["shares"]).int("axis", axis))
            .node(node("MatMul", &["shares", "v"], &["y"]));
        weight(weight(weight(graph, "mask", mask, 3), "k", keys, 4), "v", values, 5)
    };
    let masks: [&[i64]; 5] = [&[3, 1], &[1], &[], &[2, 1, 1, 5], &[1, 1, 1, 1, 5]];
    let keys: [&[i64]; 4] = [&[2, 2, 4, 5], &[4, 5], &[1, 2, 4, 5], &[2, 1, 4, 5]];
    let values: [&[i64]; 3] = [&[2, 2, 5, 4], &[5, 4], &[2, 1, 5, 3]];
    for (mask, (keys, values)) in masks.iter().zip(keys.iter().cycle().zip(values.iter().cycle())) {
        both(|| graph(mask, keys, values, -1), "masked", &[2, 3, 2, 4]);
    }
    // With a mask of five axes, the axis 3 is that of the queries.
    both(|| graph(masks[4], keys[0], values[0], 3), "masked", &[2, 3, 2, 4]);
}

/// Numbers with axes add axes to what they are combined with.
#[test]
fn numbers_with_axes_are_no_factors_of_formulas() {
    let graph = |dims: &[i64]| {
        let graph = Graph::default()
            .input("x", 1, &["3", "8"])
            .node(node("Div", &["x", "root"], &["a"]))
            .node(node("Erf", &["a"], &["b"]))
            .node(node("Add", &["b", "one"], &["c"]))
            .node(node("Mul", &["x", "c"], &["d"]))
            .node(node("Mul", &["d", "half"], &["e"]))
            .node(node("Shape", &["e"], &["f"]))
            .node(node("Cast", &["f"], &["y"]).int("to", 1))
            .output("y");
        let root = graph.initializer(tensor("root", &[], &[2f32.sqrt()])).initializer(tensor("one", &[], &[1.0]));
        root.initializer(tensor("half", dims, &[0.5]))
    };
    assert_eq!(run(&graph(&[]), &[3, 8], Arithmetic::F32).0, [3.0, 8.0]);
    assert_eq!(run(&graph(&[1, 1, 1]), &[3, 8], Arithmetic::F32).0, [1.0, 3.0, 8.0]);
}

#[test]
fn transposed_constants_are_constants() {
    let graph = |turned: bool| {
        let graph = Graph::default().input("x", 1, &["3", "6"]).node(node("MatMul", &["x", "t"], &["y"])).output("y");
        match turned {
            true => weight(graph.node(node("Transpose", &["w"], &["t"])), "w", &[5, 6], 1),
            false => {
                let numbers = numbers(30, 1);
                let turned: Vec<f32> = (0..30).map(|at| numbers[at % 5 * 6 + at / 5]).collect();
                graph.initializer(tensor("t", &[6, 5], &turned))
            }
        }
    };
    let [found, wanted] = [true, false].map(|turned| run(&graph(turned), &[3, 6], Arithmetic::F32).0);
    assert_eq!(found, wanted);
}

/// Results in other floats are near, also of matrices with an odd number of columns; those of three products are as near as `f32`.
#[test]
fn other_floats_are_near() {
    let graph = || {
        let graph = Graph::default()
            .input("x", 1, &["4", "24"])
            .node(node("MatMul", &["x", "w"], &["a"]))
            .node(node("Sigmoid", &["a"], &["b"]))
            .node(node("Gemm", &["b", "u", "c"], &["y"]).int("transB", 1))
            .output("y");
        weight(weight(weight(graph, "w", &[24, 13], 1), "u", &[9, 13], 2), "c", &[9], 3)
    };
    let (wanted, _) = run(&graph(), &[4, 24], Arithmetic::F32);
    for (arithmetic, bound) in [(Arithmetic::Tf32x3, 2e-6), (Arithmetic::F16, 2e-3), (Arithmetic::Bf16, 2e-2)] {
        let (found, _) = run(&graph(), &[4, 24], arithmetic);
        is_near(&found, &wanted, bound);
        assert_ne!(found, wanted, "{arithmetic}");
    }
}

/// Images stay with channels last through operators of many kinds, and give what they give channels first: transposed there and
/// back, they do not stay.
#[test]
fn images_are_the_same_with_channels_last() {
    let graph = |stays: bool| {
        let graph = Graph::default()
            .input("x", 1, &["2", "3", "9", "8"])
            .node(node("Conv", &["x", "w", "b"], &["c"]).ints("pads", &[1, 1, 1, 1]));
        let graph = match stays {
            true => graph.node(node("Identity", &["c"], &["d"])),
            false => graph
                .node(node("Transpose", &["c"], &["c1"]).ints("perm", &[1, 0, 3, 2]))
                .node(node("Transpose", &["c1"], &["d"]).ints("perm", &[1, 0, 3, 2])),
        };
        let graph = graph
            .node(node("Clip", &["d", "low", "high"], &["e"]))
            .node(node("MaxPool", &["e"], &["f"]).ints("kernel_shape", &[3, 2]).ints("strides", &[2, 1]))
            .node(node("Mul", &["f", "factor"], &["g"]))
            .node(node("AveragePool", &["g"], &["h"]).ints("kernel_shape", &[2, 2]).ints("pads", &[1, 0, 0, 1]))
            .node(node("Concat", &["g", "h"], &["i"]).int("axis", 1))
            .node(node("Add", &["i", "map"], &["j"]))
            .node(node("GlobalAveragePool", &["j"], &["k"]))
            .node(node("Flatten", &["k"], &["y"]))
            .initializer(tensor("low", &[], &[-0.5]))
            .initializer(tensor("high", &[], &[0.75]))
            .output("y")
            .output("j");
        let graph = weight(weight(graph, "w", &[6, 3, 3, 3], 1), "b", &[6], 2);
        weight(weight(graph, "factor", &[6, 1, 1], 3), "map", &[1, 12, 4, 7], 4)
    };
    for (arithmetic, bound) in [(Arithmetic::F32, 1e-5), (Arithmetic::F16, 4e-3)] {
        let [found, wanted] = [true, false].map(|stays| run(&graph(stays), &[2, 3, 9, 8], arithmetic).0);
        is_near(&found, &wanted, bound);
    }
}

#[test]
fn formulas_of_gelu_are_found() {
    let exact = || {
        let graph = Graph::default()
            .input("x", 1, &["3", "8"])
            .node(node("Neg", &["x"], &["z"]))
            .node(node("Div", &["z", "root"], &["a"]))
            .node(node("Erf", &["a"], &["b"]))
            .node(node("Add", &["b", "one"], &["c"]))
            .node(node("Mul", &["z", "c"], &["d"]))
            .node(node("Mul", &["d", "half"], &["y"]));
        let root = graph.initializer(tensor("root", &[], &[2f32.sqrt()]));
        root.initializer(tensor("one", &[], &[1.0])).initializer(tensor("half", &[], &[0.5]))
    };
    let tanh = || {
        let graph = Graph::default()
            .input("x", 1, &["3", "8"])
            .node(node("Neg", &["x"], &["z"]))
            .node(node("Mul", &["z", "half"], &["a"]))
            .node(node("Pow", &["z", "three"], &["b"]))
            .node(node("Mul", &["b", "cubes"], &["c"]))
            .node(node("Add", &["z", "c"], &["d"]))
            .node(node("Mul", &["d", "factor"], &["e"]))
            .node(node("Tanh", &["e"], &["f"]))
            .node(node("Add", &["one", "f"], &["g"]))
            .node(node("Mul", &["a", "g"], &["y"]));
        let numbers = [("half", 0.5), ("three", 3.0), ("cubes", 0.044_715), ("factor", 0.797_884_6), ("one", 1.0)];
        numbers.iter().fold(graph, |graph, (name, number)| graph.initializer(tensor(name, &[], &[*number])))
    };
    let [found, apart] = both(exact, "b", &[3, 8]);
    assert!(found[0].contains("gelu") && !apart[0].contains("gelu"), "{found:?} {apart:?}");
    let [found, apart] = both(tanh, "f", &[3, 8]);
    assert!(found[0].contains("gelu_tanh") && !apart[0].contains("gelu"), "{found:?} {apart:?}");
}

/// Layer normalisation by its formula over those axes.
fn layer_norm(axes: &[i64], square: &str, bias: bool) -> Graph {
    let mean = |from: &str, to: &str| node("ReduceMean", &[from, "axes"], &[to]);
    let square = match square {
        "Pow" => node("Pow", &["d", "two"], &["s"]),
        _ => node("Mul", &["d", "d"], &["s"]),
    };
    let graph = Graph::default()
        .input("x", 1, &["2", "3", "n"])
        .node(node("Neg", &["x"], &["z"]))
        .node(mean("z", "m"))
        .node(node("Sub", &["z", "m"], &["d"]))
        .node(square)
        .node(mean("s", "v"))
        .node(node("Add", &["v", "epsilon"], &["e"]))
        .node(node("Sqrt", &["e"], &["r"]))
        .node(node("Div", &["d", "r"], &["q"]))
        .node(node("Mul", &["scale", "q"], &[if bias { "a" } else { "y" }]));
    let graph = if bias { graph.node(node("Add", &["a", "bias"], &["y"])) } else { graph };
    let graph = graph.initializer(tensor("two", &[], &[2.0])).initializer(tensor("epsilon", &[], &[0.25]));
    let graph = graph.initializer(list("axes", axes));
    weight(weight(graph, "scale", &[8], 3), "bias", &[8], 4)
}

#[test]
fn formulas_of_layer_norms_are_found() {
    // A kernel by the formula takes a square root, and one of the operator its reciprocal.
    let is_found = |kernels: &[String]| kernels.len() == 1 && kernels[0].contains("rsqrt");
    for (axes, square, bias) in [(&[-1i64][..], "Pow", true), (&[-1], "Mul", false), (&[-1, -2], "Pow", true)] {
        for middle in ["m", "d", "s", "v", "r", "q"] {
            let [found, apart] = both(|| layer_norm(axes, square, bias), middle, &[2, 3, 8]);
            assert!(is_found(&found) && !is_found(&apart), "{axes:?} {square} {middle}: {found:?} {apart:?}");
        }
    }
    // One element per row, so that scale and bias make the result larger.
    let [found, apart] = both(|| layer_norm(&[-1], "Pow", true), "m", &[2, 3, 1]);
    assert!(found != apart);
    // Not over the last axes, and over another number of them in all.
    for axes in [&[-2i64][..], &[1], &[-1, -3]] {
        let (_, kernels) = run(&layer_norm(axes, "Pow", true).output("y"), &[2, 3, 8], Arithmetic::F32);
        assert!(!is_found(&kernels), "{axes:?}: {kernels:?}");
    }
}

/// A value of the model that has the name that a pass would give to one of its own.
#[test]
fn names_of_passes_are_new_ones() {
    let graph = |name: &str| {
        let graph = Graph::default()
            .input("x", 1, &["1", "2", "3", "3"])
            .node(node("Conv", &["x", "w"], &["c"]))
            .node(node("BatchNormalization", &["c", "g", "h", "m", "v"], &["n"]))
            .node(node("Mul", &["n", name], &["y"]))
            .output("y");
        let graph = weight(weight(graph, "w", &[2, 2, 1, 1], 1), "g", &[2], 3);
        let graph = weight(weight(graph, "h", &[2], 4), "m", &[2], 5);
        graph.initializer(tensor("v", &[2], &[0.5, 1.0])).initializer(tensor(name, &[], &[3.0]))
    };
    let [found, wanted] = ["n.folded.bias", "factor"].map(|name| run(&graph(name), &[1, 2, 3, 3], Arithmetic::F32).0);
    assert_eq!(found, wanted);
}
