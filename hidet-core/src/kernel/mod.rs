//! A kernel compiled for a device, and its launch.
//!
//! [`contract`] checks the arguments of a launch on the host, before anything reaches the device; both devices share
//! it. Here is what is left: which instance runs, how the devices are called, and what a fault says.

pub mod contract;
mod gpu;
mod many;
mod plan;
mod printer;
mod record;
mod resources;
mod simulated;
mod typed;

pub use contract::BoundDims;
pub use many::compile_all;
pub use printer::Printer;
pub use resources::Resources;
pub use typed::{Kernel, On, Parameter};

use crate::cache::Cache;
use crate::codegen::Source;
use crate::cuda;
use crate::cuda::Bare;
use crate::cuda::nvrtc::Usage;
use crate::device::{ByteRange, Device, RawTensor, ShapeKey, Stream, is_recorded};
use crate::error::{Error, Result};
use crate::ir::{Function, verify};
use crate::passes::{self, Conditions};
use crate::types::Const;
use plan::{Choice, Found, Plan, Plans};
use record::Told;
use std::sync::{Arc, OnceLock};

/// How a kernel is compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Check on a GPU, while the kernel runs, every access that is not proved to lie within its tensor. The simulated
    /// device has its own options for that.
    pub checks: bool,
    /// Round `a * b + c` once, as one fused multiply-add: where a product is used by one sum or difference alone. It is
    /// what happens by default, on both devices alike. Without it every operation rounds, and results equal Rust's own
    /// bit for bit:
    ///
    /// ```
    /// use hidet::kernel::CompileOptions;
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = 1, block = 1)]
    ///     fn add(x: In<f32, [1]>, y: Out<f32, [1]>) { y[[0]] = x[[0]] * x[[0]] + x[[0]]; }
    /// }
    ///
    /// let device = Device::sim();
    /// let a = 1.1f32;
    /// let (x, mut y) = (device.tensor(&[a], [1])?, device.empty([1])?);
    /// add().compile(&device)?.launch(&x, &mut y)?;
    /// assert_eq!(y.to_vec()?, [a.mul_add(a, a)]);
    /// let options = CompileOptions { contract: false, ..CompileOptions::default() };
    /// add().compile_with(&device, &options)?.launch(&x, &mut y)?;
    /// assert_eq!(y.to_vec()?, [a * a + a]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    pub contract: bool,
    /// Use 64-bit offsets always, not only for tensors that need them.
    pub wide_index: bool,
    /// Where the lines go that it prints.
    pub printer: Printer,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions { checks: false, contract: true, wide_index: false, printer: Printer::default() }
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

impl RawArg<'_> {
    /// What launches compare of it.
    #[inline]
    fn shape_key(&self) -> ShapeKey {
        match self {
            RawArg::Tensor(tensor) => *tensor.shape_key(),
            RawArg::Scalar(value) => ShapeKey::number(value.scalar),
        }
    }

    /// The addresses of its bytes; none of a number.
    #[inline]
    fn span(&self) -> ByteRange {
        match self {
            RawArg::Tensor(tensor) => tensor.span(),
            RawArg::Scalar(_) => (0, 0),
        }
    }

    /// What a GPU's kernel is given: the address, or the number.
    #[inline]
    fn word(&self) -> u64 {
        match self {
            RawArg::Tensor(tensor) => tensor.address(),
            RawArg::Scalar(value) => value.bits,
        }
    }
}

/// A kernel compiled for a device. Cloning gives another handle to it.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    function: Function,
    device: Device,
    options: CompileOptions,
    plans: Plans,
    /// With 32-bit offsets (or 64-bit ones, where the options ask for them).
    narrow: Instance,
    /// With 64-bit offsets, made when first needed.
    wide: OnceLock<Result<Instance>>,
    /// Instances with fewer guards for launches whose extents make them needless, made when they are first met. For
    /// GPUs alone: elsewhere a guard costs less than compiling a second instance.
    unguarded: Vec<(Conditions, OnceLock<Result<Instance>>)>,
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

    fn usage(&self) -> Option<&Usage> {
        match self {
            Instance::Gpu(instance) => Some(instance.usage()),
            Instance::Sim(_) => None,
        }
    }
}

impl Inner {
    #[inline]
    fn instance(&self, choice: Choice) -> Result<&Instance> {
        match choice {
            Choice::Narrow => Ok(&self.narrow),
            Choice::Wide => {
                let make = || Instance::new(&self.function, &self.device, &self.options, true);
                self.wide.get_or_init(make).as_ref().map_err(Clone::clone)
            }
            Choice::Unguarded(number) => {
                let Some((conditions, instance)) = self.unguarded.get(number) else { return Ok(&self.narrow) };
                let make = || {
                    let function = passes::specialise(&self.function, conditions);
                    Instance::new(&function, &self.device, &self.options, self.options.wide_index)
                };
                instance.get_or_init(make).as_ref().map_err(Clone::clone)
            }
        }
    }
}

/// An argument that a graph keeps.
enum OwnedArg {
    Tensor(RawTensor),
    Scalar(Const),
}

impl From<&RawArg<'_>> for OwnedArg {
    fn from(arg: &RawArg) -> Self {
        match arg {
            RawArg::Tensor(tensor) => OwnedArg::Tensor((*tensor).clone()),
            RawArg::Scalar(value) => OwnedArg::Scalar(*value),
        }
    }
}

