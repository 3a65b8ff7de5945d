//! `hidet bench` as a whole, on stubs of the driver, NVRTC and cuBLASLt: everything except the numbers.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

const NVRTC: &str = include_str!("../../hidet-core/tests/stub/nvrtc.c");

/// A cuBLASLt that multiplies nothing. It proposes three algorithms, of which the second fails when it is used, and
/// checks its arguments: a transposed left factor of 64 x 256, a right one of 64 x 128.
const CUBLASLT: &str = r#"
#include <stdlib.h>
#include <string.h>
typedef unsigned long long u64;
typedef struct { u64 rows, cols; long long ld; int type; } Layout;
typedef struct { u64 algorithm[8]; size_t workspace; int status; float waves; int reserved[4]; } Proposal;
static int transposed = 0;
int cublasLtCreate(void** h) { *h = &transposed; return getenv("STUB_NO_HANDLE") ? 1 : 0; }
int cublasLtDestroy(void* h) { return 0; }
int cublasLtMatmulDescCreate(void** d, int compute, int scale) { *d = &transposed; return compute == 68 && scale == 0 ? 0 : 7; }
int cublasLtMatmulDescSetAttribute(void* d, int a, const int* v, size_t n) { if (a == 3 && n == 4) transposed = *v; return 0; }
int cublasLtMatmulDescDestroy(void* d) { return 0; }
int cublasLtMatrixLayoutCreate(void** l, int type, u64 rows, u64 cols, long long ld) {
    Layout* made = malloc(sizeof(Layout));
    *made = (Layout){rows, cols, ld, type};
    *l = made;
    return type == 14 ? 0 : 15;
}
int cublasLtMatrixLayoutDestroy(void* l) { free(l); return 0; }
int cublasLtMatmulPreferenceCreate(void** p) { *p = &transposed; return 0; }
int cublasLtMatmulPreferenceSetAttribute(void* p, int a, const size_t* v, size_t n) { return a == 1 && n == 8 ? 0 : 7; }
int cublasLtMatmulPreferenceDestroy(void* p) { return 0; }
int cublasLtMatmulAlgoGetHeuristic(void* h, void* d, Layout* a, Layout* b, Layout* c, Layout* e, void* p, int asked, Proposal* out, int* given) {
    if (!transposed || a->rows != 64 || a->cols != 256 || a->ld != 64 || b->rows != 64 || b->cols != 128) return 7;
    if (c->rows != 256 || c->cols != 128 || c->ld != 256 || asked < 3) return 7;
    for (int i = 0; i < 3; i++) { memset(&out[i], 0, sizeof *out); out[i].algorithm[0] = i + 1; out[i].workspace = 32; }
    *given = 3;
    return 0;
}
int cublasLtMatmulAlgoConfigGetAttribute(const u64* a, int which, int* v, size_t n, size_t* written) { *v = 10 * (int)a[0] + which; return 0; }
int cublasLtMatmul(void* h, void* d, const float* alpha, const void* a, void* al, const void* b, void* bl, const float* beta,
    const void* c, void* cl, void* e, void* el, const u64* algorithm, void* w, size_t n, void* s) {
    return *alpha != 1 || *beta != 0 || !w || !s ? 7 : algorithm[0] == 2 ? 15 : 0;
}
"#;

/// Builds a library of that name from C source in the folder of a case.
fn library(case: &str, name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.c"));
    std::fs::write(&file, source).unwrap();
    let mut command = Command::new("cc");
    let status = command.args(["-shared", "-fPIC", "-O1", "-w", "-o"]).arg(folder.join(name)).arg(&file).status();
    assert!(status.unwrap().success());
    folder
}

/// The driver of the core's tests. Its kernels do nothing here, and the host reads only zeros, or the bytes of some
/// other number: the right result for products and copies of zeros.
const DRIVER: &str = include_str!("../../hidet-core/tests/stub/driver.c");

/// Runs `hidet bench` with those arguments on the stubs in that folder. Returns its output, and true if it succeeds.
fn bench(folder: &Path, arguments: &str, variables: &[&str]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
    command.arg("bench").args(arguments.split(' ')).env("LD_LIBRARY_PATH", folder);
    command.env("HIDET_STUB_FAST", "1").env("HIDET_STUB_READS", "0").env("HIDET_STUB_MEMORY", (1 << 27).to_string());
    command.env("HIDET_CACHE", "off").env("CUDA_HOME", folder);
    command.envs(variables.iter().map(|name| (name, "1")));
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (text, output.status.success())
}

