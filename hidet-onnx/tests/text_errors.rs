//! Errors of texts of models name the line, the column, what was found and what was expected; others what cannot be written.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;

use hidet_onnx::{Constants, Model};

#[test]
fn errors_name_the_place() {
    let node = |node: &str| format!("<opset_import: [\"\" : 21]>\ng (x) => (y)\n{{{node}}}");
    let constant = |value: &str| format!("<opset_import: [\"\" : 21]>\ng (x) => (y)\n<{value}>\n{{}}");
    let list = "`float`, `int`, `string`, `tensor`, `graph`, `floats`, `ints`, `strings`, `tensors`, `graphs`, \
                `sparse_tensor`, `sparse_tensors`, `type_proto`, `type_protos`";
    let value = "a value: a number, a text in quotes, a tensor, a graph, a list or `@`";
    let cases: Vec<(String, &str, String)> = vec![
        ("".into(), "1, column 1", "found the end of the text, expected the name of the graph".into()),
        (
            "<version: 3> g".into(),
            "1, column 2",
            "found `version`, expected one of `ir_version`, `opset_import`, \
          `producer_name`, `producer_version`, `domain`, `model_version`, `doc_string`, `metadata_props`"
                .into(),
        ),
        ("<ir_version: x> g".into(), "1, column 14", "found `x`, expected an integer".into()),
        (
            "<ir_version: 99999999999999999999>".into(),
            "1, column 14",
            "found `99999999999999999999`, expected an integer of 64 bits".into(),
        ),
        ("<opset_import: [x : 1]>".into(), "1, column 17", "found `x`, expected a text in quotes".into()),
        ("<ir_version: 8 opset_import: []>".into(), "1, column 16", "found `opset_import`, expected `,` or `>`".into()),
        ("g (x)\n  (y)".into(), "2, column 3", "found `(`, expected `=>`".into()),
        ("g (float[N,] x)".into(), "1, column 12", "found `]`, expected an extent: a number, a name or `?`".into()),
        ("g (seq(x) y)".into(), "1, column 8", "found `x`, expected a type".into()),
        ("g (float[2 x)".into(), "1, column 12", "found `x`, expected `,` or `]`".into()),
        (
            "g (x) => (y) {y = Relu (x)".into(),
            "1, column 27",
            "found the end of the text, expected a node or `}`".into(),
        ),
        ("g (x) => (\"y".into(), "1, column 11", "the text that begins here has no closing `\"`".into()),
        (
            "g () => () {} ü".into(),
            "1, column 15",
            "found `ü`, expected a function: its header in `<` and `>`, or its name".into(),
        ),
        (node("y Relu (x)"), "3, column 4", "found `Relu`, expected `=`".into()),
        (node("y = (x)"), "3, column 6", "found `(`, expected an operator".into()),
        (node("y = a. (x)"), "3, column 9", "found `(`, expected an operator".into()),
        (node("y = Relu"), "3, column 10", "found `}`, expected `(`".into()),
        (node("y = Relu (x"), "3, column 13", "found `}`, expected `)`".into()),
        (
            node("y = Op <a: number = 1> (x)"),
            "3, column 13",
            format!("found `number`, expected the kind of an attribute, one of {list}"),
        ),
        (node("y = Op <1 = 1> (x)"), "3, column 10", "found `1`, expected the name of an attribute".into()),
        (node("y = Op <a = > (x)"), "3, column 14", format!("found `>`, expected {value}")),
        (node("y = Op <a = word> (x)"), "3, column 14", format!("found `word`, expected {value}")),
        (node("y = Op <a: int = 1.5> (x)"), "3, column 19", "found a float, expected an integer".into()),
        (node("y = Op <a: int = [1]> (x)"), "3, column 19", "found a list, expected an integer".into()),
        (node("y = Op <a = [1, 1.5]> (x)"), "3, column 18", "found a float, expected an integer".into()),
        (
            node("y = Op <a = []> (x)"),
            "3, column 14",
            "an empty list needs the kind of the attribute, as in `axes: ints = []`".into(),
        ),
        (
            node("y = Op <a = [float {1}]> (x)"),
            "3, column 15",
            "found a tensor, expected a number or a text: other lists are not supported".into(),
        ),
        (
            node("y = Op <a = 1e999> (x)"),
            "3, column 14",
            "found `1e999`, expected a number that is not too large for its type".into(),
        ),
        (node("y = Op <a = 1e> (x)"), "3, column 14", "found `1e`, expected a number".into()),
        (
            node("y = Op <a = @1> (x)"),
            "3, column 15",
            "found `1`, expected the name of an attribute of the function".into(),
        ),
        (
            constant("float[N] w = {1}"),
            "3, column 2",
            "`w` has elements, so it needs a type of tensors with extents that are numbers".into(),
        ),
        (
            constant("float[1] w = 1"),
            "3, column 15",
            "found `1`, expected elements in `{` and `}`, or the place of a file in `[` and `]`".into(),
        ),
        (
            constant("uint8[1] w = {256}"),
            "3, column 16",
            "found `256`, expected an element of type u8, an integer from 0 to 255".into(),
        ),
        (
            constant("bool w = {true}"),
            "3, column 12",
            "found `true`, expected an element of type bool, an integer from 0 to 1".into(),
        ),
        (constant("float w = {x}"), "3, column 13", "found `x`, expected a number".into()),
        (constant("string w = {\"a\"}"), "3, column 2", "elements of type string are not supported".into()),
        (constant("float[2] w = {1}"), "", "tensor `w`: f32[2] has 8 bytes, but 4 are stored".into()),
        (node("y = Relu (z)"), "", "node 0 (Relu, opset 21) uses `z`, which nothing makes".into()),
    ];
    let mut wrong = Vec::new();
    for (text, place, why) in cases {
        let error = Model::from_onnx_text(&text).unwrap_err().to_string();
        let place = if place.is_empty() { String::new() } else { format!("line {place}: ") };
        let wanted = format!("the model is not valid: {place}{why}");
        if error != wanted {
            wrong.push(format!("{text}\n  found  {error}\n  wanted {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn graphs_and_types_are_inside_of_each_other_to_a_bound() {
    let graphs = |depth: usize| "g () => () {= If () <then_branch = ".repeat(depth);
    for depth in [33, 100_000] {
        let error = Model::from_onnx_text(&graphs(depth)).unwrap_err().to_string();
        assert!(error.contains("graphs or types are more than 32 deep inside of each other"), "{error}");
    }
    let error = Model::from_onnx_text(&format!("g ({}", "seq(".repeat(100_000))).unwrap_err().to_string();
    assert!(error.contains("line 1, column 128: graphs or types are more than 32 deep"), "{error}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let refused = |graph: &build::Graph, wanted: &str| {
        let error = Model::onnx_text_of_bytes(&build::model(graph), Constants::All).unwrap_err().to_string();
        assert_eq!(error, format!("the model is not valid: {wanted}"));
    };
    let graph = build::Graph::default().output("y");
    refused(&graph.clone().input("x", 99, &["2"]), "`x`: there is no type of elements with number 99");
    let weight = build::tensor("w", &[2], &[1.0]);
    refused(&graph.initializer(weight), "tensor `w`: f32[2] has 8 bytes, but 4 are stored");
}