impl OwnedArg {
    fn borrow(&self) -> RawArg<'_> {
        match self {
            OwnedArg::Tensor(tensor) => RawArg::Tensor(tensor),
            OwnedArg::Scalar(value) => RawArg::Scalar(*value),
        }
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
        let conditions = device.as_cuda().map(|_| cuda::conditions(Cache::global(), &function)).transpose()?;
        let unguarded = conditions.into_iter().flatten().map(|conditions| (conditions, OnceLock::new())).collect();
        let (device, options) = (device.clone(), options.clone());
        let plans = Plans::new(&function);
        let wide = OnceLock::new();
        Ok(Compiled(Arc::new(Inner { function, device, options, plans, narrow, wide, unguarded })))
    }

    /// Checks the arguments and launches the kernel on the default stream. On a GPU the launch returns at once, but for
    /// kernels with checks, assertions or prints, which are waited for.
    pub fn launch(&self, args: &[RawArg]) -> Result<()> {
        self.launch_at(None, args)
    }

    /// The same on a stream of the kernel's device; where that is captured in a graph, the launch is recorded instead.
    pub fn launch_on(&self, stream: &Stream, args: &[RawArg]) -> Result<()> {
        self.launch_at(Some(stream), args)
    }

    fn launch_at(&self, stream: Option<&Stream>, args: &[RawArg]) -> Result<()> {
        let inner = &*self.0;
        let device = &inner.device;
        let recorded = is_recorded(device, stream)?;
        if let Some(stream) = stream.filter(|stream| !stream.device().is_same(device)) {
            let message = format!("on a stream of {}; the kernel was compiled for {device}", stream.device());
            return Err(self.error(message));
        }
        let plan = self.plan(args)?;
        // The simulated device says what no thread has written.
        if plan.launch.grid.contains(&0) && !device.is_sim() {
            return Ok(());
        }
        match (inner.instance(plan.choice)?, stream.filter(|_| recorded)) {
            (Instance::Gpu(instance), captured) => {
                let queue = stream.and_then(Stream::as_cuda).unwrap_or_else(|| instance.context().stream());
                let mut uses = Some(instance.uses(inner.plans.tensors(args)));
                if let Some(captured) = captured {
                    instance.may_be_captured(&inner.function)?;
                    let uses = uses.take().into_iter().flatten();
                    captured.record_uses(uses.map(|(memory, write)| (memory.clone(), write)), Some(self.0.clone()));
                }
                let told = instance.launch(&inner.function, args, &plan, queue, uses)?;
                let Some(Told { lines, fault }) = told else { return Ok(()) };
                // Whoever takes the lines may launch this kernel again.
                inner.options.printer.print(&lines);
                fault.map_or(Ok(()), Err)
            }
            (Instance::Sim(instance), None) => {
                let stream = stream.map_or(0, Stream::id);
                instance.launch(&inner.function, args, &plan.binding, &inner.options.printer, stream)
            }
            (Instance::Sim(_), Some(captured)) => {
                let (kernel, args) = (self.clone(), args.iter().map(OwnedArg::from).collect::<Vec<_>>());
                captured.record_step(Box::new(move || {
                    kernel.launch(&args.iter().map(OwnedArg::borrow).collect::<Vec<_>>())
                }));
                Ok(())
            }
        }
    }

    /// The plan of a launch: known from an earlier one with the same shapes, or by the contract.
    fn plan(&self, args: &[RawArg]) -> Result<Found<'_>> {
        let inner = &*self.0;
        if let Some(plan) = inner.plans.find(args) {
            return Ok(plan);
        }
        let binding = contract::bind(&inner.function, &inner.device, args)?;
        let choice = if binding.wide && !inner.options.wide_index {
            Choice::Wide
        } else if let Some(number) = inner.unguarded.iter().position(|(conditions, _)| conditions.hold(&binding.dims)) {
            Choice::Unguarded(number)
        } else {
            Choice::Narrow
        };
        let mut launch = gpu::launch(&inner.function, binding.grid, 0);
        if let Instance::Gpu(instance) = inner.instance(choice)? {
            launch.shared = instance.shared(&inner.function, &binding.dims)?;
            instance.fits(&inner.function, &launch)?;
        }
        Ok(inner.plans.add(Plan::new(&inner.function, args, binding, choice, launch)))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::Launch { kernel: self.0.function.name.clone(), message: message.into() }
    }

    /// A launch with these arguments, checked once, as the driver takes it; nothing on the simulated device, and for
    /// kernels that are waited for.
    pub fn bare(&self, args: &[RawArg]) -> Result<Option<Bare>> {
        let plan = self.plan(args)?;
        match self.0.instance(plan.choice)? {
            Instance::Gpu(instance) => instance.bare(&self.0.function, args, &plan),
            Instance::Sim(_) => Ok(None),
        }
    }

    /// What the launch checked last takes of a GPU; nothing on the simulated device. Before the first launch it is an error
    /// where the shared memory depends on the shapes.
    pub fn resources(&self) -> Result<Option<Resources>> {
        let plan = self.0.plans.latest();
        match self.0.instance(plan.as_ref().map_or(Choice::Narrow, |plan| plan.choice))? {
            Instance::Gpu(instance) => instance.resources(&self.0.function, plan.as_deref()).map(Some),
            Instance::Sim(_) => Ok(None),
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
        self.0.narrow.usage()
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
