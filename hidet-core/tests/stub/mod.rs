//! Stub libraries in place of the driver and NVRTC. Both are looked up once per process, so tests that use them run in
//! their own process, with the stubs first on the library path.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that is set in child processes.
pub const CHILD: &str = "HIDET_TEST_PROBE";

/// Runs a test in a child process with this library path and returns its output.
pub fn run(test: &str, path: OsString) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .env("LD_LIBRARY_PATH", path)
        // Output of the stub compiler must not reach the cache.
        .env("HIDET_CACHE", "off")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Compiles a library with this name from C source and returns its folder.
pub fn library(case: &str, name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.c"));
    std::fs::write(&file, source).unwrap();
    let mut command = Command::new("cc");
    let status = command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.join(name)).arg(&file).status().unwrap();
    assert!(status.success());
    folder
}

/// Runs a test of this file again in a child process with a stub driver and a stub NVRTC, and returns its output. In
/// the child process returns `None`, so that it continues with the test.
#[allow(dead_code)]
pub fn on_stubs(test: &str) -> Option<String> {
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        return None;
    }
    let folder = library(test, "libcuda.so", include_str!("driver.c"));
    library(test, "libnvrtc.so", include_str!("nvrtc.c"));
    Some(run(test, folder.into_os_string()))
}
