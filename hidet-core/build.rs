//! Tells the crate what it was built from: a hash of all sources that decide how a kernel is compiled, in `HIDET_BUILD`.
//!
//! It takes in every file of this crate and, in the workspace, of `hidet-mapping`: more than passes and codegen, but
//! nothing that is added can be forgotten. Outside of the workspace versions of crates do not change their content.

use std::fs;
use std::path::{Path, PathBuf};

/// 128-bit FNV-1a: differences by accident are what it must tell apart.
struct Fnv(u128);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

fn main() {
    let mut hash = Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    for folder in ["src", "../hidet-mapping/src"] {
        let mut found = Vec::new();
        files(Path::new(folder), &mut found);
        found.sort();
        for path in &found {
            hash.add(path.to_string_lossy().as_bytes());
            hash.add(&fs::read(path).unwrap_or_default());
        }
        if !found.is_empty() {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=HIDET_BUILD={:032x}", hash.0);
}
