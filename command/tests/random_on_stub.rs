//! `hidet check --only random` on stubs of the driver and NVRTC: kernels do nothing there, some lose the context, some
//! never end, and each is reported with its seed while the others are compared.

#![allow(clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

const DRIVER: &str = include_str!("../../hidet-core/tests/stub/driver.c");
const NVRTC: &str = include_str!("../../hidet-core/tests/stub/nvrtc.c");

const NINE: &str = "--count 9 --shrink 0";

/// Runs the command on programs. Returns its output and exit code.
fn check(case: &str, more: &str, variable: &str, number: &str) -> (String, i32) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, source) in [("libcuda.so", DRIVER), ("libnvrtc.so", NVRTC)] {
        let file = folder.join(format!("{name}.c"));
        std::fs::write(&file, source).unwrap();
        let mut command = Command::new("cc");
        let status = command.args(["-shared", "-fPIC", "-O1", "-w", "-o"]).arg(folder.join(name)).arg(&file).status();
        assert!(status.unwrap().success());
    }
    let arguments = format!("check --device cuda --only random --family kernel --seed 1 --limit 2 {more}");
    let output = Command::new(env!("CARGO_BIN_EXE_hidet"))
        .args(arguments.split(' '))
        .env("LD_LIBRARY_PATH", &folder)
        .env("HIDET_STUB_FAST", "1")
        .env(variable, number)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (text, output.status.code().unwrap())
}

/// Returns the number of programs that differ in that way.
fn differ(text: &str, how: &str) -> usize {
    let first = text.split("\nfamily").next().unwrap_or_default();
    first.lines().filter(|line| line.starts_with("DIFFERENT") && line.contains(how)).count()
}

#[test]
fn what_a_gpu_leaves_undone_differs() {
    let (text, code) = check("random_nothing", NINE, "HIDET_STUB_READS_NOT", "1");
    assert_eq!((differ(&text, "must be"), code), (9, 1), "{text}");
}

#[test]
fn a_lost_context_costs_one_program() {
    let (text, code) = check("random_fault", NINE, "HIDET_STUB_FAULT", "4");
    // Every fourth launch of a process.
    assert_eq!((differ(&text, "CUDA_ERROR_ILLEGAL_ADDRESS"), differ(&text, "must be"), code), (2, 7, 1), "{text}");
}

#[test]
fn an_endless_kernel_costs_one_program() {
    let (text, code) = check("random_hang", NINE, "HIDET_STUB_HANG", "5");
    assert_eq!(
        (differ(&text, "hung: it had not ended after 2 s"), differ(&text, "must be"), code),
        (1, 8, 1),
        "{text}"
    );
}

#[test]
fn what_differs_is_made_smaller_and_becomes_a_filetest() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random_shrunk");
    let more = format!("--count 1 --shrink 300 --shrunk {}", folder.display());
    let (text, code) = check("random_smaller", &more, "HIDET_STUB_READS_NOT", "1");
    assert_eq!(code, 1, "{text}");
    let test = std::fs::read_to_string(folder.join("kernel_1.hir")).unwrap();
    let kernel = test.split("; test: run\n").nth(1).and_then(|rest| rest.split("; ----\n").next()).unwrap();
    // One store remains, to memory that the stub does not change.
    assert!(kernel.matches("store").count() == 1 && kernel.lines().count() < 12, "{test}");
    assert!(test.contains("; arg @y = unset") && test.contains("\n@y ="), "{test}");
}
