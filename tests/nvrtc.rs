//! Kernels of the language through NVRTC, without a GPU: they compile for every architecture that has what they use.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::ir::Function;
use hidet::passes::LoweringOptions;
use hidet::prelude::*;
use hidet::testing::nvrtc::compile_everywhere;
use hidet_examples::softmax::softmax;

#[track_caller]
fn compiles(function: Function, archs: usize) {
    for checks in [false, true] {
        for wide_index in [false, true] {
            let options = LoweringOptions { checks, wide_index, ..Default::default() };
            let Some(usages) = compile_everywhere(&function, &options).unwrap() else { return };
            assert_eq!(usages.len(), archs);
            for (arch, usage) in usages {
                println!("{} {arch} checks {checks} wide {wide_index}: {} registers", function.name, usage.registers);
                assert_eq!((usage.spill_stores, usage.spill_loads), (0, 0), "{} spills on {arch}", function.name);
                assert!(usage.losses.is_empty(), "{:?}", usage.losses);
            }
        }
    }
}

#[test]
fn softmax_compiles_everywhere_for_every_float() {
    compiles(softmax::<f32>().build().unwrap(), 6);
    compiles(softmax::<f16>().build().unwrap(), 6);
    compiles(softmax::<bf16>().build().unwrap(), 6);
    compiles(softmax::<f64>().build().unwrap(), 6);
}

/// NVRTC 13.0 ends the process if the values that are hidden in the first program are hidden by `lop3`, and never ends on
/// the next two if the entries of tables are cast by `__cvta_global_to_generic`, and refuses the last if `__isGlobal` is
/// asked of a pointer to elements.
#[test]
fn programs_that_stopped_nvrtc_compile() {
    use hidet::testing::random::{numbers_program, tables_program};
    for (program, archs) in [
        (numbers_program(23_009_355), 6),
        (tables_program(61_000_014), 6),
        (tables_program(61_000_038), 5),
        (tables_program(70_003_153), 5),
    ] {
        for kernel in program.kernels {
            if let Some(usages) = compile_everywhere(&kernel, &LoweringOptions::default()).unwrap() {
                assert_eq!(usages.len(), archs);
            }
        }
    }
}

#[test]
fn random_kernels_compile() {
    use hidet::testing::random::random_kernel;
    let (mut functions, mut refused) = (0, Vec::new());
    let seeds = std::env::var("HIDET_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(24u64);
    for seed in 0..seeds {
        let kernel = random_kernel(seed);
        let options = LoweringOptions { checks: seed % 3 == 0, wide_index: seed % 2 == 0, ..Default::default() };
        let lowered = hidet::passes::lower(&kernel.function, &options).unwrap();
        // One architecture each is enough: their differences are tested for every operation elsewhere.
        let archs = hidet::codegen::archs(&lowered);
        let arch = archs[seed as usize % archs.len()];
        let source = hidet::codegen::cuda(&lowered, arch).unwrap();
        if !hidet::testing::nvrtc::available().unwrap() {
            continue;
        }
        functions += 1;
        if let Err(error) = hidet::cuda::nvrtc::compile(&source, arch) {
            refused.push(format!("seed {seed}: {error}\n{}", source.text));
        }
    }
    println!("{functions} kernels");
    assert!(refused.is_empty(), "{} of {functions} refused\n{}", refused.len(), refused[0]);
}

/// PTX, machine code and images are made without a GPU.
#[test]
fn kernels_compile_ahead_of_time() -> hidet::Result<()> {
    if !hidet::testing::nvrtc::available()? {
        return Ok(());
    }
    assert!(softmax::<f32>().ptx("sm_80")?.contains(".target sm_80"));
    assert!(softmax::<f32>().cubin("sm_90a")?.starts_with(b"\x7fELF"));
    assert!(softmax::<f32>().cubin("sm_9x").unwrap_err().to_string().contains("sm_9x"));
    for template in [softmax::<f16>().image("sm_90a")?, hidet_examples::transpose::transpose::<f32>().image("sm_80")?] {
        let bytes = template.to_bytes();
        let read = hidet::kernel::Image::from_bytes(&bytes)?;
        assert_eq!((read.to_bytes(), read.instances()), (bytes, template.instances()));
        assert!(read.instances() >= 2);
    }
    Ok(())
}

kernel! {
    /// Approximations: of a value from memory, of a value in a loop that does not change there, and one that nobody reads.
    #[launch(grid = 1, block = 32)]
    fn approximations(x: In<f32, [32]>, y: Out<f32, [32]>) {
        let v = x[[thread_id()]];
        let mut sum = 0.0f32;
        for _i in 0..1000 {
            sum += v.exp2_approx().tanh_approx().recip_approx();
        }
        v.recip_approx();
        y[[thread_id()]] = sum;
    }
}

/// An approximation is one instruction, which NVRTC takes out of the loop, without the scaling for subnormal numbers.
#[test]
fn approximations_are_one_instruction() -> hidet::Result<()> {
    if !hidet::testing::nvrtc::available()? {
        return Ok(());
    }
    let ptx = approximations().ptx("sm_90a")?;
    for instruction in ["ex2.approx.ftz.f32", "tanh.approx.f32", "rcp.approx.ftz.f32"] {
        assert_eq!(ptx.matches(instruction).count(), 1, "{instruction}\n{ptx}");
    }
    let before = ptx.split("add.rn.f32").next().unwrap_or_default();
    assert!(before.contains("rcp.approx") && !ptx.contains("mul.rn") && !ptx.contains("selp"), "{ptx}");
    Ok(())
}
