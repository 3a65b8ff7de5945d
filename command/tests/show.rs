//! The commands `hidet show` and `hidet profile` from outside: the digits network, and what is wrong with models and options.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits/digits.onnx");

/// Runs the command, and returns the output and the exit code.
fn hidet(arguments: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_hidet")).args(arguments).env("HIDET_CACHE", "off").output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (text, output.status.code().unwrap())
}

/// A new folder of a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

const GRAPH: &str = "
inputs
  %images: f32[n, 64]
nodes
  %product1 = MatMul(%images, %w1 f32[64, 96]) : f32[3, 96]
  %sum1 = Add(%product1, %b1 f32[96]) : f32[3, 96]
  %hidden = Relu(%sum1) : f32[3, 96]
  %product2 = MatMul(%hidden, %w2 f32[96, 10]) : f32[3, 10]
  %logits = Add(%product2, %b2 f32[10]) : f32[3, 10]
  %chances = Softmax(%logits) {axis = 1} : f32[3, 10]
outputs
  %chances: f32[n, 10]
";

const KERNELS: &str = "
kernels: 3, in 3 launches
0: matmul_add_relu by matmul_simt
   MatMul: matmul
   Add: add
   Relu: relu
   reads %images f32[3, 64], %w1 f32[64, 96], %b1 f32[96]
   writes %hidden f32[3, 96]
1: matmul by matmul_simt
   MatMul: matmul
   reads %hidden f32[3, 96], %w2 f32[96, 10]
   writes %product2 f32[3, 10]
2: add_max_sub_exp_sum_div by rows
   Add: add
   Softmax: max, sub, exp, sum, div
   reads %product2 f32[3, 10], %b2 f32[10]
   writes %chances f32[3, 10]

boundaries between kernels: 2
  0 -> 1, %hidden: it ends the kernel of the product before it
  1 -> 2, %product2: a product, a convolution or an own kernel has no other reduction beside it
";

#[test]
fn a_model_is_shown() {
    let (text, code) = hidet(&["show", MODEL, "--dim", "n=3"]);
    assert_eq!(code, 0, "{text}");
    let types = "types are of inputs with n=3, 1 for each extent that is open\n";
    assert!(text.starts_with(types) && text.contains("\npasses\n  transposed: nothing\n"), "{text}");
    assert!(text.contains(&format!("\ngraph after passes{GRAPH}")) && text.ends_with(KERNELS), "{text}");
    assert!(!text.contains("graph of the file"), "{text}");
    let (before, code) = hidet(&["show", MODEL, "--dim", "n=3", "--before"]);
    assert!(code == 0 && before.contains(&format!("\ngraph of the file{GRAPH}")), "{before}");
    assert!(before.ends_with(KERNELS) && !before.contains("graph after passes"), "{before}");
    let (both, code) = hidet(&["show", MODEL, "--before", "--after", "--arithmetic", "bf16"]);
    let graphs = |title: &str| both.matches(title).count();
    assert_eq!((code, graphs("graph of the file"), graphs("graph after passes")), (0, 1, 1), "{both}");
    // Weights are 16-bit floats, multiplied by tensor cores.
    assert!(both.contains("%w1 bf16[64, 96]") && both.contains("matmul_add_relu by matmul_"), "{both}");
}

#[test]
fn a_model_is_drawn() {
    let file = folder("drawn").join("digits.svg");
    let (text, code) = hidet(&["show", MODEL, "--svg", file.to_str().unwrap()]);
    assert!(code == 0 && text.ends_with("digits.svg\n"), "{text}");
    let picture = fs::read_to_string(file).unwrap();
    for part in [
        ">digits.onnx: 3 kernels in 3 launches</text>",
        ">%images: f32[1, 64]</text>",
        ">0 matmul_add_relu</text>",
        ">relu %hidden</text>",
        "<title>%hidden: f32[1, 96]\nnot fused: it ends the kernel of the product before it</title>",
        ">%chances: f32[1, 10]</text>",
    ] {
        assert!(picture.contains(part), "{part}:\n{picture}");
    }
    // The input and the output, three kernels, their operators, and the edges between them.
    let count = |part: &str| picture.matches(part).count();
    assert_eq!(["class=\"end\"", "class=\"group\"", "class=\"node\"", "<path"].map(count), [2, 3, 10, 4]);
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let folder = folder("not_shown");
    let (text, other) = (folder.join("text.onnx"), folder.join("compiled.hidet"));
    fs::write(&text, "no model").unwrap();
    let (text, other) = (text.to_str().unwrap(), other.to_str().unwrap());
    let (compiled, code) = hidet(&["compile", MODEL, "--input-type", "f32[1,64]", "-o", other, "--device", "sim"]);
    assert_eq!(code, 0, "{compiled}");
    let cases: [(&[&str], &str); 7] = [
        (&["show", "none.onnx"], "error: none.onnx: No such file"),
        (&["show", text], "text.onnx: it is not a model of ONNX: "),
        (&["show", other], "compiled.hidet: it is a compiled model, which has no graph; show the model of ONNX"),
        (&["show", MODEL, "--dim", "m=3"], "error: --dim m=3: the model has no such extent"),
        (&["show", MODEL, "--svg", "none/x.svg"], "error: none/x.svg: No such file"),
        (&["show", MODEL, "--device", "none"], "error: "),
        (
            &["profile", MODEL, "--device", "sim", "--svg", "x.svg"],
            "error: --svg: the simulated device has no times to draw; ",
        ),
    ];
    for (arguments, part) in cases {
        let (text, code) = hidet(arguments);
        assert!(code == 1 && text.contains(part), "{arguments:?}, {part}:\n{text}");
    }
    assert!(!Path::new("x.svg").exists());
}
