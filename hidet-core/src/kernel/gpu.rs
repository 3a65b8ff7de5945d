//! Launches on a GPU.

use super::plan::Plan;
use super::record::{Record, Told};
use super::resources::Resources;
use super::{CompileOptions, RawArg};
use crate::cache::Cache;
use crate::codegen::{KernelParam, Source};
use crate::cuda::nvrtc::{Cubin, Usage};
use crate::cuda::{self, Bare, Binary, Context, LaunchConfig, Memory, Module, Occupancy, Origin, Stream};
use crate::device::{RawTensor, Storage};
use crate::error::{Error, Result};
use crate::ir::{Function, Handle, MapId, Param, TensorMapShape};
use crate::passes;
use cudarc::driver::sys::CUtensorMap;
use hidet_mapping::IndexExpr;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// A kernel on a GPU.
#[derive(Debug)]
pub(super) struct Instance {
    source: Source,
    cubin: Arc<Cubin>,
    module: Module,
    /// The memory to which the kernel reports, if it can report; one launch at a time uses it.
    record: Option<Mutex<Record>>,
    /// The counter of the grid barrier, if the launch is cooperative. Each launch leaves it as it found it, and the
    /// next one on any stream waits for it.
    barrier: Option<Arc<Memory>>,
}

/// Number of parameters up to which a launch does not allocate.
pub(super) const INLINE: usize = 16;

/// Tensor maps by the addresses they were encoded for, most recently used first.
#[derive(Debug, Default)]
pub(super) struct Maps(Vec<(Vec<u64>, Vec<CUtensorMap>)>);

/// Number of sets of addresses that are remembered.
const MAPS: usize = 16;

impl Instance {
    pub(super) fn new(
        function: &Function,
        context: &'static Context,
        options: &CompileOptions,
        wide_index: bool,
    ) -> Result<Instance> {
        let options = passes::LoweringOptions { wide_index, checks: options.checks, contract: options.contract };
        Instance::load(function, context, Binary::of(Cache::global(), function, context.properties.arch, &options)?)
    }

    /// Loads a kernel that is compiled.
    pub(super) fn load(function: &Function, context: &'static Context, binary: Binary) -> Result<Instance> {
        let Binary { source, cubin, .. } = binary;
        let module = Module::load(context, &cubin, &function.name, &source.entry)?;
        // The size may depend on the launch, so the device's maximum is allowed, which costs nothing.
        if source.dynamic_shared != IndexExpr::Const(0) {
            module.allow_shared(context.properties.shared_per_block)?;
        }
        if function.launch.cluster.iter().product::<u32>() > PORTABLE_CLUSTER {
            module.allow_large_clusters()?;
        }
        let reports = source.parameters.contains(&KernelParam::Report);
        let record = reports.then(|| Record::new(context, &source).map(Mutex::new)).transpose()?;
        let barrier = function.launch.cooperative.then(|| Memory::new(context, 4).map(Arc::new)).transpose()?;
        barrier.iter().try_for_each(|barrier| barrier.zero())?;
        Ok(Instance { source, cubin, module, record, barrier })
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.cubin.usage
    }

    /// Returns the kernel as it was compiled.
    pub(super) fn binary(&self) -> Binary {
        Binary { source: self.source.clone(), cubin: self.cubin.clone(), origin: Origin::Stored }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn context(&self) -> &'static Context {
        self.module.context()
    }

