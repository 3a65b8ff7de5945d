//! Launches whose arguments are checked once, and graphs of them.

use super::raw_arg::OwnedArg;
use super::{Compiled, Instance, RawArg};
use crate::cuda::{self, Bare};
use crate::device::{
    Accesses, Device, DeviceKind, Graph, RawTensor, Recording, Stream, dependencies, is_recorded, new_id, order,
};
use crate::error::Result;
use crate::sim::LaunchPlace;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A launch whose arguments are checked. It owns them: the kernel, the memory of the tensors, and the numbers. Each
/// launch uses the same ones.
pub struct PreparedLaunch {
    kernel: Compiled,
    args: Vec<OwnedArg>,
    /// The call of the driver, or `None` for launches that need more than one: on the simulated device, of kernels that
    /// are waited for, and of empty grids.
    call: Option<Bare>,
    /// The memory that it uses on a GPU, with true for what it writes.
    uses: Vec<(Arc<cuda::Memory>, bool)>,
    /// The tensors to which memory is given before each launch, and where that was said.
    forgets: Vec<(RawTensor, &'static Location<'static>)>,
    is_empty: bool,
}

impl Compiled {
    /// Checks the arguments once and returns a launch that can be repeated, and be part of a graph ([`Graph::of`]).
    pub fn prepare(&self, args: &[RawArg]) -> Result<PreparedLaunch> {
        if let Some(kernel) = self.for_strides(args)? {
            return kernel.prepare(args);
        }
        let plan = self.plan(args)?;
        let is_empty = plan.launch.grid.contains(&0);
        let (mut call, mut uses) = (None, Vec::new());
        if let Instance::Gpu(instance) = self.0.instance(plan.choice)?
            && !is_empty
        {
            call = instance.bare(self.head(), args, &plan)?;
            let used = instance.uses(self.0.plans.tensors(args));
            uses.extend(used.map(|(memory, write)| (memory.clone(), write)));
        }
        let args = args.iter().map(OwnedArg::from).collect();
        Ok(PreparedLaunch { kernel: self.clone(), args, call, uses, forgets: Vec::new(), is_empty })
    }
}

impl PreparedLaunch {
    /// Returns true if the launch is cooperative: its blocks wait for each other. Only a captured graph may have it.
    pub fn is_cooperative(&self) -> bool {
        self.kernel.head().launch.cooperative
    }

    /// Gives memory that is reused to these tensors alone, before each launch, as [`RawTensor::forget`] does: they are those
    /// that begin with this launch. In a graph it counts as a write of all their memory, so that launches which use it for
    /// other tensors, before or after this one, stay on their side.
    ///
    /// ```
    /// use hidet::device::{Graph, RawTensor, Storage};
    /// use hidet::kernel::RawArg;
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = 1, block = 32)]
    ///     fn copy(x: In<f32, [32]>, y: Out<f32, [32]>) { y[[lane_id()]] = x[[lane_id()]]; }
    /// }
    ///
    /// let device = Device::sim();
    /// let (copy, x) = (copy().compile(&device)?, device.zeros::<f32, 1>([32])?);
    /// let arena = Storage::uninit(&device, 256)?;
    /// let tensor = |offset| RawTensor::new(&device, arena.clone(), offset, x.raw().scalar(), &[32]);
    /// let (a, b, c) = (tensor(0)?, tensor(128)?, tensor(0)?); // `c` reuses the memory of `a`
    /// let launch = |x: &RawTensor, y: &RawTensor| {
    ///     Ok::<_, hidet::Error>(copy.compiled().prepare(&[x.into(), y.into()])?.forgetting([y.clone()]))
    /// };
    /// let graph = Graph::of(&device, [launch(x.raw(), &a)?, launch(&a, &b)?, launch(&b, &c)?])?;
    /// let stream = device.stream()?;
    /// graph.replay(&stream)?;
    /// graph.replay(&stream)?;
    /// assert_eq!(c.to_vec::<f32>()?, [0.0; 32]);
    /// assert!(a.to_vec::<f32>().unwrap_err().to_string().contains("memory was given to another one"));
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn forgetting(mut self, tensors: impl IntoIterator<Item = RawTensor>) -> PreparedLaunch {
        let place = Location::caller();
        self.forgets.extend(tensors.into_iter().map(|tensor| (tensor, place)));
        self
    }

    /// Launches the kernel on the default stream, as [`Compiled::launch`] does.
    pub fn launch(&self) -> Result<()> {
        self.launch_at(None)
    }

    /// Launches the kernel on a stream of its device, as [`Compiled::launch_on`] does.
    pub fn launch_on(&self, stream: &Stream) -> Result<()> {
        self.launch_at(Some(stream))
    }

    fn launch_at(&self, stream: Option<&Stream>) -> Result<()> {
        let device = self.kernel.device();
        self.forgets.iter().try_for_each(|(tensor, place)| tensor.forget_on(stream, place))?;
        let Some(call) = self.call.as_ref().filter(|_| stream.is_none_or(|stream| stream.device().is_same(device)))
        else {
            return self.kernel.launch_at(stream, &self.args());
        };
        let recorded = is_recorded(device, stream)?;
        let queue = stream.and_then(Stream::as_cuda).unwrap_or_else(|| call.context().stream());
        if let Some(captured) = stream.filter(|_| recorded) {
            captured.record_uses(self.uses.iter().cloned(), Some(self.kernel.0.clone()));
        }
        let lock = queue.device_lock(recorded)?;
        if !recorded {
            queue.use_all(&lock, self.uses.iter().map(|(memory, write)| (&**memory, *write)))?;
        }
        // SAFETY: the arguments were checked, and are alive; the stream waits for their earlier uses.
        unsafe { call.submit(&lock, queue) }
    }

    /// Runs it on the simulated device, at its place in a graph.
    fn simulate(&self, place: LaunchPlace) -> Result<()> {
        self.forgets.iter().try_for_each(|(tensor, place)| tensor.forget_on(None, place))?;
        self.kernel.simulate(&self.args(), place)
    }

    /// Returns the call of the driver to which the launch boils down, or `None` on the simulated device and for kernels
    /// that must be waited for. It serves to measure what is on top of it.
    pub fn bare(&mut self) -> Option<&mut Bare> {
        self.call.as_mut()
    }

    /// Returns the kernel.
    pub fn kernel(&self) -> &Compiled {
        &self.kernel
    }

    fn args(&self) -> Vec<RawArg<'_>> {
        self.args.iter().map(OwnedArg::borrow).collect()
    }

    /// Returns what it reads and writes; what it forgets is written. What is between the rows of a tensor counts too, which can only add dependencies.
    fn accesses(&self) -> Accesses {
        let (args, mut found) = (self.args(), Accesses::default());
        found.writes.extend(self.forgets.iter().map(|(tensor, _)| tensor.span()));
        for (tensor, written) in self.kernel.0.plans.tensors(&args).filter(|_| !self.is_empty) {
            if written { &mut found.writes } else { &mut found.reads }.push(tensor.span());
        }
        found
    }
}

