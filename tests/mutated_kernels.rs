//! Kernels changed at random: the parser and the verifier accept or refuse each; what they accept, the passes and code
//! generation lower or refuse, without a panic, and without making it invalid.
//!
//! `HIDET_CASES=100000 cargo test --test mutated_kernels` tries more, beginning with case `HIDET_CASE` (0).

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_core::codegen;
use hidet_core::ir::{Arch, text, verify};
use hidet_core::passes::{LoweringOptions, lower_with};
use hidet_core::testing::random::random_kernel;
use rayon::prelude::*;
use std::path::Path;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Pseudo-random numbers, the same for a case everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// The kernels of the filetests.
fn kernels(folder: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            kernels(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "hir") {
            let source = std::fs::read_to_string(&path).unwrap();
            let lines = source.lines().take_while(|line| *line != "; ----").filter(|line| !line.starts_with(';'));
            found.push(lines.map(|line| line.split(" ; error").next().unwrap_or_default().to_owned() + "\n").collect());
        }
    }
}

/// Splits a text into words and the characters between them.
fn words(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || "%$@'#._\"-".contains(c);
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

const INTERESTING: [&str; 14] = [
    "0",
    "1",
    "-1",
    "3",
    "255",
    "4096",
    "2147483647",
    "-9223372036854775808",
    "i64",
    "f32x4",
    "u8",
    "bool",
    "f16",
    "nan",
];

/// Replaces one to three words, mostly by words that begin alike, or removes or repeats a line.
fn mutate(text: &str, random: &mut Random) -> String {
    let mut words = words(text);
    for _ in 0..1 + random.below(3) {
        let at = random.below(words.len());
        let alike: Vec<&str> =
            words.iter().copied().filter(|word| word.chars().next() == words[at].chars().next()).collect();
        match random.below(8) {
            0..=3 => words[at] = alike[random.below(alike.len())],
            4 | 5 if words[at].len() > 1 => words[at] = INTERESTING[random.below(INTERESTING.len())],
            6 => {
                let start = words[..at].iter().rposition(|word| *word == "\n").unwrap_or(0);
                let end = at + words[at..].iter().position(|word| *word == "\n").unwrap_or(0);
                drop(words.drain(start..end));
            }
            _ => {
                let start = words[..at].iter().rposition(|word| *word == "\n").unwrap_or(0);
                let end = at + words[at..].iter().position(|word| *word == "\n").unwrap_or(0);
                let line = words[start..end].to_vec();
                words.splice(end..end, line);
            }
        }
        if words.is_empty() {
            break;
        }
    }
    words.concat()
}

/// Parses, verifies and lowers a text. Returns true if it was valid.
fn follow(case: u64, source: &str) -> Result<bool, String> {
    let Ok(function) = text::parse(source) else { return Ok(false) };
    let printed = text::print(&function);
    let again = text::parse(&printed).map_err(|error| format!("the printed text is refused: {error}"))?;
    if text::print(&again) != printed {
        return Err("printing is not stable".to_owned());
    }
    if verify::verify(&function).is_err() {
        return Ok(false);
    }
    let options = LoweringOptions { checks: case % 2 == 1, wide_index: case % 4 > 1, contract: case.is_multiple_of(3) };
    let mut invalid = Ok(true);
    let lowered = lower_with(&function, &options, &mut |pass, function| {
        if let (Ok(_), Err(problems)) = (&invalid, verify::verify(function)) {
            invalid = Err(format!("invalid after {}: {problems:?}", pass.name));
        }
    });
    if let Ok(lowered) = lowered {
        // Refusing is a valid answer.
        let _ = codegen::cuda(&lowered, Arch { number: 90, specific: true });
    }
    invalid
}

#[test]
fn nothing_panics_on_mutated_kernels() {
    let mut sources = Vec::new();
    kernels(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests"), &mut sources);
    let first = number("HIDET_CASE", 0);
    let results: Vec<Result<bool, String>> = (first..first + number("HIDET_CASES", 4000))
        .into_par_iter()
        .map(|case| {
            let mut random = Random(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            (0..4).for_each(|_| {
                random.below(1);
            });
            let base = match case % 3 {
                0 => text::print(&random_kernel(case).function),
                _ => sources[random.below(sources.len())].clone(),
            };
            let source = mutate(&base, &mut random);
            let found =
                std::panic::catch_unwind(|| follow(case, &source)).unwrap_or_else(|_| Err("a panic".to_owned()));
            found.map_err(|why| format!("case {case}: {why}\n{source}"))
        })
        .collect();
    let valid = results.iter().filter(|result| **result == Ok(true)).count();
    let failures: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    for failure in failures.iter().take(3) {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} cases fail", failures.len());
    // Most changes must not be refused at once, or nothing is tested.
    assert!(valid * 10 >= results.len(), "only {valid} of {} are valid", results.len());
}
