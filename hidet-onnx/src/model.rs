//! [`Model`]: a model that was read and checked; [`Session`]: the same on a device, where it runs.

mod extents;
mod rules;
mod saved;
mod source;
mod syntax;
mod trace;

pub use trace::Trace;

use crate::arithmetic::Arithmetic;
use crate::array::Array;
use crate::build;
use crate::error::{Error, NodeResult, Result};
use crate::graph::{Declared, Dim, Graph, Node, text};
use crate::passes::{self, Pass};
use crate::proto::ModelProto;
use crate::rewrite;
use crate::rule::Rule;
use crate::run::{self, Target};
use crate::value::{Value, observed};
use crate::verify::verify;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Buckets, Replay, ReplayMemory, Tensor, TensorType};
use prost::bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A model that was read and checked.
///
/// ```no_run
/// use hidet::prelude::Device;
/// use hidet_onnx::Model;
/// use hidet_ops::Tensor;
///
/// let device = Device::sim();
/// let session = Model::load("model.onnx")?.on(&device)?;
/// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0], [1, 2])?);
/// for (name, y) in session.run(&[("x", x)])? {
///     println!("{name}: {:?}", y.elements()?);
/// }
/// # Ok::<(), hidet_onnx::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    graph: Graph,
    /// What passes have changed; nothing if it is computed node by node as it is written.
    passes: Option<Vec<Pass>>,
    /// The rules by which it was read, and how often each replaced nodes.
    rewrites: Vec<(String, usize)>,
}

/// A model on a device: its initializers are there, and it can be run.
///
/// The kernels of a run are kept as one graph of launches, and repeated for inputs of the same types, unless the model looks at
/// elements on the way, as conditions and recurrent layers do.
pub struct Session {
    graph: Graph,
    passes: Vec<Pass>,
    target: Target,
    runs: Mutex<HashMap<Types, Arc<Replay>>>,
    /// Of the inputs that must be given, if extents were given.
    buckets: Option<Buckets>,
}

/// The types of the inputs of a run, in the order of the model; nothing of those that are not given.
type Types = Vec<Option<TensorType>>;

/// The most types of inputs for which launches are kept, with the memory that they use.
const MOST_RUNS: usize = 8;

/// Initializers with fewer elements are copied to the device if an operator needs them there.
const UPLOADED: usize = 64;

