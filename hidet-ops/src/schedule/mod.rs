//! How kernels are made of what they compute: what an [`Implementation`] is, the parameters of kernels, views of
//! expressions, and the rules, which compute every task.

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

    /// Makes a kernel for a device, or says why this is not a way to compute the task.
    fn plan(&self, fused: &FusedTask, device: &Device) -> Result<KernelPlan, String>;
}

/// A kernel to be compiled, and which inputs are its arguments.
pub struct KernelPlan {
    /// The kernel. Its parameters are those below, and behind them the result.
    pub(crate) template: Template<()>,
    /// Its parameters.
    pub(crate) parameters: Parameters,
}

/// The rules: ways to compute every task, one for each kind.
pub(crate) const RULES: [&dyn Implementation; 2] = [&elementwise::Elementwise, &sum::SumByThreads];
