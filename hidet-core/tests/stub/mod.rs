//! Stub libraries in place of the driver and NVRTC. Both are looked up once a process, so what uses them runs in a process
//! of its own, with the stubs first on the library path.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the processes that are started here.
pub const CHILD: &str = "HIDET_TEST_PROBE";

/// What a test says in a process of its own, with that library path.
pub fn run(test: &str, path: OsString) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .env("LD_LIBRARY_PATH", path)
        // What a stub compiles is nothing for others.
        .env("HIDET_CACHE", "off")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A folder with a library of that name and C source.
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

/// Runs a test of this file again, in a process with a driver and an NVRTC that are stubs; what it says. Nothing in that
/// process, which goes on with the test.
#[allow(dead_code)]
pub fn on_stubs(test: &str) -> Option<String> {
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        return None;
    }
    let folder = library(test, "libcuda.so", include_str!("driver.c"));
    library(test, "libnvrtc.so", include_str!("nvrtc.c"));
    Some(run(test, folder.into_os_string()))
}
