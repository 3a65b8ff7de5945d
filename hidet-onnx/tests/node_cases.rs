//! The standard's node cases on the simulated device: none may be wrong, and those that are refused are listed in
//! `NODE_CASES.md` with the reason.
//!
//! `HIDET_ONNX_CASES` names their folder, as `node_cases.py` writes it: in it a folder per case, with `model.onnx` and
//! `test_data_set_0/{input,output}_0.pb`.
//! With `HIDET_WRITE=1` the list is written, else compared. To look for faults: `HIDET_ONNX_ONLY` is a part of the names of cases to
//! run, `HIDET_ONNX_SHOW` prints why others are refused, and `HIDET_ONNX_EXPANDED` runs the definitions of operators instead.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod cases;

use cases::{Case, Outcome};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

/// The number of cases of the package `onnx` 1.23.2.
const CASES: usize = 1884;

/// Those of the standard's operators on tensors of types that hidet has, whose models are not definitions.
const COUNTED: usize = 1145;

/// Cases that take longer are named.
const SLOW: Duration = Duration::from_secs(5);

#[test]
fn node_cases() {
    let Some(folder) = env::var_os("HIDET_ONNX_CASES") else {
        eprintln!("skipped: HIDET_ONNX_CASES does not name the folder of the standard's node cases");
        return;
    };
    let all = cases::all(Path::new(&folder));
    assert!(all.len() >= CASES, "{} cases were found, but there are {CASES}", all.len());
    let filter = env::var("HIDET_ONNX_ONLY").unwrap_or_default();
    let expanded = env::var_os("HIDET_ONNX_EXPANDED").is_some();
    let counted: Vec<&Case> = all
        .iter()
        .filter(|case| case.counts() && case.is_expanded() == expanded && case.name.contains(&filter))
        .collect();
    let timed = |case: &Case| {
        let begin = Instant::now();
        let outcome = case.run();
        if begin.elapsed() > SLOW {
            println!("{}: {:.1?}", case.name, begin.elapsed());
        }
        outcome
    };
    let outcomes: Vec<(&Case, Outcome)> = counted.par_iter().map(|case| (*case, timed(case))).collect();
    let mut wrong = Vec::new();
    for (case, outcome) in &outcomes {
        match outcome {
            Outcome::Wrong(why) => wrong.push(format!("{}: {why}", case.name)),
            Outcome::Refused(why) if env::var_os("HIDET_ONNX_SHOW").is_some() => println!("{}: {why}", case.name),
            _ => {}
        }
    }
    let right = outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Right).count();
    let refused = outcomes.len() - right - wrong.len();
    println!("{} cases: {right} right, {} wrong, {refused} refused", outcomes.len(), wrong.len());
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    if !filter.is_empty() || expanded {
        return;
    }
    assert_eq!(outcomes.len(), COUNTED);
    let text = table(&outcomes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("NODE_CASES.md");
    if env::var("HIDET_WRITE").is_ok_and(|value| value == "1") {
        fs::write(path, text).unwrap();
    } else {
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(committed, text, "NODE_CASES.md is out of date; write it with HIDET_WRITE=1");
    }
}

/// The list of operators, with how many cases pass, and why others are refused.
fn table(outcomes: &[(&Case, Outcome)]) -> String {
    let mut rows: BTreeMap<String, (usize, usize, BTreeMap<String, usize>)> = BTreeMap::new();
    for (case, outcome) in outcomes {
        let (right, of, refused) = rows.entry(case.operators.join(", ")).or_default();
        *of += 1;
        match outcome {
            Outcome::Right => *right += 1,
            Outcome::Wrong(why) | Outcome::Refused(why) => {
                // The number of the node and the lines of a list are not part of the reason.
                let why = why.lines().last().unwrap_or_default().trim();
                let why = why.split_once("): ").map_or(why, |(_, why)| why);
                *refused.entry(why.to_owned()).or_default() += 1;
            }
        }
    }
    let right: usize = rows.values().map(|(right, ..)| right).sum();
    let mut text = format!(
        "# Node cases of ONNX\n\nThe cases of the package `onnx` 1.23.2 for the standard's operators on tensors of f32, f16, bf16, \
         f64, i64, i32, i8, u8 and bool, without those that are definitions of operators by others, on the simulated device: {right} \
         of {} pass, none is wrong, and the others are refused. `tests/node_cases.rs` writes this list.\n\n\
         | operator | pass | of | refused |\n|---|---|---|---|\n",
        outcomes.len()
    );
    for (operator, (right, of, refused)) in rows {
        let reasons: Vec<String> = refused.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        writeln!(text, "| {operator} | {right} | {of} | {} |", reasons.join("; ").replace('|', "\\|")).unwrap();
    }
    text
}
