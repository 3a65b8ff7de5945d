//! The five models of the paper, as two exporters write them, are imported, rewritten by all passes, and verified after each pass,
//! without being run.
//!
//! `paper/*.onnx` are they without their weights (`paper/structure.py`), which are read from a file of zeros. A graph that is not
//! valid after a pass is an error of `Model::load`; what the passes find is counted here, and so are the kernels of a run.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, missing_docs)]
#[path = "../src/proto.rs"]
mod proto;

use hidet::prelude::Device;
use hidet::sim::Options;
use hidet_onnx::{Arithmetic, Dim, Model};
use hidet_ops::Tensor;
use prost::Message;
use proto::ModelProto;
use rayon::prelude::*;
use std::fs::{self, File};
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/paper");

/// More bytes than any weight has.
const ZEROS: u64 = 1 << 28;

/// An operator, the number of its uses in the file, and after all passes.
type Count = (&'static str, usize, usize);

/// What is expected of a model.
struct Wanted {
    name: &'static str,
    /// Its operators.
    operators: &'static [&'static [Count]],
    /// The most kernels of a run in `f16`, if they are counted: those of convolutions are not twice, since their weights are put in
    /// another order before.
    kernels: Option<usize>,
}

/// Softmax and what is around it become attention, queries, keys and values one product, of which they are split.
const BERT: &[Count] = &[
    ("Softmax", 12, 0),
    ("hidet.Attention", 0, 12),
    ("MatMul", 96, 48),
    ("Split", 0, 12),
    ("Erf", 12, 0),
    ("Gelu", 0, 12),
];

/// Queries, keys and values are one product already.
const GPT2: &[Count] = &[
    ("Softmax", 12, 0),
    ("hidet.Attention", 0, 12),
    ("MatMul", 25, 1),
    ("Gemm", 48, 48),
    ("Split", 12, 12),
    ("Tanh", 12, 0),
    ("Gelu", 0, 12),
];

/// Layer normalisation by its formula, as the exporter of opset 13 writes it.
const NORMS: &[Count] = &[("ReduceMean", 50, 0), ("LayerNormalization", 0, 25)];

const MODELS: [Wanted; 10] = [
    Wanted { name: "bert.opset13", operators: &[BERT, NORMS], kernels: Some(86) },
    Wanted { name: "bert.opset18", operators: &[BERT], kernels: Some(86) },
    Wanted { name: "gpt2.opset13", operators: &[GPT2, NORMS], kernels: Some(88) },
    Wanted { name: "gpt2.opset18", operators: &[GPT2], kernels: Some(88) },
    Wanted {
        name: "inception_v3.opset13",
        operators: &[&[("Conv", 94, 94), ("BatchNormalization", 94, 0)]],
        kernels: None,
    },
    Wanted { name: "inception_v3.opset18", operators: &[&[("Conv", 94, 94)]], kernels: Some(119) },
    Wanted {
        name: "mobilenet_v2.opset13",
        operators: &[&[("Conv", 52, 52), ("BatchNormalization", 52, 0)]],
        kernels: None,
    },
    Wanted { name: "mobilenet_v2.opset18", operators: &[&[("Conv", 52, 52)]], kernels: Some(54) },
    Wanted {
        name: "resnet50.opset13",
        operators: &[&[("Conv", 53, 53), ("BatchNormalization", 53, 0)]],
        kernels: None,
    },
    Wanted { name: "resnet50.opset18", operators: &[&[("Conv", 53, 53)]], kernels: Some(56) },
];

/// Returns the number of kernels of a run with a batch of one.
fn kernels(model: &Model) -> usize {
    let device = Device::sim_with(Options::fast());
    let session = model.on_by(&device, Arithmetic::F16).unwrap();
    let input = |declared: &hidet_onnx::Declared| {
        let extent = |dim: &Dim| if let Dim::Known(extent) = dim { *extent } else { 1 };
        let shape: Vec<usize> = declared.shape.as_ref().unwrap().iter().map(extent).collect();
        let zeros = Tensor::full(&device, declared.dtype.unwrap(), &shape, 0.0).unwrap();
        Tensor::from(zeros.compute().unwrap())
    };
    let inputs: Vec<(&str, Tensor)> = model.required().map(|own| (own.name.as_str(), input(own))).collect();
    session.lazy(&inputs).unwrap()[0].1.kernels().len()
}

/// Returns what of a model is not as expected.
fn wrong(wanted: &Wanted, folder: &Path) -> Vec<String> {
    let name = format!("{}.onnx", wanted.name);
    let bytes = fs::read(Path::new(FOLDER).join(&name)).unwrap();
    fs::write(folder.join(&name), &bytes).unwrap();
    let written = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap().node;
    let model = Model::load(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let after = model.operators();
    let mut wrong = Vec::new();
    for (operator, before, now) in wanted.operators.concat() {
        let of_file = written.iter().filter(|node| node.op_type.as_deref() == Some(operator)).count();
        let found = (of_file, after.get(operator).copied().unwrap_or(0));
        if found != (before, now) {
            wrong.push(format!("{name}: {operator}: {found:?} instead of {:?}", (before, now)));
        }
    }
    if let Some(most) = wanted.kernels {
        let found = kernels(&model);
        println!("{name}: {found} kernels");
        if found > most {
            wrong.push(format!("{name}: {found} kernels, but at most {most} are expected"));
        }
    }
    wrong
}

#[test]
fn all_passes_find_what_the_models_of_the_paper_have() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper");
    fs::create_dir_all(&folder).unwrap();
    // Nothing is stored of what was never written.
    File::create(folder.join("zeros.bin")).unwrap().set_len(ZEROS).unwrap();
    let wrong: Vec<String> = MODELS.par_iter().flat_map(|wanted| wrong(wanted, &folder)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
