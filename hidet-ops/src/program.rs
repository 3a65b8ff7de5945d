//! [`Program`]: launches whose arguments have their places in memory: what is between them, in one arena.
//!
//! Launches that depend on nothing of each other may run at the same time, and still can: they are sorted by levels, and
//! tensors of one level do not share memory. So the longest chain of launches that wait for each other stays as long as if
//! each tensor had its own.
//!
//! Tensors that live at different times have the same memory there, and what was allocated for them when they were
//! computed first is given up. Before the launch with which a tensor begins, its memory is forgotten, so that the
//! simulated device finds every use of another one in it. What is computed of constants alone was computed when the launches
//! were recorded, and is not again.

mod levels;

use crate::error::Result;
use crate::memory::{Life, MemoryPlan, ReplayMemory};
use crate::run::Launched;
use crate::shared::{Arena, Shared, key};
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::{Access, Param};
use hidet::kernel::PreparedLaunch;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Launches with arguments in planned memory.
pub(crate) struct Program {
    pub(crate) inputs: Vec<RawTensor>,
    pub(crate) outputs: Vec<RawTensor>,
    /// The parts of the arena that tensors between launches have.
    pub(crate) places: Vec<RawTensor>,
    pub(crate) steps: Vec<Step>,
    pub(crate) arena: Arena,
    pub(crate) memory: ReplayMemory,
}

/// A launch.
pub(crate) struct Step {
    pub(crate) launch: Launched,
    /// For each argument the number of its place in the arena, if it has one.
    pub(crate) places: Vec<Option<usize>>,
    /// The numbers of the places whose tensors begin with it.
    pub(crate) begins: Vec<usize>,
}

/// What launches do with an allocation.
struct Use {
    life: Life,
    /// A tensor in it.
    example: RawTensor,
    /// True if launches write it before any of them reads it: nothing from before is needed.
    is_made: bool,
}

/// Returns the tensors of a launch, and how it uses them.
pub(crate) fn accesses(launched: &Launched) -> impl Iterator<Item = (&RawTensor, Access)> {
    let params = launched.kernel.function().params.iter().zip(&launched.arguments);
    params.filter_map(|(param, tensor)| match param {
        Param::Tensor { access, .. } => Some((tensor, *access)),
        Param::Scalar { .. } => None,
    })
}

/// Sorts launches by levels, and returns the level of each. Those of which one is cooperative run one after the other, in
/// the order in which they are.
fn sorted(launches: Vec<Launched>) -> Vec<(usize, Launched)> {
    if launches.iter().any(|launched| launched.kernel.function().launch.cooperative) {
        return launches.into_iter().enumerate().collect();
    }
    let uses = |launched: &Launched| {
        accesses(launched).map(|(tensor, access)| (key(tensor.storage()), access != Access::In)).collect()
    };
    let levels = levels::levels(&launches.iter().map(uses).collect::<Vec<levels::Uses>>());
    let mut sorted: Vec<(usize, Launched)> = levels.into_iter().zip(launches).collect();
    sorted.sort_by_key(|(level, _)| *level);
    sorted
}

/// Returns the launches whose results may be others for other inputs. What the rest has computed of constants, such as weights
/// in another order, stays as it is; its allocations come too.
fn varying(launches: Vec<Launched>, inputs: &[RawTensor]) -> (Vec<Launched>, HashSet<usize>) {
    let mut varies: HashSet<usize> = inputs.iter().map(|input| key(input.storage())).collect();
    let mut kept = vec![false; launches.len()];
    // Again as long as there are more: what varies may have been begun by a launch that reads nothing.
    loop {
        let before = varies.len();
        for (launched, kept) in launches.iter().zip(&mut kept) {
            *kept |= accesses(launched).any(|(tensor, _)| varies.contains(&key(tensor.storage())));
            if *kept {
                let written = accesses(launched).filter(|(_, access)| *access != Access::In);
                varies.extend(written.map(|(tensor, _)| key(tensor.storage())));
            }
        }
        if varies.len() == before {
            break;
        }
    }
    let once = launches.iter().zip(&kept).filter(|(_, kept)| !**kept);
    let written = |launched| accesses(launched).filter(|(_, access)| *access != Access::In);
    let constants = once.flat_map(|(launched, _)| written(launched)).map(|(tensor, _)| key(tensor.storage())).collect();
    let varying = launches.into_iter().zip(kept).filter_map(|(launched, kept)| kept.then_some(launched)).collect();
    (varying, constants)
}

