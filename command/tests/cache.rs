//! The cache of compiled kernels from outside: the command, and kernels found by a new process.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::testing::folder::Folder;
use hidet::testing::nvrtc;
use std::path::Path;
use std::process::Command;

/// Runs `hidet` with that cache. Returns its output and exit code.
fn hidet(cache: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    let output = command.args(arguments).env("HIDET_CACHE", cache).envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code().unwrap())
}

#[test]
fn a_new_process_finds_what_another_compiled() {
    if !nvrtc::available().unwrap() {
        return;
    }
    let folder = Folder::new("command").unwrap();
    let cache = folder.path().join("kernels");
    let compile = || {
        // The child process of `hidet bench compile`: two kernels, timed.
        let (text, code) = hidet(&cache, &["bench", "compile"], &[("HIDET_BENCH_COMPILE", "whole")]);
        assert_eq!(code, 0, "{text}");
        let line = text.lines().find_map(|line| line.strip_prefix("first ")).unwrap();
        line.parse::<f64>().unwrap()
    };
    let status = || {
        let (text, code) = hidet(&cache, &["cache", "status"], &[]);
        assert_eq!(code, 0, "{text}");
        text.lines().filter(|line| !line.starts_with("last used")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(status()[1].ends_with("0 kernels, found by their IR"), "{:?}", status());
    let compiled = compile();
    let full = status();
    assert_eq!(full[1].trim(), "2 kernels, found by their IR");
    assert_eq!(full[2].trim(), "2 cubins, found by their CUDA text");
    let stored = (0..3).map(|_| compile()).fold(f64::INFINITY, f64::min);
    assert!(stored < compiled / 4.0, "{stored} ms from the cache, {compiled} ms compiled");
    assert_eq!(status(), full);

    // A profiler needs the right lines in machine code, so positions are then part of the names.
    let (text, code) =
        hidet(&cache, &["bench", "compile"], &[("HIDET_BENCH_COMPILE", "whole"), ("HIDET_LINES", "exact")]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(status()[1].trim(), "4 kernels, found by their IR");

    let (text, code) = hidet(&cache, &["cache", "clear"], &[]);
    assert!(code == 0 && text.starts_with("removed 10 entries"), "{text}");
    assert!(status()[1].ends_with("0 kernels, found by their IR"));
}

#[test]
fn a_cache_that_cannot_be_used_is_reported_and_stops_nothing() {
    let folder = Folder::new("command").unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (text, code) = hidet(&file.join("kernels"), &["cache", "status"], &[]);
    assert!(code == 1 && text.contains("nothing can be kept there") && text.contains("HIDET_CACHE"), "{text}");
    let (text, code) = hidet(Path::new("off"), &["cache", "status"], &[]);
    assert!(code == 0 && text.starts_with("off"), "{text}");
    if nvrtc::available().unwrap() {
        let (text, code) = hidet(&file.join("kernels"), &["bench", "compile"], &[("HIDET_BENCH_COMPILE", "whole")]);
        assert_eq!(code, 0, "{text}");
        assert_eq!(text.matches("cannot be cached").count(), 1, "{text}");
    }
}
