//! Rules of users: what they replace, what they leave, and what is wrong with them.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use build::{Graph, model, node, tensor};
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_onnx::{Arithmetic, Extent, Model, Rule};
use hidet_ops::Tensor;

kernel! {
    /// y = x / (1 + exp(-x))
    #[launch(grid = m, block = threads as u32)]
    fn own_silu(#[meta] threads: i32, x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
        let row = block_idx().x;
        for col in (thread_id()..n).step_by(threads) {
            y[[row, col]] = x[[row, col]] / (1.0 + (-x[[row, col]]).exp());
        }
    }
}

kernel! {
    /// y = max(a + b, 0)
    #[launch(grid = m, block = threads as u32)]
    fn own_add_relu(#[meta] threads: i32, a: In<f32, [m, n]>, b: In<f32, [n]>, y: Out<f32, [m, n]>) {
        let row = block_idx().x;
        for col in (thread_id()..n).step_by(threads) {
            y[[row, col]] = (a[[row, col]] + b[[col]]).max(0.0);
        }
    }
}

fn silu() -> Rule {
    Rule::new("silu", "Mul(x, Sigmoid(x))", |values| {
        let x = &values[0];
        Tensor::by_kernel("own_silu", &[x], &x.mul(&x.sigmoid()?)?, 32, own_silu)
    })
    .unwrap()
}

fn add_relu() -> Rule {
    let rule = Rule::new("add_relu", "Relu(Add(a, b))", |values| {
        let [a, b] = values else { panic!("{} values", values.len()) };
        Tensor::by_kernel("own_add_relu", &[a, b], &a.add(b)?.relu()?, 32, own_add_relu)
    });
    rule.unwrap().constant("b", |bias| bias.shape().len() == 1).unwrap()
}

/// A rule that gives its first value.
fn first(name: &str, pattern: &str) -> Rule {
    Rule::new(name, pattern, |values| Ok(values[0].clone())).unwrap()
}

/// An input, `[3, 8]`.
fn x(device: &Device) -> Tensor {
    let numbers: Vec<f32> = (0..24).map(|at| (at * 37 % 41) as f32 / 10.0 - 2.0).collect();
    Tensor::from(&device.tensor(&numbers, [3, 8]).unwrap())
}

/// Returns the first output for it, and the names of the kernels.
fn outputs(model: &Model, arithmetic: Arithmetic) -> (Vec<f32>, Vec<String>) {
    let device = Device::sim();
    let session = model.on_by(&device, arithmetic).unwrap();
    let kernels = session.lazy(&[("x", x(&device))]).unwrap()[0].1.kernels();
    (session.run(&[("x", x(&device))]).unwrap()[0].1.to_vec().unwrap(), kernels)
}

fn read(graph: &Graph, rules: &[Rule]) -> Model {
    Model::from_bytes_with(&model(graph), rules).unwrap()
}

/// Asserts that models with and without rules give the same, and returns how often each rule replaced nodes.
#[track_caller]
fn replacements(graph: &Graph, rules: &[Rule]) -> Vec<usize> {
    let [with, without] = [read(graph, rules), read(graph, &[])];
    let [(found, _), (wanted, _)] = [&with, &without].map(|model| outputs(model, Arithmetic::F32));
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{found}, not {wanted}");
    }
    assert_eq!(with.rewrites().iter().map(|own| own.0.as_str()).collect::<Vec<_>>(), names(rules));
    for (name, count) in with.rewrites() {
        let operators = with.operators();
        assert_eq!(operators.get(&format!("rule.{name}")).copied().unwrap_or(0), *count, "{operators:?}");
    }
    with.rewrites().iter().map(|own| own.1).collect()
}

fn names(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(Rule::name).collect()
}

fn begin() -> Graph {
    Graph::default().input("x", 1, &["n", "8"]).output("y")
}

/// Two times silu, with factors in both orders, and a bias with relu between.
fn network() -> Graph {
    begin()
        .node(node("Sigmoid", &["x"], &["a"]))
        .node(node("Mul", &["x", "a"], &["b"]))
        .node(node("Add", &["b", "bias"], &["c"]))
        .node(node("Relu", &["c"], &["d"]))
        .node(node("Sigmoid", &["d"], &["e"]))
        .node(node("Mul", &["e", "d"], &["f"]))
        .node(node("Neg", &["f"], &["y"]))
        .initializer(tensor("bias", &[8], &[0.5, -1.0, 2.0, 0.0, 0.25, -0.125, 1.0, 0.75]))
}

