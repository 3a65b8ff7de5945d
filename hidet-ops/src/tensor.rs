//! [`Tensor`]: a tensor whose type is known at run time, and whose value is computed when it is needed.

mod fusion;
mod inspect;
mod launches;
mod trace;

pub use fusion::{Boundary, FusedKernel, FusedLaunch, Fusion};
pub use launches::TensorLaunch;

use crate::error::{Error, Result, TensorType};
use crate::expr::{Element64, Mixed};
use crate::graph::{NodeId, Origin};
use crate::plans::{self, Kept, Plan, PlannedStep};
use crate::run::{self, Compiled, Launched, Purpose};
use crate::schedule::{Given, arch_of};
use crate::task::Task;
use hidet::device::{Device, RawTensor};
use hidet::kernel::PreparedLaunch;
use hidet::types::{Element, Scalar};
use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A tensor on a device, with the type of its elements and its shape known at run time. Cloning shares it.
///
/// Operators are methods, and compute nothing by themselves: a tensor is computed when its elements are asked for, with
/// the operators that it is made of fused into as few kernels as possible. A tensor in between has no value then; if it
/// is asked for later, it is computed again. [`Tensor::compute`] makes it be computed once.
///
/// ```
/// use hidet::prelude::Device;
/// use hidet_ops::Tensor;
///
/// let device = Device::sim();
/// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?);
/// let w = Tensor::from(&device.tensor(&[1.0f32, 0.0, 0.0, -1.0], [2, 2])?);
/// let b = Tensor::from(&device.tensor(&[0.5f32, 2.5], [2])?);
/// let y = x.matmul(&w)?.add(&b)?.relu()?;
/// assert_eq!(y.kernels(), ["matmul_add_relu"]);
/// assert_eq!(y.to_vec::<f32>()?, [1.5, 0.5, 3.5, 0.0]);
///
/// let error = x.matmul(&b).unwrap_err().to_string();
/// assert_eq!(error, "`matmul` of f32[2, 2] and f32[2]: both need two axes or more");
/// # Ok::<(), hidet_ops::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    ty: TensorType,
    device: Device,
    state: Mutex<State>,
}

/// The most elements of a tensor.
const MOST_ELEMENTS: usize = 1 << 40;

#[derive(Clone)]
enum State {
    /// In memory.
    Ready(RawTensor),
    /// To be computed of other tensors.
    Pending { work: Work, inputs: Vec<Tensor> },
}

/// What computes a tensor of others.
#[derive(Clone)]
enum Work {
    /// An operator.
    Task(Arc<Task>),
    /// Several, whose graph has the others as inputs, in order, and one result, its last node.
    Graph(Arc<Kept>),
}

impl<T: Element, const R: usize> From<&hidet::device::Tensor<T, R>> for Tensor {
    /// Shares the memory of a tensor.
    fn from(tensor: &hidet::device::Tensor<T, R>) -> Tensor {
        Tensor::from(tensor.raw().clone())
    }
}

impl From<RawTensor> for Tensor {
    fn from(raw: RawTensor) -> Tensor {
        let ty = TensorType::new(raw.scalar(), raw.shape());
        Tensor::new(ty, raw.device().clone(), State::Ready(raw))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} on {})", self.ty(), self.device())
    }
}

impl Tensor {
    fn new(ty: TensorType, device: Device, state: State) -> Tensor {
        Tensor(Arc::new(Inner { ty, device, state: Mutex::new(state) }))
    }

    /// Returns the result of an operator, which is computed when it is needed.
    pub(crate) fn apply(task: Task, inputs: &[&Tensor]) -> Result<Tensor> {
        Tensor::apply_on(Tensor::device_of(task.name, inputs)?, task, inputs)
    }

