//! Properties of every kernel of the registry: it is valid after every pass, its text form parses back, and it compiles
//! for every architecture that its intrinsics and types allow, without spills in the matrix products.

use hidet::cuda::nvrtc;
use hidet::ir::{text, verify};
use hidet::{codegen, passes};
use hidet_examples::registry;

#[test]
fn text_reads_back_after_every_pass() {
    for entry in registry::all() {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let check = |stage: &str, function: &hidet::ir::Function| {
            verify::check(function).unwrap_or_else(|error| panic!("{} after {stage}: {error}", entry.name));
            let printed = text::print(function);
            let parsed =
                text::parse(&printed).unwrap_or_else(|e| panic!("{} after {stage}: {e}\n{printed}", entry.name));
            assert_eq!(text::print(&parsed), printed, "{} after {stage}", entry.name);
        };
        check("building", &built);
        for wide_index in [false, true] {
            let options = passes::LoweringOptions { wide_index, checks: wide_index, ..Default::default() };
            passes::lower_with(&built, &options, &mut |pass, function| check(pass.name, function))
                .unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        }
    }
}

#[test]
fn nvrtc_compiles_every_kernel_for_every_architecture_it_allows() {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "on CI, NVRTC must be there: {missing}");
        return eprintln!("SKIPPED: {missing}");
    }
    println!("{:<34} {:>8} {:>10} {:>8} {:>8}", "kernel", "arch", "registers", "spilled", "shared");
    for entry in registry::all() {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let lowered =
            passes::lower(&built, &Default::default()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let archs = codegen::archs(&lowered);
        assert!(!archs.is_empty(), "{}: no architecture has all it needs", entry.name);
        for arch in archs {
            let source = codegen::cuda(&lowered, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            assert!(!source.text.contains("#include"), "{}", entry.name);
            let cubin = nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            let usage = cubin.usage;
            let spilled = usage.spill_stores + usage.spill_loads;
            println!("{:<34} {arch:>8} {:>10} {spilled:>8} {:>8}", entry.name, usage.registers, usage.shared);
            assert!(usage.losses.is_empty(), "{} on {arch}: {:?}", entry.name, usage.losses);
            if entry.name.starts_with("matmul") {
                assert_eq!((spilled, usage.stack), (0, 0), "{} on {arch} keeps data in local memory", entry.name);
            }
        }
    }
}

/// Every kernel can be checked while it runs, including those with bulk copies, tensor cores and clusters.
#[test]
fn nvrtc_compiles_every_kernel_with_checks() {
    if let Err(missing) = nvrtc::version() {
        return eprintln!("SKIPPED: {missing}");
    }
    let (mut checked, mut met) = (0, 0);
    for entry in registry::all() {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let options = passes::LoweringOptions { checks: true, ..Default::default() };
        let lowered = passes::lower(&built, &options).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let arch = codegen::archs(&lowered).pop().unwrap_or_else(|| panic!("{} has no architecture", entry.name));
        let source = codegen::cuda(&lowered, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}\n{}", entry.name, source.text));
        checked += usize::from(!source.sites.is_empty());
        // Named barriers and warp groups wait at words in shared memory, where waiting threads learn of faults.
        assert!(!source.text.contains("    hidet_bar_sync("), "{}\n{}", entry.name, source.text);
        met += usize::from(source.text.contains("if (!hidet_meet<true>(report, "));
    }
    assert!(checked > 10 && met > 0, "{checked} kernels have checks, {met} meet in shared memory");
}