#[test]
fn kernels_and_baselines_are_checked_measured_and_drawn() {
    let folder = library("bench", "libcuda.so", DRIVER);
    library("bench", "libnvrtc.so", NVRTC);
    library("bench", "libcublasLt.so.13", CUBLASLT);
    let file = |name: &str| folder.join(name).display().to_string();
    let (csv, plot, roof) = (file("out.csv"), file("bars.svg"), file("roof.svg"));
    let short = "--rounds 3 --slice 0.6";
    let (text, good) = bench(
        &folder,
        &format!(
            "matmul_wgmma --against cublaslt --shape 128x256x64 {short} --csv {csv} --plot {plot} --roofline {roof}"
        ),
        &[],
    );
    assert!(good, "{text}");
    for part in [
        "Stub, 1 multiprocessors; driver CUDA 13.0, NVRTC 13.0",
        "measured peaks: copy ",
        "128x256x64, 3 rounds",
        "matmul_wgmma ",
        "24 registers",
        "vs cublaslt",
        ", 32 bytes of workspace; fastest of 2 of 3 proposed",
        "1.000",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert!(rows.contains(",matmul_wgmma,false,\"24 registers, ") && rows.contains(",cublaslt,true,"), "{rows}");
    let bars = std::fs::read_to_string(&plot).unwrap();
    assert!(bars.contains("class=\"bar\"") && bars.contains("class=\"baseline\""), "{bars}");
    assert!(std::fs::read_to_string(&roof).unwrap().contains("class=\"roof\""));

    let (text, good) = bench(&folder, &format!("copy16<f32> --against copy --shape 65536 --l2 flush {short}"), &[]);
    assert!(good && text.contains("vs copy (driver)") && text.contains("vs copy (ours)"), "{text}");
    let (text, good) = bench(&folder, &format!("matmul_naive matmul_tiled --shape 70x60x33 {short} --no-peaks"), &[]);
    assert!(good && text.contains("matmul_naive") && text.contains("matmul_tiled"), "{text}");
    assert!(!text.contains("measured peaks"), "{text}");
}

#[test]
fn errors_are_reported() {
    let folder = library("bench_wrong", "libcuda.so", DRIVER);
    library("bench_wrong", "libnvrtc.so", NVRTC);
    library("bench_wrong", "libcublasLt.so.13", CUBLASLT);
    let product = "matmul_wgmma --against cublaslt --shape 128x256x64 --no-peaks --rounds 1 --slice 0.6";
    let refuses = |arguments: &str, variables: &[&str], part: &str| {
        let (text, good) = bench(&folder, arguments, variables);
        assert!(!good && text.contains(part), "{part}\n{text}");
    };
    refuses(product, &["HIDET_STUB_READS"], "FAILED matmul_wgmma gives a wrong result: c[");
    refuses(product, &["STUB_NO_HANDLE"], "cublaslt: cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED (1)");
    refuses(product, &["STUB_NO_HANDLE"], "  matmul_wgmma  ");
    refuses("wgmma_pipeline --shape 100x256x64 --no-peaks", &[], "m must be a multiple of");
    refuses(
        "matmul_wgmma --shape 128x256 --no-peaks",
        &[],
        "128x256 is not a shape of these kernels, which take m x n x k",
    );
    refuses(
        "vector_add --shape 4096 --no-peaks --against cublaslt",
        &[],
        "cublaslt multiplies matrices, which this kernel does not",
    );
    refuses("vector_add<f32> --shape 4096 --no-peaks --against softmax", &[], "`softmax` is not a baseline here");
    refuses("nothing", &[], "there is no kernel `nothing` to measure");
    refuses("vector_add --device cuda:7", &[], "there is no device 7; the driver finds 2");
    refuses("vector_add --shape 1000000000000 --no-peaks", &[], "FAILED ");
    refuses(&format!("{product} --csv /nowhere/out.csv"), &[], "/nowhere/out.csv: ");
}