#[test]
fn kernels_of_users_replace_nodes() {
    assert_eq!(replacements(&network(), &[silu(), add_relu()]), [2, 1]);
    assert_eq!(replacements(&network(), &[add_relu()]), [1]);
    let (_, kernels) = outputs(&read(&network(), &[silu(), add_relu()]), Arithmetic::F32);
    assert!(
        ["own_silu", "own_add_relu"].iter().all(|own| kernels.iter().any(|name| name.contains(own))),
        "{kernels:?}"
    );
}

/// Of kernels it cannot be proved that they keep rows apart: they run for sizes that are given one by one.
#[test]
fn models_with_rules_are_compiled_for_extents() {
    let device = Device::sim();
    let rules = [silu(), add_relu()];
    let session = || read(&network(), &rules).on(&device).unwrap();
    let session = |extent: Extent| session().with_extents(&[extent]).map_err(|error| error.to_string());
    let error = session(Extent::rows("n", 1..=4)).err().unwrap();
    assert!(error.contains("(rule.silu, opset 1), in `own_silu` of f32[4, 8]"), "{error}");
    let session = session(Extent::exactly("n", [1, 3])).unwrap();
    let found: Vec<f32> = session.run(&[("x", x(&device))]).unwrap()[0].1.to_vec().unwrap();
    assert_eq!(found, outputs(&read(&network(), &rules), Arithmetic::F32).0);
}

/// Compositions of operators take any floats.
#[test]
fn rules_have_the_floats_of_the_arithmetic() {
    let rule = Rule::new("own", "Mul(x, Sigmoid(x))", |values| {
        assert_eq!(values[0].dtype(), Scalar::F16);
        values[0].mul(&values[0].sigmoid()?)
    });
    let rules = [rule.unwrap()];
    let [found, wanted] = [&rules[..], &[]].map(|rules| outputs(&read(&network(), rules), Arithmetic::F16).0);
    assert_eq!(found, wanted);
}

#[test]
fn rules_that_match_nothing_change_nothing() {
    assert_eq!(replacements(&network(), &[first("none", "Relu(Mul(x, y))"), first("too", "Tanh(x)")]), [0, 0]);
    // The names are two values, which may be the same; a name is one.
    assert_eq!(replacements(&network(), &[first("other", "Mul(Relu(x), Sigmoid(Relu(x)))")]), [0]);
    let squares = begin().node(node("Mul", &["x", "x"], &["y"]));
    let rule = Rule::new("product", "Mul(a, b)", |values| values[0].mul(&values[1])).unwrap();
    assert_eq!(replacements(&squares, &[rule]), [1]);
}

/// What is between nodes of a match is not there afterwards.
#[test]
fn values_that_are_used_elsewhere_stay() {
    let twice = begin().node(node("Sigmoid", &["x"], &["a"])).node(node("Mul", &["x", "a"], &["b"])).node(node(
        "Add",
        &["b", "a"],
        &["y"],
    ));
    assert_eq!(replacements(&twice, &[silu()]), [0]);
    let output = begin().node(node("Sigmoid", &["x"], &["a"])).node(node("Mul", &["x", "a"], &["y"])).output("a");
    assert_eq!(replacements(&output, &[silu()]), [0]);
}

#[test]
fn matches_do_not_overlap() {
    let sums = ["a", "b", "c", "y"].iter().zip(["x", "a", "b", "c"]);
    let graph = sums.fold(begin(), |graph, (to, from)| graph.node(node("Add", &[from, "x"], &[to])));
    let rule = Rule::new("three", "Add(Add(a, b), c)", |values| values[0].add(&values[1])?.add(&values[2]));
    assert_eq!(replacements(&graph, &[rule.unwrap()]), [2]);
}

/// Formulas that passes of hidet would change are found as the file has them, with their numbers.
#[test]
fn rules_come_before_passes() {
    let graph = |half: f32| {
        let graph = begin()
            .node(node("Div", &["x", "root"], &["a"]))
            .node(node("Erf", &["a"], &["b"]))
            .node(node("Add", &["one", "b"], &["c"]))
            .node(node("Mul", &["x", "c"], &["d"]))
            .node(node("Mul", &["d", "half"], &["y"]));
        let graph = graph.initializer(tensor("root", &[], &[2f32.sqrt()])).initializer(tensor("one", &[], &[1.0]));
        graph.initializer(tensor("half", &[], &[half]))
    };
    let gelu = |constant: f64| {
        let rule = Rule::new("gelu", "Mul(Mul(x, Add(Erf(Div(x, r)), 1)), 0.5)", |values| values[0].gelu()).unwrap();
        rule.constant("r", move |root| (root.floats()[0] - constant).abs() < 1e-6).unwrap()
    };
    assert_eq!(replacements(&graph(0.5), &[gelu(2f64.sqrt())]), [1]);
    assert_eq!(replacements(&graph(0.5), &[gelu(1.5)]), [0]);
    assert_eq!(replacements(&graph(0.25), &[gelu(2f64.sqrt())]), [0]);
}

