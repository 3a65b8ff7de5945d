//! Error messages if the driver or NVRTC is missing, old or broken. The libraries are looked up once per process, so
//! each case runs in its own process, with stub libraries first on the library path.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::path::{Path, PathBuf};
use stub::{CHILD, library, run};

/// In a child process, prints the results of the probes.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    match hidet_core::cuda::count() {
        Ok(count) => println!("driver: {count} devices"),
        Err(error) => println!("driver: {error}"),
    }
    match hidet_core::cuda::nvrtc::version() {
        Ok((major, minor)) => println!("nvrtc: {major}.{minor}"),
        Err(error) => println!("nvrtc: {error}"),
    }
}

/// Returns the results of the probes with only this folder on the library path.
fn probes(folder: &Path) -> String {
    run("child", folder.as_os_str().to_owned())
}

fn empty(case: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn no_driver_and_no_nvrtc() {
    let text = probes(&empty("nothing"));
    if text.contains("devices") {
        eprintln!("skipped: this machine has a driver");
    } else {
        assert!(
            text.contains("driver: CUDA: no NVIDIA driver: libcuda.so.1 was not found; install the NVIDIA driver"),
            "{text}"
        );
        assert!(text.contains("take the simulated device"), "{text}");
    }
    if text.contains("NVRTC: ") {
        assert!(text.contains("nvrtc: NVRTC: libnvrtc.so was not found; install the CUDA toolkit"), "{text}");
    } else {
        eprintln!("skipped: this machine has NVRTC");
    }
}

#[test]
fn an_old_driver_is_reported_by_version() {
    let folder = library("old", "libcuda.so", "int cuDriverGetVersion(int* v) { *v = 11040; return 0; }");
    let text = probes(&folder);
    let message =
        "driver: CUDA: the NVIDIA driver supports at most CUDA 11.4, and hidet needs 12.0: install driver 525 or newer";
    assert!(text.contains(message), "{text}");
}

#[test]
fn a_driver_that_lacks_a_function_is_reported_by_name() {
    let folder = library(
        "lacking",
        "libcuda.so",
        "int cuDriverGetVersion(int* v) { *v = 12020; return 0; } int cuInit(unsigned f) { return 0; }",
    );
    let text = probes(&folder);
    assert!(text.contains("driver: CUDA: the NVIDIA driver (CUDA 12.2) lacks `cuGetErrorName`"), "{text}");
}

#[test]
fn a_library_that_is_not_a_driver() {
    let folder = library("other", "libcuda.so", "int f(void) { return 0; }");
    let text = probes(&folder);
    assert!(
        text.contains(
            "driver: CUDA: the libcuda that was found is not an NVIDIA driver: it lacks `cuDriverGetVersion`"
        ),
        "{text}"
    );
}

#[test]
fn an_nvrtc_that_lacks_a_function_is_reported_by_name() {
    let folder = library("nvrtc", "libnvrtc.so", "int nvrtcVersion(int* a, int* b) { *a = 10; *b = 0; return 0; }");
    let text = probes(&folder);
    assert!(
        text.contains("nvrtc: NVRTC: the NVRTC that was found lacks `nvrtcCreateProgram`; it is older than CUDA 12"),
        "{text}"
    );
}

#[test]
fn a_driver_without_a_device() {
    // All functions that the driver must have; only those that report do anything.
    let names = hidet_core::cuda::driver::FUNCTIONS;
    let told = ["cuDriverGetVersion", "cuInit", "cuGetErrorName", "cuGetErrorString"];
    let mut source = String::from(
        "int cuDriverGetVersion(int* v) { *v = 13000; return 0; } int cuInit(unsigned f) { return 100; }\n\
         int cuGetErrorName(int e, const char** s) { *s = \"CUDA_ERROR_NO_DEVICE\"; return 0; }\n\
         int cuGetErrorString(int e, const char** s) { *s = \"no CUDA-capable device is detected\"; return 0; }\n",
    );
    for name in names.iter().filter(|name| !told.contains(name)) {
        source += &format!("int {name}(void) {{ return 3; }}\n");
    }
    let text = probes(&library("deviceless", "libcuda.so", &source));
    let message = "driver: CUDA: cuInit failed: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected; the driver sees no GPU";
    assert!(text.contains(message), "{text}");
}
