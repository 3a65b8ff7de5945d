//! The standard's node cases as files: a model, its inputs and its outputs, and what a run of them gives.

#![allow(dead_code, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::prelude::Device;
use hidet_onnx::{Array, Model};
use hidet_ops::Tensor;
use prost::Message;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A case: its folder and what its model says of itself.
pub struct Case {
    pub name: String,
    pub folder: PathBuf,
    pub operators: Vec<String>,
    domains: Vec<String>,
    /// The number of the type of each input and output, 0 for one that is not a tensor.
    types: Vec<i32>,
}

/// What a run of a case gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Right,
    Wrong(String),
    Refused(String),
}

/// The fields of a model that say what it is about.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<Import>,
}

#[derive(Clone, PartialEq, Message)]
struct Import {
    #[prost(string, optional, tag = "1")]
    domain: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, optional, tag = "4")]
    op_type: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(message, optional, tag = "2")]
    r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, optional, tag = "1")]
    elem_type: Option<i32>,
}

/// f32, u8, i8, i32, i64, bool, f16, f64 and bf16.
const TYPES: [i32; 9] = [1, 2, 3, 6, 7, 9, 10, 11, 16];

impl Case {
    fn of(folder: PathBuf) -> Case {
        let bytes = fs::read(folder.join("model.onnx")).unwrap();
        let header = Header::decode(bytes.as_slice()).unwrap();
        let graph = header.graph.unwrap();
        let number = |value: &Value| value.r#type.as_ref()?.tensor.as_ref()?.elem_type;
        let mut operators: Vec<String> = graph.node.iter().filter_map(|node| node.op_type.clone()).collect();
        operators.sort();
        operators.dedup();
        Case {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            folder,
            operators,
            domains: header.opset_import.into_iter().map(|own| own.domain.unwrap_or_default()).collect(),
            types: graph.input.iter().chain(&graph.output).map(|value| number(value).unwrap_or(0)).collect(),
        }
    }

    /// Returns true if the case is one of tensors of types that hidet has, of the standard's own operators.
    pub fn counts(&self) -> bool {
        let standard = self.domains.iter().all(|domain| domain.is_empty() || domain == "ai.onnx");
        standard && self.types.iter().all(|number| TYPES.contains(number))
    }

    /// Returns true if the model is the definition of an operator by other operators.
    pub fn is_expanded(&self) -> bool {
        self.name.contains("_expanded")
    }

    /// Returns the inputs or outputs.
    pub fn data(&self, kind: &str) -> Vec<Array> {
        let path = |at: usize| self.folder.join(format!("test_data_set_0/{kind}_{at}.pb"));
        let files = (0..).map(path).take_while(|path| path.exists());
        files.map(|path| hidet_onnx::tensor(&fs::read(path).unwrap()).unwrap()).collect()
    }

    /// Runs the case on the simulated device.
    pub fn run(&self) -> Outcome {
        match catch_unwind(AssertUnwindSafe(|| self.outcome())) {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Wrong("it panicked".to_owned()),
        }
    }

    fn outcome(&self) -> Outcome {
        let (device, inputs, wanted) = (Device::sim(), self.data("input"), self.data("output"));
        let result = Model::load(self.folder.join("model.onnx")).and_then(|model| {
            let names: Vec<String> = model.inputs().iter().map(|input| input.name.clone()).collect();
            let tensors: Vec<Tensor> = inputs.iter().map(|input| input.on(&device).unwrap()).collect();
            let given: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(tensors).collect();
            model.on(&device)?.run(&given)
        });
        match result {
            Err(error) => Outcome::Refused(error.to_string()),
            Ok(outputs) => {
                let found: Vec<Array> = outputs.iter().map(|(_, tensor)| Array::of(tensor).unwrap()).collect();
                if found.len() != wanted.len() {
                    return Outcome::Wrong(format!("{} outputs instead of {}", found.len(), wanted.len()));
                }
                match found.iter().zip(&wanted).enumerate().find_map(|(at, (own, other))| differs(at, own, other)) {
                    Some(why) => Outcome::Wrong(why),
                    None => Outcome::Right,
                }
            }
        }
    }
}

/// Returns how an output differs from what it should be, by more than the standard's runner allows.
fn differs(at: usize, found: &Array, wanted: &Array) -> Option<String> {
    if found.ty() != wanted.ty() {
        return Some(format!("output {at} is {} instead of {}", found.ty(), wanted.ty()));
    }
    // Numbers of 16 bits have an error of their own.
    let (relative, absolute) = match found.ty().dtype.name() {
        "f16" => (2e-3, 1e-3),
        "bf16" => (1.6e-2, 8e-3),
        _ => (1e-3, 1e-7),
    };
    let (found, wanted) = (found.floats(), wanted.floats());
    // Sums have the rounding of their largest terms: references have 2e-7 where 0 is meant, beside numbers of 50.
    let largest = wanted.iter().filter(|x| x.is_finite()).fold(0f64, |most, x| most.max(x.abs()));
    let absolute = f64::max(absolute, largest * f64::from(f32::EPSILON) / 2.0);
    let far = |(_, (own, other)): &(usize, (&f64, &f64))| {
        let close = (*own - *other).abs() <= absolute + relative * other.abs();
        !(close || own == other || (own.is_nan() && other.is_nan()))
    };
    let pairs = found.iter().zip(&wanted);
    pairs
        .enumerate()
        .find(far)
        .map(|(element, (own, other))| format!("output {at} has {own} instead of {other} at element {element}"))
}

/// Returns all cases of a folder.
pub fn all(folder: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(folder).unwrap().map(|entry| Case::of(entry.unwrap().path())).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}
