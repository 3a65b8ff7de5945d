//! A check of every intrinsic: a kernel for every row of the table, on small whole numbers, bit for bit.
//!
//! Each case has the result computed here on the host; the simulated device and a GPU must both give it. Rows that say
//! when things happen, not what is computed, are checked where programs use them.

mod atomic;
mod bits;
mod bulk;
mod case;
mod lanes;
pub mod math;
mod matrix;
mod numbers;
mod packed;
mod vector;
mod wgmma;

use case::Case;
use hidet::intrinsics::{Intrinsic, Meaning, Row};
use hidet::ir::Arch;
use hidet::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What makes the cases of a row. None: see [`elsewhere`].
fn maker(row: &Row) -> Option<fn(&Row) -> Vec<Case>> {
    match row.meaning {
        Meaning::Mma(_) | Meaning::LoadMatrix { .. } | Meaning::StoreMatrix { .. } => Some(matrix::cases),
        Meaning::Shuffle(_) | Meaning::Vote(_) | Meaning::Redux(_) | Meaning::ActiveMask => Some(lanes::cases),
        Meaning::Atomic(..) | Meaning::AtomicLoad(..) | Meaning::AtomicStore(..) => Some(atomic::cases),
        Meaning::Wgmma { .. } => Some(wgmma::cases),
        Meaning::TensorLoad | Meaning::TensorStore(_) | Meaning::BulkLoad | Meaning::BulkStore(_) => Some(bulk::cases),
        Meaning::Bits(_) => Some(bits::cases),
        Meaning::LoadVector { .. } | Meaning::StoreVector | Meaning::ReduceVector | Meaning::CpAsync { .. } => {
            Some(vector::cases)
        }
        _ => None,
    }
}

/// Why a row has no case of its own.
fn elsewhere(row: &Row) -> Option<&'static str> {
    const REASONS: &[(&str, &str)] = &[
        ("sync.", "orders accesses and computes nothing: every kernel with shared memory"),
        ("bar.", "orders accesses and computes nothing: the simulator's tests"),
        ("fence.", "orders accesses and computes nothing: the simulator's tests"),
        ("mbarrier.", "orders accesses and computes nothing: the pipelines"),
        ("cluster.", "needs a cluster: the cluster kernels"),
        ("tma.load", "to several blocks: the cluster kernels"),
        ("tma.prefetch", "changes no result"),
        ("bulk.", "waits for copies: the cases of those"),
        ("wgmma.fence", "orders accesses: the cases of products"),
        ("wgmma.commit", "orders accesses: the cases of products"),
        ("wgmma.wait", "orders accesses: the cases of products"),
        ("cp.async.", "orders copies and computes nothing: the cases of copies"),
        ("mapa", "needs a cluster: the cluster kernels"),
        ("setmaxnreg.", "computes nothing: the pipelines"),
        ("elect.one", "any lane may be chosen"),
        ("grid.", "orders kernels and computes nothing"),
        ("nanosleep", "tells no value"),
        ("clock", "tells no value that is the same twice"),
    ];
    REASONS.iter().find(|(start, _)| row.name.starts_with(start)).map(|(_, reason)| *reason)
}

/// Whether an architecture has a row.
fn exists(row: &Row, arch: Arch) -> bool {
    let (number, specific) = row.min_arch;
    let least = arch.number >= number && (!specific || arch.specific);
    least && row.max_arch.is_none_or(|most| arch.number <= most)
}

fn is_named(case: &Case, named: &str) -> bool {
    format!("{} {}", case.row, case.detail).starts_with(named)
}

/// What came of a family.
#[derive(Default)]
struct Family {
    rows: usize,
    cases: usize,
    skipped: usize,
    /// Why.
    reasons: BTreeSet<&'static str>,
    failures: Vec<String>,
}

/// What is wrong with a case on a device; a case of a row that the device lacks is right.
fn problem(case: &Case, device: &Device) -> Option<String> {
    let row = Intrinsic::named(&case.row).map(Intrinsic::row);
    if let (Some(arch), Some(row)) = (device.arch(), row)
        && !exists(row, arch)
    {
        return None;
    }
    match case.compile(device).and_then(|kernel| case.run(device, &kernel)) {
        Ok(got) => case.difference(&got),
        Err(error) => Some(error.to_string()),
    }
}

