//! Kernels of fused tasks: compiled once, and launched.

use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;
use crate::schedule::{Given, KernelPlan, Parameters, Source, Step, Work};
use crate::templates;
use hidet::device::{Device, RawTensor, Storage};
use hidet::kernel::{Kernel, PreparedLaunch, RawArg};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A fused task, and its kernels, as far as they are compiled.
pub(crate) struct Compiled {
    pub(crate) fused: FusedTask,
    /// For each device and alignment for which it has run.
    ready: Mutex<Vec<(Given, Arc<Ready>)>>,
}

impl Compiled {
    pub(crate) fn new(fused: FusedTask) -> Compiled {
        Compiled { fused, ready: Mutex::default() }
    }

    /// Compiles the kernels for what is given, those of steps that are tasks too. What fails is reported when it runs.
    pub(crate) fn compile(&self, given: &Given) {
        if let Ok(ready) = self.ready(given.clone()) {
            for step in &ready.steps {
                if let ReadyWork::Task(task) = &step.work {
                    task.compile(given);
                }
            }
        }
    }

    /// Returns the kernels for what is given, compiled if they are not.
    fn ready(&self, given: Given) -> Result<Arc<Ready>> {
        let own = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let known = own().iter().find(|(known, _)| known.is_same(&given)).map(|(_, ready)| ready.clone());
        if let Some(ready) = known {
            return Ok(ready);
        }
        count();
        let ready = ready(&self.fused, &given)?;
        own().push((given, ready.clone()));
        Ok(ready)
    }
}

/// The steps of a plan, with kernels compiled.
struct Ready {
    /// What the kernels are for; the operations are those of one alone.
    purpose: Purpose,
    steps: Vec<ReadyStep>,
}

struct ReadyStep {
    work: ReadyWork,
    inputs: Vec<Source>,
    output: TensorType,
}

enum ReadyWork {
    Kernel { kernel: Kernel<()>, parameters: Parameters, result: Vec<usize> },
    Task(Compiled),
}

/// Launches a kernel with arguments.
type Launch<'a> = dyn FnMut(&Kernel<()>, &[RawTensor], Purpose) -> Result<()> + 'a;

/// What a launch is for.
#[derive(Clone, Copy)]
pub(crate) struct Purpose {
    /// The template or rule that made its kernel.
    pub(crate) template: &'static str,
    /// The multiplications and additions of its products.
    pub(crate) flops: f64,
}

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Returns how many plans, and kernels that were not part of a new plan, this thread has made: what is repeated makes none.
pub fn made() -> usize {
    MADE.get()
}

/// Counts a plan or a kernel.
pub(crate) fn count() {
    MADE.set(MADE.get() + 1);
}

/// The kernels of this process, by what they are made for and what they compute.
static KERNELS: LazyLock<Mutex<HashMap<(String, String), Arc<Ready>>>> = LazyLock::new(Mutex::default);

/// Computes a fused task: compiles its kernels, if that has not been done, and launches them. The result has memory of its
/// own.
pub(crate) fn run(task: &Compiled, inputs: &[RawTensor], device: &Device) -> Result<RawTensor> {
    execute(task, inputs, device, &mut |kernel, arguments, _| {
        Ok(kernel.launch_raw(&arguments.iter().map(RawArg::from).collect::<Vec<RawArg>>())?)
    })
}

/// A launch that was made, to be repeated: the kernel that ran, and its arguments.
pub(crate) struct Launched {
    pub(crate) kernel: hidet::kernel::Compiled,
    pub(crate) arguments: Vec<RawTensor>,
}

impl Launched {
    /// Returns the same launch, checked.
    pub(crate) fn prepare(&self) -> Result<PreparedLaunch> {
        Ok(self.kernel.prepare(&self.arguments.iter().map(RawArg::from).collect::<Vec<RawArg>>())?)
    }
}

/// The same, and adds the launches to a list, to be repeated, with what they are for.
pub(crate) fn record(
    task: &Compiled,
    inputs: &[RawTensor],
    device: &Device,
    launches: &mut Vec<(Launched, Purpose)>,
) -> Result<RawTensor> {
    execute(task, inputs, device, &mut |kernel, arguments, purpose| {
        let launch = Launched { kernel: kernel.compiled().clone(), arguments: arguments.to_vec() };
        let prepared = launch.prepare()?;
        prepared.launch()?;
        // Of arguments that are not contiguous it is another one.
        launches.push((Launched { kernel: prepared.kernel().clone(), ..launch }, purpose));
        Ok(())
    })
}

