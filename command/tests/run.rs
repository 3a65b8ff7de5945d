//! The command `hidet run` from outside: the digits network on the simulated device, and what is wrong with models and inputs.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::types::Scalar;
use hidet_examples::digits::digits;
use hidet_onnx::Array;
use hidet_ops::TensorType;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits/digits.onnx");

/// Runs a model on the simulated device, and returns the output and the exit code.
fn run(model: &str, arguments: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    command.args(["run", model, "--device", "sim"]).args(arguments).env("HIDET_CACHE", "off");
    let output = command.output().unwrap();
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

/// Writes the first held-out digits to a file, and returns its path and the labels.
fn images(folder: &Path, name: &str, shape: &[usize]) -> (String, Vec<i32>) {
    let (pixels, labels) = digits(true);
    let bytes: Vec<u8> = pixels[..shape.iter().product()].iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    let path = folder.join(name);
    fs::write(&path, Array::new(TensorType::new(Scalar::F32, shape), bytes).unwrap().to_npy()).unwrap();
    (path.to_str().unwrap().to_owned(), labels[..shape[0]].to_vec())
}

#[test]
fn digits_are_recognised() {
    let folder = folder("digits");
    let (path, labels) = images(&folder, "images.npy", &[12, 64]);
    let outputs = folder.join("outputs/new");
    let output = outputs.to_str().unwrap();
    let (text, code) = run(MODEL, &["--input", &format!("images={path}"), "--output", output]);
    let labels: Vec<String> = labels[..10].iter().map(i32::to_string).collect();
    for part in [
        "device: the simulated device, ready in ",
        "loaded in ",
        "first run in ",
        "memory between kernels: ",
        "chances: f32[12, 10]\n",
        &format!("largest of each row at: {} ..\n", labels.join(" ")),
        "wrote ",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(code, 0);
    let chances = Array::from_npy(&fs::read(outputs.join("chances.npy")).unwrap()).unwrap();
    assert_eq!(chances.ty(), &TensorType::new(Scalar::F32, &[12, 10]));
    for row in chances.floats().chunks(10) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    }
    // The model has one input, whose name may be left out.
    let (text, code) = run(MODEL, &["--input", &path]);
    assert!(code == 0 && text.contains("chances: f32[12, 10]\n") && !text.contains("wrote"), "{text}");
    let (checked, code) = run(MODEL, &["--input", &path, "--checks"]);
    let outputs = |text: &str| text.split_once("chances: ").map(|(_, outputs)| outputs.to_owned()).unwrap();
    assert!(code == 0 && outputs(&checked) == outputs(&text), "{checked}");
}

#[test]
fn wrong_inputs_are_errors_that_say_what_is_wanted() {
    let folder = folder("wrong_inputs");
    let (right, _) = images(&folder, "right.npy", &[2, 64]);
    let (wrong, _) = images(&folder, "wrong.npy", &[2, 63]);
    let (right, wrong) = (format!("images={right}"), format!("images={wrong}"));
    let blocked = format!("{MODEL}/outputs");
    let cases: [(&[&str], &[&str]); 8] = [
        (&[], &["inputs that are not given:\n  images: f32[n, 64]\n", "--input NAME=FILE, of .npy"]),
        (&["--input", "imags=x.npy"], &["no input `imags`; did you mean `images`?", "it has\n  images: f32[n, 64]"]),
        (&["--input", &wrong], &["input `images`: ", "wrong.npy: it is f32[2, 63], but must be f32[n, 64]"]),
        (&["--input", "images=none.npy"], &["input `images`: none.npy: No such file"]),
        (&["--input", MODEL], &["input `images`: ", "digits.onnx: it is not a .npy file"]),
        (&["--input", &right, "--input", &right], &["input `images` is given twice"]),
        (&["--input", &right, "--output", &blocked], &["digits.onnx/outputs: "]),
        (&["--input", &right, "--device", "nope"], &["cannot be used multiple times"]),
    ];
    for (arguments, parts) in cases {
        let (text, code) = run(MODEL, arguments);
        assert!(code != 0 && text.contains("error: "), "{arguments:?}: {code} {text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{part}:\n{text}"));
    }
}

