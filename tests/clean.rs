//! The kernels whose speed is promised, in their fast form: no spill, no local memory, no performance warning of ptxas,
//! no bank conflict in shared memory.
//!
//! Registers and warnings are read from the log of ptxas, through NVRTC, without a GPU. Without NVRTC that part is
//! skipped with a message, or fails on CI. Bank conflicts are counted by the simulated device.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "filetests/simulate.rs"]
mod simulate;

use hidet::cuda::nvrtc;
use hidet::ir::{Arch, Function};
use hidet::prelude::*;
use hidet::sim::{self, Options};
use hidet::testing::nvrtc::available;
use hidet::{codegen, passes};
use hidet_examples::matmul_double_buffered::matmul_double_buffered;
use hidet_examples::matmul_wgmma::matmul_wgmma;
use hidet_examples::row_kernels::{Rows, layer_norm_fast, row_sum_fast, softmax_fast};
use hidet_examples::streams::{Copies, copy16, vector_add_fast};
use hidet_examples::transpose_fast::{Squares, transpose_fast};

/// A kernel, and small extents for which it takes its fast path.
struct Case {
    name: String,
    function: Function,
    dims: Vec<i64>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: &str, function: hidet::Result<Function>, dims: &[i64]| {
        let function = function.unwrap_or_else(|error| panic!("{name}: {error}"));
        cases.push(Case { name: name.to_owned(), function, dims: dims.to_vec() });
    };
    case("matmul_wgmma", matmul_wgmma::<bf16>(Default::default()).build(), &[256, 128, 256]);
    case("matmul_double_buffered", matmul_double_buffered(Default::default()).build(), &[256, 64, 256]);
    memory_bound::<f32>("f32", &mut case);
    memory_bound::<f16>("f16", &mut case);
    cases
}

fn memory_bound<T: Float>(ty: &str, case: &mut dyn FnMut(&str, hidet::Result<Function>, &[i64])) {
    case(&format!("copy16<{ty}>"), copy16::<T>(Copies::of::<T>(16, 1)).build(), &[1 << 15]);
    case(&format!("vector_add_fast<{ty}>"), vector_add_fast::<T>(Copies::of::<T>(16, 1)).build(), &[1 << 15]);
    for cols in [768, 1000, 1024, 8192] {
        let (plan, dims) = (Rows::of::<T>(cols, 16), [4, cols as i64]);
        case(&format!("row_sum_fast<{ty}, {cols}>"), row_sum_fast::<T>(plan).build(), &dims);
        case(&format!("softmax_fast<{ty}, {cols}>"), softmax_fast::<T>(plan).build(), &dims);
        case(&format!("layer_norm_fast<{ty}, {cols}>"), layer_norm_fast::<T>(plan).build(), &dims);
    }
    let plan = Squares::of::<T>(256, 256, 16);
    case(&format!("transpose_fast<{ty}>"), transpose_fast::<T>(plan).build(), &[256, 256]);
}

/// Returns the forms that the launcher may run: with all guards, and without the guards that the extents make needless.
fn forms(case: &Case) -> Vec<Function> {
    let report = passes::bounds_report(&case.function).unwrap();
    let fast = report.instances.iter().filter(|conditions| conditions.hold(&case.dims));
    let fast = fast.map(|conditions| passes::specialise(&case.function, conditions));
    let lower = |function: Function| passes::lower(&function, &passes::LoweringOptions::default()).unwrap();
    std::iter::once(case.function.clone()).chain(fast).map(lower).collect()
}

#[test]
fn ptxas_has_nothing_to_say() {
    if !available().unwrap() {
        return;
    }
    let arch = Arch::from_name("sm_90a").unwrap();
    let mut dirty = Vec::new();
    println!("{:<30} {:>10} {:>8} {:>8}", "kernel", "registers", "spilled", "stack");
    for case in cases() {
        for form in forms(&case) {
            let source = codegen::cuda(&form, arch).unwrap();
            let usage = nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}", case.name)).usage;
            let spilled = usage.spill_stores + usage.spill_loads;
            println!("{:<30} {:>10} {spilled:>8} {:>8}", case.name, usage.registers, usage.stack);
            if spilled > 0 || usage.stack > 0 || !usage.losses.is_empty() {
                dirty.push(format!("{}: {usage:?}", case.name));
            }
        }
    }
    assert!(dirty.is_empty(), "{}", dirty.join("\n"));
}

#[test]
fn shared_memory_has_no_bank_conflicts() {
    let (mut dirty, mut counted) = (Vec::new(), 0);
    for case in cases() {
        for form in forms(&case) {
            let arguments = simulate::arguments(&form, &case.dims).unwrap();
            match sim::run(&form, &arguments, &Options::default()) {
                Ok(report) => {
                    let counters = report.counters;
                    counted += 1;
                    println!("{:<30} {:>10} shared accesses", case.name, counters.shared_accesses);
                    if counters.bank_conflicts > 0 {
                        dirty.push(format!("{}: {counters:?}", case.name));
                    }
                }
                Err(failure) => panic!("{}: {failure}", case.name),
            }
        }
    }
    assert!(counted >= 20, "{counted} kernels were simulated");
    assert!(dirty.is_empty(), "{}", dirty.join("\n"));
}
