//! Kernels written for one kind of task each, and the choice among them and the rules.
//!
//! A template takes a task by its structure, not by its name: a sum of products of two operands is a matrix product,
//! whichever operator it comes from.

mod attention_wgmma;
mod contract_simt;
mod conv_patch;
mod conv_wgmma;
mod lstm_mma;
mod matmul_mma;
mod matmul_narrow;
mod matmul_simt;
mod matmul_wgmma;
mod operands;
mod own;
mod parts;
mod product;
mod tiling;

pub(crate) use lstm_mma::{LstmSchedule, lstm_mma};

use crate::fuse::{FusedTask, Reduction};
use crate::schedule::{Given, Implementation, Plan, RULES, Step, Work};
use hidet::ir::Function;

/// The templates, the best first.
const TEMPLATES: [&dyn Implementation; 7] = [
    &matmul_narrow::MatmulNarrow,
    &matmul_wgmma::MatmulWgmma,
    &conv_patch::ConvPatch,
    &conv_wgmma::ConvWgmma,
    &matmul_mma::MatmulMma,
    &contract_simt::ContractSimt,
    &matmul_simt::MatmulSimt,
];

/// The first architecture on which a launch can begin before the one ahead of it has ended. All but cooperative ones do, and wait
/// before they access global memory. None lets the next one begin before its own blocks end (`grid_launch`): blocks of the next would take
/// what room they find, on some multiprocessors more than on others, and stay there. Models took up to 40% longer.
const DEPENDENT: u32 = 90;

/// Makes the kernels of the first template or rule that takes the task, and returns its name. A chain of which no template makes
/// one kernel is computed task by task.
///
/// # Errors
///
/// If none takes it, which is a fault of this crate: the message has the reason of each.
pub(crate) fn plan(fused: &FusedTask, given: &Given) -> Result<(&'static str, Plan), String> {
    let (name, plan) = chosen(fused, given)?;
    Ok((name, if given.arch >= DEPENDENT { plan.dependent() } else { plan }))
}

fn chosen(fused: &FusedTask, given: &Given) -> Result<(&'static str, Plan), String> {
    if !fused.producers.is_empty() {
        let chain = &attention_wgmma::AttentionWgmma;
        let links = |_| ("chain", attention_wgmma::links(fused, given));
        return Ok(chain.plan(fused, given).map_or_else(links, |plan| (chain.name(), plan)));
    }
    if fused.reductions.iter().any(Reduction::is_kernel) {
        return own::Own.plan(fused, given).map(|plan| (own::Own.name(), plan));
    }
    let mut reasons = Vec::new();
    for implementation in TEMPLATES.into_iter().chain(RULES) {
        match implementation.plan(fused, given) {
            Ok(plan) => return Ok((implementation.name(), plan)),
            Err(why) => reasons.push(format!("{}: {why}", implementation.name())),
        }
    }
    Err(format!("nothing computes {}\n  {}", fused.text(), reasons.join("\n  ")))
}

/// Returns the IR of the kernels of a task, in order.
///
/// # Errors
///
/// As [`plan`], and if a kernel cannot be built.
pub(crate) fn functions(fused: &FusedTask, given: &Given) -> Result<Vec<Function>, String> {
    let (_, plan) = plan(fused, given)?;
    let step = |step: Step| match step.work {
        Work::Fused(fused) => functions(&fused, given),
        Work::Kernel(kernel) => Ok(vec![kernel.template.build().map_err(|error| error.to_string())?]),
    };
    Ok(plan.steps.into_iter().map(step).collect::<Result<Vec<_>, String>>()?.concat())
}

/// Returns the names of the kernels that are launched for a task, in order, and of what makes each.
///
/// # Errors
///
/// As [`plan`].
pub(crate) fn launches(fused: &FusedTask, given: &Given) -> Result<Vec<(String, &'static str)>, String> {
    let (name, plan) = plan(fused, given)?;
    let step = |step: &Step| match &step.work {
        Work::Fused(fused) => launches(fused, given),
        Work::Kernel(kernel) => Ok(vec![(kernel.template.name().to_owned(), name)]),
    };
    Ok(plan.steps.iter().map(step).collect::<Result<Vec<_>, String>>()?.concat())
}

/// Returns the names of the kernels of a task, the operators in order, and those of what computes them.
///
/// # Errors
///
/// As [`plan`].
pub(crate) fn names(fused: &FusedTask, given: &Given) -> Result<Vec<(String, &'static str)>, String> {
    let (name, plan) = plan(fused, given)?;
    if fused.producers.is_empty() || name != "chain" {
        return Ok(vec![(fused.name.clone(), name)]);
    }
    let link = |step: &Step| match &step.work {
        Work::Fused(fused) => names(fused, given),
        Work::Kernel(_) => Ok(Vec::new()),
    };
    Ok(plan.steps.iter().map(link).collect::<Result<Vec<_>, String>>()?.concat())
}