/// A message with one field more.
fn field(mut message: Vec<u8>, tag: u8, value: &[u8]) -> Vec<u8> {
    message.extend_from_slice(&[tag << 3 | 2, value.len() as u8]);
    message.extend_from_slice(value);
    message
}

/// A model whose nodes have these operators, each of which has the result of the one before it.
fn model(operators: &[&str]) -> Vec<u8> {
    let mut graph = Vec::new();
    for (at, operator) in operators.iter().enumerate() {
        let [input, output] = [at, at + 1].map(|number| format!("x{number}").into_bytes());
        let node = field(field(field(Vec::new(), 1, &input), 2, &output), 4, operator.as_bytes());
        graph = field(graph, 1, &node);
    }
    let ends = [(11, "x0".to_owned()), (12, format!("x{}", operators.len()))];
    for (tag, name) in ends {
        // Type: a tensor of f32, of which nothing else is known.
        let ty = field(Vec::new(), 1, &[8, 1]);
        graph = field(graph, tag, &field(field(Vec::new(), 1, name.as_bytes()), 2, &ty));
    }
    // Version 8 of the format, version 17 of the operators.
    field(field(vec![8, 8], 7, &graph), 8, &[16, 17])
}

#[test]
fn a_model_that_cannot_be_run_is_an_error() {
    let folder = folder("wrong_models");
    let path = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let (text, code) = run("none.onnx", &[]);
    assert!(code == 1 && text.starts_with("error: none.onnx: No such file"), "{text}");
    let (text, code) = run(&path("text.onnx", b"no model"), &[]);
    assert!(code == 1 && text.starts_with("error: ") && text.contains("text.onnx: "), "{text}");
    let (text, code) = run(&path("many.onnx", &model(&["Relu", "Bernoulli", "Nonsense"])), &[]);
    for part in ["many.onnx: the model needs what is not supported:", "(Bernoulli, opset 17)", "(Nonsense, opset 17)"] {
        assert!(code == 1 && text.contains(part), "{part}:\n{text}");
    }
    let (text, code) = run(&path("relu.onnx", &model(&["Relu"])), &[]);
    assert!(code == 1 && text.contains("\n  x0: f32[..]\n"), "{text}");
}

/// Runs the command `hidet compile` on the simulated device, and returns the output and the exit code.
fn compile(model: &str, arguments: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    command.args(["compile", model, "--device", "sim"]).args(arguments).env("HIDET_CACHE", "off");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (text, output.status.code().unwrap())
}

#[test]
fn a_compiled_model_is_run_as_the_model_is() {
    let folder = folder("compiled");
    let (path, _) = images(&folder, "images.npy", &[12, 64]);
    let (other, _) = images(&folder, "other.npy", &[3, 64]);
    let file = folder.join("digits.hidet");
    let file = file.to_str().unwrap();
    let (text, code) = compile(MODEL, &["--input-type", "images=f32[12, 64]", "-o", file]);
    for part in
        ["device: the simulated device\n", "compiled in ", "memory between kernels: ", &format!("wrote {file}: ")]
    {
        assert!(code == 0 && text.contains(part), "{part}:\n{text}");
    }
    let results = [(MODEL, "of_model"), (file, "of_file")].map(|(model, name)| {
        let output = folder.join(name);
        let (text, code) = run(model, &["--input", &path, "--output", output.to_str().unwrap()]);
        assert!(code == 0 && text.contains("chances: f32[12, 10]\n"), "{text}");
        assert_eq!(text.contains("with the compilation"), model == MODEL, "{text}");
        fs::read(output.join("chances.npy")).unwrap()
    });
    assert!(results[0] == results[1]);
    for (arguments, parts) in [
        (vec![], ["inputs that are not given:\n  images: f32[12, 64]\n", "--input NAME=FILE, of .npy"]),
        (vec!["--input", &other], ["it is for inputs of other types:\n  images: f32[12, 64]", "images: f32[3, 64]"]),
        (vec!["--input", "x=a.npy"], ["the model has no input `x`", "it has\n  images: f32[12, 64]"]),
    ] {
        let (text, code) = run(file, &arguments);
        parts.iter().for_each(|part| assert!(code != 0 && text.contains(part), "{part}:\n{text}"));
    }
    let mut damaged = fs::read(file).unwrap();
    damaged[1000] ^= 1;
    fs::write(file, damaged).unwrap();
    let (text, code) = run(file, &["--input", &path]);
    assert!(code != 0 && text.contains(&format!("{file}: compiled model: it is damaged or incomplete")), "{text}");
}