impl Model {
    /// Reads a model from a file, and the files beside it that have its initializers. A file that ends in `.onnxtxt`, `.onnxtext` or
    /// `.txt` is a text, as [`Model::from_onnx_text`] reads it.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or as [`Model::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        Model::load_with(path, &[])
    }

    /// The same, to be computed node by node as it is written, to be looked at: without passes, which find what is faster.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn load_as_written(path: impl AsRef<Path>) -> Result<Model> {
        Model::read_file(path.as_ref(), false, &[])
    }

    /// Reads a model from the bytes of a file. Its initializers must be part of it.
    ///
    /// # Errors
    ///
    /// If the bytes are not a valid model, or it needs operators that are not supported, of which all are listed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        Model::from_bytes_with(bytes, &[])
    }

    /// The same, to be computed node by node as it is written: tests of passes compare with it.
    #[doc(hidden)]
    pub fn without_passes(bytes: &[u8]) -> Result<Model> {
        Model::of_message(&source::decoded(Bytes::copy_from_slice(bytes))?, None, false, &[])
    }

    fn of_message(message: &ModelProto, folder: Option<&Path>, has_passes: bool, rules: &[Rule]) -> Result<Model> {
        let (graph, rewrites) = rewrite::all(build::graph(message, folder)?, rules)?;
        verify(&graph)?;
        for declared in graph.inputs.iter().chain(&graph.outputs) {
            if let Some(why) = &declared.unsupported {
                return Err(Error::Invalid(format!("`{}`: {why}", declared.name)));
            }
        }
        let (graph, passes) = match has_passes {
            true => passes::all(graph, verify).map(|(graph, passes)| (graph, Some(passes)))?,
            false => (graph, None),
        };
        Ok(Model { graph, passes, rewrites })
    }

    /// Returns how often each operator is used, with its domain if that is not the standard's. These are the nodes that run:
    /// some replace several of the file, whose formulas they compute.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut operators = BTreeMap::new();
        for node in self.graph.all().into_iter().flat_map(|graph| &graph.nodes) {
            *operators.entry(node.name.operator()).or_default() += 1;
        }
        operators
    }

    /// Returns the graph as text: inputs, a line for each node, and outputs. It is for people, and not read back.
    ///
    /// ```
    /// let model = hidet_onnx::Model::load("../examples/digits/digits.onnx")?;
    /// assert!(model.text().starts_with("inputs\n  %images: f32[n, 64]\nnodes\n"));
    /// # Ok::<(), hidet_onnx::Error>(())
    /// ```
    pub fn text(&self) -> String {
        text::text(&self.graph, &HashMap::new())
    }

    /// Returns the inputs; those that are initializers too need not be given.
    pub fn inputs(&self) -> &[Declared] {
        &self.graph.inputs
    }

    /// Returns the inputs that must be given: those that are not initializers.
    pub fn required(&self) -> impl Iterator<Item = &Declared> {
        self.graph.inputs.iter().filter(|input| !self.graph.constants.contains_key(&input.name))
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
        self.on_by(device, Arithmetic::F32)
    }

    /// The same, to be computed in other floats than those of the model. Inputs and outputs stay as the model has them.
    ///
    /// # Errors
    ///
    /// As [`Model::on`].
    pub fn on_by(&self, device: &Device, arithmetic: Arithmetic) -> Result<Session> {
        let target = Target { device: device.clone(), host: Device::sim(), arithmetic };
        let constant = |value: &Value| match arithmetic.narrow() {
            Some(dtype) if value.ty().len() >= UPLOADED => value.narrowed(dtype),
            _ => value.fresh(),
        };
        let mut graph = self.graph.with_constants(&constant);
        let mut passes = Vec::new();
        if let Some(before) = &self.passes {
            passes.clone_from(before);
            let is_narrow = arithmetic.narrow().is_some();
            let (changed, pass) =
                passes::observed("aligned", graph, |graph| passes::aligned(graph, is_narrow), verify)?;
            graph = changed;
            passes.push(pass);
        }
        let session = Session { graph, passes, target, runs: Mutex::default(), buckets: None };
        for value in session.graph.all().into_iter().flat_map(|graph| graph.constants.values()) {
            if value.ty().len() >= UPLOADED {
                value.on(device, false).map_err(|why| Error::Invalid(format!("an initializer: {why}")))?;
            }
        }
        Ok(session)
    }
}

impl Session {
    /// Returns the passes that changed the graph of the model when it was read and when it was copied to the device, in order.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }

