//! Tests that are files: `tests/filetests/<area>/*.hir`, a kernel in the text form with comments that select the tests.
//!
//! - `; test: roundtrip` the kernel prints as in the file (without comments) and parses back equal.
//! - `; test: verify` the verifier reports exactly the `; error:` comments: one at the end of the line of the statement,
//!   or on a line of its own above the kernel for the signature.
//! - `; test: parse` the text is refused, with the `; error:` comment at the end of the line.
//! - `; test: cuda sm_80` the CUDA text of the (lowered) kernel is the text after `; ----`; or it is refused with the
//!   `; error:` comment.
//! - `; test: pass NAME` that pass turns the kernel into the text after `; ----`, and does not change it again; or it is
//!   refused with an `; error:`. `; test: lower` does the same with all passes. Both take options: `checks`, `wide`,
//!   `no-contract`. After every pass the kernel must be valid and survive printing and parsing.
//! - `; test: bounds` the report on the bounds of every access is the text after `; ----`.
//!
//! - `; test: run` with `; arg n = 16`, `; arg %alpha = 0.5`, `; arg @x = 1.0 2.0` (or `iota`, `fill 0.0`, `unset`) for
//!   each dim and parameter: the outputs on the simulated device are the text after `; ----`, in the order of memory.
//!   They must be the same for every seed, and before and after lowering.
//! - `; test: sim n=64 seeds=50` the simulated device reports exactly the `; error:` comments at seed 0 (without any: all
//!   seeds give one result, or, with the word `varies`, any), the same kinds at the other seeds, and the same on one
//!   thread and two.
//!
//! A file may select several tests. `HIDET_BLESS=1 cargo test --test filetests` writes the results into the files: read
//! the difference before committing it.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[path = "filetests/harness.rs"]
mod harness;

use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Every `.hir` file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "hir") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn filetests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let filter = std::env::var("HIDET_FILETEST").unwrap_or_default();
    let chosen: Vec<PathBuf> =
        files(&root).into_iter().filter(|path| path.to_string_lossy().contains(&filter)).collect();
    let count = chosen.len();
    let failure = |path: &PathBuf| {
        let failure = harness::run(path).err()?;
        Some(format!("== {}\n{failure}", path.strip_prefix(&root).unwrap_or(path).display()))
    };
    let failures: Vec<String> = chosen.par_iter().filter_map(failure).collect();
    assert!(count > 0, "HIDET_FILETEST={filter} is in the path of no file");
    assert!(failures.is_empty(), "{} of {count} filetests fail:\n{}", failures.len(), failures.join("\n"));
}
