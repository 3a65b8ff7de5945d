//! Models with a changed byte are errors or models, never panics: the standard's node cases, each changed in a few places.
//!
//! `HIDET_ONNX_CASES` names their folder, as for `node_cases.rs`; `HIDET_ONNX_MUTATIONS` is the number of changes per case.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod cases;

use hidet::prelude::Device;
use hidet_onnx::Model;
use hidet_ops::Tensor;
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{env, fs};

/// Numbers that look random, the same every time.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// Loads and runs a model, whatever comes of it.
fn run(bytes: &[u8], inputs: &[hidet_onnx::Array]) {
    let device = Device::sim();
    let Ok(model) = Model::from_bytes(bytes) else { return };
    let names: Vec<String> = model.inputs().iter().map(|input| input.name.clone()).collect();
    let tensors: Vec<Tensor> = inputs.iter().map(|input| input.on(&device).unwrap()).collect();
    let given: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(tensors).collect();
    let _ = model.on(&device).and_then(|session| session.run(&given));
}

#[test]
fn changed_models_do_not_panic() {
    let Some(folder) = env::var_os("HIDET_ONNX_CASES") else {
        eprintln!("skipped: HIDET_ONNX_CASES does not name the folder of the standard's node cases");
        return;
    };
    let count: usize = env::var("HIDET_ONNX_MUTATIONS").map_or(2, |count| count.parse().unwrap());
    let filter = env::var("HIDET_ONNX_ONLY").unwrap_or_default();
    let mut all = cases::all(Path::new(&folder));
    all.retain(|case| case.counts() && !case.is_expanded() && case.name.contains(&filter));
    let one = |case: &cases::Case| {
        let bytes = fs::read(case.folder.join("model.onnx")).unwrap();
        let inputs = case.data("input");
        let mut state = case.name.bytes().fold(7u64, |state, byte| state.wrapping_mul(31) + u64::from(byte));
        (0..count).find_map(|_| {
            let (at, change) = (next(&mut state) % bytes.len(), next(&mut state) % 255 + 1);
            let mut changed = bytes.clone();
            changed[at] ^= change as u8;
            let result = catch_unwind(AssertUnwindSafe(|| run(&changed, &inputs)));
            result.is_err().then(|| format!("{}: byte {at} ^ {change}", case.name))
        })
    };
    let panicked: Vec<String> = all.par_iter().filter_map(one).collect();
    assert!(panicked.is_empty(), "panics:\n{}", panicked.join("\n"));
}
