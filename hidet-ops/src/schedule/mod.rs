//! How kernels are made of what they compute: what an [`Implementation`] is, the parameters of kernels, views of
//! expressions, and the rules, which compute every task.

mod at;
mod body;
mod elementwise;
mod order;
mod parameters;
mod partial;
mod plan;
mod rows;
mod scan;
mod transpose;
mod views;
mod windows;

pub(crate) use body::{Body, Place};
pub(crate) use parameters::Parameters;
pub use plan::{KernelPlan, Plan};
pub(crate) use plan::{Source, Step, Work};
pub(crate) use views::{Space, stored, viewed};

use crate::fuse::FusedTask;
use hidet::device::{Device, RawTensor};
use hidet::dsl::Expr;
use std::sync::LazyLock;

/// A way to compute a task, with whatever is fused into it.
pub trait Implementation: Send + Sync {
    /// Returns its name, for people.
    fn name(&self) -> &'static str;

    /// Makes kernels for what is given, or says why it does not compute the task.
    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String>;
}

/// What a kernel is made for, besides the types of its inputs.
#[derive(Clone, Debug)]
pub struct Given {
    /// The device.
    pub device: Device,
    /// The number of its architecture, such as 90; of the simulated device that of an H200. `HIDET_OPS_ARCH=80` takes the
    /// implementations of another one, to run them on this device.
    pub arch: u32,
    /// True if all inputs are contiguous; else rows may be apart, and begin anywhere.
    pub contiguous: bool,
    /// A power of two, at most 16, of which the addresses of all inputs are multiples, in bytes.
    pub align: usize,
}

impl Given {
    /// Returns what holds for these inputs.
    pub(crate) fn of(device: &Device, inputs: &[RawTensor]) -> Given {
        let contiguous = inputs.iter().all(RawTensor::is_contiguous);
        let align = inputs.iter().map(|input| input.address().trailing_zeros().min(4)).min().unwrap_or(4);
        Given { device: device.clone(), arch: arch_of(device), contiguous, align: 1 << align }
    }

    /// Returns true if kernels for one are kernels for the other.
    pub(crate) fn is_same(&self, other: &Given) -> bool {
        (self.arch, self.contiguous, self.align) == (other.arch, other.contiguous, other.align)
            && self.device.runs_alike(&other.device)
    }
}

/// Returns the architecture for which implementations are chosen.
pub(crate) fn arch_of(device: &Device) -> u32 {
    static ASKED: LazyLock<Option<u32>> = LazyLock::new(|| std::env::var("HIDET_OPS_ARCH").ok()?.parse().ok());
    ASKED.unwrap_or_else(|| device.as_cuda().map_or(90, |context| context.properties.arch.number))
}

/// The rules: ways to compute every task, one for each kind.
pub(crate) const RULES: [&dyn Implementation; 6] =
    [&transpose::Transpose, &elementwise::Elementwise, &windows::Windows, &rows::Rows, &scan::Scan, &order::Order];

/// Returns the coordinates in a space of these extents of a number in row-major order.
pub(crate) fn unflattened(number: Expr<i32>, extents: &[Expr<i32>]) -> Vec<Expr<i32>> {
    let mut rest = number;
    let mut all: Vec<Expr<i32>> = Vec::new();
    for (axis, extent) in extents.iter().enumerate().rev() {
        all.push(if axis == 0 { rest } else { rest % *extent });
        rest = if axis == 0 { rest } else { rest / *extent };
    }
    all.reverse();
    all
}
