//! Every operator of hidet-ops on every type that it takes and awkward shapes, beside its definition evaluated in `f64`.

use hidet::prelude::Device;
use hidet_ops::testing::{Case, Outcome, cases};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is known of one operator.
#[derive(Default)]
struct Known {
    types: Vec<String>,
    runs: usize,
    elements: usize,
    problems: Vec<String>,
}

/// Checks the operators whose names begin with `named` on a device, with inputs of `count` seeds from `seed` on. Returns the
/// report, a line for each operator, and true if all are right.
pub fn run(device: &Device, named: &str, seed: u64, count: u64) -> (String, bool) {
    let all = cases();
    let chosen: Vec<&Case> = all.iter().filter(|case| case.operator.starts_with(named)).collect();
    if chosen.is_empty() || count == 0 {
        return (format!("there is nothing to check: no operator begins with `{named}`, or --count is 0\n"), false);
    }
    let (next, known) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<&str, Known>::new()));
    let work = || {
        while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            for dtype in case.dtypes {
                let outcomes: Vec<(u64, Outcome)> =
                    (seed..seed + count).map(|seed| (seed, case.run(device, *dtype, seed))).collect();
                let mut known = known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let known = known.entry(case.operator).or_default();
                known.types.push(dtype.to_string());
                known.runs += outcomes.len();
                for (seed, outcome) in outcomes {
                    known.elements += outcome.elements;
                    let problem = outcome.problem.map(|problem| format!("{dtype}, --seed {seed}: {problem}"));
                    known.problems.extend(problem);
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(16));
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let known = known.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut text = format!("operators on {device}, beside their definitions in f64\n");
    for (operator, known) in &known {
        let mut types = known.types.clone();
        types.dedup();
        let _ = writeln!(
            text,
            "  {operator:<20} {:>5} runs {:>9} elements  {}",
            known.runs,
            known.elements,
            types.join(" ")
        );
        for problem in &known.problems {
            let _ = writeln!(text, "    wrong: {problem}");
        }
    }
    let total = |of: fn(&Known) -> usize| known.values().map(of).sum::<usize>();
    let (runs, elements, wrong) = (total(|k| k.runs), total(|k| k.elements), total(|k| k.problems.len()));
    let _ = writeln!(text, "{} operators, {runs} runs, {elements} elements compared, {wrong} wrong", known.len());
    (text, wrong == 0)
}
