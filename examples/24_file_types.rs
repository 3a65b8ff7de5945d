//! The types of files: a network that people use, Magika's (`magika/README.md`), as its authors published it.
//!
//! It makes 214 numbers of the first and the last bytes of a file, by 370 million products. Names of files, if there are
//! any behind `cargo run --example 24_file_types --`, are those to be looked at; else some of this repository are, whose types
//! are known. Runs on a GPU if there is one, or else on the simulated device.

use hidet::prelude::*;
use hidet::sim::Options;
use hidet_onnx::Model;
use hidet_ops::Tensor;
use std::path::{Path, PathBuf};
use std::{env, fs, iter};

/// What may fail: files, and the model.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/magika/magika_standard_v3_3.onnx");

const LABELS: &str = include_str!("magika/labels.txt");

/// Files of this repository, and their types.
pub const FILES: [(&str, &str); 12] = [
    ("examples/24_file_types.rs", "rust"),
    ("README.md", "markdown"),
    ("examples/digits/train.py", "python"),
    ("Cargo.toml", "toml"),
    ("hidet-core/src/sim/mod.rs", "rust"),
    ("ARCHITECTURE.md", "markdown"),
    ("benches/operators_peer.py", "python"),
    ("hidet-onnx/Cargo.toml", "toml"),
    ("examples/digits/digits.onnx", "onnx"),
    ("hidet-core/tests/stub/driver.c", "c"),
    ("benches/results/h200/operators.csv", "csv"),
    ("LICENSE-MIT", "txt"),
];

/// The bytes that the network sees at each end of a file.
const SEEN: usize = 1024;

/// Bytes at each end of a file among which white space is left out.
const PART: usize = 4096;

/// Where a file has no byte.
const NONE: i32 = 256;

/// Returns what the network sees of a file: its first bytes that are not white space, and its last.
fn seen(bytes: &[u8]) -> Vec<i32> {
    let part = bytes.len().min(PART);
    let is_space = |byte: &&u8| matches!(**byte, b' ' | b'\t'..=b'\r');
    let padded = |bytes: &mut dyn Iterator<Item = &u8>| -> Vec<i32> {
        bytes.skip_while(is_space).map(|byte| i32::from(*byte)).chain(iter::repeat(NONE)).take(SEEN).collect()
    };
    let mut all = padded(&mut bytes[..part].iter());
    all.extend(padded(&mut bytes[bytes.len() - part..].iter().rev()).iter().rev());
    all
}

/// Returns the type of each file, and how sure the network is of it, from 0 to 1.
fn types(device: &Device, files: &[PathBuf]) -> Result<Vec<(&'static str, f32)>> {
    let mut all = Vec::new();
    for file in files {
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        all.extend(seen(&bytes));
    }
    let session = Model::load(MODEL)?.on(device)?;
    let bytes = Tensor::from(&device.tensor(&all, [files.len(), 2 * SEEN])?);
    let [(_, chances)] = &session.run(&[("bytes", bytes)])?[..] else { return Err("it has one output".into()) };
    let (chances, labels) = (chances.to_vec::<f32>()?, LABELS.lines().collect::<Vec<&str>>());
    let largest = |row: &[f32]| {
        let pairs = labels.iter().zip(row).map(|(label, chance)| (*label, *chance));
        pairs.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("unknown", 0.0))
    };
    Ok(chances.chunks(labels.len()).map(largest).collect())
}

/// Finds the types of files, prints them, and compares them with what they are.
pub fn run(device: &Device, files: &[(&str, &str)]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths: Vec<PathBuf> = files.iter().map(|(file, _)| root.join(file)).collect();
    for ((file, wanted), (label, chance)) in files.iter().zip(types(device, &paths)?) {
        println!("{label:>9} {:5.1}%  {file}", 100.0 * chance);
        assert_eq!(label, *wanted, "{file}");
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    // The kernels of operators need no checks while they run, which take several times as long.
    let device = match Device::best()? {
        device if device.is_sim() => Device::sim_with(Options::fast()),
        device => device,
    };
    println!("device: {device}");
    let named: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if named.is_empty() {
        return run(&device, &FILES);
    }
    for (file, (label, chance)) in named.iter().zip(types(&device, &named)?) {
        println!("{label:>9} {:5.1}%  {}", 100.0 * chance, file.display());
    }
    Ok(())
}