fn execute(task: &Compiled, inputs: &[RawTensor], device: &Device, launch: &mut Launch) -> Result<RawTensor> {
    if task.fused.output.is_empty() {
        return allocated(device, &task.fused.output);
    }
    let ready = task.ready(Given::of(device, inputs))?;
    let mut made: Vec<RawTensor> = Vec::new();
    for step in &ready.steps {
        let input = |source: &Source| -> Result<RawTensor> {
            match source {
                Source::Input(number) => Ok(inputs[*number].clone()),
                Source::InputAs(number, extents) => Ok(contiguous(&inputs[*number])?.view(0, extents)?),
                Source::Step(number) => Ok(made[*number].clone()),
            }
        };
        let own = step.inputs.iter().map(input).collect::<Result<Vec<RawTensor>>>()?;
        let value = match &step.work {
            ReadyWork::Task(task) => execute(task, &own, device, launch)?,
            ReadyWork::Kernel { kernel, parameters, result } => {
                let value = allocated(device, &step.output)?;
                let mut arguments = parameters.arguments(&own)?;
                arguments.push(value.view(0, result)?);
                launch(kernel, &arguments, ready.purpose)?;
                value
            }
        };
        made.push(value);
    }
    made.pop().ok_or_else(|| failed(device, format!("{} has no kernel", task.fused.name)))
}

/// Returns memory for a tensor.
fn allocated(device: &Device, ty: &TensorType) -> Result<RawTensor> {
    let bytes = ty.shape.iter().try_fold(ty.dtype.bytes(), |bytes, extent| bytes.checked_mul(*extent));
    let bytes = bytes.ok_or_else(|| failed(device, format!("a tensor {ty} is too large")))?;
    Ok(RawTensor::new(device, Storage::uninit(device, bytes)?, 0, ty.dtype, &ty.shape)?)
}

/// Returns the error of something that failed on a device.
pub(crate) fn failed(device: &Device, message: String) -> Error {
    hidet::Error::Device { device: device.to_string(), message }.into()
}

/// Returns a tensor itself if its elements are next to each other, else a copy in which they are.
pub(crate) fn contiguous(tensor: &RawTensor) -> Result<RawTensor> {
    if tensor.is_contiguous() {
        return Ok(tensor.clone());
    }
    let ty = TensorType::new(tensor.scalar(), tensor.shape());
    let value = ScalarExpr::read(0, ty.dtype, (0..ty.rank()).map(ScalarExpr::axis).collect());
    let fused = FusedTask::each("copy".to_owned(), vec![ty.clone()], ty, value);
    run(&Compiled::new(fused), std::slice::from_ref(tensor), tensor.device())
}

fn ready(fused: &FusedTask, given: &Given) -> Result<Arc<Ready>> {
    let key = (format!("{given:?}"), fused.text());
    let known = || KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ready) = known().get(&key) {
        return Ok(ready.clone());
    }
    // Compiled without the lock: other threads may go on.
    let (template, plan) = templates::plan(fused, given).map_err(|why| failed(&given.device, why))?;
    let compiled = |step: Step| -> Result<ReadyStep> {
        let work = match step.work {
            Work::Fused(fused) => ReadyWork::Task(Compiled::new(fused)),
            Work::Kernel(KernelPlan { template, parameters, result }) => {
                ReadyWork::Kernel { kernel: template.compile(&given.device)?, parameters, result }
            }
        };
        Ok(ReadyStep { work, inputs: step.inputs, output: step.output })
    };
    let steps = plan.steps.into_iter().map(compiled).collect::<Result<Vec<ReadyStep>>>()?;
    // Of several kernels it is not known which does what.
    let kernels = steps.iter().filter(|step| matches!(step.work, ReadyWork::Kernel { .. })).count();
    let flops = if kernels == 1 { fused.flops() } else { 0.0 };
    let ready = Arc::new(Ready { purpose: Purpose { template, flops }, steps });
    Ok(known().entry(key).or_insert(ready).clone())
}