    /// Returns the bytes of dynamic shared memory of a launch with these symbolic extents.
    pub(super) fn shared(&self, function: &Function, dims: &[i64]) -> Result<u32> {
        let bytes = self.source.dynamic_shared.eval(dims);
        let fail = |why| Error::Launch { kernel: function.name.clone(), message: format!("shared memory: {why}") };
        // What does not fit in 32 bits fits no device.
        bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)).map_err(fail)
    }

    /// Returns an error if the kernel must be waited for, which no graph can do.
    pub(super) fn may_be_captured(&self, function: &Function) -> Result<()> {
        if self.record.is_none() {
            return Ok(());
        }
        let message = "it has checks, assertions or prints and is waited for, which cannot be captured in a graph: compile \
                       it without";
        Err(Error::Launch { kernel: function.name.clone(), message: message.to_owned() })
    }

    /// Returns the memory that a launch with these tensors uses, with true for what it writes.
    #[inline]
    pub(super) fn uses<'a>(
        &'a self,
        tensors: impl Iterator<Item = (&'a RawTensor, bool)>,
    ) -> impl Iterator<Item = (&'a Arc<Memory>, bool)> {
        let memory = |(tensor, written): (&'a RawTensor, bool)| match &tensor.storage {
            Storage::Cuda(memory) => Some((memory, written)),
            Storage::Sim(_) => None,
        };
        tensors.filter_map(memory).chain(self.barrier.iter().map(|barrier| (barrier, true)))
    }

    /// Launches the kernel on a stream, after the work that must come before its uses of memory; without uses, into the
    /// capture of that stream. Returns what the kernel reported, if it reports.
    pub(super) fn launch<'a>(
        &self,
        function: &Function,
        args: &[RawArg],
        plan: &Plan,
        stream: Stream,
        uses: Option<impl Iterator<Item = (&'a Arc<Memory>, bool)>>,
    ) -> Result<Option<Told>> {
        let record = self.record.as_ref().map(|record| record.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = record.as_ref().map_or(0, |record| record.address());
        let count = self.source.parameters.len();
        let (mut few, mut few_pointers) = ([0u64; INLINE], [std::ptr::null_mut(); INLINE]);
        let (mut many, mut many_pointers) = (Vec::new(), Vec::new());
        let (slots, pointers) = if count <= INLINE {
            (&mut few[..count], &mut few_pointers[..count])
        } else {
            many.resize(count, 0);
            many_pointers.resize(count, std::ptr::null_mut());
            (&mut many[..], &mut many_pointers[..])
        };
        self.fill(args, plan, fault, slots, pointers);
        let mut maps = plan.maps();
        if let Some(maps) = &mut maps {
            self.point_to_maps(maps.of(function, args, plan)?, pointers);
        }
        let lock = stream.device_lock(uses.is_none())?;
        if let Some(uses) = uses {
            stream.use_all(&lock, uses.map(|(memory, write)| (&**memory, write)))?;
        }
        if let Some(record) = &record {
            record.clear(&lock, stream)?;
            // A launch that ended with a fault may have left the barrier half complete.
            self.barrier.iter().try_for_each(|barrier| barrier.fill_in(&lock, stream, 0))?;
        }
        // SAFETY: the parameters are those that the text was generated with, and the arguments were checked against the
        // signature; its author answers for accesses within the tensors, as for every kernel on a GPU.
        unsafe { self.module.launch(&lock, stream, &plan.launch, pointers.as_mut_ptr()) }
            .map_err(|error| Error::Launch { kernel: function.name.clone(), message: error.to_string() })?;
        drop(lock);
        record.map(|record| record.read(function, &self.source, &plan.binding)).transpose()
    }

    /// Writes the values of the parameters and pointers to them, except for tensor maps.
    #[inline]
    fn fill(&self, args: &[RawArg], plan: &Plan, fault: u64, slots: &mut [u64], pointers: &mut [*mut c_void]) {
        // The order is arguments, extents, the rest.
        let (given, rest) = slots.split_at_mut(args.len());
        for (slot, arg) in given.iter_mut().zip(args) {
            *slot = arg.word();
        }
        let (extents, rest) = rest.split_at_mut(plan.binding.dims.len());
        for (slot, extent) in extents.iter_mut().zip(&plan.binding.dims) {
            *slot = *extent as u64;
        }
        for (slot, parameter) in rest.iter_mut().zip(self.source.parameters.iter().skip(args.len() + extents.len())) {
            *slot = match parameter {
                KernelParam::Report => fault,
                KernelParam::GridBarrier => self.barrier.as_ref().map_or(0, |barrier| barrier.address()),
                KernelParam::Map(_) | KernelParam::Tensor(_) | KernelParam::Scalar(_) | KernelParam::Dim(_) => 0,
            };
        }
        for (pointer, slot) in pointers.iter_mut().zip(slots) {
            *pointer = (slot as *mut u64).cast();
        }
    }

    fn point_to_maps(&self, maps: &mut [CUtensorMap], pointers: &mut [*mut c_void]) {
        for (parameter, pointer) in self.source.parameters.iter().zip(pointers) {
            if let KernelParam::Map(map) = parameter {
                *pointer = (&mut maps[map.index()] as *mut CUtensorMap).cast();
            }
        }
    }

    /// Returns a launch as the driver takes it, or `None` if the kernel must be waited for.
    pub(super) fn bare(&self, function: &Function, args: &[RawArg], plan: &Plan) -> Result<Option<Bare>> {
        if self.record.is_some() {
            return Ok(None);
        }
        let count = self.source.parameters.len();
        let (mut slots, mut pointers) = (vec![0; count].into_boxed_slice(), vec![std::ptr::null_mut(); count]);
        self.fill(args, plan, 0, &mut slots, &mut pointers);
        let mut maps: Box<[CUtensorMap]> = match plan.maps() {
            Some(mut maps) => maps.of(function, args, plan)?.into(),
            None => Box::default(),
        };
        self.point_to_maps(&mut maps, &mut pointers);
        // SAFETY: the parameters are those that the text was generated with; launching is the caller's duty.
        Ok(Some(unsafe { self.module.bare(plan.launch, vec![Box::new(slots), Box::new(maps)], pointers) }))
    }

    /// Returns the resources of a launch by a plan. Without a plan, the shared memory must be the same for all shapes.
    pub(super) fn resources(&self, function: &Function, plan: Option<&Plan>) -> Result<Resources> {
        let of_any = || -> Result<LaunchConfig> { Ok(launch(function, [1; 3], self.shared(function, &[])?)) };
        let launch = plan.map_or_else(of_any, |plan| Ok(plan.launch))?;
        let occupancy = self.module.occupancy(&launch)?;
        let threads = function.launch.threads();
        Ok(Resources { usage: self.cubin.usage.clone(), threads, dynamic_shared: launch.shared, occupancy })
    }

    /// Returns an error if blocks that must be resident at once do not fit the device: those of a cooperative grid, or of
    /// a cluster that is larger than every GPU supports. For other clusters the driver's launch decides, since it takes
    /// 100 ms and more to tell how many fit.
    pub(super) fn fits(&self, function: &Function, launch: &LaunchConfig) -> Result<()> {
        let is_large = launch.cluster.iter().product::<u32>() > PORTABLE_CLUSTER;
        if launch.grid.contains(&0) || !launch.cooperative && !is_large {
            return Ok(());
        }
        // If the driver does not say, the launch itself will fail.
        let Ok(occupancy) = self.module.occupancy(launch) else { return Ok(()) };
        let context = self.context();
        match too_large(launch, &occupancy, context.properties.multiprocessors) {
            Some(problem) => Err(Error::Launch {
                kernel: function.name.clone(),
                message: format!(
                    "{problem} on {context:?} with {} threads, {} registers per thread and {} bytes of dynamic shared \
                     memory per block; use fewer or smaller blocks",
                    launch.block.iter().product::<u32>(),
                    self.cubin.usage.registers,
                    launch.shared
                ),
            }),
            None => Ok(()),
        }
    }
}

