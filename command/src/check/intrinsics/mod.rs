//! A check of every intrinsic: a kernel for every row of the table, on small whole numbers, bit for bit.
//!
//! The result of each case is computed here on the host; the simulated device and a GPU must both give it. Rows that
//! order other operations, and compute nothing, are in cases whose results need them.

mod approx;
mod atomic;
mod bits;
mod bulk;
mod case;
mod cluster;
mod lanes;
pub mod math;
mod matrix;
mod numbers;
mod packed;
mod sync;
mod vector;
mod wgmma;

use case::Case;
use hidet::intrinsics::{Intrinsic, Meaning, Row};
use hidet::ir::Arch;
use hidet::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns the function that makes the cases of a row, or `None` if the row is in the cases of others.
fn maker(row: &Row) -> Option<fn(&Row) -> Vec<Case>> {
    match row.meaning {
        Meaning::Mma(_) | Meaning::LoadMatrix { .. } | Meaning::StoreMatrix { .. } => Some(matrix::cases),
        Meaning::Shuffle(_) | Meaning::Vote(_) | Meaning::Redux(_) | Meaning::ActiveMask => Some(lanes::cases),
        Meaning::Atomic(..) | Meaning::AtomicLoad(..) | Meaning::AtomicStore(..) => Some(atomic::cases),
        Meaning::Wgmma { .. } => Some(wgmma::cases),
        Meaning::TensorLoad { .. }
        | Meaning::TensorMulticast { .. }
        | Meaning::TensorStore(_)
        | Meaning::BulkLoad
        | Meaning::BulkStore(_) => Some(bulk::cases),
        Meaning::Bits(_) => Some(bits::cases),
        Meaning::Approx(_) => Some(approx::cases),
        Meaning::LoadVector { .. } | Meaning::StoreVector | Meaning::ReduceVector | Meaning::CpAsync { .. } => {
            Some(vector::cases)
        }
        Meaning::PeerAddress => Some(cluster::cases),
        _ if row.name.starts_with("cluster.") => Some(cluster::cases),
        _ => None,
    }
}

/// Returns the cases of some rows, and those of no row.
fn cases(some: &dyn Fn(&Row) -> bool) -> Vec<Case> {
    let rows = Intrinsic::all().map(Intrinsic::row).filter(|row| some(row));
    let cases = rows.flat_map(|row| maker(row).map_or_else(Vec::new, |cases| cases(row)));
    cases.chain(sync::cases()).chain(packed::cases()).collect()
}

/// Returns true if an architecture has a row.
fn exists(row: &Row, arch: Arch) -> bool {
    let (number, specific) = row.min_arch;
    let least = arch.number >= number && (!specific || arch.specific);
    least && row.max_arch.is_none_or(|most| arch.number <= most)
}

fn is_named(case: &Case, named: &str) -> bool {
    format!("{} {}", case.row, case.detail).starts_with(named)
}

/// Returns the first word of a name.
fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The results of a family.
#[derive(Default)]
struct Family {
    rows: usize,
    cases: usize,
    /// The number of rows that are in the cases of others.
    others: usize,
    /// The number of cases that the device cannot run.
    lacking: usize,
    failures: Vec<String>,
}

/// Returns true if a case calls an intrinsic that a device lacks.
fn lacks(device: &Device, case: &Case) -> bool {
    device.arch().is_some_and(|arch| !case.calls().all(|row| exists(row, arch)))
}

/// Returns the error of a case on a device, if any.
fn problem(case: &Case, device: &Device) -> Option<String> {
    match case.compile(device).and_then(|kernel| case.run(device, &kernel)) {
        Ok(got) => case.difference(&got),
        Err(error) => Some(error.to_string()),
    }
}

/// Runs every case on a device whose row, types and sizes, as in `tma.load.2d f16`, begin with `named`, and on the
/// simulated device too if `compare`, on all cores. Returns the report, and true if all passed.
pub fn run(device: &Device, compare: bool, named: &str) -> (String, bool) {
    run_some(device, compare, &|_| true, named)
}

