//! Our side of a workload: its launches, ready to be repeated, and how far their result is from the reference.

use super::tolerance::error_tolerance;
use super::workload::{Work, Workload};
use crate::bench::problem::say;
use crate::models;
use crate::operators::{self, case};
use hidet::prelude::*;
use hidet_onnx::{Arithmetic, Array};
use hidet_ops::Replay;
use std::collections::HashMap;
use std::path::Path;

/// A workload of ours.
pub struct Ours {
    sample: Box<dyn Fn() -> Result<f64, String>>,
    /// The number of launches.
    pub launches: usize,
    /// The largest error tolerance of an output, if there is a reference.
    pub error: Option<f64>,
}

impl Ours {
    /// Compiles a workload with the default schedules, and runs it once. Models are files in the folder.
    pub fn of(
        device: &Device,
        workload: &Workload,
        arithmetic: Arithmetic,
        models: Option<&Path>,
    ) -> Result<Ours, String> {
        match (&workload.work, models) {
            (Work::Model, Some(folder)) => model(device, workload, arithmetic, folder),
            (Work::Model, None) => Err("there is no folder of models".to_owned()),
            (Work::Layer(shape), _) => layer(device, workload, *shape, arithmetic),
        }
    }

    /// Returns the milliseconds of one of [`Workload::calls`] calls, one behind the other.
    pub fn sample(&self) -> Result<f64, String> {
        (self.sample)()
    }
}

fn model(device: &Device, workload: &Workload, arithmetic: Arithmetic, folder: &Path) -> Result<Ours, String> {
    let reference = reference(&folder.join(workload.reference()))?;
    let given = |name: &str| reference.as_ref()?.get(&format!("in_{}", plain(name)));
    let path = folder.join(workload.file());
    let prepared = models::prepare_of(&path, device, arithmetic, &workload.dims(), given)?;
    let (replay, names) = prepared.replay()?;
    let error = reference.as_ref().map(|reference| error(&replay, &names, reference)).transpose()?;
    let (launches, calls, stream) = (replay.launches(), workload.calls(), device.stream().map_err(say)?);
    let sample = move || -> Result<f64, String> {
        let start = stream.record().map_err(say)?;
        (0..calls).try_for_each(|_| replay.launch(&stream)).map_err(say)?;
        let end = stream.record().map_err(say)?;
        end.synchronize().map_err(say)?;
        Ok(start.until(&end).map_err(say)? / calls as f64)
    };
    Ok(Ours { sample: Box::new(sample), launches, error })
}

/// As archives have names.
fn plain(name: &str) -> String {
    name.replace([':', '/'], "_")
}

/// Returns the arrays of an archive, or nothing if it is not there.
fn reference(path: &Path) -> Result<Option<HashMap<String, Array>>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let failed = |why: String| format!("{}: {why}", path.display());
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    Array::from_npz(&bytes).map(Some).map_err(failed)
}

/// Returns the largest error tolerance of an output.
fn error(replay: &Replay, names: &[String], reference: &HashMap<String, Array>) -> Result<f64, String> {
    let mut largest = 0f64;
    for (name, tensor) in names.iter().zip(replay.results().map_err(say)?) {
        let wanted = reference.get(&format!("out_{}", plain(name)));
        let wanted = wanted.ok_or_else(|| format!("the reference has no output `{name}`"))?;
        let found = Array::of(&tensor).map_err(say)?;
        let error = error_tolerance(&found.floats(), &wanted.floats());
        largest = largest.max(error.map_err(|why| format!("output `{name}`: {why}"))?);
    }
    Ok(largest)
}

/// The layer with channels last. Batch normalisation is part of the weights and of the bias, as it is when a model is read.
fn layer(device: &Device, workload: &Workload, shape: [usize; 5], arithmetic: Arithmetic) -> Result<Ours, String> {
    let shape = shape.map(|extent| extent.to_string()).join("x");
    let tensor = case::tensor(device, &format!("conv {arithmetic} {} {shape}", workload.batch))?;
    let (_, launches) = tensor.prepare().map_err(say)?;
    let (calls, stream) = (workload.calls(), device.stream().map_err(say)?);
    let graph = operators::recorded(&launches, &stream, calls)?;
    let count = launches.len();
    let sample = move || Ok(operators::replay(&graph, &stream)? / calls as f64 / 1e3);
    Ok(Ours { sample: Box::new(sample), launches: count, error: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits/digits.onnx");

    #[test]
    fn the_error_is_that_of_the_output_farthest_off() {
        let device = Device::sim();
        let prepared = models::prepare(Path::new(DIGITS), &device, Arithmetic::F32, &[]).unwrap();
        let (replay, names) = prepared.replay().unwrap();
        let found = Array::of(&replay.results().unwrap()[0]).unwrap();
        assert_eq!(names, ["chances"]);
        let judged = |name: &str, bytes: Vec<u8>| {
            let array = Array::new(found.ty().clone(), bytes).unwrap();
            error(&replay, &names, &HashMap::from([(name.to_owned(), array)]))
        };
        assert!(judged("out_chances", found.bytes().to_vec()).unwrap() < 5e-6);
        // One element is wrong by a half.
        let mut bytes = found.bytes().to_vec();
        let wanted = found.floats()[3] as f32 + 0.5;
        bytes[12..16].copy_from_slice(&wanted.to_le_bytes());
        let tolerance = 0.5 / (1.0 + f64::from(wanted));
        assert!((judged("out_chances", bytes.clone()).unwrap() - tolerance).abs() < 1e-5);
        assert_eq!(judged("out_y", bytes).unwrap_err(), "the reference has no output `chances`");
    }

    #[test]
    fn references_need_not_be_there() {
        assert_eq!(reference(Path::new("/nowhere/a.npz")), Ok(None));
        let error = reference(Path::new(DIGITS)).unwrap_err();
        assert!(error.contains("digits.onnx: it is not a .npz file"), "{error}");
        assert_eq!(plain("a:0/b"), "a_0_b");
    }
}
