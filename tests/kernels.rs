//! Properties of every kernel of the registry: it is valid after every pass, its text form parses back, and it compiles for
//! the newest architecture that its intrinsics and types allow and one of the others (with `HIDET_ALL=1` for all), without
//! spills in the matrix products. What is known of its resources before is compared with what ptxas reports: shared memory is
//! equal, registers are a lower bound.

use hidet::cuda::nvrtc;
use hidet::ir::{Arch, Function, text, verify};
use hidet::kernel::Estimate;
use hidet::testing::nvrtc::available;
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
fn nvrtc_compiles_every_kernel() {
    if !available().unwrap() {
        return;
    }
    let (mut estimates, mut as_built) = (Estimates::default(), Estimates::default());
    println!("{:<34} {:>8} {:>10} {:>8} {:>8}", "kernel", "arch", "registers", "spilled", "shared");
    for entry in registry::all() {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let lowered =
            passes::lower(&built, &Default::default()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let archs = codegen::archs(&lowered);
        assert!(!archs.is_empty(), "{}: no architecture has all it needs", entry.name);
        let newest = archs.last().copied();
        for arch in sample(entry.name, archs) {
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
            let name = format!("{} on {arch}", entry.name);
            let is_newest = Some(arch) == newest;
            estimates.compare(&name, &lowered, (&source, &usage), is_newest);
            // The function as it was written says the same.
            as_built.compare(&format!("{name}, as built"), &built, (&source, &usage), is_newest);
        }
    }
    let Estimates { wrong, kernels, tight, largest } = estimates;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(as_built.wrong.is_empty(), "{}", as_built.wrong.join("\n"));
    println!("{kernels} kernels; of {tight} the estimate is at least half of the registers; the largest is {largest}");
    assert!(kernels >= 80 && tight >= 10 && largest >= 128, "{kernels}, {tight}, {largest}");
}

/// Returns the newest architecture and one of the others, which the kernel's name draws; all with `HIDET_ALL=1`.
fn sample(kernel: &str, archs: Vec<Arch>) -> Vec<Arch> {
    let Some((newest, older)) = archs.split_last() else { return archs };
    if older.is_empty() || std::env::var_os("HIDET_ALL").is_some() {
        return archs;
    }
    vec![older[drawn(kernel) % older.len()], *newest]
}

/// Returns a number that a kernel's name draws.
fn drawn(kernel: &str) -> usize {
    kernel.bytes().fold(0usize, |drawn, byte| drawn.wrapping_mul(31).wrapping_add(byte.into()))
}

/// Every kernel can be checked while it runs, including those with bulk copies, tensor cores and clusters. NVRTC compiles every
/// second one, which the name draws; all with `HIDET_ALL=1`.
#[test]
fn nvrtc_compiles_every_kernel_with_checks() {
    if !available().unwrap() {
        return;
    }
    let (mut checked, mut met, mut estimates) = (0, 0, Estimates::default());
    let all = std::env::var_os("HIDET_ALL").is_some();
    for entry in registry::all().into_iter().filter(|entry| all || drawn(entry.name).is_multiple_of(2)) {
        let built = (entry.build)().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let options = passes::LoweringOptions { checks: true, ..Default::default() };
        let lowered = passes::lower(&built, &options).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let arch = codegen::archs(&lowered).pop().unwrap_or_else(|| panic!("{} has no architecture", entry.name));
        let source = codegen::cuda(&lowered, arch).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let cubin =
            nvrtc::compile(&source, arch).unwrap_or_else(|error| panic!("{}: {error}\n{}", entry.name, source.text));
        checked += usize::from(!source.sites.is_empty());
        // Named barriers and warp groups wait at words in shared memory, where waiting threads learn of faults.
        assert!(!source.text.contains("    hidet_bar_sync("), "{}\n{}", entry.name, source.text);
        met += usize::from(source.text.contains("if (!hidet_meet<true>(report, "));
        let name = format!("{} on {arch}, with checks", entry.name);
        estimates.compare(&name, &lowered, (&source, &cubin.usage), true);
    }
    assert!(checked > 10 && met > 0, "{checked} kernels have checks, {met} meet in shared memory");
    assert!(
        estimates.wrong.is_empty() && estimates.kernels >= if all { 80 } else { 30 },
        "{}",
        estimates.wrong.join("\n")
    );
}

/// Estimates of resources that were compared with what ptxas reports.
#[derive(Default)]
struct Estimates {
    wrong: Vec<String>,
    /// Kernels, for the newest architecture of each.
    kernels: usize,
    /// Those of which the estimate is at least half of the registers.
    tight: usize,
    /// The most registers.
    largest: u32,
}

impl Estimates {
    /// Compares those of a function, with extents of 64 if its shared memory depends on them. For the newest architecture of a
    /// kernel static shared memory is equal; for others ptxas may leave out the padding behind the last array.
    fn compare(
        &mut self,
        name: &str,
        function: &Function,
        (source, usage): (&codegen::Source, &nvrtc::Usage),
        is_newest: bool,
    ) {
        let dims = vec![64; function.dims.len()];
        let (estimate, dynamic) = (Estimate::of(function, &dims), source.dynamic_shared.eval(&dims));
        let (Ok(estimate), Ok(dynamic)) = (estimate, dynamic) else {
            return self.wrong.push(format!("{name}: its shared memory is not known"));
        };
        // Some of a spilling kernel's data is in local memory.
        let local = (usage.stack + usage.spill_stores).div_ceil(4);
        let fits = estimate.registers_at_least <= usage.registers + local || estimate.moves_registers;
        let padded = |bytes: u64| if is_newest { bytes } else { bytes.next_multiple_of(16) };
        let is_equal = padded(estimate.static_shared.into()) == padded(usage.shared.into());
        if !is_equal || i64::from(estimate.dynamic_shared) != dynamic || !fits {
            self.wrong.push(format!("{name}: {estimate:?}, {usage:?}, dynamic {dynamic}"));
        }
        if !is_newest {
            return;
        }
        self.kernels += 1;
        self.tight += usize::from(2 * estimate.registers_at_least >= usage.registers);
        self.largest = self.largest.max(estimate.registers_at_least);
    }
}