/// Blocks of a cluster that every GPU with clusters supports.
const PORTABLE_CLUSTER: u32 = 8;

/// Returns why blocks that must be resident at once cannot be, or `None` if they fit.
fn too_large(launch: &LaunchConfig, occupancy: &Occupancy, multiprocessors: u32) -> Option<String> {
    let cluster = launch.cluster.iter().product::<u32>();
    if occupancy.clusters == Some(0) {
        return Some(format!("a cluster of {cluster} blocks does not fit"));
    }
    let most = occupancy.clusters.map_or(occupancy.blocks * multiprocessors, |clusters| clusters * cluster);
    let blocks = launch.grid.iter().map(|extent| u64::from(*extent)).product::<u64>();
    (launch.cooperative && blocks > u64::from(most))
        .then(|| format!("a cooperative grid of {blocks} blocks does not fit: {most} can be resident"))
}

/// Returns the launch configuration of a kernel for a grid and bytes of dynamic shared memory.
pub(super) fn launch(function: &Function, grid: [u32; 3], shared: u32) -> LaunchConfig {
    let launch = &function.launch;
    LaunchConfig {
        grid,
        block: launch.block,
        shared,
        cluster: launch.cluster,
        cooperative: launch.cooperative,
        dependent: launch.dependent,
    }
}