impl Graph {
    /// Returns a graph of launches. It orders two of them if one writes memory that the other reads or writes, in the
    /// order in which they are given; all others may run at the same time. The dependencies are derived from the
    /// arguments and not given by the caller, so that none can be missing.
    ///
    /// The simulated device runs the launches one after the other, in an order that the dependencies allow and the seed
    /// decides. A dependent launch may begin before those that it must wait for have ended, and waits itself. Cooperative
    /// launches cannot be part of such a graph. Returns an error for these, for kernels that are waited for (on a GPU: those
    /// with checks, assertions or prints), and for kernels of another device.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = n.div_ceil(32), block = 32)]
    ///     pub fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, by: f32) {
    ///         let i = block_idx().x * 32 + thread_idx().x;
    ///         if i < n { y[[i]] = x[[i]] * by; }
    ///     }
    ///
    ///     #[launch(grid = n.div_ceil(32), block = 32)]
    ///     pub fn add(a: In<f32, [n]>, b: In<f32, [n]>, y: Out<f32, [n]>) {
    ///         let i = block_idx().x * 32 + thread_idx().x;
    ///         if i < n { y[[i]] = a[[i]] + b[[i]]; }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let (scale, add) = (scale().compile(&device)?, add().compile(&device)?);
    /// let x = device.tensor(&[1.0, 2.0], [2])?;
    /// let (mut a, mut b, mut y) = (device.empty([2])?, device.empty([2])?, device.empty([2])?);
    /// let branches = [scale.prepare(&x, &mut a, 2.0)?, scale.prepare(&x, &mut b, 3.0)?];
    /// let join = add.prepare(&a, &b, &mut y)?;
    /// let graph = Graph::of(&device, branches.into_iter().chain([join]))?;
    /// assert_eq!(graph.dependencies(), [vec![], vec![], vec![0, 1]]);
    /// graph.replay(&device.stream()?)?;
    /// assert_eq!(y.to_vec()?, [5.0, 10.0]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    pub fn of(device: &Device, launches: impl IntoIterator<Item = PreparedLaunch>) -> Result<Graph> {
        let launches: Vec<PreparedLaunch> = launches.into_iter().collect();
        for launch in &launches {
            let kernel = &launch.kernel;
            if !kernel.device().is_same(device) {
                return Err(kernel.error(format!("it is for {}, but the graph for {device}", kernel.device())));
            }
            if launch.is_cooperative() {
                return Err(kernel.error(
                    "a cooperative launch cannot be part of a graph of launches: capture it, by `Graph::capture`",
                ));
            }
            if launch.call.is_none() && !launch.is_empty && !device.is_sim() {
                return Err(kernel.error(
                    "it has checks, assertions or prints and is waited for, which cannot be part of a graph: compile it \
                     without",
                ));
            }
        }
        let accesses: Vec<Accesses> = launches.iter().map(PreparedLaunch::accesses).collect();
        let edges = dependencies(&accesses);
        let mut work = Recording::default();
        let cuda = match device.kind() {
            DeviceKind::Sim(options) => {
                let mut steps: Vec<Option<PreparedLaunch>> = launches.into_iter().map(Some).collect();
                let ids: Vec<u64> = steps.iter().map(|_| new_id()).collect();
                for number in order(&edges, options.seed) {
                    if let Some(launch) = steps[number].take() {
                        let after = edges[number].iter().map(|earlier| ids[*earlier]).collect();
                        let place = LaunchPlace { own: ids[number], after };
                        work.add_step(Box::new(move || launch.simulate(place.clone())));
                    }
                }
                None
            }
            DeviceKind::Cuda(context) => {
                for launch in &launches {
                    work.add_uses(launch.uses.iter().cloned(), Some(launch.kernel.0.clone()));
                }
                let calls: Vec<Option<&Bare>> = launches.iter().map(|launch| launch.call.as_ref()).collect();
                // SAFETY: the graph keeps kernels and memory alive, and a replay waits for earlier uses of the memory.
                Some(unsafe { cuda::Graph::of(context, &calls, &edges) }?)
            }
        };
        Ok(Graph::made(device, edges, work, cuda))
    }
}

impl fmt::Debug for PreparedLaunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedLaunch of {} on {}", self.kernel.head().name, self.kernel.device())
    }
}