#[test]
fn attributes_are_those_of_the_pattern() {
    let graph = begin().node(node("LeakyRelu", &["x"], &["a"]).float("alpha", 0.5));
    let graph = graph.node(node("Transpose", &["a"], &["b"]).ints("perm", &[1, 0]));
    let graph = graph.node(node("Transpose", &["b"], &["y"]).ints("perm", &[1, 0]));
    let count = |pattern: &str| {
        let rule = Rule::new("rule", pattern, |values| values[0].leaky_relu(0.5)).unwrap();
        replacements(&graph, &[rule])[0]
    };
    assert_eq!(count("LeakyRelu(x, alpha=0.5)"), 1);
    assert_eq!(count("Transpose(Transpose(LeakyRelu(x, alpha = 0.5), perm=[1, 0]), perm=[1,0])"), 1);
    for other in
        ["LeakyRelu(x)", "LeakyRelu(x, alpha=0.25)", "LeakyRelu(x, alpha=0.5, beta=1)", "LeakyRelu(x, alpha=1)"]
    {
        assert_eq!(count(other), 0, "{other}");
    }
}

#[test]
fn operators_that_hidet_does_not_have_are_replaced() {
    let graph = begin().imports("com.acme").node(node("Silu", &["x"], &["y"]).of("com.acme").float("beta", 1.0));
    let error = Model::from_bytes(&model(&graph)).unwrap_err().to_string();
    assert!(error.contains("operators of `com.acme` are not supported; a `Rule` can replace it"), "{error}");
    let rule = Rule::new("silu", "com.acme.Silu(x, beta=1)", |values| values[0].mul(&values[0].sigmoid()?)).unwrap();
    let own = read(&graph, &[rule]);
    let plain = begin().node(node("Sigmoid", &["x"], &["a"])).node(node("Mul", &["x", "a"], &["y"]));
    assert_eq!(outputs(&own, Arithmetic::F32).0, outputs(&read(&plain, &[]), Arithmetic::F32).0);
}

#[test]
fn wrong_results_are_errors_that_name_the_node() {
    let lies = |of: fn(&Tensor) -> hidet_ops::Result<Tensor>| {
        let rule = Rule::new("lie", "Mul(x, Sigmoid(x))", move |values| of(&values[0])).unwrap();
        let graph = begin().node(node("Sigmoid", &["x"], &["a"])).node(node("Mul", &["x", "a"], &["y"]).named("gate"));
        let device = Device::sim();
        read(&graph, &[rule]).on(&device).unwrap().run(&[("x", x(&device))]).unwrap_err().to_string()
    };
    let begin = "node 1 `gate` (rule.lie, opset 1): the rule gives";
    assert_eq!(lies(|x| x.reshape(&[8, 3])), format!("{begin} f32[8, 3], but what it replaces gives f32[3, 8]"));
    assert_eq!(lies(|x| x.cast(Scalar::F16)), format!("{begin} f16[3, 8], but what it replaces gives f32[3, 8]"));
    let error = lies(|x| x.reshape(&[5]));
    assert!(error.starts_with("node 1 `gate` (rule.lie, opset 1): ") && error.contains("reshape"), "{error}");
}

#[test]
fn wrong_rules_are_errors_that_name_them() {
    let error = |rule: hidet_onnx::Result<Rule>| rule.unwrap_err().to_string();
    let own = |pattern: &str| Rule::new("own", pattern, |values| Ok(values[0].clone()));
    assert_eq!(
        error(own("Mul(x, Sigmoid(x)")),
        "rule `own`: the pattern `Mul(x, Sigmoid(x)`: `,` or `)` is expected at its end (byte 17)"
    );
    let constant = own("Mul(x, Sigmoid(y))").unwrap().constant("z", |_| true);
    assert_eq!(error(constant), "rule `own`: its pattern has no value `z`; it has `x`, `y`");
    let error = Model::from_bytes_with(&model(&network()), &[own("Mul(x, Sigmod(x))").unwrap()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule `own`: its pattern has the operator `Sigmod`, which neither hidet nor the model has; one that is not of the \
         standard is written with its domain, `domain.Sigmod`"
    );
}