#[test]
fn a_file_runs_for_all_sizes_of_an_extent() {
    let folder = folder("extent");
    let [many, more] = [("3.npy", 3), ("6.npy", 6)].map(|(name, count)| images(&folder, name, &[count, 64]).0);
    let file = folder.join("digits.hidet");
    let file = file.to_str().unwrap();
    let (text, code) = compile(MODEL, &["--extent", "n=1..5", "-o", file]);
    assert!(code == 0 && text.contains("\nn from 1 to 5, in buckets of 1, 2, 4, 5\n"), "{text}");
    let results = [(MODEL, "of_model"), (file, "of_file")].map(|(model, name)| {
        let output = folder.join(name);
        let (text, code) = run(model, &["--input", &many, "--output", output.to_str().unwrap()]);
        assert!(code == 0 && text.contains("chances: f32[3, 10]\n"), "{text}");
        fs::read(output.join("chances.npy")).unwrap()
    });
    assert!(results[0] == results[1]);
    for (arguments, part) in [
        (vec![], "inputs that are not given:\n  images: f32[n, 64] with n = 1 to 5\n"),
        (vec!["--input", &more], "extent `n`: it is 6, but kernels were compiled for 1 to 5"),
    ] {
        let (text, code) = run(file, &arguments);
        assert!(code != 0 && text.contains(part), "{part}:\n{text}");
    }
    for (extent, part) in [
        ("n=1..", "--extent n=1..: write it as NAME=1..16, for a range of sizes, or as NAME=1,2,4"),
        ("m=1..4", "input `images`: it is f32[n, 64]: give the sizes of `n` too"),
        ("n=0..4", "extent `n`: sizes begin with 1"),
    ] {
        let (text, code) = compile(MODEL, &["--extent", extent, "-o", file]);
        assert!(code != 0 && text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn models_that_cannot_be_compiled_are_errors_that_say_why() {
    let file = folder("not_compiled").join("digits.hidet");
    let file = file.to_str().unwrap();
    for (arguments, part) in [
        (
            vec![],
            "does not say the type of an input in whole:\n  images: f32[n, 64]\ngive it by --input-type images=TYPE",
        ),
        (vec!["--input-type", "images=f32"], "`f32` is not a type of a tensor; write it as f32[1,64]"),
        (vec!["--input-type", "imags=f32[1,64]"], "no input `imags`; did you mean `images`?"),
        (vec!["--input-type", "f32[1,63]"], "input `images`: it is f32[1, 63], but must be f32[n, 64]"),
        (vec!["--input-type", "f32[1,64]", "--input-type", "f32[2,64]"], "the type of input `images` is given twice"),
        (vec!["--input-type", "f32[1000000000000,64]"], "out of memory"),
    ] {
        let (text, code) = compile(MODEL, &[&arguments[..], &["-o", file]].concat());
        assert!(code != 0 && text.contains("error: ") && text.contains(part), "{part}:\n{text}");
    }
    let (text, code) = compile(MODEL, &["--input-type", "f32[1,64]", "-o", &format!("{MODEL}/x")]);
    assert!(code != 0 && text.contains("digits.onnx/x: "), "{text}");
}
