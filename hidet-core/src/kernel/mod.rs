//! A kernel compiled for a device, and its launch.
//!
//! [`contract`] checks the arguments of a launch on the host, before anything reaches the device; both devices share
//! it. Here is what is left: which instance runs, how the devices are called, and what a fault says.

pub mod contract;
mod gpu;
mod simulated;
mod typed;

pub use contract::Binding;
pub use typed::{Kernel, Parameter};

use crate::cache::Cache;
use crate::codegen::Source;
use crate::cuda;
use crate::cuda::nvrtc::Usage;
use crate::device::{Device, RawTensor};
use crate::error::Result;
use crate::ir::{Function, verify};
use crate::passes::{self, Conditions};
use crate::types::Const;
use std::sync::{Arc, OnceLock};

/// How a kernel is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CompileOptions {
    /// Check on a GPU, while the kernel runs, every access that is not proved to lie within its tensor. The simulated
    /// device has its own options for that.
    pub checks: bool,
    /// Round `a * b + c` once.
    pub contract: bool,
    /// Use 64-bit offsets always, not only for tensors that need them.
    pub wide_index: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions { checks: false, contract: true, wide_index: false }
    }
}

/// An argument of a launch.
#[derive(Clone, Copy, Debug)]
pub enum RawArg<'a> {
    /// For a tensor parameter.
    Tensor(&'a RawTensor),
    /// For a scalar parameter.
    Scalar(Const),
}

/// A kernel compiled for a device. Cloning gives another handle to it.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    function: Function,
    device: Device,
    options: CompileOptions,
    /// With 32-bit offsets (or 64-bit ones, where the options ask for them).
    narrow: Instance,
    /// With 64-bit offsets, made when first needed.
    wide: OnceLock<Result<Instance>>,
    /// Which extents make guards needless. Made for GPUs alone: elsewhere a guard costs less than compiling a second
    /// instance.
    bounds: Option<Conditions>,
    /// Without the guards that such extents make needless, made when they are first met.
    unguarded: OnceLock<Result<Instance>>,
}

/// What a device runs.
#[derive(Debug)]
enum Instance {
    Sim(simulated::Instance),
    Gpu(gpu::Instance),
}

impl Instance {
    fn new(function: &Function, device: &Device, options: &CompileOptions, wide_index: bool) -> Result<Instance> {
        Ok(match device.as_cuda() {
            None => Instance::Sim(simulated::Instance::new(function, device, options, wide_index)?),
            Some(context) => Instance::Gpu(gpu::Instance::new(function, context, options, wide_index)?),
        })
    }
}

impl Compiled {
    /// Verifies the function and compiles it for the device.
    pub fn new(mut function: Function, device: &Device, options: &CompileOptions) -> Result<Compiled> {
        verify::check(&function)?;
        contract::check_dims(&function)?;
        // What is stored on disk names parts of the compact function.
        function.compact();
        let narrow = Instance::new(&function, device, options, options.wide_index)?;
        let bounds = device.as_cuda().map(|_| cuda::conditions(Cache::global(), &function)).transpose()?;
        let (device, options) = (device.clone(), options.clone());
        let (wide, unguarded) = (OnceLock::new(), OnceLock::new());
        Ok(Compiled(Arc::new(Inner { function, device, options, narrow, wide, bounds, unguarded })))
    }

    /// Checks the arguments and launches the kernel. On a GPU the launch returns at once, but for kernels with checks,
    /// assertions or prints, which are waited for.
    pub fn launch(&self, args: &[RawArg]) -> Result<()> {
        let inner = &*self.0;
        let binding = contract::bind(&inner.function, &inner.device, args)?;
        if binding.grid.contains(&0) {
            return Ok(());
        }
        let instance = if binding.wide && !inner.options.wide_index {
            let make = || Instance::new(&inner.function, &inner.device, &inner.options, true);
            inner.wide.get_or_init(make).as_ref().map_err(Clone::clone)?
        } else if let Some(bounds) = inner.bounds.as_ref().filter(|bounds| bounds.holds(&binding.dims)) {
            let make = || {
                let function = passes::specialise(&inner.function, bounds);
                Instance::new(&function, &inner.device, &inner.options, inner.options.wide_index)
            };
            inner.unguarded.get_or_init(make).as_ref().map_err(Clone::clone)?
        } else {
            &inner.narrow
        };
        match instance {
            Instance::Sim(instance) => instance.launch(&inner.function, args, &binding),
            Instance::Gpu(instance) => instance.launch(&inner.function, args, &binding),
        }
    }

    /// The kernel as it was written.
    pub fn function(&self) -> &Function {
        &self.0.function
    }

    /// The device it was compiled for.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Registers, spills and shared memory, where it was compiled for a GPU.
    pub fn usage(&self) -> Option<&Usage> {
        match &self.0.narrow {
            Instance::Gpu(instance) => Some(instance.usage()),
            Instance::Sim(_) => None,
        }
    }

    /// Its CUDA text, where it was compiled for a GPU.
    pub fn source(&self) -> Option<&Source> {
        match &self.0.narrow {
            Instance::Gpu(instance) => Some(instance.source()),
            Instance::Sim(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
