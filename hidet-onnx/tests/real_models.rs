//! Models that people run, against what ONNX Runtime computes: every output must be within 1e-4 of its range.
//!
//! `HIDET_MODELS` names their folder: in it `*.onnx`, and `reference/*.npz` with inputs `in_*` and outputs `out_*`, in whose
//! names `:` and `/` are `_`. `HIDET_MODEL` chooses one, `HIDET_DEVICE` the device; else it is the simulated one without checks,
//! as of `hidet run`. `HIDET_ARITHMETIC` chooses the floats (f32, tf32x3, f16). With `HIDET_TIMES`, on a machine that does nothing
//! else, the simulated device must be quick. Of deep models with random weights, which
//! `paper_models.py` makes, the references have outputs of another input too, `other_*`: what is wrong must be small beside what
//! the input changes.
//!
//! Where f32 of ONNX Runtime is itself further than that from what the model says, `exact/NAME.npy` has that in f64, of every
//! eighth row, as `exact_model.py` computes it, and is the measure.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::prelude::Device;
use hidet::sim::Options;
use hidet_onnx::{Arithmetic, Array, Model};
use hidet_ops::{Tensor, TensorType};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

/// How far an output may be from the reference, as a part of the range of its values.
const TOLERANCE: f64 = 1e-4;

/// How far an output may be from a reference that is not the measure. Of noise, the model of `exact` finds no text: its largest
/// output is 3e-4, the end of a sigmoid, and ONNX Runtime is 4.1e-4 of that from what f64 gives, and 5.4e-4 from its own reference
/// when it fuses.
const BESIDE_EXACT: f64 = 1e-3;

/// How far an output of a model with random weights may be from the reference, beside the outputs of another input.
fn beside_others(arithmetic: Arithmetic) -> f64 {
    match arithmetic {
        Arithmetic::F32 | Arithmetic::Tf32x3 => 2e-3,
        _ => 0.1,
    }
}

/// How long loading a model and its first run may take on the simulated device, with two cores and no kernel in the cache.
const FIRST_RUN: Duration = Duration::from_secs(30);

/// For a part of a model's name, small extents of its inputs, of those that may be others: the least with which it does all that
/// it does with larger ones.
const SMALL: [(&str, &[(&str, &[usize])]); 5] = [
    ("magika", &[("bytes", &[1, 2048])]),
    ("OCRv4_det", &[("x", &[1, 3, 32, 32])]),
    ("ocr_mobile_v2.0_cls", &[("x", &[1, 3, 48, 16])]),
    ("silero_vad", &[("input", &[1, 576]), ("state", &[2, 1, 128])]),
    ("deepfilternet3_enc", &[("feat_erb", &[1, 1, 2, 32]), ("feat_spec", &[1, 2, 2, 96])]),
];

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

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn reference(path: &Path) -> HashMap<String, Array> {
    let archive = path.with_file_name(format!("reference/{}.npz", name_of(path)));
    let bytes = fs::read(&archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    Array::from_npz(&bytes).unwrap()
}

/// Returns every eighth row of the output of a model as f64 gives it, if it is the measure of this model.
fn exact(name: &str) -> Option<Array> {
    let bytes = fs::read(format!("{}/tests/exact/{name}.npy", env!("CARGO_MANIFEST_DIR"))).ok()?;
    Some(Array::from_npy(&bytes).unwrap())
}

/// Returns rows 0, 8, 16 and so on of each image.
fn every_eighth_row(images: &Array) -> Array {
    let TensorType { dtype, shape } = images.ty();
    let row = shape[3] * dtype.bytes();
    let rows = images.bytes().chunks(row).enumerate().filter(|(at, _)| at % shape[2] % 8 == 0);
    let bytes: Vec<u8> = rows.flat_map(|(_, row)| row.to_vec()).collect();
    Array::new(TensorType::new(*dtype, &[shape[0], shape[1], shape[2].div_ceil(8), shape[3]]), bytes).unwrap()
}

fn run(path: &Path, device: &Device, arithmetic: Arithmetic) -> Vec<String> {
    let (name, reference) = (name_of(path), reference(path));
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
    let exact = exact(&name).filter(|_| matches!(arithmetic, Arithmetic::F32 | Arithmetic::Tf32x3));
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
        (outputs, again) = (kept, format!(", second run {second:.2?}"));
    }
    let mut wrong = Vec::new();
    if env::var_os("HIDET_TIMES").is_some() && device.is_sim() && loaded + first > FIRST_RUN {
        wrong.push(format!(
            "{name}: until the first run ends, {:.2?} pass, but at most {FIRST_RUN:?} may",
            loaded + first
        ));
    }
    let mut worst = 0f64;
    for (output, found) in &outputs {
        let [wanted, other] = ["out", "other"].map(|kind| reference.get(&format!("{kind}_{}", plain(output))));
        let wanted = wanted.unwrap();
        let (far, tolerance) = match other {
            Some(other) => (distance(found, wanted, other), beside_others(arithmetic)),
            None if exact.is_some() => (error(found, wanted), BESIDE_EXACT),
            None => (error(found, wanted), TOLERANCE),
        };
        worst = if far <= worst { worst } else { far };
        if far.is_nan() || far > tolerance {
            wrong.push(format!("{name}: output `{output}` has an error of {far:e}"));
        }
    }
    if let Some(exact) = exact {
        let far = error(&every_eighth_row(&outputs[0].1), &exact);
        again += &format!(", {far:.1e} from what f64 gives");
        if far.is_nan() || far > TOLERANCE {
            wrong.push(format!("{name}: an error of {far:e} beside what f64 gives"));
        }
    }
    println!("{name}: error {worst:.1e}, loaded in {loaded:.2?}, first run {first:.2?}{again}");
    wrong
}