    /// Returns the device on which all inputs of an operator are.
    fn device_of<'a>(operator: &'static str, inputs: &[&'a Tensor]) -> Result<&'a Device> {
        let types = || inputs.iter().map(|input| input.ty().clone()).collect();
        let refused = |why: String| Error::Operator { operator, inputs: types(), why };
        let Some((first, others)) = inputs.split_first() else {
            return Err(refused("it has no inputs, which say on which device it runs".to_owned()));
        };
        match others.iter().find(|other| !other.device().is_same(first.device())) {
            Some(other) => {
                let why = format!("they are on different devices: {} and {}", first.device(), other.device());
                Err(refused(why))
            }
            None => Ok(first.device()),
        }
    }

    /// Returns the result of a graph of operators, its last node, of these inputs.
    pub(crate) fn of_graph(name: &'static str, kept: &Arc<Kept>, inputs: &[&Tensor]) -> Result<Tensor> {
        let device = Tensor::device_of(name, inputs)?;
        let ty = kept.graph.nodes().next_back().map_or_else(|| inputs[0].ty().clone(), |node| node.ty.clone());
        let inputs = inputs.iter().map(|input| (*input).clone()).collect();
        Ok(Tensor::new(ty, device.clone(), State::Pending { work: Work::Graph(kept.clone()), inputs }))
    }

    /// Returns the result of an operator on a device, on which all inputs are.
    pub(crate) fn apply_on(device: &Device, task: Task, inputs: &[&Tensor]) -> Result<Tensor> {
        let refused = |why: String| Error::Operator { operator: task.name, inputs: task.inputs.clone(), why };
        let elements = task.output.shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        if elements.is_none_or(|elements| elements > MOST_ELEMENTS) {
            return Err(refused(format!("the result {} would have more than 2^40 elements", task.output)));
        }
        if let Some(extent) = task.output.shape.iter().find(|extent| **extent > i32::MAX as usize) {
            return Err(refused(format!("an extent of the result is {extent}: extents are less than 2^31")));
        }
        if cfg!(debug_assertions) {
            task.check().map_err(refused)?;
        }
        let ty = task.output.clone();
        let inputs = inputs.iter().map(|input| (*input).clone()).collect();
        Ok(Tensor::new(ty, device.clone(), State::Pending { work: Work::Task(Arc::new(task)), inputs }))
    }

    /// Returns true if the other is this tensor, not just an equal one.
    pub(crate) fn is_identical(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the type of its elements, and its extents.
    pub fn ty(&self) -> &TensorType {
        &self.0.ty
    }

    /// Returns the type of its elements.
    pub fn dtype(&self) -> Scalar {
        self.0.ty.dtype
    }

    /// Returns its extents.
    pub fn shape(&self) -> &[usize] {
        &self.0.ty.shape
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Computes the tensor, if it is not computed yet, and returns it without its static type.
    ///
    /// # Errors
    ///
    /// If a kernel cannot be compiled or launched, or memory for a result is missing.
    pub fn compute(&self) -> Result<RawTensor> {
        if let State::Ready(raw) = &*self.state() {
            return Ok(raw.clone());
        }
        let (mut values, nodes) = Tensor::computed(&[self], &mut |task, inputs| run::run(task, inputs, self.device()))?;
        for (tensor, value) in nodes {
            tensor.settle(value);
        }
        values.pop().ok_or_else(|| self.missing())
    }

    /// Computes the tensor, whether it is computed already or not, into memory of its own, and returns that with the launches
    /// which did it, to be repeated.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`].
    pub fn prepare(&self) -> Result<(RawTensor, Vec<PreparedLaunch>)> {
        let (mut values, launches) = Tensor::prepare_all(&[self])?;
        Ok((values.pop().ok_or_else(|| self.missing())?, launches))
    }

    /// The same of several tensors on one device, each of whose operators is computed once.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`].
    pub fn prepare_all(tensors: &[&Tensor]) -> Result<(Vec<RawTensor>, Vec<PreparedLaunch>)> {
        let (values, launches) = Tensor::recorded(tensors)?;
        Ok((values, launches.iter().map(|(launch, _)| launch.prepare()).collect::<Result<_>>()?))
    }

    /// Computes tensors on one device, each operator once, as [`Tensor::prepare`] does, and returns them with the launches.
    pub(crate) fn record(tensors: &[&Tensor]) -> Result<(Vec<RawTensor>, Vec<Launched>)> {
        let (values, launches) = Tensor::recorded(tensors)?;
        Ok((values, launches.into_iter().map(|(launch, _)| launch).collect()))
    }

    /// The same, with what the launches are for.
    fn recorded(tensors: &[&Tensor]) -> Result<(Vec<RawTensor>, Vec<(Launched, Purpose)>)> {
        let mut launches = Vec::new();
        let Some(first) = tensors.first() else { return Ok((Vec::new(), launches)) };
        let device = first.device();
        let (values, _) =
            Tensor::computed(tensors, &mut |task, inputs| run::record(task, inputs, device, &mut launches))?;
        Ok((values, launches))
    }

    fn missing(&self) -> Error {
        run::failed(self.device(), "a tensor was not computed by its graph".to_owned())
    }

    /// Computes what is missing of some tensors by `run`, and returns their values and all tensors that got one.
    fn computed(
        wanted: &[&Tensor],
        run: &mut dyn FnMut(&Compiled, &[RawTensor]) -> Result<RawTensor>,
    ) -> Result<(Vec<RawTensor>, Vec<(Tensor, RawTensor)>)> {
        let Some(first) = wanted.first() else { return Ok((Vec::new(), Vec::new())) };
        let (plan, tensors) = match wanted {
            [one] => one.planned(),
            _ => {
                let (graph, tensors) = Tensor::graph_from(wanted, &[]);
                (plans::of(graph), tensors)
            }
        };
        let mut values: HashMap<NodeId, RawTensor, Mixed> = HashMap::default();
        for (at, tensor) in tensors.iter().enumerate() {
            if let Some(tensor) = tensor
                && let State::Ready(raw) = &*tensor.state()
            {
                values.insert(NodeId(at), raw.clone());
            }
        }
        let mut made = Vec::new();
        plan.compile(&first.given());
        for step in &plan.steps {
            let (node, value) = match step {
                PlannedStep::Task { task, node, inputs } => {
                    let inputs: Vec<RawTensor> = inputs.iter().filter_map(|input| values.get(input).cloned()).collect();
                    (*node, run(task, &inputs)?)
                }
                PlannedStep::Reshape { node, input } => {
                    let Some(value) = values.get(input) else { continue };
                    (*node, run::contiguous(value)?.view(0, &plan.graph.node(*node).ty.shape)?)
                }
            };
            values.insert(node, value.clone());
            made.extend(tensors[node.0].clone().map(|tensor| (tensor, value)));
        }
        let value = |number: &NodeId| values.get(number).cloned().ok_or_else(|| first.missing());
        Ok((plan.graph.outputs().iter().map(value).collect::<Result<_>>()?, made))
    }

    /// Returns what is done to compute the tensor, and the tensors of its nodes.
    fn planned(&self) -> (Arc<Plan>, Vec<Option<Tensor>>) {
        // Of a kept graph whose inputs are there, what is done is kept too.
        if let State::Pending { work: Work::Graph(kept), inputs } = &*self.state()
            && inputs.iter().all(|input| matches!(&*input.state(), State::Ready(_)))
        {
            let mut given = inputs.iter().cloned();
            let mut tensors: Vec<Option<Tensor>> = kept
                .graph
                .nodes()
                .map(|node| if matches!(node.origin, Origin::Input) { given.next() } else { None })
                .collect();
            if let Some(last) = tensors.last_mut() {
                *last = Some(self.clone());
            }
            return (kept.plan(), tensors);
        }
        let (graph, tensors) = self.graph();
        (plans::of(graph), tensors)
    }

    /// Returns what kernels are made for: inputs that are computed on the way are contiguous, and begin where allocations
    /// do.
    fn given(&self) -> Given {
        Given { device: self.device().clone(), arch: arch_of(self.device()), contiguous: true, align: 16 }
    }

    /// Computes the tensor, and returns its elements in row-major order.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`]; and if its elements are not of type `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if self.dtype() != T::SCALAR {
            return Err(Error::Type { found: self.ty().clone(), wanted: format!("{}[..]", T::SCALAR) });
        }
        Ok(self.compute()?.to_vec::<T>()?)
    }

    /// Computes the tensor, and returns its elements of any type as `f64`, in row-major order; integers beyond 2^53 are rounded.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`].
    pub fn elements(&self) -> Result<Vec<f64>> {
        Ok(elements(&self.compute()?)?.into_iter().map(Element64::to_f64).collect())
    }

    /// Computes the tensor, and returns it with its type and rank; its memory is shared.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`]; and if it has another type or rank.
    pub fn typed<T: Element, const R: usize>(&self) -> Result<hidet::device::Tensor<T, R>> {
        if (self.dtype(), self.ty().rank()) != (T::SCALAR, R) {
            let wanted = format!("{}[..] with {R} axes", T::SCALAR);
            return Err(Error::Type { found: self.ty().clone(), wanted });
        }
        Ok(hidet::device::Tensor::from_raw(self.compute()?)?)
    }

    /// Computes the tensor on the host, in `f64`, by the definitions of its operators: the reference of every kernel.
    /// Operators that are computed already count as given.
    ///
    /// # Errors
    ///
    /// If the elements of a tensor cannot be read, or an operation is not defined for its values.
    pub fn reference(&self) -> Result<Vec<f64>> {
        let (graph, tensors) = self.graph();
        let given = graph.nodes().zip(&tensors).filter(|(node, _)| matches!(node.origin, Origin::Input));
        let given = given.filter_map(|(_, tensor)| tensor.as_ref());
        let inputs = given.map(|tensor| elements(&tensor.compute()?)).collect::<Result<Vec<Vec<Element64>>>>()?;
        let values = graph.evaluate(&inputs).map_err(|why| run::failed(self.device(), why))?;
        Ok(values.into_iter().map(Element64::to_f64).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the value; the tensors that it was to be computed of are given up.
    fn settle(&self, value: RawTensor) {
        let before = mem::replace(&mut *self.state(), State::Ready(value));
        // Dropped when the lock is released: inputs have locks of their own.
        drop(before);
    }
}

/// Returns the elements of a tensor of any type.
fn elements(raw: &RawTensor) -> Result<Vec<Element64>> {
    let dtype = raw.scalar();
    let bytes = raw.to_bytes()?;
    let bits = |element: &[u8]| element.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(dtype.bytes()).map(|element| Element64::from_bits(dtype, bits(element))).collect())
}

impl Drop for Inner {
    /// A loop instead of recursion: chains of operators may be long.
    fn drop(&mut self) {
        let mut open = self.give_up();
        while let Some(input) = open.pop() {
            if let Some(mut inner) = Arc::into_inner(input.0) {
                open.extend(inner.give_up());
            }
        }
    }
}

impl Inner {
    /// Gives up the tensors that it was to be computed of, and returns them.
    fn give_up(&mut self) -> Vec<Tensor> {
        match self.state.get_mut().unwrap_or_else(PoisonError::into_inner) {
            State::Ready(_) => Vec::new(),
            State::Pending { inputs, .. } => mem::take(inputs),
        }
    }
}
