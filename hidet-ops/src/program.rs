//! [`Program`]: launches whose arguments have their places in memory: what is between them, in one arena.
//!
//! Tensors that live at different times have the same memory there, and what was allocated for them when they were
//! computed first is given up. Before the launch with which a tensor begins, its memory is forgotten, so that the
//! simulated device finds every use of another one in it.

use crate::error::Result;
use crate::memory::{Life, MemoryPlan};
use crate::run::Launched;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::{Access, Param};
use hidet::kernel::PreparedLaunch;
use std::collections::HashMap;
use std::sync::Arc;

/// Launches with arguments in planned memory.
pub(crate) struct Program {
    steps: Vec<Step>,
    /// Where the tensors between launches are.
    pub(crate) plan: MemoryPlan,
}

/// A launch, and the tensors of the arena that begin with it.
struct Step {
    launch: Launched,
    begins: Vec<RawTensor>,
}

/// What launches do with an allocation.
struct Use {
    life: Life,
    /// A tensor in it.
    example: RawTensor,
    /// True if launches write it before any of them reads it: nothing from before is needed.
    is_made: bool,
}

/// Returns what an allocation is known by.
fn key(storage: &Storage) -> usize {
    match storage {
        Storage::Sim(memory) => Arc::as_ptr(memory).addr(),
        Storage::Cuda(memory) => Arc::as_ptr(memory).addr(),
    }
}

/// Returns the tensors of a launch, and how it uses them.
fn accesses(launched: &Launched) -> impl Iterator<Item = (&RawTensor, Access)> {
    let params = launched.kernel.function().params.iter().zip(&launched.arguments);
    params.filter_map(|(param, tensor)| match param {
        Param::Tensor { access, .. } => Some((tensor, *access)),
        Param::Scalar { .. } => None,
    })
}

impl Program {
    /// Gives the tensors between launches places in an arena on the device, as `planner` says. The allocations of some
    /// tensors are kept: inputs and outputs; and all that launches read and do not write.
    pub(crate) fn of(
        device: &Device,
        launches: Vec<Launched>,
        kept: &[&RawTensor],
        planner: impl FnOnce(&[Life]) -> MemoryPlan,
    ) -> Result<Program> {
        let mut uses: Vec<Use> = Vec::new();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        for (at, launched) in launches.iter().enumerate() {
            for (tensor, access) in accesses(launched) {
                let number = *numbers.entry(key(tensor.storage())).or_insert(uses.len());
                if number == uses.len() {
                    let life = Life { bytes: tensor.storage().len(), first: at, last: at };
                    uses.push(Use { life, example: tensor.clone(), is_made: access == Access::Out });
                }
                uses[number].life.last = at;
            }
        }
        for tensor in kept {
            if let Some(number) = numbers.get(&key(tensor.storage())) {
                uses[*number].is_made = false;
            }
        }
        let between: Vec<&Use> = uses.iter().filter(|used| used.is_made).collect();
        let plan = planner(&between.iter().map(|used| used.life).collect::<Vec<Life>>());
        let arena = Storage::uninit(device, plan.arena)?;
        let mut places: HashMap<usize, RawTensor> = HashMap::new();
        let mut begins: Vec<Vec<RawTensor>> = launches.iter().map(|_| Vec::new()).collect();
        for (used, offset) in between.iter().zip(&plan.offsets) {
            let dtype = used.example.scalar();
            let place = RawTensor::new(device, arena.clone(), *offset, dtype, &[used.life.bytes / dtype.bytes()])?;
            begins[used.life.first].push(place.clone());
            places.insert(key(used.example.storage()), place);
        }
        let step = |(launched, begins): (Launched, Vec<RawTensor>)| {
            let moved = |tensor: &RawTensor| match places.get(&key(tensor.storage())) {
                Some(place) => moved(tensor, place),
                None => Ok(tensor.clone()),
            };
            let arguments = launched.arguments.iter().map(moved).collect::<Result<_>>()?;
            Ok(Step { launch: Launched { arguments, ..launched }, begins })
        };
        let steps = launches.into_iter().zip(begins).map(step).collect::<Result<Vec<Step>>>()?;
        Ok(Program { steps, plan })
    }

    /// Returns the launches, checked.
    pub(crate) fn prepare(&self) -> Result<Vec<PreparedLaunch>> {
        let each = |step: &Step| Ok(step.launch.prepare()?.forgetting(step.begins.iter().cloned()));
        self.steps.iter().map(each).collect()
    }
}

/// Returns a tensor in another place, which holds what its allocation did.
fn moved(tensor: &RawTensor, place: &RawTensor) -> Result<RawTensor> {
    let first = tensor.offset() / tensor.scalar().bytes();
    Ok(place.bits_as(tensor.scalar())?.strided_view(first, tensor.shape(), tensor.strides())?)
}
