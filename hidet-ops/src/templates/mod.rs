//! Kernels written for one kind of task each, and the choice among them and the rules.
//!
//! A template takes a task by its structure, not by its name: a sum of products of two operands is a matrix product,
//! whichever operator it comes from.

mod conv_wgmma;
mod matmul_simt;
mod matmul_wgmma;
mod product;

use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, Plan, RULES};

/// The templates, the best first.
const TEMPLATES: [&dyn Implementation; 3] =
    [&matmul_wgmma::MatmulWgmma, &conv_wgmma::ConvWgmma, &matmul_simt::MatmulSimt];

/// Makes the kernel of the first template or rule that takes the task, and returns its name.
///
/// # Errors
///
/// If none does, which is a fault of this crate: the message has the reason of each.
pub(crate) fn plan(fused: &FusedTask, given: &Given) -> Result<(&'static str, Plan), String> {
    let mut reasons = Vec::new();
    for implementation in TEMPLATES.into_iter().chain(RULES) {
        match implementation.plan(fused, given) {
            Ok(plan) => return Ok((implementation.name(), plan)),
            Err(why) => reasons.push(format!("{}: {why}", implementation.name())),
        }
    }
    Err(format!("nothing computes {}\n  {}", fused.text(), reasons.join("\n  ")))
}
