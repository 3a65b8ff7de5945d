//! An archive that NumPy wrote: inputs, and what ONNX Runtime computes of them, which is what hidet computes.

#![allow(clippy::unwrap_used)]

use hidet::prelude::Device;
use hidet_onnx::{Array, Model};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits");

#[test]
fn the_digits_network_has_the_results_of_onnx_runtime() {
    let arrays = Array::from_npz(&std::fs::read(format!("{FOLDER}/reference.npz")).unwrap()).unwrap();
    let (images, wanted) = (&arrays["in_images"], &arrays["out_chances"]);
    assert_eq!((arrays.len(), images.shape(), wanted.shape()), (2, &[3, 64][..], &[3, 10][..]));
    let device = Device::best().unwrap();
    let session = Model::load(format!("{FOLDER}/digits.onnx")).unwrap().on(&device).unwrap();
    let outputs = session.run(&[("images", images.on(&device).unwrap())]).unwrap();
    let found = Array::of(&outputs[0].1).unwrap();
    let far = found.floats().iter().zip(wanted.floats()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(far < 1e-5, "{far}");
}
