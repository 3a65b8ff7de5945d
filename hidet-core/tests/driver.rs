//! What a user reads where the driver or NVRTC is missing, old or broken; and a whole launch on a driver that is a stub.
//! The libraries are looked up once a process, so each case runs in a process of its own, with stub libraries first on
//! the library path.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the processes that are started here.
const CHILD: &str = "HIDET_TEST_PROBE";

/// In a child: says what the probes say.
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

/// What the probes say with that folder alone on the library path.
fn probes(folder: &Path) -> String {
    run("child", folder.as_os_str().to_owned())
}

/// What a test says in a process of its own, with that library path.
fn run(test: &str, path: OsString) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("LD_LIBRARY_PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A folder with a library of that name and C source.
fn library(case: &str, name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("stub.c");
    std::fs::write(&file, source).unwrap();
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(folder.join(name)).arg(&file).status().unwrap();
    assert!(status.success());
    folder
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
        assert!(text.contains("kernels run on the simulated device"), "{text}");
    }
    if text.contains("NVRTC: ") {
        assert!(text.contains("nvrtc: NVRTC: libnvrtc.so was not found; install the CUDA toolkit"), "{text}");
    } else {
        eprintln!("skipped: this machine has NVRTC");
    }
}

#[test]
fn an_old_driver_is_told_by_its_version() {
    let folder = library("old", "libcuda.so", "int cuDriverGetVersion(int* v) { *v = 11040; return 0; }");
    let text = probes(&folder);
    let message =
        "driver: CUDA: the NVIDIA driver supports CUDA 11.4 at most and hidet needs 12.0: install driver 525 or newer";
    assert!(text.contains(message), "{text}");
}

#[test]
fn a_driver_that_lacks_a_function_is_told_by_its_name() {
    let folder = library(
        "lacking",
        "libcuda.so",
        "int cuDriverGetVersion(int* v) { *v = 12020; return 0; } int cuInit(unsigned f) { return 0; }",
    );
    let text = probes(&folder);
    assert!(text.contains("driver: CUDA: the NVIDIA driver (CUDA 12.2) lacks `cuGetErrorName`"), "{text}");
}

#[test]
fn a_library_that_is_no_driver() {
    let folder = library("other", "libcuda.so", "int f(void) { return 0; }");
    let text = probes(&folder);
    assert!(
        text.contains("driver: CUDA: the libcuda found is no NVIDIA driver: it lacks `cuDriverGetVersion`"),
        "{text}"
    );
}

#[test]
fn an_nvrtc_that_lacks_a_function_is_told_by_its_name() {
    let folder = library("nvrtc", "libnvrtc.so", "int nvrtcVersion(int* a, int* b) { *a = 10; *b = 0; return 0; }");
    let text = probes(&folder);
    assert!(
        text.contains("nvrtc: NVRTC: the NVRTC found lacks `nvrtcCreateProgram`; it is older than CUDA 12"),
        "{text}"
    );
}

