//! `hidet check`: runs every kernel against references.

use super::{Outcome, say};
use clap::{Args, ValueEnum};
use hidet::prelude::*;

/// Where to run.
#[derive(Args)]
pub struct Check {
    /// The device.
    #[arg(long, value_enum, default_value = "best")]
    device: Choice,
    /// Do not compare a GPU with the simulated device.
    #[arg(long)]
    alone: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// A GPU where there is one.
    Best,
    /// The simulated device.
    Sim,
    /// The first GPU.
    Cuda,
}

impl Check {
    /// Runs the checks and prints their table.
    pub fn run(&self) -> Outcome {
        let device = match self.device {
            Choice::Best => Device::best().map_err(say)?,
            Choice::Sim => Device::sim(),
            Choice::Cuda => Device::cuda(0).map_err(say)?,
        };
        let (report, passed) = crate::check::run(device, !self.alone);
        print!("{report}");
        Ok(passed)
    }
}