/// Returns the paths of the models, or nothing if no folder is named.
fn models() -> Vec<PathBuf> {
    let Some(folder) = env::var_os("HIDET_MODELS") else {
        eprintln!("skipped: HIDET_MODELS does not name the folder of models");
        return Vec::new();
    };
    let only = env::var("HIDET_MODEL").unwrap_or_default();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|own| own == "onnx")).collect();
    models.sort();
    models.retain(|path| path.to_string_lossy().contains(&only));
    assert!(!models.is_empty(), "there are no models");
    models
}

#[test]
fn real_models() {
    let device = match env::var("HIDET_DEVICE") {
        Ok(name) => Device::named(&name).unwrap(),
        Err(_) => Device::sim_with(Options::fast()),
    };
    let arithmetic = env::var("HIDET_ARITHMETIC").map_or(Arithmetic::F32, |name| name.parse().unwrap());
    let wrong: Vec<String> = models().iter().flat_map(|path| run(path, &device, arithmetic)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the elements of an array of 4 or 8 bytes at the first coordinates, as many as `shape` says.
fn cropped(array: &Array, shape: &[usize]) -> Array {
    let (own, size) = (&array.ty().shape, array.ty().dtype.bytes());
    let mut bytes = Vec::new();
    for number in 0..shape.iter().product() {
        let (mut rest, mut at, mut step) = (number, 0, 1);
        for (extent, own) in shape.iter().zip(own).rev() {
            assert!(extent <= own, "{shape:?} is not a part of {own:?}");
            (rest, at, step) = (rest / extent, at + rest % extent * step, step * own);
        }
        bytes.extend(&array.bytes()[at * size..][..size]);
    }
    Array::new(TensorType::new(array.ty().dtype, shape), bytes).unwrap()
}

/// Runs a model with small inputs on a device, and returns the bytes of its outputs.
fn run_small(path: &Path, device: &Device) -> Vec<Vec<u8>> {
    let (name, reference) = (name_of(path), reference(path));
    let model = Model::load(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let small = SMALL.iter().find(|(own, _)| name.contains(own)).map_or(&[][..], |(_, inputs)| inputs);
    let input = |input: &str| {
        let array = reference.get(&format!("in_{}", plain(input)))?;
        let small = small.iter().find(|(own, _)| *own == input).map(|(_, shape)| cropped(array, shape));
        Some(small.as_ref().unwrap_or(array).on(device).unwrap())
    };
    let inputs: Vec<(&str, Tensor)> =
        model.inputs().iter().filter_map(|own| Some((own.name.as_str(), input(&own.name)?))).collect();
    let outputs = model.on(device).unwrap().run(&inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
    let array = |(_, tensor): &(String, Tensor)| Array::of(tensor).unwrap();
    outputs.iter().map(array).map(|array| array.bytes().to_vec()).collect()
}

/// All checkers are silent, and change nothing.
#[test]
fn real_models_with_checks() {
    for path in models() {
        let begin = Instant::now();
        let checked = run_small(&path, &Device::sim());
        println!("{}: checked in {:.2?}", name_of(&path), begin.elapsed());
        assert_eq!(checked, run_small(&path, &Device::sim_with(Options::fast())), "{}", name_of(&path));
    }
}