    /// Runs the model for these inputs, and returns its outputs with their names, computed. For inputs of types that it has seen it
    /// submits the kept launches and does not wait for a GPU: reading an output does.
    ///
    /// # Errors
    ///
    /// If the inputs are not those of the model, an operator refuses what it is given, or the device fails.
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let given = self.checked(inputs)?;
        let types: Types = given.iter().map(|value| value.as_ref().map(|tensor| tensor.ty().clone())).collect();
        let tensors: Vec<&Tensor> = given.iter().flatten().collect();
        if let Some(buckets) = self.buckets.as_ref().filter(|_| self.are_required(&given)) {
            return Ok(self.named(buckets.run(&tensors)?));
        }
        if let Some(replay) = self.kept(&types) {
            return Ok(self.named(replay.run(&tensors)?));
        }
        // The memory of a kept run is its own.
        let own = given.iter().map(|value| value.as_ref().map(copied).transpose()).collect::<Result<Vec<_>>>()?;
        let (outputs, has_computed) = observed(|| self.outputs(own.iter().map(Option::as_ref), &mut |_, _| {}));
        let outputs = outputs?;
        if has_computed || outputs.is_empty() {
            outputs.iter().try_for_each(|output| output.compute().map(|_| ()))?;
            return Ok(self.named(outputs));
        }
        let inputs: Vec<&Tensor> = own.iter().flatten().collect();
        let replay = Arc::new(Replay::of(&inputs, &outputs.iter().collect::<Vec<&Tensor>>())?);
        let results = replay.results()?;
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= MOST_RUNS {
            runs.clear();
        }
        runs.insert(types, replay);
        Ok(self.named(results))
    }

    /// Returns the outputs as [`Session::run`] does, but what is not needed to know their shapes is not computed yet:
    /// [`Tensor::kernels`] of an output names the kernels that will do it.
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn lazy(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let given = self.checked(inputs)?;
        Ok(self.named(self.outputs(given.iter().map(Option::as_ref), &mut |_, _| {})?))
    }

    /// Returns the memory for tensors between kernels of all runs that are kept, together. The model keeps it as long as
    /// these, beside initializers, inputs and outputs.
    pub fn memory(&self) -> ReplayMemory {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.values().map(|replay| replay.memory()).chain(self.buckets.as_ref().map(Buckets::memory)).sum()
    }

    /// Returns the launches that are kept for inputs of some types.
    fn kept(&self, types: &Types) -> Option<Arc<Replay>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).get(types).cloned()
    }

    /// Returns true if those inputs are given that must be, and no others.
    fn are_required<T>(&self, given: &[Option<T>]) -> bool {
        let required = self.graph.inputs.iter().map(|input| !self.graph.constants.contains_key(&input.name));
        given.iter().map(Option::is_some).eq(required)
    }

    /// Returns the outputs for these inputs, to be computed; `made` is called with the results of each node.
    fn outputs<'a>(
        &self,
        inputs: impl Iterator<Item = Option<&'a Tensor>>,
        made: &mut dyn FnMut(&Node, &[Value]),
    ) -> Result<Vec<Tensor>> {
        let given = inputs.map(|input| input.map(|tensor| Value::Device(tensor.clone()))).collect();
        let values = run::watched(&self.graph, given, &self.target, made)?;
        let output = |(declared, value): (&Declared, Value)| {
            let tensor = value.on(&self.target.device, false).and_then(|tensor| self.widened(tensor, declared));
            tensor.map_err(|why| Error::Invalid(format!("output `{}`: {why}", declared.name)))
        };
        self.graph.outputs.iter().zip(values).map(output).collect()
    }

    /// Returns an output in the type that the model says, of which one that it does not say is `f32`.
    fn widened(&self, tensor: Tensor, declared: &Declared) -> NodeResult<Tensor> {
        match declared.dtype {
            Some(Scalar::F32) | None if Some(tensor.dtype()) == self.target.arithmetic.narrow() => {
                Ok(tensor.cast(Scalar::F32)?)
            }
            _ => Ok(tensor),
        }
    }

    fn named(&self, outputs: Vec<Tensor>) -> Vec<(String, Tensor)> {
        self.graph.outputs.iter().map(|declared| declared.name.clone()).zip(outputs).collect()
    }

    /// Returns the inputs in the order of the model.
    fn checked(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<Option<Tensor>>> {
        let refused = |name: &str, why: String| Err(Error::Input { name: name.to_owned(), why });
        let mut given: HashMap<&str, &Tensor> = HashMap::new();
        for (name, tensor) in inputs {
            if !self.graph.inputs.iter().any(|declared| declared.name == *name) {
                let known: Vec<String> = self.graph.inputs.iter().map(|own| format!("`{}`", own.name)).collect();
                return refused(name, format!("the model has no such input; it has {}", known.join(", ")));
            }
            if !tensor.device().is_same(&self.target.device) {
                let (own, other) = (&self.target.device, tensor.device());
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
            values.push(tensor.map(|tensor| (*tensor).clone()));
        }
        Ok(values)
    }
}

/// Returns a copy of an input.
fn copied(tensor: &Tensor) -> Result<Tensor> {
    Ok(Array::of(tensor)?.on(tensor.device())?)
}

/// Returns an error if a type is not as the model says; `names` are the extents that have names.
fn fits(ty: &TensorType, declared: &Declared, names: &mut HashMap<String, usize>) -> std::result::Result<(), String> {
    if declared.dtype.is_some_and(|dtype| dtype != ty.dtype) {
        return Err(format!("it is {ty}, but must be {}", declared));
    }
    let Some(dims) = &declared.shape else { return Ok(()) };
    if dims.len() != ty.rank() {
        return Err(format!("it is {ty}, but must have {} axes: {}", dims.len(), declared));
    }
    for (dim, extent) in dims.iter().zip(&ty.shape) {
        match dim {
            Dim::Any => {}
            Dim::Known(own) if own == extent => {}
            Dim::Known(_) => return Err(format!("it is {ty}, but must be {}", declared)),
            Dim::Named(name) => match names.insert(name.clone(), *extent) {
                Some(before) if before != *extent => {
                    return Err(format!("it is {ty}, but must be {}: `{name}` is {before} elsewhere", declared));
                }
                _ => {}
            },
        }
    }
    Ok(())
}
