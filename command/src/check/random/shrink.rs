//! Reduces a program that differs while it still differs at the same stage: by one edit after the other, several of
//! them tried in parallel.

use super::compile::compile;
use super::judge;
use super::program::{Case, Stage, Stop};
use super::reduce::edits;
use super::runner::{Batch, Runner};
use hidet::codegen::Source;
use hidet::ir::{Access, Arch, Param};
use hidet::testing::random::Program;
use std::thread;
use std::time::Instant;

/// Decides if programs differ.
pub struct Prober {
    /// The architecture that they are compiled for.
    pub arch: Option<Arch>,
    /// The runner for them.
    pub runner: Option<Runner>,
}

/// The result of checking a program without a GPU.
enum Known {
    /// True if it differs as it must.
    Sure(bool),
    /// Undecided: a GPU must run it.
    Open(Box<(Case, Batch)>),
}

impl Prober {
    /// Returns the smallest program found until then that differs at the same stage as `case`.
    pub fn shrink(&mut self, case: &Case, stage: Stage, until: Instant) -> Program {
        let mut best = Program { expected: Vec::new(), ..case.program.clone() };
        // Removed statements may have written an output.
        for param in best.kernels.iter_mut().flat_map(|kernel| &mut kernel.params) {
            if let Param::Tensor { access: access @ Access::Out, .. } = param {
                *access = Access::PartialOut;
            }
        }
        // The host's expected results are not valid for edited programs; and at least one edit is applied.
        if stage == Stage::Host {
            return best;
        }
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (mut at, mut failed) = (0, 0);
        'smaller: loop {
            let edits = edits(&best);
            while failed < edits.len() && Instant::now() < until {
                let tried = (0..edits.len() - failed).take(threads);
                let numbers: Vec<usize> = tried.map(|number| (at + number) % edits.len()).collect();
                let made: Vec<(usize, Program)> =
                    numbers.iter().filter_map(|number| Some((*number, edits[*number](&best)?))).collect();
                match self.first(case, stage, &made) {
                    Some(found) => {
                        (at, best) = made[found].clone();
                        failed = 0;
                        continue 'smaller;
                    }
                    None => {
                        failed += numbers.len();
                        at = (at + numbers.len()) % edits.len();
                    }
                }
            }
            return best;
        }
    }

    /// Returns the first program that differs at that stage.
    fn first(&mut self, case: &Case, stage: Stage, made: &[(usize, Program)]) -> Option<usize> {
        let arch = self.arch;
        let known: Vec<Known> = thread::scope(|scope| {
            let probe = |(_, program): &(usize, Program)| {
                let case = case.with(program.clone());
                scope.spawn(move || probe(case, stage, arch))
            };
            let started: Vec<_> = made.iter().map(probe).collect();
            started.into_iter().map(|thread| thread.join().unwrap_or(Known::Sure(false))).collect()
        });
        known.into_iter().position(|known| match known {
            Known::Sure(differs) => differs,
            Known::Open(open) => self.runner.as_mut().is_some_and(|runner| {
                let (case, batch) = *open;
                let endings = runner.run(&batch).unwrap_or_default();
                endings.first().is_some_and(|ending| matches!(judge(&case, ending), Err(Stop::Different(..))))
            }),
        })
    }
}

/// Checks a program as far as possible without a GPU.
fn probe(mut case: Case, stage: Stage, arch: Option<Arch>) -> Known {
    let stopped = |stop: Stop| matches!(stop, Stop::Different(at, _) if at == stage);
    if let Err(stop) = case.simulate(stage == Stage::Order || stage == Stage::Lowering) {
        return Known::Sure(stopped(stop));
    }
    let Some(arch) = arch.filter(|_| matches!(stage, Stage::Compiler | Stage::Gpu)) else {
        return Known::Sure(false);
    };
    let made = case.sources(0, arch).and_then(|texts| Ok((case.job(&texts)?, texts)));
    match made {
        Err(stop) => Known::Sure(stopped(stop)),
        Ok((job, texts)) => match compile(&texts.iter().collect::<Vec<&Source>>(), arch) {
            Err(_) => Known::Sure(stage == Stage::Compiler),
            Ok(image) if stage == Stage::Gpu => Known::Open(Box::new((case, Batch { image, jobs: vec![job] }))),
            Ok(_) => Known::Sure(false),
        },
    }
}