impl Program {
    /// Gives the tensors between launches places in an arena on the device, as `planner` says. The allocations of inputs and
    /// outputs are kept, and all that launches read and do not write. What `shared` has already is taken from there: the arena, and
    /// constants that launches have made.
    pub(crate) fn of(
        device: &Device,
        launches: Vec<Launched>,
        inputs: Vec<RawTensor>,
        outputs: Vec<RawTensor>,
        planner: impl FnOnce(&[Life]) -> MemoryPlan,
        shared: Option<&mut Shared>,
    ) -> Result<Program> {
        let mut uses: Vec<Use> = Vec::new();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let (launches, constants) = varying(launches, &inputs);
        let launches = sorted(launches);
        for (level, launched) in &launches {
            for (tensor, access) in accesses(launched) {
                let number = *numbers.entry(key(tensor.storage())).or_insert(uses.len());
                if number == uses.len() {
                    let life = Life { bytes: tensor.storage().len(), first: *level, last: *level };
                    uses.push(Use { life, example: tensor.clone(), is_made: access == Access::Out });
                }
                uses[number].life.last = *level;
            }
        }
        for tensor in inputs.iter().chain(&outputs) {
            if let Some(number) = numbers.get(&key(tensor.storage())) {
                uses[*number].is_made = false;
            }
        }
        let between: Vec<&Use> = uses.iter().filter(|used| used.is_made).collect();
        let plan = planner(&between.iter().map(|used| used.life).collect::<Vec<Life>>());
        let mut shared = shared;
        let arena = match &mut shared {
            Some(shared) => shared.arena(device, plan.memory.arena)?,
            None => Arena::new(device, plan.memory.arena)?,
        };
        let (mut places, mut numbers) = (Vec::new(), HashMap::new());
        for (number, (used, offset)) in between.iter().zip(&plan.offsets).enumerate() {
            let dtype = used.example.scalar();
            places.push(RawTensor::new(
                device,
                arena.memory.clone(),
                *offset,
                dtype,
                &[used.life.bytes / dtype.bytes()],
            )?);
            numbers.insert(key(used.example.storage()), number);
        }
        let mut same: HashMap<usize, Storage> = HashMap::new();
        let mut has_begun = vec![false; places.len()];
        let mut step = |(_, launched): (usize, Launched)| {
            let own: Vec<Option<usize>> =
                launched.arguments.iter().map(|tensor| numbers.get(&key(tensor.storage())).copied()).collect();
            let each = launched.arguments.iter().zip(&own);
            let arguments = each.map(|(tensor, number)| match (number, &mut shared) {
                (Some(number), _) => moved(tensor, &places[*number]),
                (None, Some(shared)) if constants.contains(&key(tensor.storage())) => {
                    let memory = match same.entry(key(tensor.storage())) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(shared.constant(tensor.storage())?),
                    };
                    within(tensor, memory)
                }
                _ => Ok(tensor.clone()),
            });
            let arguments = arguments.collect::<Result<_>>()?;
            let begins = own.iter().flatten().filter(|number| !std::mem::replace(&mut has_begun[**number], true));
            let begins = begins.copied().collect();
            Ok(Step { launch: Launched { arguments, ..launched }, places: own, begins })
        };
        let steps = launches.into_iter().map(&mut step).collect::<Result<Vec<Step>>>()?;
        Ok(Program { inputs, outputs, places, steps, arena, memory: plan.memory })
    }

    /// Returns the launches, checked.
    pub(crate) fn prepare(&self) -> Result<Vec<PreparedLaunch>> {
        let each = |step: &Step| {
            let begins = step.begins.iter().map(|number| self.places[*number].clone());
            Ok(step.launch.prepare()?.forgetting(begins))
        };
        self.steps.iter().map(each).collect()
    }
}

/// Returns a tensor in another place, which holds what its allocation did.
fn moved(tensor: &RawTensor, place: &RawTensor) -> Result<RawTensor> {
    let first = tensor.offset() / tensor.scalar().bytes();
    Ok(place.bits_as(tensor.scalar())?.strided_view(first, tensor.shape(), tensor.strides())?)
}

/// Returns a tensor in another allocation, which holds what its own does.
fn within(tensor: &RawTensor, memory: &Storage) -> Result<RawTensor> {
    let (dtype, shape, strides) = (tensor.scalar(), tensor.shape(), tensor.strides());
    Ok(RawTensor::strided(tensor.device(), memory.clone(), tensor.offset(), dtype, shape, strides)?)
}
