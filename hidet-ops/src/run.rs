//! Kernels of fused tasks: compiled once, and launched.

use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;
use crate::schedule::{Given, Parameters};
use crate::templates;
use hidet::device::{Device, RawTensor, Storage};
use hidet::kernel::{Kernel, PreparedLaunch, RawArg};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A compiled kernel, and which inputs are its arguments.
struct Ready {
    kernel: Kernel<()>,
    parameters: Parameters,
}

/// The kernels of this process, by what they are made for and what they compute.
static KERNELS: LazyLock<Mutex<HashMap<(String, String), Arc<Ready>>>> = LazyLock::new(Mutex::default);

/// Computes a fused task: compiles its kernel, if that has not been done, and launches it. The result has memory of its own.
pub(crate) fn run(fused: &FusedTask, inputs: &[RawTensor], device: &Device) -> Result<RawTensor> {
    with_arguments(fused, inputs, device, |kernel, arguments| Ok(kernel.launch_raw(arguments)?))
        .map(|(result, _)| result)
}

/// The same, and returns the launch, to be repeated; none if the result has no elements.
pub(crate) fn prepare(
    fused: &FusedTask,
    inputs: &[RawTensor],
    device: &Device,
) -> Result<(RawTensor, Option<PreparedLaunch>)> {
    with_arguments(fused, inputs, device, |kernel, arguments| {
        let launch = kernel.compiled().prepare(arguments)?;
        launch.launch()?;
        Ok(launch)
    })
}

/// Calls `f` with the kernel of a fused task and its arguments: those of the inputs, and a result with memory of its own.
fn with_arguments<R>(
    fused: &FusedTask,
    inputs: &[RawTensor],
    device: &Device,
    f: impl FnOnce(&Kernel<()>, &[RawArg]) -> Result<R>,
) -> Result<(RawTensor, Option<R>)> {
    let output = &fused.output;
    let bytes = output.shape.iter().try_fold(output.dtype.bytes(), |bytes, extent| bytes.checked_mul(*extent));
    let bytes = bytes.ok_or_else(|| failed(device, format!("a tensor {output} is too large")))?;
    let result = RawTensor::new(device, Storage::uninit(device, bytes)?, 0, output.dtype, &output.shape)?;
    if output.is_empty() {
        return Ok((result, None));
    }
    let ready = ready(fused, &Given::of(device, inputs))?;
    let arguments = ready.parameters.arguments(inputs)?;
    let result_in_kernel = result.view(0, ready.parameters.result())?;
    let mut all: Vec<RawArg> = arguments.iter().map(RawArg::from).collect();
    all.push(RawArg::from(&result_in_kernel));
    let made = f(&ready.kernel, &all)?;
    Ok((result, Some(made)))
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
    let fused = FusedTask {
        name: "copy".to_owned(),
        inputs: vec![ty.clone()],
        extents: ty.shape.clone(),
        output: ty,
        over: Vec::new(),
        reductions: Vec::new(),
        scan: None,
        value,
    };
    run(&fused, std::slice::from_ref(tensor), tensor.device())
}

fn ready(fused: &FusedTask, given: &Given) -> Result<Arc<Ready>> {
    let key = (format!("{given:?}"), fused.text());
    let known = || KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ready) = known().get(&key) {
        return Ok(ready.clone());
    }
    // Compiled without the lock: other threads may go on.
    let (_, plan) = templates::plan(fused, given).map_err(|why| failed(&given.device, why))?;
    let ready = Arc::new(Ready { kernel: plan.template.compile(&given.device)?, parameters: plan.parameters });
    Ok(known().entry(key).or_insert(ready).clone())
}
