//! Random models through all passes: what comes out is what comes out without any.
//!
//! `HIDET_SEEDS=2000 cargo test -p hidet-onnx --test random_models -- --nocapture` runs as many, from the one with the number
//! `HIDET_FIRST` (0) on; `HIDET_DEVICE=cuda` on a GPU, `HIDET_DEVICE=sim` on the simulated device with all checks, which is slower.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;
mod maker;

use hidet::prelude::Device;
use hidet::sim::Options;
use hidet_onnx::{Arithmetic, Array, Error, Model};
use hidet_ops::Tensor;
use maker::{Made, Random};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::env;

/// How far outputs may be from those without passes, beside the largest element: constants are multiplied before instead of
/// after, and terms are added in another order.
const BOUND: f64 = 2e-5;

/// The same in `f16`.
const BOUND_F16: f64 = 2e-2;

/// Operators that only passes make of these models, or that only passes leave fewer of.
const FOUND: [&str; 4] = ["hidet.Attention", "Gelu", "BatchNormalization", "MatMul"];

/// Returns the outputs of a model.
fn outputs(model: &Model, made: &Made, seed: u64, how: (&Device, Arithmetic)) -> Result<Vec<Array>, Error> {
    let (mut random, (device, arithmetic)) = (Random(!seed), how);
    let input = |value: &maker::Value| {
        let numbers = random.numbers(value.shape.iter().product(), 1.0);
        let flat = Tensor::from(&device.tensor(&numbers, [numbers.len()]).unwrap());
        let shaped = flat.reshape(&value.shape).unwrap().compute().unwrap();
        (value.name.clone(), Tensor::from(shaped))
    };
    let inputs: Vec<(String, Tensor)> = made.inputs.iter().map(input).collect();
    let given: Vec<(&str, Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    let outputs = model.on_by(device, arithmetic)?.run(&given)?;
    Ok(outputs.iter().map(|(_, tensor)| Array::of(tensor).unwrap()).collect())
}

/// Returns how outputs differ, if they do.
fn differ(found: &[Array], wanted: &[Array], bound: f64) -> Option<String> {
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        if found.ty() != wanted.ty() {
            return Some(format!("output {at} is {}, not {}", found.ty(), wanted.ty()));
        }
        let (found, wanted) = (found.floats(), wanted.floats());
        let largest = wanted.iter().filter(|x| x.is_finite()).fold(1f64, |most, x| most.max(x.abs()));
        let is_far = |(a, b): (&f64, &f64)| {
            let is_same = a == b || a.is_nan() && b.is_nan();
            !is_same && (a - b).abs().partial_cmp(&(bound * largest)) != Some(std::cmp::Ordering::Less)
        };
        if let Some(place) = found.iter().zip(&wanted).position(is_far) {
            return Some(format!("output {at}, element {place}: {}, not {}", found[place], wanted[place]));
        }
    }
    None
}

/// What became of a model: the operators with and without passes, and what is wrong.
struct Outcome {
    operators: [BTreeMap<String, usize>; 2],
    refused: bool,
    wrong: Option<String>,
}

fn outcome(seed: u64, device: &Device) -> Outcome {
    let made = maker::model(seed);
    let bytes = build::model(&made.graph);
    let read = [Model::from_bytes(&bytes), Model::without_passes(&bytes)];
    let [with, without] = read.map(|model| model.unwrap_or_else(|error| panic!("model {seed}: {error}")));
    let operators = [with.operators(), without.operators()];
    let mut outcome = Outcome { operators, refused: false, wrong: None };
    let has_half = with.operators().contains_key("Cast");
    for arithmetic in [Arithmetic::F32, Arithmetic::F16] {
        if arithmetic == Arithmetic::F16 && !seed.is_multiple_of(4) {
            continue;
        }
        let [found, wanted] = [&with, &without].map(|model| outputs(model, &made, seed, (device, arithmetic)));
        let bound = if has_half || arithmetic == Arithmetic::F16 { BOUND_F16 } else { BOUND };
        let why = match (found, wanted) {
            (Ok(found), Ok(wanted)) => differ(&found, &wanted, bound),
            (Err(error), Ok(_)) => Some(format!("refused by passes: {error}")),
            (_, Err(error)) => {
                outcome.refused = true;
                println!("model {seed} is refused: {error}");
                None
            }
        };
        outcome.wrong = outcome.wrong.or(why.map(|why| format!("model {seed}, {arithmetic}: {why}")));
    }
    outcome
}

#[test]
fn passes_keep_what_random_models_compute() {
    let device = env::var("HIDET_DEVICE")
        .map_or_else(|_| Device::sim_with(Options::fast()), |name| Device::named(&name).unwrap());
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seeds) = (number("HIDET_FIRST").unwrap_or(0u64), number("HIDET_SEEDS").unwrap_or(40));
    let outcomes: Vec<Outcome> = (first..first + seeds).into_par_iter().map(|seed| outcome(seed, &device)).collect();
    let wrong: Vec<&str> = outcomes.iter().filter_map(|own| own.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{} of {seeds} models are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let refused = outcomes.iter().filter(|own| own.refused).count();
    let count = |at: usize, name: &str| -> usize {
        outcomes.iter().map(|own| own.operators[at].get(name).copied().unwrap_or(0)).sum()
    };
    for name in FOUND {
        println!("{name}: {} with passes, {} without", count(0, name), count(1, name));
        assert_ne!(count(0, name), count(1, name), "the passes did nothing about {name}");
    }
    println!("{seeds} models, {refused} refused");
    assert!(refused as u64 * 50 <= seeds, "{refused} of {seeds} models are refused");
}
