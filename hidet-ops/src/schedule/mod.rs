//! How kernels are made of what they compute: the choice among implementations, and the parameters of kernels.

mod elementwise;
mod parameters;
mod sum;
mod views;

pub(crate) use parameters::Parameters;
pub(crate) use views::{Space, flattened, stored, viewed};

use crate::fuse::FusedTask;
use hidet::device::Device;
use hidet::dsl::Template;

/// A way to compute a task, with whatever is fused into it.
pub trait Implementation: Send + Sync {
    /// Returns its name, for people.
    fn name(&self) -> &'static str;

    /// Makes a kernel for a device, or says why this is no way to compute the task.
    fn plan(&self, fused: &FusedTask, device: &Device) -> Result<KernelPlan, String>;
}

/// A kernel to be compiled, and which inputs are its arguments.
pub struct KernelPlan {
    /// The kernel. Its parameters are those below, and behind them the result.
    pub(crate) template: Template<()>,
    /// Its parameters.
    pub(crate) parameters: Parameters,
}

/// Makes the kernel of the first implementation that takes the task: those of the operator, then the rule for all.
///
/// # Errors
///
/// If none does, which is a fault of this crate: the message has the reason of each.
pub(crate) fn plan(fused: &FusedTask, device: &Device) -> Result<KernelPlan, String> {
    let own = fused.anchor.iter().flat_map(|anchor| anchor.task.implementations.iter().copied());
    let rule: &dyn Implementation = match fused.anchor {
        Some(_) => &sum::SumByThreads,
        None => &elementwise::Elementwise,
    };
    let mut reasons = Vec::new();
    for implementation in own.chain([rule]) {
        match implementation.plan(fused, device) {
            Ok(plan) => return Ok(plan),
            Err(why) => reasons.push(format!("{}: {why}", implementation.name())),
        }
    }
    Err(format!("no implementation computes {}\n  {}", fused.text(), reasons.join("\n  ")))
}
