//! The modules of hidet-core stand in layers: what stands right may import what stands left of it, never the other way.
//! Files are short and say what they are for.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// From left to right; modules of one row do not know each other.
const LAYERS: [&[&str]; 10] = [
    &["types", "layout", "error"],
    &["intrinsics"],
    &["ir"],
    &["dsl"],
    &["passes"],
    &["codegen", "sim"],
    &["cache"],
    &["cuda"],
    &["device"],
    &["kernel"],
];

/// What a module may not know although it stands left of it.
const STRANGERS: [(&str, &[&str]); 2] =
    [("cache", &["types", "layout", "intrinsics", "ir", "dsl", "passes", "codegen", "sim"]), ("cuda", &["sim"])];

/// The one module that every other may use and that is for tests alone.
const FOR_TESTS: &str = "testing";

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("hidet-core/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&root).unwrap();
        let own = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // Tests may look at everything: modules that are declared under `#[cfg(test)]`.
        let is_test = inside.iter().any(|part| {
            let name = part.to_str().unwrap().trim_end_matches(".rs");
            let parent = fs::read_to_string(root.join(own).join("mod.rs")).unwrap_or_default();
            name == "tests" || parent.contains(&format!("#[cfg(test)]\nmod {name};"))
        });
        let Some(here) = layer(own).filter(|_| !is_test) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            if line.contains("#[cfg(test)]") {
                break;
            }
            for rest in line.split("crate::").skip(1) {
                let other: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if other == own || other == FOR_TESTS {
                    continue;
                }
                let stranger = STRANGERS.iter().any(|(module, others)| *module == own && others.contains(&&*other));
                if stranger || layer(&other).is_some_and(|there| there > here || (there == here && here > 0)) {
                    wrong.push(format!("{}:{}: `{own}` imports `{other}`", inside.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

/// The longest a file may be.
const MOST_LINES: usize = 400;

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["hidet-mapping", "hidet-macros", "hidet-core", "src", "examples", "tests", "benches"] {
        sources(&root.join(folder), &mut files);
    }
    let mut wrong = Vec::new();
    for path in files {
        // Each is a program of a few lines, with its message or what it shows beside it.
        if path.starts_with(root.join("tests/ui")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            wrong.push(format!("{} has no header", path.display()));
        }
        if lines > MOST_LINES {
            wrong.push(format!(
                "{} has {lines} lines, more than {MOST_LINES}: it holds more than one noun",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
