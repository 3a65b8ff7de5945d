//! Models that people run, against what ONNX Runtime computes: every output must be within 1e-4 of its range.
//!
//! `HIDET_MODELS` names their folder: in it `*.onnx`, and `reference/*.npz` with inputs `in_*` and outputs `out_*`, in whose
//! names `:` and `/` are `_`. `HIDET_MODEL` chooses one, `HIDET_DEVICE` the device,
//! `HIDET_ARITHMETIC` the floats (f32, tf32x3, f16). Of deep models with random weights, which
//! `paper_models.py` makes, the references have outputs of another input too, `other_*`: what is wrong must be small beside what
//! the input changes.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::prelude::Device;
use hidet_onnx::{Arithmetic, Array, Model};
use hidet_ops::Tensor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

/// How far an output may be from the reference, as a part of the range of its values.
const TOLERANCE: f64 = 1e-4;

/// Models with outputs whose range is that of rounding. Of noise, this one finds no text: its largest output is 3e-4, the end of a
/// sigmoid. ONNX Runtime itself differs by 6e-4 of that from its own reference, with one thread instead of several.
const TOLERANCES: [(&str, f64); 1] = [("ch_PP-OCRv4_det_infer", 1e-3)];

/// How far an output of a model with random weights may be from the reference, beside the outputs of another input.
fn beside_others(arithmetic: Arithmetic) -> f64 {
    match arithmetic {
        Arithmetic::F32 | Arithmetic::Tf32x3 => 2e-3,
        _ => 0.1,
    }
}

fn plain(name: &str) -> String {
    name.replace([':', '/'], "_")
}

/// Returns the largest error of an output, as a part of the range of the reference.
fn error(found: &Array, wanted: &Array) -> f64 {
    assert_eq!(found.ty(), wanted.ty());
    let (found, wanted) = (found.floats(), wanted.floats());
    let (least, most) = wanted.iter().fold((f64::MAX, f64::MIN), |(least, most), x| (least.min(*x), most.max(*x)));
    let far = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    // NaN is an error of any size.
    far.fold(0.0, |most: f64, x| if x <= most { most } else { x }) / (most - least).max(f64::MIN_POSITIVE)
}

/// Returns the distance of an output from the reference over that of the reference from the output of another input.
fn distance(found: &Array, wanted: &Array, other: &Array) -> f64 {
    assert_eq!(found.ty(), wanted.ty());
    let apart =
        |a: &Array, b: &Array| a.floats().iter().zip(b.floats()).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    apart(found, wanted) / apart(wanted, other)
}

fn run(path: &Path, device: &Device, arithmetic: Arithmetic) -> Vec<String> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let archive = path.with_file_name(format!("reference/{name}.npz"));
    let bytes = fs::read(&archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    let reference = Array::from_npz(&bytes).unwrap();
    let begin = Instant::now();
    let model = Model::load(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let session = model.on_by(device, arithmetic).unwrap();
    let loaded = begin.elapsed();
    let inputs: Vec<(&str, Tensor)> = model
        .inputs()
        .iter()
        .filter_map(|input| Some((input.name.as_str(), reference.get(&format!("in_{}", plain(&input.name)))?)))
        .map(|(name, array)| (name, array.on(device).unwrap()))
        .collect();
    let tolerance = TOLERANCES.iter().find(|(own, _)| *own == name).map_or(TOLERANCE, |(_, tolerance)| *tolerance);
    let run = || {
        let begin = Instant::now();
        let outputs = session.run(&inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Copied to the host, which waits for what the device still does.
        let outputs: Vec<(String, Array)> =
            outputs.into_iter().map(|(name, tensor)| (name, Array::of(&tensor).unwrap())).collect();
        (outputs, begin.elapsed())
    };
    let (mut outputs, first) = run();
    let mut again = String::new();
    // The second run repeats kept launches, where there are some; it is compared unless it takes long.
    if first < Duration::from_secs(20) {
        let (kept, second) = run();
        (outputs, again) = (kept, format!(", second {second:.2?}"));
    }
    let mut wrong = Vec::new();
    let mut worst = 0f64;
    for (output, found) in &outputs {
        let [wanted, other] = ["out", "other"].map(|kind| reference.get(&format!("{kind}_{}", plain(output))));
        let wanted = wanted.unwrap();
        let (far, tolerance) = match other {
            Some(other) => (distance(found, wanted, other), beside_others(arithmetic)),
            None => (error(found, wanted), tolerance),
        };
        worst = if far <= worst { worst } else { far };
        if far.is_nan() || far > tolerance {
            wrong.push(format!("{name}: output `{output}` has an error of {far:e}"));
        }
    }
    println!("{name}: error {worst:.1e}, loaded in {loaded:.2?}, first run {first:.2?}{again}");
    wrong
}

#[test]
fn real_models() {
    let Some(folder) = env::var_os("HIDET_MODELS") else {
        eprintln!("skipped: HIDET_MODELS does not name the folder of models");
        return;
    };
    let only = env::var("HIDET_MODEL").unwrap_or_default();
    let device = Device::named(&env::var("HIDET_DEVICE").unwrap_or_else(|_| "sim".to_owned())).unwrap();
    let arithmetic = env::var("HIDET_ARITHMETIC").map_or(Arithmetic::F32, |name| name.parse().unwrap());
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|own| own == "onnx")).collect();
    models.sort();
    models.retain(|path| path.to_string_lossy().contains(&only));
    assert!(!models.is_empty(), "there are no models");
    let wrong: Vec<String> = models.iter().flat_map(|path| run(path, &device, arithmetic)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