/// Runs every case on a device whose row, types and sizes, as in `tma.load.2d f16`, begin with `named`, and on the
/// simulated device too where `compare`, on all cores; the report, and whether all passed.
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
    let mut all = Vec::new();
    for row in Intrinsic::all().map(Intrinsic::row).filter(|row| some(row)) {
        let name = row.name.split('.').next().unwrap_or_default();
        let family = families.entry(name).or_default();
        family.rows += 1;
        let maker = maker(row);
        if maker.is_none() {
            family.skipped += 1;
            family.reasons.extend(elsewhere(row));
        }
        let mut cases = maker.map_or_else(Vec::new, |cases| cases(row));
        cases.retain(|case| is_named(case, named));
        family.cases += cases.len();
        all.extend(cases.into_iter().map(|case| (name, case)));
    }
    let mut packed = packed::cases();
    packed.retain(|case| is_named(case, named));
    families.insert("(packed)", Family { cases: packed.len(), ..Family::default() });
    all.extend(packed.into_iter().map(|case| ("(packed)", case)));
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some((name, case)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            for device in &devices {
                let Some(problem) = problem(case, device) else { continue };
                let failure = format!("{} {} on {device}: {problem}", case.row, case.detail);
                if let Ok(mut found) = found.lock() {
                    found.push((*name, failure));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_default();
    found.sort();
    for (name, failure) in found {
        families.entry(name).or_default().failures.push(failure);
    }
    report(device, &families)
}

fn report(device: &Device, families: &BTreeMap<&str, Family>) -> (String, bool) {
    let mut text = format!("intrinsics on {device}, bit for bit against the host\n");
    let _ = writeln!(text, "{:<12} {:>6} {:>10} {:>6}  result", "family", "rows", "elsewhere", "cases");
    for (name, family) in families {
        let result = if family.failures.is_empty() { "ok" } else { "FAILED" };
        let _ = writeln!(text, "{name:<12} {:>6} {:>10} {:>6}  {result}", family.rows, family.skipped, family.cases);
        for reason in &family.reasons {
            let _ = writeln!(text, "    elsewhere: {reason}");
        }
        for failure in family.failures.iter().take(5) {
            let _ = writeln!(text, "    {failure}");
        }
    }
    let failed: usize = families.values().map(|family| family.failures.len()).sum();
    let all: usize = families.values().map(|family| family.cases).sum();
    let _ = writeln!(text, "{} cases passed, {failed} failed", all.saturating_sub(failed));
    (text, failed == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_checked_or_says_where() {
        let missing: Vec<&str> = Intrinsic::all()
            .map(Intrinsic::row)
            .filter(|row| maker(row).is_none() && elsewhere(row).is_none())
            .map(|row| row.name.as_str())
            .collect();
        let some = &missing[..missing.len().min(20)];
        assert!(missing.is_empty(), "{} rows without a check: {some:?}", missing.len());
    }

    /// Of a thousand products of warp groups every type with a few n.
    fn some(row: &Row) -> bool {
        !row.name.starts_with("wgmma.m64") || ["n8k", "n24k", "n48k", "n64k"].iter().any(|n| row.name.contains(n))
    }

    #[test]
    fn every_case_holds_on_the_simulated_device() {
        let (report, passed) = run_some(&Device::sim(), false, &some, "");
        assert!(passed, "{report}");
    }

    #[test]
    fn every_case_can_be_printed_for_its_architecture() {
        for row in Intrinsic::all().map(Intrinsic::row).filter(|row| some(row)) {
            let (number, specific) = row.min_arch;
            let arch = Arch { number, specific };
            for case in maker(row).map_or_else(Vec::new, |cases| cases(row)) {
                let function = hidet::ir::text::parse(&case.text()).unwrap();
                let lowered = hidet::passes::lower(&function, &Default::default());
                let source = lowered.and_then(|lowered| hidet::codegen::cuda(&lowered, arch));
                assert!(source.is_ok(), "{}: {}\n{}", row.name, source.err().unwrap(), case.text());
            }
        }
    }

    /// Vectors and fragments are arrays in the text; ptxas must make registers of them, and find nothing slow.
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
