//! `hidet check`: runs every kernel against references.

use super::{Outcome, say};
use clap::{Args, ValueEnum};
use hidet::prelude::*;

/// Where to run.
#[derive(Args)]
pub struct Check {
    /// The device: sim, cuda or cuda:1; best is a GPU where there is one.
    #[arg(long, default_value = "best")]
    device: String,
    /// Do not compare a GPU with the simulated device.
    #[arg(long)]
    alone: bool,
    /// Only these.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Of the intrinsics those alone whose name, types and sizes begin so: `--only intrinsics --named 'tma.load.2d f16'`.
    #[arg(long, default_value = "")]
    named: String,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// The kernels of the examples, within the bounds of their rounding.
    Kernels,
    /// Every intrinsic, bit for bit.
    Intrinsics,
    /// Functions such as exp over all f16 and 2^20 f32, in units of the last place.
    Math,
}

impl Check {
    /// Runs the checks and prints their table.
    pub fn run(&self) -> Outcome {
        let device = match self.device.as_str() {
            "best" => Device::best(),
            name => Device::named(name),
        };
        let device = device.map_err(say)?;
        let wanted = |part| self.only.is_none_or(|only| only == part);
        let mut passed = true;
        if wanted(Part::Kernels) {
            passed &= show(crate::check::run(device.clone(), !self.alone));
        }
        if wanted(Part::Intrinsics) {
            passed &= show(crate::check::intrinsics::run(&device, !self.alone, &self.named));
        }
        if wanted(Part::Math) {
            passed &= show(crate::check::intrinsics::math::check(&device, !self.alone, 1 << 20));
        }
        Ok(passed)
    }
}

/// Prints a report, and hands on whether it passed.
fn show((report, passed): (String, bool)) -> bool {
    print!("{report}");
    passed
}