#[test]
fn a_driver_without_a_device() {
    // All functions the driver must have, none of which does anything, but for those that tell.
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

/// `y = x * s`, without a guard, so that it is checked where that is asked for.
const KERNEL: &str = "\
kernel scale<n>(@x: in f32[n], @y: out f32[n], %s: f32)
grid ((n + 3) / 4, 1, 1)
block (4, 1, 1)
{
  %b: i32 = block.x
  %four: i32 = const 4
  %first: i32 = mul %b, %four
  %t: i32 = thread
  %i: i32 = add %first, %t
  %v: f32 = load @x[%i]
  %w: f32 = mul %v, %s
  store @y[%i] = %w
}
";

/// A driver whose device is the host. Its launch knows the kernel above by its parameters; with s = -1 it fails as an
/// illegal address does, later; where there is a fault record and n is 3, it reports a fault.
const DRIVER: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
typedef unsigned long long addr;
static int dead = 0;
int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuInit(unsigned f) { return 0; }
int cuGetErrorName(int e, const char** s) { *s = e == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR"; return 0; }
int cuGetErrorString(int e, const char** s) { *s = "an illegal memory access was encountered"; return 0; }
int cuDeviceGetCount(int* n) { *n = 1; return 0; }
int cuDeviceGet(int* d, int i) { *d = i; return 0; }
int cuDeviceGetName(char* s, int n, int d) { strcpy(s, "Stub"); return 0; }
int cuDeviceGetAttribute(int* v, int a, int d) {
    *v = a == 75 ? 9 : a == 76 ? 0 : a == 1 ? 1024 : a == 5 ? 2147483647 : a == 6 || a == 7 ? 65535 : a == 97 ? 232448 : 1;
    return 0;
}
int cuDeviceTotalMem_v2(size_t* n, int d) { *n = 1 << 30; return 0; }
int cuDevicePrimaryCtxRetain(void** c, int d) { *c = &dead; return 0; }
int cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
int cuCtxSetCurrent(void* c) { return 0; }
int cuStreamCreate(void** s, unsigned f) { *s = &dead; return 0; }
int cuStreamSynchronize(void* s) { return dead; }
int cuStreamDestroy_v2(void* s) { return 0; }
int cuMemAlloc_v2(addr* p, size_t n) { return 1; }
int cuMemFree_v2(addr p) { return 1; }
int cuMemAllocAsync(addr* p, size_t n, void* s) { *p = (addr)aligned_alloc(256, (n + 255) / 256 * 256); return 0; }
int cuMemFreeAsync(addr p, void* s) { free((void*)p); return 0; }
int cuDeviceGetDefaultMemPool(void** p, int d) { *p = &dead; return 0; }
int cuMemPoolSetAttribute(void* p, int a, void* v) { return *(addr*)v == ~0ull ? 0 : 1; }
int cuMemcpyHtoDAsync_v2(addr to, const void* from, size_t n, void* s) { memcpy((void*)to, from, n); return 0; }
int cuMemcpyDtoHAsync_v2(void* to, addr from, size_t n, void* s) { memcpy(to, (void*)from, n); return dead; }
int cuMemcpyDtoDAsync_v2(addr to, addr from, size_t n, void* s) { memcpy((void*)to, (void*)from, n); return 0; }
int cuMemsetD8Async(addr to, unsigned char b, size_t n, void* s) { memset((void*)to, b, n); return 0; }
int cuModuleLoadData(void** m, const void* image) { *m = &dead; return memcmp(image, "\177ELF", 4) ? 200 : 0; }
int cuModuleGetFunction(void** f, void* m, const char* name) { *f = &dead; return strcmp(name, "scale") ? 500 : 0; }
int cuModuleUnload(void* m) { return 0; }
int cuFuncSetAttribute(void* f, int a, int v) { return 0; }
int cuFuncGetAttribute(int* v, int a, void* f) { *v = 0; return 0; }
int cuLaunchKernelEx(const unsigned* config, void* f, void** params, void** extra) {
    const float* x = *(const float**)params[0]; float* y = *(float**)params[1];
    float s = *(float*)params[2]; int n = *(int*)params[3];
    printf("launch: grid %u %u %u block %u %u %u shared %u\n", config[0], config[1], config[2], config[3], config[4], config[5], config[6]);
    fflush(stdout);
    for (int i = 0; i < n; i++) y[i] = x[i] * s;
    if (s == -1.0f) dead = 700;
    if (n == 3) {
        unsigned* record = *(unsigned**)params[4];
        unsigned words[8] = {1, 0, 5, 6, 7, 1, 2, 3};
        memcpy(record, words, sizeof words);
        ((long long*)record)[4] = -1; ((long long*)record)[5] = n;
    }
    return 0;
}
int cuEventCreate(void** e, unsigned f) { *e = &dead; return 0; }
int cuEventRecord(void* e, void* s) { return 0; }
int cuEventSynchronize(void* e) { return 0; }
int cuEventElapsedTime(float* ms, void* a, void* b) { *ms = 0.5f; return 0; }
int cuEventDestroy_v2(void* e) { return 0; }
int cuTensorMapEncodeTiled(void* m) { return 0; }
"#;

/// In a child: launches on the stub, well and badly.
#[test]
fn child_that_launches() -> hidet_core::Result<()> {
    use hidet_core::device::{Device, Tensor};
    use hidet_core::kernel::{CompileOptions, Compiled, RawArg};
    use hidet_core::types::Element;
    if std::env::var_os(CHILD).is_none() {
        return Ok(());
    }
    let device = Device::cuda(0)?;
    println!("device: {device} {:?}", device.arch());
    let function = hidet_core::ir::text::parse(KERNEL)?;
    let compile = |checks| Compiled::new(function.clone(), &device, &CompileOptions { checks, ..Default::default() });
    let (plain, checked) = (compile(false)?, compile(true)?);
    let launch = |kernel: &Compiled, values: &[f32], s: f32| -> hidet_core::Result<Vec<f32>> {
        let x = device.tensor(values, [values.len()])?;
        let y: Tensor<f32, 1> = device.empty([values.len()])?;
        kernel.launch(&[RawArg::Tensor(x.raw()), RawArg::Tensor(y.raw()), RawArg::Scalar(s.constant())])?;
        y.to_vec()
    };
    println!("plain: {:?}", launch(&plain, &[1.0, 2.0, 3.0, 4.0, 5.0], 2.0)?);
    println!("checked: {:?}", launch(&checked, &[1.0, 2.0], 0.5)?);
    println!("empty: {:?}", launch(&plain, &[], 0.5)?);
    let x = device.tensor(&[1f32, 2.0], [2])?;
    let context = device.as_cuda().unwrap();
    let arguments = [RawArg::Tensor(x.raw()), RawArg::Tensor(x.raw()), RawArg::Scalar(1f32.constant())];
    println!("aliased: {}", plain.launch(&arguments).unwrap_err());
    println!("time: {:?}", hidet_core::cuda::measure(context, 3, || Ok(())));
    println!("fault: {}", launch(&checked, &[1.0, 2.0, 3.0], 0.5).unwrap_err());
    println!("late: {}", launch(&plain, &[1.0], -1.0).unwrap_err());
    println!("after: {}", launch(&plain, &[1.0], 1.0).unwrap_err());
    Ok(())
}

#[test]
fn a_launch_on_a_stub_driver() {
    if !hidet_core::testing::nvrtc::available().unwrap() {
        return;
    }
    let mut path = library("launches", "libcuda.so", DRIVER).into_os_string();
    path.push(":");
    path.push(std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default());
    let text = run("child_that_launches", path);
    for line in [
        "device: cuda:0 (Stub) Some(Arch { number: 90, specific: true })",
        "launch: grid 2 1 1 block 4 1 1 shared 0",
        "plain: [2.0, 4.0, 6.0, 8.0, 10.0]",
        "checked: [0.5, 1.0]",
        "empty: []",
        "aliased: launch of `scale`: argument `y`, which the kernel writes, shares memory with argument `x`",
        "time: Ok(0.0",
        "fault: kernel `scale` failed: an index is outside of `x`, which has 3 elements",
        "block [5, 6, 7], thread [1, 2, 3]",
        "late: cuda:0: copying from the device failed: CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was \
         encountered; kernels launched since the device was last waited for: `scale`",
        "after: cuda:0: the device cannot be used any more in this process, after: copying from the device failed",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
