//! `hidet check`: runs every kernel against references.

use super::{Outcome, device};
use crate::check::random;
use clap::{Args, ValueEnum};
use hidet::ir::Arch;
use hidet::prelude::*;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The checks and the device.
#[derive(Args)]
pub struct Check {
    /// The device: sim, cuda or cuda:1; best is a GPU if there is one, else sim.
    #[arg(long, default_value = "best")]
    device: String,
    /// Do not compare a GPU with the simulated device.
    #[arg(long)]
    alone: bool,
    /// Run only this part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// With `--only kernels`: run only the kernels whose names begin with this text. With `--only intrinsics`: only the cases
    /// whose label (name, types, sizes) begins with it, such as 'tma.load.2d f16'. With `--only operators`: only those operators.
    #[arg(long, default_value = "")]
    named: String,
    /// The number of random programs (2000), or of inputs for each operator and type (1).
    #[arg(long)]
    count: Option<usize>,
    /// The seed of the first random program, without it from the clock; or of the inputs of operators, without it 0.
    #[arg(long)]
    seed: Option<u64>,
    /// Only random programs of these families, separated by commas.
    #[arg(long, value_delimiter = ',')]
    family: Vec<String>,
    /// Seconds that a random program may take on a GPU.
    #[arg(long, default_value_t = 15)]
    limit: u64,
    /// Seconds for reducing each of the first five programs that differ.
    #[arg(long, default_value_t = 60)]
    shrink: u64,
    /// Write the reduced programs to this folder, as text IR in the form of tests/filetests.
    #[arg(long)]
    shrunk: Option<PathBuf>,
    /// With the simulated device: compile random programs for that architecture too, such as sm_90a.
    #[arg(long)]
    arch: Option<Arch>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// The kernels of the examples, within the bounds of their rounding.
    Kernels,
    /// Every intrinsic, bit for bit.
    Intrinsics,
    /// Functions such as exp over all f16 and 2^20 f32, in units of the last place.
    Math,
    /// Every operation at the edges of its types, bit for bit against Rust.
    Edges,
    /// Every operator of hidet-ops on every type and awkward shapes, within bounds of its definition in f64.
    #[cfg(feature = "models")]
    Operators,
    /// Random programs, bit for bit against the simulated device. Only when asked for.
    Random,
}

/// What takes seeds, and how it is asked for.
const SEEDED: &str = if cfg!(feature = "models") {
    "random programs and operators: add --only random or --only operators"
} else {
    "random programs: add --only random"
};

impl Check {
    /// Runs the checks and prints their table.
    pub fn run(&self) -> Outcome {
        let device = device(&self.device)?;
        let wanted = |part| self.only.is_none_or(|only| only == part);
        if self.only == Some(Part::Random) {
            return self.random(&device);
        }
        if self.arch.is_some() || self.shrunk.is_some() || !self.family.is_empty() {
            return Err("--family, --arch and --shrunk are for random programs: add --only random".to_owned());
        }
        let has_seeds = match self.only {
            #[cfg(feature = "models")]
            Some(Part::Operators) => true,
            _ => false,
        };
        if !has_seeds && (self.count.is_some() || self.seed.is_some()) {
            return Err(format!("--count and --seed are for {SEEDED}"));
        }
        let mut passed = true;
        if wanted(Part::Kernels) {
            passed &= show(crate::check::run(device.clone(), !self.alone, &self.named));
        }
        if wanted(Part::Intrinsics) {
            passed &= show(crate::check::intrinsics::run(&device, !self.alone, &self.named));
        }
        if wanted(Part::Math) {
            passed &= show(crate::check::intrinsics::math::check(&device, !self.alone, 1 << 20));
        }
        if wanted(Part::Edges) {
            passed &= show(crate::check::edges::run(&device, !self.alone));
        }
        #[cfg(feature = "models")]
        if wanted(Part::Operators) {
            let (seed, count) = (self.seed.unwrap_or(0), self.count.unwrap_or(1) as u64);
            passed &= show(crate::check::operators::run(&device, &self.named, seed, count));
        }
        Ok(passed)
    }
}

/// The default number of random programs.
const COUNT: usize = 2000;

impl Check {
    fn random(&self, device: &Device) -> Outcome {
        if std::env::var_os(random::child::CHILD).is_some() {
            let context = device.as_cuda().ok_or("a process for a GPU without one")?;
            return random::child::run(context);
        }
        if self.alone || !self.named.is_empty() {
            return Err("--alone and --named are not for random programs".to_owned());
        }
        if self.arch.is_some() && !device.is_sim() {
            return Err("--arch is for --device sim; a GPU has its own".to_owned());
        }
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        random::run(
            device,
            &random::Request {
                count: self.count.unwrap_or(COUNT),
                seed: self.seed.unwrap_or_else(clock),
                families: self.family.iter().map(|name| random::family(name)).collect::<Result<_, _>>()?,
                arch: self.arch,
                limit: Duration::from_secs(self.limit),
                shrink: Duration::from_secs(self.shrink),
                shrunk: self.shrunk.clone(),
            },
        )
    }
}

/// Prints a report, and returns true if it passed.
fn show((report, passed): (String, bool)) -> bool {
    print!("{report}");
    passed
}
