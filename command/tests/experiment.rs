//! `hidet experiment` as a whole, on stubs of the driver, NVRTC and the other programs: everything except the numbers.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const DRIVER: &str = include_str!("../../hidet-core/tests/stub/driver.c");
const NVRTC: &str = include_str!("../../hidet-core/tests/stub/nvrtc.c");
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits");

/// In the place of Python: a process that answers as `benches/models_peer.py` does. A file counts the cases.
const PYTHON: &str = r#"#!/bin/sh
echo ready
while read -r what calls program arithmetic dims work; do
  case $what in
    case) own=$program; asked=0; echo "$program $calls $arithmetic $dims $work" >> "$FAKE_CASES" ;;
  esac
  case "$what $own" in
    versions*) echo "fake 1.0" ;;
    "case ort") echo "ready, without its CUDA graph: nodes on the CPU" ;;
    "case tvm:8") echo "ModuleNotFoundError: No module named 'tvm'" ;;
    case*) echo ready ;;
    "time torch.compile") asked=$((asked + 1)); [ $asked -lt 5 ] && echo 700 || echo "out of memory" ;;
    "time ort") asked=$((asked + 1)); [ $asked -lt 4 ] && echo 99000 || echo 1250.5 ;;
    time*) echo 2000 ;;
  esac
done
"#;

