//! Kernels compiled for a device, and their launches.
//!
//! [`contract`] checks the arguments of a launch on the host, before anything reaches the device; both kinds of devices
//! share it. This module chooses the instance that runs, calls the device, and reports faults.

pub mod contract;
mod estimate;
mod gpu;
mod image;
mod lazy;
mod many;
mod plan;
mod prepared;
mod printer;
mod raw_arg;
mod record;
mod resources;
mod simulated;
mod strided;
mod typed;

pub use contract::BoundDims;
pub use estimate::Estimate;
pub use image::Image;
pub use many::{compile_all, compiling};
pub use prepared::PreparedLaunch;
pub use printer::Printer;
pub use raw_arg::RawArg;
pub use resources::Resources;
pub use typed::{Kernel, On, Parameter};

use crate::cache::Cache;
use crate::codegen::Source;
use crate::cuda;
use crate::cuda::nvrtc::Usage;
use crate::device::{Device, Stream, is_recorded};
use crate::error::{Error, Result};
use crate::ir::{Function, verify};
use crate::passes::{self, Conditions};
use crate::sim::LaunchPlace;
use lazy::LazyFunction;
use plan::{Choice, Found, Plan, Plans};
use raw_arg::OwnedArg;
use record::Told;
use std::sync::{Arc, OnceLock};
use strided::Strided;

/// Options of compiling a kernel.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// On a GPU, check at run time every access that is not proved to be within its tensor. The simulated device has
    /// its own options for that.
    pub checks: bool,
    /// FMA contraction: round `a * b + c` once, as one fused multiply-add, if only that sum or difference uses the
    /// product. This is the default, on both kinds of devices alike. Without it every operation rounds, and results
    /// equal Rust's own bit for bit:
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
    /// Always use 64-bit offsets, not only for tensors that need them.
    pub wide_index: bool,
    /// The receiver of printed lines.
    pub printer: Printer,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions { checks: false, contract: true, wide_index: false, printer: Printer::default() }
    }
}

/// A kernel compiled for a device. Cloning returns another handle to it.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    function: LazyFunction,
    device: Device,
    options: CompileOptions,
    plans: Plans,
    /// The instance with 32-bit offsets (or 64-bit ones, if the options ask for them).
    narrow: Instance,
    /// The instance with 64-bit offsets, compiled on first use.
    wide: OnceLock<Result<Instance>>,
    /// Instances with fewer guards, for launches whose extents make guards needless, compiled on first use. Only for
    /// GPUs: on the simulated device a guard costs less than compiling a second instance.
    unguarded: Vec<(Conditions, OnceLock<Result<Instance>>)>,
    /// The kernels for arguments that are not contiguous, compiled on first use.
    strided: Strided,
    /// The image that it was loaded from, if any: then nothing is compiled.
    image: Option<Image>,
}

/// An instance of a kernel on either kind of device.
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
                let make = || match &self.image {
                    Some(image) => image.instance(choice, &self.device),
                    None => Instance::new(self.function.whole(), &self.device, &self.options, true),
                };
                self.wide.get_or_init(make).as_ref().map_err(Clone::clone)
            }
            Choice::Unguarded(number) => {
                let Some((conditions, instance)) = self.unguarded.get(number) else { return Ok(&self.narrow) };
                let make = || match &self.image {
                    Some(image) => image.instance(choice, &self.device),
                    None => {
                        let function = passes::specialise(self.function.whole(), conditions);
                        Instance::new(&function, &self.device, &self.options, self.options.wide_index)
                    }
                };
                instance.get_or_init(make).as_ref().map_err(Clone::clone)
            }
        }
    }
}

impl Compiled {
    /// Verifies the function and compiles it for the device.
    pub fn new(mut function: Function, device: &Device, options: &CompileOptions) -> Result<Compiled> {
        verify::check(&function)?;
        contract::check_dims(&function)?;
        // Cache entries name parts of the compacted function.
        function.compact();
        let narrow = Instance::new(&function, device, options, options.wide_index)?;
        let conditions = device.as_cuda().map(|_| cuda::conditions(Cache::global(), &function)).transpose()?;
        let unguarded = conditions.into_iter().flatten().map(|conditions| (conditions, OnceLock::new())).collect();
        let (device, options) = (device.clone(), options.clone());
        let (plans, strided, wide) = (Plans::new(&function), Strided::new(&function), OnceLock::new());
        Ok(Compiled(Arc::new(Inner {
            function: function.into(),
            device,
            options,
            plans,
            narrow,
            wide,
            unguarded,
            strided,
            image: None,
        })))
    }

    /// Checks the arguments and launches the kernel on the default stream. On a GPU the launch returns immediately,
    /// except for kernels with checks, assertions or prints, which it waits for.
    pub fn launch(&self, args: &[RawArg]) -> Result<()> {
        self.launch_at(None, args)
    }

    /// Checks the arguments and launches the kernel on a stream of its device. If the stream is captured in a graph,
    /// the launch is recorded instead.
    pub fn launch_on(&self, stream: &Stream, args: &[RawArg]) -> Result<()> {
        self.launch_at(Some(stream), args)
    }

