//! The modules of hidet-core stand in layers: what stands right may import what stands left of it, never the other way.
//! Files are short and say what they are for, and a type name means one thing.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use source::{FOLDERS, sources, split};

/// From left to right; modules in the same row do not know each other.
const LAYERS: [&[&str]; 11] = [
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
    &["tune"],
];

/// Modules that a module may not import although they stand left of it.
const STRANGERS: [(&str, &[&str]); 2] =
    [("cache", &["types", "layout", "intrinsics", "ir", "dsl", "passes", "codegen", "sim"]), ("cuda", &["sim"])];

/// The folders of the simulated device, from left to right as above. The files beside them know all of them.
const SIM_LAYERS: [&str; 5] = ["memory", "checks", "interp", "sync", "async_ops"];

/// The modules of the operators, from left to right as above.
const OPERATOR_LAYERS: [&str; 22] = [
    "error",
    "file",
    "safetensors",
    "memory",
    "expr",
    "task",
    "graph",
    "independence",
    "fuse",
    "schedule",
    "templates",
    "run",
    "plans",
    "tensor",
    "shared",
    "program",
    "saved",
    "replay",
    "buckets",
    "composed",
    "ops",
    "testing",
];

/// The modules of ONNX, from left to right as above.
const ONNX_LAYERS: [&str; 24] = [
    "error",
    "arithmetic",
    "proto",
    "element",
    "array",
    "npy",
    "npz",
    "safetensors",
    "file",
    "attributes",
    "pattern",
    "rule",
    "value",
    "graph",
    "build",
    "passes",
    "call",
    "ops",
    "run",
    "rewrite",
    "verify",
    "compiled",
    "syntax",
    "model",
];

/// The modules of the models, from left to right as above; models do not know each other.
const MODEL_LAYERS: [&str; 17] = [
    "error",
    "weights",
    "given",
    "load",
    "inputs",
    "sequences",
    "ended",
    "conv",
    "linear",
    "norm",
    "embedding",
    "attention",
    "resnet",
    "inception",
    "mobilenet",
    "bert",
    "gpt2",
];

/// The module that every other may use and that is only for tests.
const FOR_TESTS: &str = "testing";

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Returns the code of a file, with spaces in place of comments and strings, so that lines stay where they are.
fn code(text: &str) -> String {
    let blank = |c: char| if c == '\n' { c } else { ' ' };
    let parts = split(text).into_iter();
    parts.map(|(_, part, is_text)| if is_text { part.chars().map(blank).collect() } else { part.to_owned() }).collect()
}

/// Returns the code without items that are only for tests.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let Some(begin) = code.find(MARK) else { return code.to_owned() };
    let mut depth = 0;
    let end = code[begin + MARK.len()..].char_indices().find(|(_, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0 && matches!(c, '}' | ';')
    });
    let end = end.map_or(code.len(), |(at, _)| begin + MARK.len() + at + 1);
    let lines: String = code[begin..end].chars().filter(|c| *c == '\n').collect();
    code[..begin].to_owned() + &lines + &without_tests(&code[end..])
}

/// Returns the modules that code names after `path` (`crate::`), alone or in braces, with their lines.
fn imports(code: &str, path: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, path) in code.match_indices(path) {
        let line = code[..at].lines().count().max(1);
        let rest = &code[at + path.len()..];
        let mut depth = 0;
        // The names at the depth of the first braces; without braces the first name.
        let mut name = String::new();
        let mut begins = true;
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                c if c.is_alphanumeric() || c == '_' => {
                    if begins && depth <= 1 {
                        name.push(c);
                    }
                    continue;
                }
                _ => {}
            }
            if !name.is_empty() {
                found.push((line, std::mem::take(&mut name)));
            }
            if depth == 0 {
                break;
            }
            begins = depth == 1 && (matches!(c, '{' | ',') || (begins && c.is_whitespace()));
        }
    }
    found
}

