//! Launches on a GPU.

use super::{Binding, CompileOptions, RawArg};
use crate::cache::Cache;
use crate::codegen::{Parameter, Source};
use crate::cuda::nvrtc::Usage;
use crate::cuda::{self, Binary, Context, Launch, Memory, Module};
use crate::device::RawTensor;
use crate::error::{Error, Result};
use crate::ir::{Function, MapId, Param, TensorMapShape};
use crate::passes;
use crate::types::Const;
use cudarc::driver::sys::CUtensorMap;
use hidet_mapping::IndexExpr;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of the fault record: state, site, block, thread (8 words of 32 bits), index and extent (2 of 64).
const RECORD: usize = 48;

/// A kernel on a GPU.
#[derive(Debug)]
pub(super) struct Instance {
    source: Source,
    usage: Usage,
    module: Module,
    /// Where the kernel reports a fault, if it can; one launch at a time uses it.
    record: Option<Mutex<Memory>>,
}

/// A parameter as the driver reads it.
#[repr(align(8))]
struct Slot(#[allow(dead_code)] u64);

impl Instance {
    pub(super) fn new(
        function: &Function,
        context: &Arc<Context>,
        options: &CompileOptions,
        wide_index: bool,
    ) -> Result<Instance> {
        let options = passes::Options { wide_index, checks: options.checks, contract: options.contract };
        let Binary { source, cubin, .. } = Binary::of(Cache::global(), function, context.properties.arch, &options)?;
        let module = Module::load(context, &cubin, &source.entry)?;
        // What each launch needs is known for constants alone; allowing all costs nothing.
        if source.dynamic_shared != IndexExpr::Const(0) {
            module.allow_shared(context.properties.shared_per_block)?;
        }
        if function.launch.cluster.iter().product::<u32>() > 8 {
            module.allow_large_clusters()?;
        }
        let reports = source.parameters.contains(&Parameter::Fault);
        let record = reports.then(|| Memory::new(context, RECORD).map(Mutex::new)).transpose()?;
        Ok(Instance { source, usage: cubin.usage.clone(), module, record })
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn launch(&self, function: &Function, args: &[RawArg], binding: &Binding) -> Result<()> {
        let kernel = || function.name.clone();
        let shared = self.source.dynamic_shared.eval(&binding.dims);
        let shared =
            shared.map_err(|why| Error::Launch { kernel: kernel(), message: format!("shared memory: {why}") })?;
        let maps = function.maps.handles().map(|map| tensor_map(function, args, binding, map));
        let mut maps = maps.collect::<Result<Vec<CUtensorMap>>>()?;
        let record = self.record.as_ref().map(|record| record.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = record.as_ref().map_or(0, |record| record.address());
        if let Some(record) = &record {
            record.zero()?;
        }

        // Tensors and scalars come in the order of the parameters, which is the order of the arguments.
        let mut given = args.iter();
        let slots = self.source.parameters.iter().map(|parameter| match parameter {
            Parameter::Tensor(_) | Parameter::Scalar(_) => match given.next() {
                Some(RawArg::Tensor(tensor)) => Slot(tensor.address()),
                Some(RawArg::Scalar(Const { bits, .. })) => Slot(*bits),
                None => Slot(0),
            },
            Parameter::Dim(dim) => Slot(binding.dims[crate::ir::Handle::index(*dim)] as u64),
            Parameter::Map(_) => Slot(0),
            Parameter::Fault => Slot(fault),
        });
        let mut slots: Vec<Slot> = slots.collect();
        let mut params: Vec<*mut c_void> = slots.iter_mut().map(|slot| (slot as *mut Slot).cast()).collect();
        for (parameter, pointer) in self.source.parameters.iter().zip(&mut params) {
            if let Parameter::Map(map) = parameter {
                *pointer = (&mut maps[crate::ir::Handle::index(*map)] as *mut CUtensorMap).cast();
            }
        }
        let launch = Launch { grid: binding.grid, block: function.launch.block, shared: shared as u32 };
        // SAFETY: the parameters are those the text was generated with, and the arguments were checked against the
        // signature; what the kernel touches within its tensors is its author's, as everywhere on a GPU.
        unsafe { self.module.launch(&launch, &mut params) }
            .map_err(|error| Error::Launch { kernel: kernel(), message: error.to_string() })?;
        match record {
            Some(record) => self.read_record(&record, function),
            None => Ok(()),
        }
    }

    /// Waits for the kernel, and tells what it reported.
    fn read_record(&self, record: &Memory, function: &Function) -> Result<()> {
        let mut bytes = [0u8; RECORD];
        record.read(0, &mut bytes)?;
        let word = |index: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[index * 4 + byte]));
        let long = |index: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[index * 8 + byte]));
        if word(0) == 0 {
            return Ok(());
        }
        let block = [word(2), word(3), word(4)];
        let thread = [word(5), word(6), word(7)];
        let (message, place) = match self.source.sites.get(word(1) as usize) {
            Some(site) => (site.text(long(4), long(5)), self.source.place_of(site)),
            None => ("a fault at an unknown site".to_owned(), "unknown place".to_owned()),
        };
        let report = format!("{message}\n  --> {place}: block {block:?}, thread {thread:?}");
        Err(Error::Fault { kernel: function.name.clone(), report })
    }
}

/// The tensor map of a launch.
fn tensor_map(function: &Function, args: &[RawArg], binding: &Binding, id: MapId) -> Result<CUtensorMap> {
    let map = &function.maps[id];
    let buffer = &function.buffers[map.buffer];
    let fail = |message: String| Error::Launch {
        kernel: function.name.clone(),
        message: format!("argument `{}`, which is copied by a tensor map: {message}", buffer.name),
    };
    let is_it = |param: &Param| matches!(param, Param::Tensor { buffer, .. } if *buffer == map.buffer);
    let tensor: &RawTensor = match function.params.iter().position(is_it).and_then(|index| args.get(index)) {
        Some(RawArg::Tensor(tensor)) => tensor,
        _ => return Err(fail("is no tensor parameter".to_owned())),
    };
    let shape = TensorMapShape::of(function, id, &binding.dims).map_err(fail)?;
    if let Some(problem) = shape.problem(tensor.address()) {
        return Err(fail(problem));
    }
    cuda::encode(&shape, tensor.address())
}
