//! One program on its way: made, simulated, lowered, compiled, and what was found of it.

use super::compare::{Contents, difference};
use super::families::FAMILIES;
use super::job::{Ending, Job, contents};
use super::lower::Way;
use super::table::Fate;
use super::{compile, oracle};
use hidet::codegen::Source;
use hidet::ir::{Arch, Function};
use hidet::testing::random::Program;

/// Other orders of the scheduler under which results must be the same.
const ORDERS: [u64; 2] = [1, 2];

/// Orders that are tried where a GPU gives something else.
const SURE: u64 = 8;

/// A program of a seed.
pub struct Case {
    /// Its family.
    pub family: usize,
    /// Its seed.
    pub seed: u64,
    /// The program.
    pub program: Program,
    /// How its kernels are compiled.
    pub way: Way,
    /// Its kernels, lowered.
    pub lowered: Vec<Function>,
    /// What every device must give.
    pub wanted: Contents,
}

/// Where something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The simulated device, from what the host computed.
    Host,
    /// Lowering fails, or what it gives has other results.
    Lowering,
    /// The simulated device, from itself in another order.
    Order,
    /// There is no CUDA text, or NVRTC refuses it.
    Compiler,
    /// The GPU.
    Gpu,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Host => "simulated, against the host",
            Stage::Lowering => "simulated, lowered",
            Stage::Order => "simulated, in another order",
            Stage::Compiler => "compiler",
            Stage::Gpu => "GPU",
        })
    }
}

/// Why a case goes no further.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It is faulty: the first words of why.
    Discarded(String),
    /// Something differs that must not, and what.
    Different(Stage, String),
}

impl From<Stop> for Fate {
    fn from(stop: Stop) -> Fate {
        match stop {
            Stop::Discarded(why) => Fate::Discarded(why),
            Stop::Different(..) => Fate::Different,
        }
    }
}

impl Case {
    /// The case of a family and seed, not yet looked at.
    pub fn new(family: usize, seed: u64) -> Case {
        let program = (FAMILIES[family].make)(seed);
        Case { family, seed, program, way: Way::of(seed), lowered: Vec::new(), wanted: Vec::new() }
    }

    /// Another program in its place, a smaller one, of which the host knows nothing.
    pub fn with(&self, program: Program) -> Case {
        let program = Program { expected: Vec::new(), ..program };
        let (lowered, wanted) = (Vec::new(), Vec::new());
        Case { family: self.family, seed: self.seed, program, way: self.way.clone(), lowered, wanted }
    }

    /// Runs it on the simulated device as it was written and lowered. `thorough`: under other orders of the scheduler too,
    /// and the lowered kernels with all checkers.
    pub fn simulate(&mut self, thorough: bool) -> Result<(), Stop> {
        let program = &self.program;
        oracle::verify(program).map_err(Stop::Discarded)?;
        let run = |kernels: &[Function], order: u64, mode| oracle::run(program, kernels, self.seed ^ order, mode);
        let written = run(&program.kernels, 0, oracle::Mode::Checked).map_err(Stop::Discarded)?;
        let different = |stage: Stage| move |what: String| Stop::Different(stage, what);
        // The host has computed tensors in another way; where it has not, there is nothing to compare.
        let host = difference(program, &program.expected, &written);
        host.map_or(Ok(()), |what| Err(different(Stage::Host)(what)))?;
        // What the passes refuse, with its place, is no wrong answer.
        self.lowered = self.way.lower(program).map_err(Stop::Discarded)?;
        let lowered = run(&self.lowered, 0, oracle::Mode::Fast).map_err(different(Stage::Lowering))?;
        // Contraction rounds differently by design.
        let changed = (!self.way.options.contract).then(|| difference(program, &written, &lowered)).flatten();
        changed.map_or(Ok(()), |what| Err(different(Stage::Lowering)(what)))?;
        for order in ORDERS.into_iter().filter(|_| thorough) {
            let again = run(&self.lowered, order, oracle::Mode::Checked).map_err(different(Stage::Lowering))?;
            let changed = difference(program, &lowered, &again);
            changed.map_or(Ok(()), |what| Err(different(Stage::Order)(what)))?;
        }
        self.wanted = lowered;
        Ok(())
    }

    /// The CUDA text of its kernels, the number `index` of a batch.
    pub fn sources(&self, index: usize, arch: Arch) -> Result<Vec<Source>, Stop> {
        compile::sources(&self.lowered, index, arch).map_err(|why| Stop::Different(Stage::Compiler, why))
    }

    /// What a child needs to run it.
    pub fn job(&self, sources: &[Source]) -> Result<Job, Stop> {
        let sources: Vec<&Source> = sources.iter().collect();
        Job::new(&self.program, &self.lowered, &sources).map_err(|why| Stop::Different(Stage::Compiler, why))
    }

    /// An error where the program is faulty after all: under some order of the scheduler a checker reports, or it has another
    /// result.
    pub fn is_one(&self) -> Result<(), Stop> {
        for order in 1..=SURE {
            let again = oracle::run(&self.program, &self.lowered, self.seed ^ order, oracle::Mode::Checked);
            let again = again.map_err(Stop::Discarded)?;
            if difference(&self.program, &self.wanted, &again).is_some() {
                return Err(Stop::Discarded("the order of threads decides its result".to_owned()));
            }
        }
        Ok(())
    }

    /// What a GPU gave, against what it must give.
    pub fn judge(&self, ending: &Ending) -> Result<(), Stop> {
        let told = match ending {
            Ending::Trouble(why) => Some(why.clone()),
            Ending::Memory(memory) => match contents(&self.program, memory) {
                Ok(found) => difference(&self.program, &self.wanted, &found),
                Err(why) => Some(why),
            },
        };
        told.map_or(Ok(()), |told| Err(Stop::Different(Stage::Gpu, told)))
    }
}
