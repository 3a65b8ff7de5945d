//! Recurrent layers that are computed step by step give what those of `hidet-ops` give.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, model, node, tensor};
use hidet::prelude::Device;
use hidet_onnx::Model;
use hidet_ops::Tensor;

const LENGTH: usize = 3;
const BATCH: usize = 2;
const FEATURES: usize = 4;
const HIDDEN: usize = 5;

/// Numbers from -1 to 1 that look random.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 37 + seed * 11) % 41) as f32 / 20.0 - 1.0).collect()
}

/// Runs a layer in both directions with lengths; a bound that changes nothing makes it be computed step by step.
fn run(kind: &str, gates: usize, outputs: &[&str], linear: bool, by_steps: bool) -> Vec<Vec<f32>> {
    let weight = |name: &str, columns: usize, seed: usize| {
        let dims = [2, (gates * HIDDEN) as i64, columns as i64];
        tensor(name, &dims, &numbers(2 * gates * HIDDEN * columns, seed))
    };
    let bias = tensor("b", &[2, (2 * gates * HIDDEN) as i64], &numbers(4 * gates * HIDDEN, 3));
    let state = tensor("h", &[2, BATCH as i64, HIDDEN as i64], &numbers(2 * BATCH * HIDDEN, 4));
    let mut own = node(kind, &["x", "w", "r", "b", "n", "h"], outputs).text("direction", "bidirectional");
    if linear {
        own = own.int("linear_before_reset", 1);
    }
    if by_steps {
        own = own.float("clip", 1000.0);
    }
    let mut graph = Graph::default().input("x", 1, &["l", "n", "f"]).input("n", 6, &["n"]).node(own);
    for initializer in [weight("w", FEATURES, 1), weight("r", HIDDEN, 2), bias, state] {
        graph = graph.initializer(initializer);
    }
    let graph = outputs.iter().fold(graph, |graph, output| graph.output(output));
    let device = Device::sim();
    let x = device.tensor(&numbers(LENGTH * BATCH * FEATURES, 5), [LENGTH, BATCH, FEATURES]).unwrap();
    let lengths = device.tensor(&[3i32, 2], [BATCH]).unwrap();
    let session = Model::from_bytes(&model(&graph)).unwrap().on(&device).unwrap();
    let results = session.run(&[("x", Tensor::from(&x)), ("n", Tensor::from(&lengths))]).unwrap();
    results.iter().map(|(_, tensor)| tensor.to_vec().unwrap()).collect()
}

#[test]
fn steps_give_what_operators_give() {
    let cases = [
        ("RNN", 1, &["y", "z"][..], false),
        ("GRU", 3, &["y", "z"], false),
        ("GRU", 3, &["y", "z"], true),
        ("LSTM", 4, &["y", "z", "c"], false),
    ];
    for (kind, gates, outputs, linear) in cases {
        let [by_steps, usual] = [true, false].map(|by_steps| run(kind, gates, outputs, linear, by_steps));
        for (own, wanted) in by_steps.iter().flatten().zip(usual.iter().flatten()) {
            assert!((own - wanted).abs() < 1e-5, "{kind}: {own} instead of {wanted}");
        }
        assert_eq!(by_steps.concat().len(), usual.concat().len());
    }
}
