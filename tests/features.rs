//! `FEATURES.md` has a row for each of the 120 features of the original, and the tests that it names exist.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

/// The states of a feature, as the table and as the introduction name them.
const STATES: [(&str, &str); 4] =
    [("done", "are done"), ("partly", "are partly done"), ("planned", "are planned"), ("left out", "are left out")];

const FEATURES: usize = 120;

/// The shortest reason, in characters.
const REASON: usize = 12;

/// Returns the names of the test functions of a file.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let name = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let after = text.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn "));
    after.map(move |(_, rest)| &rest[..name(rest)])
}

/// Returns what is wrong with `file` or `file::function`, if anything.
fn problem(reference: &str) -> Option<String> {
    let (file, function) = reference.split_once("::").map_or((reference, None), |(file, own)| (file, Some(own)));
    let Ok(text) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)) else {
        return Some(format!("there is no file `{file}`"));
    };
    let function = function.filter(|own| !tests(&text).any(|test| test == *own))?;
    Some(format!("`{file}` has no test `{function}`"))
}

/// Returns what is wrong with the state of a feature and what the row has for it.
fn problems(state: &str, shown: &str) -> Vec<String> {
    let parts: Vec<&str> = shown.split('`').collect();
    let references: Vec<&str> = parts.iter().skip(1).step_by(2).copied().collect();
    let said: String = parts.iter().step_by(2).copied().collect();
    let mut wrong: Vec<String> = references.iter().filter_map(|reference| problem(reference)).collect();
    if !STATES.iter().any(|(own, _)| *own == state) {
        wrong.push(format!("`{state}` is not a state"));
    }
    let is_shown = matches!(state, "done" | "partly");
    if is_shown == references.is_empty() {
        wrong.push(format!("{state}, with {} tests", references.len()));
    }
    if state != "done" && said.trim_matches([' ', ',', ':']).len() < REASON {
        wrong.push(format!("{state}, without a reason"));
    }
    wrong
}

#[test]
fn mistakes_are_found() {
    let own = "`tests/features.rs::mistakes_are_found`";
    assert_eq!(problems("done", own), [""; 0]);
    assert_eq!(problems("done", "`tests/features.rs::problems`"), ["`tests/features.rs` has no test `problems`"]);
    assert_eq!(problems("done", "`tests/nothing.rs`"), ["there is no file `tests/nothing.rs`"]);
    assert_eq!(problems("done", "for a long time"), ["done, with 0 tests"]);
    assert_eq!(problems("partly", own), ["partly, without a reason"]);
    assert_eq!(problems("planned", ""), ["planned, without a reason"]);
    assert_eq!(problems("nearly", "a reason of some length"), ["`nearly` is not a state"]);
}

#[test]
fn every_feature_has_a_state_that_is_shown() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/FEATURES.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let [own, feature, state, shown] = row[..] else { panic!("row {} has other columns: {row:?}", number + 1) };
        assert!(own == (number + 1).to_string() && !feature.is_empty(), "row {} is {row:?}", number + 1);
        wrong.extend(problems(state, shown).iter().map(|problem| format!("{own}: {problem}")));
    }
    assert_eq!(rows.len(), FEATURES);
    let introduction = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (state, named) in STATES {
        let counted = format!("{} {named}", rows.iter().filter(|row| row[2] == state).count());
        if !introduction.contains(&format!(" {counted}")) {
            wrong.push(format!("the introduction does not say that {counted}"));
        }
    }
    assert!(wrong.is_empty(), "wrong in FEATURES.md:\n{}", wrong.join("\n"));
}