/// The same for some rows.
fn run_some(device: &Device, compare: bool, some: &dyn Fn(&Row) -> bool, named: &str) -> (String, bool) {
    let mut families: BTreeMap<&str, Family> = BTreeMap::new();
    let devices: Vec<Device> = match compare && !device.is_sim() {
        true => vec![Device::sim(), device.clone()],
        false => vec![device.clone()],
    };
    let mut all = cases(some);
    let own: HashSet<String> = all.iter().map(|case| case.row.clone()).collect();
    for row in Intrinsic::all().map(Intrinsic::row).filter(|row| some(row)) {
        let family = families.entry(family(&row.name)).or_default();
        family.rows += 1;
        family.others += usize::from(!own.contains(&row.name));
    }
    all.retain(|case| is_named(case, named));
    for case in &all {
        let family = families.entry(family(&case.row)).or_default();
        family.cases += 1;
        family.lacking += usize::from(lacks(device, case));
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            for device in devices.iter().filter(|device| !lacks(device, case)) {
                let Some(problem) = problem(case, device) else { continue };
                let failure = format!("{} {} on {device}: {problem}", case.row, case.detail);
                if let Ok(mut found) = found.lock() {
                    found.push((family(&case.row), failure));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_unstable();
    for (name, failure) in found {
        families.entry(name).or_default().failures.push(failure);
    }
    report(device, &families)
}

fn report(device: &Device, families: &BTreeMap<&str, Family>) -> (String, bool) {
    let mut text = format!("intrinsics on {device}, bit for bit against the host\n");
    let _ =
        writeln!(text, "{:<12} {:>6} {:>10} {:>6} {:>8}  result", "family", "rows", "in others", "cases", "lacking");
    for (name, family) in families {
        let result = if family.failures.is_empty() { "ok" } else { "FAILED" };
        let counts = [family.others, family.cases, family.lacking];
        let _ = writeln!(
            text,
            "{name:<12} {:>6} {:>10} {:>6} {:>8}  {result}",
            family.rows, counts[0], counts[1], counts[2]
        );
        for failure in family.failures.iter().take(5) {
            let _ = writeln!(text, "    {failure}");
        }
    }
    let failed: usize = families.values().map(|family| family.failures.len()).sum();
    let all: usize = families.values().map(|family| family.cases).sum();
    let lacking: usize = families.values().map(|family| family.lacking).sum();
    let passed = all.saturating_sub(failed + lacking);
    let _ = writeln!(text, "{passed} cases passed, {failed} failed, {lacking} need what the device lacks");
    if passed + failed == 0 {
        let _ = writeln!(text, "nothing was checked: no case that the device can run is named so");
    }
    (text, failed == 0 && passed > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Selects, of a thousand products of warp groups, every type with a few n.
    fn some(row: &Row) -> bool {
        !row.name.starts_with("wgmma.m64") || ["n8k", "n24k", "n48k", "n64k"].iter().any(|n| row.name.contains(n))
    }

    #[test]
    fn every_row_stands_in_a_case() {
        let mut missing: BTreeSet<&str> =
            Intrinsic::all().map(|row| row.row()).filter(|row| some(row)).map(|row| row.name.as_str()).collect();
        for case in cases(&some) {
            for row in case.calls() {
                missing.remove(row.name.as_str());
            }
            let own = case.row.starts_with("packed.") || case.calls().any(|row| row.name == case.row);
            assert!(own, "the case `{} {}` does not call what it is named after", case.row, case.detail);
        }
        assert!(missing.is_empty(), "rows that no case calls: {missing:?}");
    }

    #[test]
    fn every_case_holds_on_the_simulated_device() {
        let (report, passed) = run_some(&Device::sim(), false, &some, "");
        assert!(passed, "{report}");
    }

    #[test]
    fn a_check_of_nothing_fails() {
        let (report, passed) = run_some(&Device::sim(), false, &some, "nonsense");
        assert!(
            !passed && report.contains("0 cases passed, 0 failed") && report.contains("nothing was checked"),
            "{report}"
        );
    }

    #[test]
    fn every_case_can_be_printed_for_its_architecture() {
        for case in cases(&some) {
            let (number, specific) = case.calls().map(|row| row.min_arch).max().unwrap_or((75, false));
            let arch = Arch { number, specific };
            let function = hidet::ir::text::parse(&case.text()).unwrap();
            let lowered = hidet::passes::lower(&function, &Default::default());
            let source = lowered.and_then(|lowered| hidet::codegen::cuda(&lowered, arch));
            assert!(source.is_ok(), "{}: {}\n{}", case.row, source.err().unwrap(), case.text());
        }
    }

    /// Compiles one case of each row by ptxas.
    #[test]
    fn cases_compile_for_an_h200() {
        let families = |row: &Row| ["cluster", "mapa", "tma", "grid", "bulk"].contains(&family(&row.name));
        let mut named = HashSet::new();
        for case in cases(&families).into_iter().filter(|case| named.insert(case.row.clone())) {
            let function = hidet::ir::text::parse(&case.text()).unwrap();
            super::super::tests::compiles(&function, &Default::default());
        }
    }

    /// Vectors and fragments are arrays in the text; ptxas must keep them in registers, and find nothing slow.
    #[test]
    fn fragments_stay_in_registers() {
        if !hidet::testing::nvrtc::available().unwrap() {
            return;
        }
        let arch = Arch { number: 90, specific: true };
        let names = [
            "load.no_allocate.x4.b32",
            "load.cs.x8.b16",
            "store.cg.x16.b8",
            "red.add.x8.bf16",
            "mma.m16n8k32.i32.i8",
            "ldmatrix.x4.trans",
            "wgmma.m64n64k16.f32.bf16.bf16.ss",
            "wgmma.m64n24k32.f16.e4m3.e5m2.rs",
        ];
        let rows = names.into_iter().map(|name| Intrinsic::named(name).unwrap().row());
        let cases = rows.filter_map(|row| maker(row)?(row).pop()).chain(packed::cases());
        for case in cases {
            let function = hidet::ir::text::parse(&case.text()).unwrap();
            let lowered = hidet::passes::lower(&function, &Default::default()).unwrap();
            let source = hidet::codegen::cuda(&lowered, arch).unwrap();
            let usage = hidet::cuda::nvrtc::compile(&source, arch).unwrap().usage;
            let local = usage.stack + usage.spill_stores + usage.spill_loads;
            assert!(local == 0 && usage.losses.is_empty(), "{} {}: {usage:?}\n{}", case.row, case.detail, source.text);
        }
    }
}