    fn launch_at(&self, stream: Option<&Stream>, args: &[RawArg]) -> Result<()> {
        let inner = &*self.0;
        let device = &inner.device;
        let recorded = is_recorded(device, stream)?;
        if let Some(stream) = stream.filter(|stream| !stream.device().is_same(device)) {
            let message = format!("the stream belongs to {}; the kernel was compiled for {device}", stream.device());
            return Err(self.error(message));
        }
        if let Some(kernel) = self.for_strides(args)? {
            return kernel.launch_at(stream, args);
        }
        let plan = self.plan(args)?;
        // The simulated device must run even an empty grid, to report elements that no thread has written.
        if plan.launch.grid.contains(&0) && !device.is_sim() {
            return Ok(());
        }
        match (inner.instance(plan.choice)?, stream.filter(|_| recorded)) {
            (Instance::Gpu(instance), captured) => {
                let queue = stream.and_then(Stream::as_cuda).unwrap_or_else(|| instance.context().stream());
                let mut uses = Some(instance.uses(inner.plans.tensors(args)));
                if let Some(captured) = captured {
                    instance.may_be_captured(inner.function.head())?;
                    let uses = uses.take().into_iter().flatten();
                    captured.record_uses(uses.map(|(memory, write)| (memory.clone(), write)), Some(self.0.clone()));
                }
                let told = instance.launch(inner.function.head(), args, &plan, queue, uses)?;
                let Some(Told { lines, fault }) = told else { return Ok(()) };
                // The printer may launch this kernel again, so no lock is held here.
                inner.options.printer.print(&lines);
                fault.map_or(Ok(()), Err)
            }
            (Instance::Sim(instance), None) => {
                let place = LaunchPlace::on_stream(stream.map_or(0, Stream::id));
                instance.launch(inner.function.whole(), args, &plan.binding, &inner.options.printer, place)
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

    /// Launches a kernel of the simulated device at a place among other launches.
    fn simulate(&self, args: &[RawArg], place: LaunchPlace) -> Result<()> {
        let inner = &*self.0;
        let plan = self.plan(args)?;
        match inner.instance(plan.choice)? {
            Instance::Sim(instance) => {
                instance.launch(inner.function.whole(), args, &plan.binding, &inner.options.printer, place)
            }
            Instance::Gpu(_) => Err(self.error("it is not simulated")),
        }
    }

    /// Returns the plan of a launch, from an earlier one with the same shapes or from the contract.
    fn plan(&self, args: &[RawArg]) -> Result<Found<'_>> {
        let inner = &*self.0;
        if let Some(plan) = inner.plans.find(args) {
            return Ok(plan);
        }
        let binding = contract::bind(inner.function.head(), &inner.device, args)?;
        let choice = if binding.wide && !inner.options.wide_index {
            Choice::Wide
        } else if let Some(number) = inner.unguarded.iter().position(|(conditions, _)| conditions.hold(&binding.dims)) {
            Choice::Unguarded(number)
        } else {
            Choice::Narrow
        };
        if choice == Choice::Wide
            && let Some(image) = &inner.image
        {
            image.check_wide(args)?;
        }
        let mut launch = gpu::launch(inner.function.head(), binding.grid, 0);
        match inner.instance(choice)? {
            Instance::Gpu(instance) => {
                launch.shared = instance.shared(inner.function.head(), &binding.dims)?;
                if launch.shared as usize > inner.device.limits().shared {
                    contract::check_shared(inner.function.whole(), &inner.device, &binding.dims)?;
                }
                instance.fits(inner.function.head(), &launch)?;
            }
            Instance::Sim(_) => contract::check_shared(inner.function.whole(), &inner.device, &binding.dims)?,
        }
        Ok(inner.plans.add(Plan::new(inner.function.head(), args, binding, choice, launch)))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::Launch { kernel: self.head().name.clone(), message: message.into() }
    }

    /// Returns the resources of the last checked launch, or `None` on the simulated device. Returns an error before the
    /// first launch if the shared memory depends on the shapes.
    pub fn resources(&self) -> Result<Option<Resources>> {
        let plan = self.0.plans.latest();
        match self.0.instance(plan.as_ref().map_or(Choice::Narrow, |plan| plan.choice))? {
            Instance::Gpu(instance) => instance.resources(self.head(), plan.as_deref()).map(Some),
            Instance::Sim(_) => Ok(None),
        }
    }

    /// Returns the kernel as it was written.
    pub fn function(&self) -> &Function {
        self.0.function.whole()
    }

    /// Returns the kernel, perhaps without its statements.
    fn head(&self) -> &Function {
        self.0.function.head()
    }

    /// Returns the device it was compiled for.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Returns true if both are handles to the same kernel, not just to equal ones.
    pub fn is_same(&self, other: &Compiled) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns registers, spills and shared memory, or `None` on the simulated device.
    pub fn usage(&self) -> Option<&Usage> {
        self.0.narrow.usage()
    }

    /// Returns its CUDA text, or `None` on the simulated device.
    pub fn source(&self) -> Option<&Source> {
        match &self.0.narrow {
            Instance::Gpu(instance) => Some(instance.source()),
            Instance::Sim(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