#[test]
fn imports_are_read_as_rust_reads_them() {
    let text = "use crate::{kernel, device::{self, Tensor as T},\n    cuda::Memory};\n\
        // crate::comment\nconst A: &str = \"} crate::string \\\" {\"; const B: &str = r#\"crate::raw\"#;\n\
        #[cfg(test)]\nmod tests { use crate::hidden; const C: char = '}'; fn f<'a>(x: &'a str) { crate::hidden::g() } }\n\
        #[cfg(test)]\nuse crate::hidden;\nfn g() -> crate::sim::Memory { crate::ir::text::parse() }\n";
    let found = imports(&without_tests(&code(text)), "crate::");
    let names: Vec<(usize, &str)> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
    assert_eq!(names, [(1, "kernel"), (1, "device"), (1, "cuda"), (9, "sim"), (9, "ir")]);
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("hidet-core/src");
    let mut files = Vec::new();
    sources(&root, "rs", &mut files);
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
        for (line, other) in imports(&without_tests(&code(&fs::read_to_string(&path).unwrap())), "crate::") {
            if other == own || other == FOR_TESTS {
                continue;
            }
            let stranger = STRANGERS.iter().any(|(module, others)| *module == own && others.contains(&&*other));
            if stranger || layer(&other).is_some_and(|there| there > here || (there == here && here > 0)) {
                wrong.push(format!("{}:{line}: `{own}` imports `{other}`", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn imports_of_the_simulated_device_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("hidet-core/src/sim");
    let mut wrong = Vec::new();
    for (here, folder) in SIM_LAYERS.iter().enumerate() {
        let mut files = Vec::new();
        sources(&root.join(folder), "rs", &mut files);
        for path in files {
            let text = code(&fs::read_to_string(&path).unwrap());
            assert!(!text.contains("super::super"), "{}: write `crate::sim::`", path.display());
            for (line, other) in imports(&without_tests(&text), "crate::sim::") {
                if SIM_LAYERS.iter().position(|folder| *folder == other).is_some_and(|there| there > here) {
                    wrong.push(format!("{}:{line}: `{folder}` imports `{other}`", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

/// Asserts that each module of a crate, one of `layers`, imports only those to its left.
fn assert_one_way(crate_name: &str, layers: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_name).join("src");
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(&root, "rs", &mut files);
    for path in files {
        let inside = path.strip_prefix(&root).unwrap();
        let own = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(here) = layers.iter().position(|module| *module == own) else {
            assert_eq!(own, "lib", "{} is in no layer", inside.display());
            continue;
        };
        for (line, other) in imports(&without_tests(&code(&fs::read_to_string(&path).unwrap())), "crate::") {
            if layers.iter().position(|module| *module == other).is_some_and(|there| there > here) {
                wrong.push(format!("{}:{line}: `{own}` imports `{other}`", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn imports_of_the_operators_point_one_way() {
    assert_one_way("hidet-ops", &OPERATOR_LAYERS);
}

#[test]
fn imports_of_onnx_point_one_way() {
    assert_one_way("hidet-onnx", &ONNX_LAYERS);
}

#[test]
fn imports_of_the_models_point_one_way() {
    assert_one_way("hidet-models", &MODEL_LAYERS);
}

/// Type names that several modules of hidet-core use, and why.
const SHARED_NAMES: [(&str, &str); 7] = [
    ("Event", "a point in a stream: the driver's in `cuda`, of either device in `device`"),
    ("Graph", "captured work: the driver's in `cuda`, of either device in `device`"),
    ("Instance", "an instance of a kernel, for a GPU and for the simulated device"),
    ("Memory", "an allocation on a GPU and on the simulated device"),
    ("Pinned", "pinned host memory: the driver's in `cuda`, of either device in `device`"),
    ("Stream", "a stream: the driver's in `cuda`, of either device in `device`"),
    ("Var", "a variable of the IR, and the handle to it while a kernel is built"),
];

/// Returns the public types that code defines outside of functions and tests.
fn public_types(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines() {
        let mut words = line.trim_start().split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
        if words.next() != Some("pub") {
            continue;
        }
        // `pub(crate)`, `pub(in crate::sim)`.
        let visible = ["crate", "super", "self", "in", "sim", "unsafe"];
        let mut words = words.skip_while(|word| visible.contains(word));
        if matches!(words.next(), Some("struct" | "enum" | "trait" | "type" | "union")) {
            // A macro's `$name` is not a name yet.
            found.extend(words.next().filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned));
        }
    }
    found
}

#[test]
fn one_type_name_means_one_thing() {
    let text = "pub(crate) struct A;\nimpl A { pub type B = u8; }\nstruct C;\n    pub(in crate::sim) enum D {}\npub fn e() {}\npub struct $f;";
    assert_eq!(public_types(text), ["A", "D"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("hidet-core/src");
    let mut files = Vec::new();
    sources(&root, "rs", &mut files);
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for path in files {
        for name in public_types(&without_tests(&code(&fs::read_to_string(&path).unwrap()))) {
            places.entry(name).or_default().push(path.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(shared, _)| *shared == name);
    let wrong: Vec<String> = places
        .iter()
        .filter(|(name, files)| (files.len() > 1) != is_shared(name))
        .map(|(name, files)| format!("`{name}`: {}", files.join(", ")))
        .collect();
    assert!(
        wrong.is_empty(),
        "one name for several types, or listed in SHARED_NAMES without need:\n{}",
        wrong.join("\n")
    );
    let gone = SHARED_NAMES.iter().find(|(name, _)| !places.contains_key(*name));
    assert_eq!(gone, None, "listed in SHARED_NAMES, but there is no such type");
}

/// The most lines of a file.
const MOST_LINES: usize = 400;

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), "rs", &mut files);
    }
    let mut wrong = Vec::new();
    for path in files {
        // Each is a program of a few lines, with its error message or output beside it.
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
