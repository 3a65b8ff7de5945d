//! One program on its way: made, simulated, lowered, compiled and judged.

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

/// Orders that are tried if a GPU gives another result.
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
    /// The result that every device must give.
    pub wanted: Contents,
}

/// The stage at which something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The simulated device differs from the host.
    Host,
    /// Lowering fails, or changes results.
    Lowering,
    /// The simulated device gives another result in another order.
    Order,
    /// Code generation or NVRTC refuses it.
    Compiler,
    /// The GPU differs.
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

/// The reason why a case goes no further.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It is faulty, with the first words of the reason.
    Discarded(String),
    /// Something differs that must not, with a description.
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
    /// Returns the case of a family and seed, not yet run.
    pub fn new(family: usize, seed: u64) -> Case {
        let program = (FAMILIES[family].make)(seed);
        Case { family, seed, program, way: Way::of(seed), lowered: Vec::new(), wanted: Vec::new() }
    }

    /// Returns a case with a smaller program in its place, for which the host has no expected results.
    pub fn with(&self, program: Program) -> Case {
        let program = Program { expected: Vec::new(), ..program };
        let (lowered, wanted) = (Vec::new(), Vec::new());
        Case { family: self.family, seed: self.seed, program, way: self.way.clone(), lowered, wanted }
    }

    /// Runs it on the simulated device as it was written and as it was lowered. If `thorough`, also under other orders
    /// of the scheduler, and the lowered kernels with all checkers.
    pub fn simulate(&mut self, thorough: bool) -> Result<(), Stop> {
        let program = &self.program;
        oracle::verify(program).map_err(Stop::Discarded)?;
        let run = |kernels: &[Function], order: u64, mode| oracle::run(program, kernels, self.seed ^ order, mode);
        let written = run(&program.kernels, 0, oracle::Mode::Checked).map_err(Stop::Discarded)?;
        let different = |stage: Stage| move |what: String| Stop::Different(stage, what);
        // The host has computed some tensors in another way; the others are not compared.
        let host = difference(program, &program.expected, &written);
        host.map_or(Ok(()), |what| Err(different(Stage::Host)(what)))?;
        // A program that the passes refuse, with its line, is not a wrong result.
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

    /// Returns the CUDA text of its kernels, as number `index` of a batch.
    pub fn sources(&self, index: usize, arch: Arch) -> Result<Vec<Source>, Stop> {
        compile::sources(&self.lowered, index, arch).map_err(|why| Stop::Different(Stage::Compiler, why))
    }

    /// Returns the data that a child needs to run it.
    pub fn job(&self, sources: &[Source]) -> Result<Job, Stop> {
        let sources: Vec<&Source> = sources.iter().collect();
        Job::new(&self.program, &self.lowered, &sources).map_err(|why| Stop::Different(Stage::Compiler, why))
    }

    /// Returns an error if the program is faulty after all: if a checker reports under some order of the scheduler, or
    /// another order gives another result.
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

    /// Compares the result of a GPU with the expected one.
    pub fn judge(&self, ending: &Ending) -> Result<(), Stop> {
        let problem = match ending {
            Ending::Trouble(why) => Some(why.clone()),
            Ending::Memory(memory) => match contents(&self.program, memory) {
                Ok(found) => difference(&self.program, &self.wanted, &found),
                Err(why) => Some(why),
            },
        };
        problem.map_or(Ok(()), |problem| Err(Stop::Different(Stage::Gpu, problem)))
    }
}