impl Maps {
    /// Returns the tensor maps of a launch with the shapes of these maps, encoding them if their addresses are new.
    fn of(&mut self, function: &Function, args: &[RawArg], plan: &Plan) -> Result<&mut [CUtensorMap]> {
        let addresses = || {
            args.iter().filter_map(|arg| match arg {
                RawArg::Tensor(tensor) => Some(tensor.address()),
                RawArg::Table(_) | RawArg::Scalar(_) => None,
            })
        };
        match self.0.iter().position(|(made_for, _)| made_for.iter().copied().eq(addresses())) {
            Some(index) => self.0[..=index].rotate_right(1),
            None => {
                let maps = function.maps.handles().map(|map| tensor_map(function, args, &plan.binding.dims, map));
                let maps = maps.collect::<Result<Vec<CUtensorMap>>>()?;
                self.0.truncate(MAPS - 1);
                self.0.insert(0, (addresses().collect(), maps));
            }
        }
        Ok(&mut self.0[0].1)
    }
}

/// Encodes a tensor map of a launch.
fn tensor_map(function: &Function, args: &[RawArg], dims: &[i64], id: MapId) -> Result<CUtensorMap> {
    let map = &function.maps[id];
    let buffer = &function.buffers[map.buffer];
    let fail = |message: String| Error::Launch {
        kernel: function.name.clone(),
        message: format!("argument `{}`, which is copied through a tensor map: {message}", buffer.name),
    };
    let is_it = |param: &Param| matches!(param, Param::Tensor { buffer, .. } if *buffer == map.buffer);
    let tensor: &RawTensor = match function.params.iter().position(is_it).and_then(|index| args.get(index)) {
        Some(RawArg::Tensor(tensor)) => tensor,
        _ => return Err(fail("is not a tensor parameter".to_owned())),
    };
    let shape = TensorMapShape::of(function, id, dims).map_err(fail)?;
    if let Some(problem) = shape.problem(tensor.address()) {
        return Err(fail(problem));
    }
    cuda::encode(&shape, tensor.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_blocks_are_counted() {
        let plain = LaunchConfig {
            grid: [265, 1, 1],
            block: [256, 1, 1],
            shared: 0,
            cluster: [1; 3],
            cooperative: false,
            dependent: false,
        };
        let room = Occupancy { blocks: 2, warps: 16, room: 64, clusters: None };
        assert_eq!(too_large(&plain, &room, 132), None);
        let cooperative = LaunchConfig { cooperative: true, ..plain };
        let message = "a cooperative grid of 265 blocks does not fit: 264 can be resident";
        assert_eq!(too_large(&cooperative, &room, 132).as_deref(), Some(message));
        assert_eq!(too_large(&LaunchConfig { grid: [264, 1, 1], ..cooperative }, &room, 132), None);
        let clustered = LaunchConfig { cluster: [16, 1, 1], ..plain };
        assert!(
            too_large(&clustered, &Occupancy { clusters: Some(0), ..room }, 132)
                .is_some_and(|problem| problem.contains("a cluster of 16 blocks"))
        );
        assert_eq!(too_large(&clustered, &Occupancy { clusters: Some(1), ..room }, 132), None);
    }
}