/// A folder of a case, with the stubs, and the models that are asked for: digits in the place of all of them.
fn folder(case: &str, models: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("experiment_{case}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("models/reference")).unwrap();
    for (name, source) in [("libcuda.so", DRIVER), ("libnvrtc.so", NVRTC)] {
        let file = folder.join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let mut command = Command::new("cc");
        let status = command.args(["-shared", "-fPIC", "-O1", "-w", "-o"]).arg(folder.join(name)).arg(&file).status();
        assert!(status.unwrap().success());
    }
    fs::write(folder.join("python3"), PYTHON).unwrap();
    fs::set_permissions(folder.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in models {
        fs::copy(format!("{DIGITS}/digits.onnx"), folder.join(format!("models/{name}.opset13.onnx"))).unwrap();
    }
    folder
}

/// Runs `hidet experiment` with these arguments. Returns its output, and true if it succeeds.
fn experiment(folder: &Path, arguments: &str) -> (String, bool) {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    command.arg("experiment").args(arguments.split(' ')).current_dir(folder);
    command.env("LD_LIBRARY_PATH", folder).env("CUDA_HOME", folder).env("PATH", path);
    command.env("HIDET_STUB_FAST", "1").env("HIDET_STUB_READS", "0").env("HIDET_STUB_MEMORY", (1 << 28).to_string());
    command.env("HIDET_CACHE", "off").env("HIDET_PEER", folder.join("python3")).env("FAKE_CASES", folder.join("cases"));
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (text, output.status.success())
}

/// The words of the rows of an output, without spaces.
fn rows(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(|line| line.starts_with("         1 ")).map(words).collect()
}

#[test]
fn models_are_measured_beside_others_and_not_again() {
    let folder = folder("models", &["resnet50", "bert"]);
    fs::copy(format!("{DIGITS}/reference.npz"), folder.join("models/reference/bert.opset13.npz")).unwrap();
    let arguments = "0 --models models --output out --only bert,resnet50 --arithmetic f32 --rounds 4 --trials 8";
    let (text, good) = experiment(&folder, arguments);
    assert!(good, "{text}");
    for part in [
        "Stub, 1 multiprocessors; driver CUDA 13.0, NVRTC 13.0",
        "experiment 0: models end to end; 2 of 2 workloads are to be measured\ntvm is tuned with 8 trials for each task\n",
        " BatchSize                Model     Executor                                   Config      Space    Latency",
        "results.csv, plot.svg and env.txt are in out; 4 rows were not run\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // The stub's events are half a millisecond apart, and its results are zeros: beside a chance near 1 the tolerance is near a
    // half. The first samples of the others do not count.
    let wanted = [
        "1 resnet50 hidet sp0_simt_f32_f32_pk_default 0 0.050 0.000 -",
        "1 resnet50 torch fp32 - 2.000 0.000 -1.000",
        "1 resnet50 torch.compile default_fp32 - not run: out of memory",
        "1 resnet50 ort provider_cuda_fp32 - 1.250 0.000 -1.000",
        "1 resnet50 tvm trial_8_fp32 - not run: ModuleNotFoundError: No module named 'tvm'",
        "1 bert hidet sp0_simt_f32_f32_pk_default 0 0.050 0.000 0.500",
        "1 bert torch fp32 - 2.000 0.000 -1.000",
        "1 bert torch.compile default_fp32 - not run: out of memory",
        "1 bert ort provider_cuda_fp32 - 1.250 0.000 -1.000",
        "1 bert tvm trial_8_fp32 - not run: ModuleNotFoundError: No module named 'tvm'",
    ];
    assert_eq!(rows(&text), wanted, "{text}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let csv = read("out/results.csv");
    assert_eq!(csv.lines().count(), 11, "{csv}");
    assert!(csv.starts_with("BatchSize,Model,Executor,Config,Space,Latency,Std,Error,gpu,launches\r\n"), "{csv}");
    assert!(csv.contains("1,resnet50,hidet,sp0_simt_f32_f32_pk_default,0,0.050000,0.000000,-,Stub,"), "{csv}");
    assert!(csv.contains("1,bert,ort,provider_cuda_fp32,-,1.250500,0.000000,-1,Stub,-\r\n"), "{csv}");
    assert!(read("out/plot.svg").contains(">25.0</text>"));
    let environment = read("out/env.txt");
    for part in [
        "command: hidet experiment 0 --models",
        "gpu: Stub",
        "samples: 4 ",
        "\nort: fake 1.0\n",
        "remark: ort bert f32: without its CUDA graph: nodes on the CPU\n",
    ] {
        assert!(environment.contains(part), "{part}\n{environment}");
    }
    let cases = read("cases");
    assert!(cases.starts_with("torch 10 f32 - models/resnet50.opset13.onnx\ntorch.compile 10 f32 - "), "{cases}");
    assert_eq!(cases.lines().count(), 8, "{cases}");

    // What is there is not measured again; what was not run is tried.
    let (text, good) = experiment(&folder, arguments);
    assert!(good && text.contains("2 of 2 workloads are to be measured") && rows(&text) == wanted, "{text}");
    let again = read("cases").lines().skip(8).filter(|line| !line.starts_with("t")).count();
    assert_eq!((again, read("cases").lines().count()), (0, 12));
    let (text, good) = experiment(&folder, &format!("{arguments} --against torch"));
    assert!(good && text.contains("0 of 2 workloads are to be measured") && rows(&text).len() == 4, "{text}");
    assert_eq!(read("cases").lines().count(), 12);
    let (_, good) = experiment(&folder, &format!("{arguments} --against torch --again"));
    assert_eq!((good, read("cases").lines().count(), read("out/results.csv").lines().count()), (true, 14, 11));
}

#[test]
fn what_of_ours_cannot_be_measured_is_a_failure() {
    let folder = folder("failure", &["resnet50"]);
    fs::write(folder.join("models/resnet50.opset13.onnx"), "no model").unwrap();
    let (text, good) = experiment(&folder, "0 --models models --output out --only resnet50 --against torch --rounds 1");
    let rows = rows(&text);
    assert!(!good && rows.len() == 4, "{text}");
    assert!(rows[0].contains("hidet sp0_simt_f32_f32_pk_default 0 not run: models/resnet50.opset13.onnx: "), "{text}");
    assert!(rows[3].ends_with("resnet50 torch fp16 - 2.000 0.000 -1.000"), "{text}");
    // Its picture has nothing to be relative to.
    assert_eq!(fs::read_to_string(folder.join("out/plot.svg")).unwrap().matches(">-</text>").count(), 4);
}

#[test]
fn layers_need_no_models() {
    let folder = folder("layers", &[]);
    let (text, good) = experiment(&folder, "4 --output out --only resnet50_conv_1 --rounds 2 --against ort,torch");
    assert!(good, "{text}");
    let wanted = [
        "1 resnet50_conv_1 hidet sp0_simt_f32_f32_pk_default 0 0.025 0.000 -",
        "1 resnet50_conv_1 torch fp32 - 2.000 0.000 -1.000",
        "1 resnet50_conv_1 ort provider_cuda_fp32 - 1.250 0.000 -1.000",
        "1 resnet50_conv_1 hidet sp0_mma_f16_f32_pk_default 0 0.025 0.000 -",
        "1 resnet50_conv_1 torch fp16 - 2.000 0.000 -1.000",
        "1 resnet50_conv_1 ort provider_cuda_fp16 - 1.250 0.000 -1.000",
    ];
    assert_eq!(rows(&text), wanted, "{text}");
    let cases = fs::read_to_string(folder.join("cases")).unwrap();
    assert!(cases.starts_with("torch 20 f32 - conv_bn_relu:56x64x64x1x1\nort 20 f32 - "), "{cases}");
    // Without a program to start, there are its rows all the same.
    fs::remove_file(folder.join("python3")).unwrap();
    let (text, good) = experiment(&folder, "4 --output none --only resnet50_conv_1 --arithmetic f16 --rounds 1");
    assert!(good && rows(&text).len() == 3, "{text}");
    assert!(rows(&text)[2].contains("ort provider_cuda_fp16 - not run: there is no "), "{text}");
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let folder = folder("wrong", &[]);
    for (arguments, part) in [
        (
            "1 --output out",
            "experiment 1 needs a tuner of schedules, which is not here; there are 0 (the five models), 3",
        ),
        ("9 --output out", "there is no experiment 9; there are 0"),
        ("x --output out", "invalid value 'x' for '<NUMBER>'"),
        ("0", "--output <FOLDER>"),
        ("0 --output out", "experiment 0 needs --models FOLDER with resnet50.opset13.onnx, "),
        ("0 --output out --models models", "models has no resnet50.opset13.onnx, inception_v3.opset13.onnx, "),
        ("3 --output out --only gpt3", "--only gpt3: experiment 3 has no such workload; did you mean `gpt2`?"),
        ("4 --output out --against torhc", "--against torhc: there is no such program; did you mean `torch`"),
        ("4 --output out --arithmetic f64", "`f64` is not an arithmetic; it is one of f32, "),
        ("4 --output out --arithmetic tf32", "--arithmetic tf32: experiment 4 has convolutions, in f32, f16 or bf16"),
        ("4 --output out --rounds 0", "--rounds and --trials must be at least 1"),
        ("4 --output out --device sim", "experiments are measured on a GPU; the simulated device has no time"),
        ("4 --output out --device cuda:1", "the first GPU; set CUDA_VISIBLE_DEVICES=1 instead"),
        ("4 --output python3", "python3: "),
    ] {
        let (text, good) = experiment(&folder, arguments);
        assert!(!good && text.contains("error: ") && text.contains(part), "{part}\n{text}");
    }
    assert!(!folder.join("out").exists());
}
