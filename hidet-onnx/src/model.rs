//! [`Model`]: a model that was read and checked; [`Session`]: the same on a device, where it runs.

use crate::build;
use crate::error::{Error, Result};
use crate::graph::{Declared, Dim, Graph};
use crate::proto::ModelProto;
use crate::run::{self, Devices};
use crate::value::Value;
use hidet::device::Device;
use hidet_ops::{Tensor, TensorType};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A model that was read and checked.
///
/// ```no_run
/// use hidet::prelude::Device;
/// use hidet_onnx::Model;
/// use hidet_ops::Tensor;
///
/// let device = Device::sim();
/// let session = Model::load("model.onnx")?.on(&device)?;
/// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0], [1, 2]).map_err(hidet_ops::Error::from)?);
/// for (name, y) in session.run(&[("x", x)])? {
///     println!("{name}: {:?}", y.elements()?);
/// }
/// # Ok::<(), hidet_onnx::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    graph: Graph,
}

/// A model on a device: its initializers are there, and it can be run.
pub struct Session {
    graph: Graph,
    devices: Devices,
}

/// The most bytes of a file: those of the format.
const MOST_BYTES: u64 = 1 << 31;

/// Initializers with fewer elements are copied to the device if an operator needs them there.
const UPLOADED: usize = 64;

impl Model {
    /// Reads a model from a file, and the files beside it that have its initializers.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or as [`Model::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        let failed = |why: String| Error::File { path: path.to_owned(), why };
        let size = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if size > MOST_BYTES {
            return Err(failed(format!("it has {size} bytes, but a model of ONNX at most {MOST_BYTES}")));
        }
        let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
        // The folder of `model.onnx` is the current one.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Model::read(bytes.into(), Some(folder)).map_err(|error| match error {
            Error::Invalid(why) => failed(why),
            other => other,
        })
    }

    /// Reads a model from the bytes of a file. Its initializers must be part of it.
    ///
    /// # Errors
    ///
    /// If the bytes are not a valid model, or it needs operators that are not supported, of which all are listed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        Model::read(Bytes::copy_from_slice(bytes), None)
    }

    fn read(bytes: Bytes, folder: Option<&Path>) -> Result<Model> {
        let proto = ModelProto::decode(bytes).map_err(|error| Error::Invalid(error.to_string()))?;
        let graph = build::graph(&proto, folder)?;
        let missing = run::unsupported(&graph);
        if !missing.is_empty() {
            return Err(Error::Unsupported(missing));
        }
        for declared in graph.inputs.iter().chain(&graph.outputs) {
            if let Some(why) = &declared.unsupported {
                return Err(Error::Invalid(format!("`{}`: {why}", declared.name)));
            }
        }
        Ok(Model { graph })
    }

    /// Returns the inputs; those that are initializers too need not be given.
    pub fn inputs(&self) -> &[Declared] {
        &self.graph.inputs
    }

    /// Returns the outputs.
    pub fn outputs(&self) -> &[Declared] {
        &self.graph.outputs
    }

    /// Copies the initializers to a device, on which the model can then be run.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn on(&self, device: &Device) -> Result<Session> {
        let session =
            Session { graph: self.graph.fresh(), devices: Devices { device: device.clone(), host: Device::sim() } };
        for value in session.graph.all().into_iter().flat_map(|graph| graph.constants.values()) {
            if value.ty().len() >= UPLOADED {
                value.on(device, false).map_err(|why| Error::Invalid(format!("an initializer: {why}")))?;
            }
        }
        Ok(session)
    }
}

impl Session {
    /// Runs the model for these inputs, and returns its outputs with their names, computed.
    ///
    /// # Errors
    ///
    /// If the inputs are not those of the model, an operator refuses what it is given, or the device fails.
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let given = self.checked(inputs)?;
        let values = run::run(&self.graph, given, &self.devices)?;
        let mut outputs = Vec::new();
        for (declared, value) in self.graph.outputs.iter().zip(values) {
            let tensor = value.on(&self.devices.device, false);
            let tensor = tensor.map_err(|why| Error::Invalid(format!("output `{}`: {why}", declared.name)))?;
            outputs.push((declared.name.clone(), tensor));
        }
        for (_, tensor) in &outputs {
            tensor.compute()?;
        }
        Ok(outputs)
    }

    /// Returns the inputs in the order of the model.
    fn checked(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<Option<Value>>> {
        let refused = |name: &str, why: String| Err(Error::Input { name: name.to_owned(), why });
        let mut given: HashMap<&str, &Tensor> = HashMap::new();
        for (name, tensor) in inputs {
            if !self.graph.inputs.iter().any(|declared| declared.name == *name) {
                let known: Vec<String> = self.graph.inputs.iter().map(|own| format!("`{}`", own.name)).collect();
                return refused(name, format!("the model has no such input; it has {}", known.join(", ")));
            }
            if !tensor.device().is_same(&self.devices.device) {
                let (own, other) = (&self.devices.device, tensor.device());
                return refused(name, format!("it is on {other}, but the model is on {own}"));
            }
            if given.insert(name, tensor).is_some() {
                return refused(name, "it is given twice".to_owned());
            }
        }
        let (mut names, mut values) = (HashMap::new(), Vec::new());
        for declared in &self.graph.inputs {
            let tensor = given.get(declared.name.as_str());
            match tensor {
                Some(tensor) => {
                    if let Err(why) = fits(tensor.ty(), declared, &mut names) {
                        return refused(&declared.name, why);
                    }
                }
                None if self.graph.constants.contains_key(&declared.name) => {}
                None => return refused(&declared.name, "it is missing".to_owned()),
            }
            values.push(tensor.map(|tensor| Value::Device((*tensor).clone())));
        }
        Ok(values)
    }
}

/// Returns an error if a type is not as the model says; `names` are the extents that have names.
fn fits(ty: &TensorType, declared: &Declared, names: &mut HashMap<String, usize>) -> std::result::Result<(), String> {
    let as_declared = || {
        let dims = declared.shape.iter().flatten().map(Dim::to_string).collect::<Vec<String>>().join(", ");
        format!("{}[{dims}]", declared.dtype.map_or("?", |dtype| dtype.name()))
    };
    if declared.dtype.is_some_and(|dtype| dtype != ty.dtype) {
        return Err(format!("it is {ty}, but must be {}", as_declared()));
    }
    let Some(dims) = &declared.shape else { return Ok(()) };
    if dims.len() != ty.rank() {
        return Err(format!("it is {ty}, but must have {} axes: {}", dims.len(), as_declared()));
    }
    for (dim, extent) in dims.iter().zip(&ty.shape) {
        match dim {
            Dim::Any => {}
            Dim::Known(own) if own == extent => {}
            Dim::Known(_) => return Err(format!("it is {ty}, but must be {}", as_declared())),
            Dim::Named(name) => match names.insert(name.clone(), *extent) {
                Some(before) if before != *extent => {
                    return Err(format!("it is {ty}, but must be {}: `{name}` is {before} elsewhere", as_declared()));
                }
                _ => {}
            },
        }
    }
    Ok(())
}
