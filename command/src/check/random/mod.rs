//! `hidet check --only random`: random programs, each on the simulated device with all checkers; one on which they are
//! silent must give the same bits when lowered, under another order of the scheduler, and on a GPU.
//!
//! Threads take batches of seeds: each makes its programs, simulates and lowers them ([`program`]) and compiles all
//! their kernels as one CUDA program ([`mod@compile`]). One thread sends the compiled batches to a child process that owns
//! the GPU ([`runner`], [`child`]) and compares ([`compare`]). Programs that differ are reduced ([`shrink`]).

pub mod child;
mod compare;
mod compile;
mod families;
mod filetest;
mod job;
mod lower;
mod oracle;
mod program;
mod reduce;
mod runner;
mod shrink;
mod state;
mod table;
mod wire;

use compile::compile;
use families::FAMILIES;
use hidet::cuda::nvrtc;
use hidet::ir::Arch;
use hidet::prelude::*;
use job::Ending;
use program::{Case, Stage, Stop};
use runner::{Batch, Runner};
use shrink::Prober;
use state::State;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Programs whose kernels are compiled together, which takes half the time of one by one; larger batches gain little.
const TOGETHER: usize = 16;

/// The most batches that wait for the GPU.
const WAITING: usize = 64;

/// The settings of a run.
pub struct Request {
    /// The number of programs.
    pub count: usize,
    /// The seed of the first.
    pub seed: u64,
    /// The families; if empty, all of them, one after the other.
    pub families: Vec<usize>,
    /// Compile for that architecture without running, if there is no GPU.
    pub arch: Option<Arch>,
    /// The most time of a program on a GPU.
    pub limit: Duration,
    /// The most time for reducing a difference.
    pub shrink: Duration,
    /// The folder for filetests of reduced programs.
    pub shrunk: Option<PathBuf>,
}

/// The destination of batches.
#[derive(Clone)]
enum Target {
    /// None: the simulated device is compared with itself.
    Sim,
    /// The compiler alone.
    Compiler(Arch),
    /// A GPU.
    Gpu(Arch, SyncSender<(Vec<Case>, Batch)>),
}

/// Returns the number of a family, or an error if there is none of that name.
pub fn family(name: &str) -> Result<usize, String> {
    let names = || FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>().join(", ");
    let found = FAMILIES.iter().position(|family| family.name == name);
    found.ok_or_else(|| format!("there is no family `{name}`; there are {}", names()))
}

/// Checks programs on a device and prints the results. Returns true if nothing differs.
pub fn run(device: &Device, request: &Request) -> Result<bool, String> {
    let name = device.to_string();
    println!("{} random programs from seed {} on {name}", request.count, request.seed);
    let state = State::new(request.count);
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = |target: Target| {
        // The channel closes when all threads are done.
        thread::scope(|scope| {
            for _ in 0..threads {
                let (target, next, state) = (target.clone(), &next, &state);
                scope.spawn(move || {
                    while let Some(cases) = take(request, next) {
                        handle(cases, &target, state);
                    }
                });
            }
            drop(target);
        });
    };
    let prober = match (device.as_cuda(), request.arch) {
        (None, None) => {
            work(Target::Sim);
            Prober { arch: None, runner: None }
        }
        (None, Some(arch)) => {
            nvrtc::expecting(request.count, || work(Target::Compiler(arch)));
            Prober { arch: Some(arch), runner: None }
        }
        (Some(context), _) => {
            let runner = || Runner::new(&format!("cuda:{}", context.ordinal), request.limit);
            let arch = context.properties.arch;
            let (to, batches) = sync_channel(WAITING);
            thread::scope(|scope| {
                let state = &state;
                let runner = runner();
                scope.spawn(move || run_all(runner, batches, state));
                nvrtc::expecting(request.count, || work(Target::Gpu(arch, to)));
            });
            Prober { arch: Some(arch), runner: Some(runner()) }
        }
    };
    state.report(request, prober)
}

/// Returns the next batch of cases.
fn take(request: &Request, next: &AtomicUsize) -> Option<Vec<Case>> {
    let first = next.fetch_add(TOGETHER, Relaxed);
    let numbers = first..request.count.min(first.saturating_add(TOGETHER));
    // Each family gets consecutive seeds, because the kind of a program may be a remainder of its seed.
    let case = |number: usize| {
        let (turn, family) = match request.families.as_slice() {
            [] => (number / FAMILIES.len(), number % FAMILIES.len()),
            families => (number / families.len(), families[number % families.len()]),
        };
        Case::new(family, request.seed.wrapping_add(turn as u64))
    };
    (!numbers.is_empty()).then(|| numbers.map(case).collect())
}

/// Does everything for a batch except running it on a GPU.
fn handle(cases: Vec<Case>, target: &Target, state: &State) {
    let mut silent = Vec::new();
    for mut case in cases {
        match case.simulate(matches!(target, Target::Sim)) {
            Ok(()) => silent.push(case),
            Err(stop) => state.end(case, Err(stop)),
        }
    }
    match target {
        Target::Sim => silent.into_iter().for_each(|case| state.end(case, Ok(()))),
        Target::Compiler(arch) => {
            let (cases, _) = batch(silent, *arch, state);
            cases.into_iter().for_each(|case| state.end(case, Ok(())));
        }
        Target::Gpu(arch, to) => {
            // If the channel is closed, the thread that closed it has noted the error.
            let _ = to.send(batch(silent, *arch, state));
        }
    }
}

/// Compiles the kernels of all cases together. Returns the cases that compile, in order.
fn batch(cases: Vec<Case>, arch: Arch, state: &State) -> (Vec<Case>, Batch) {
    let (mut kept, mut jobs, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    for case in cases {
        let made = case.sources(kept.len(), arch).and_then(|texts| Ok((case.job(&texts)?, texts)));
        match made {
            Ok((job, texts)) => {
                kept.push(case);
                jobs.push(job);
                sources.push(texts);
            }
            Err(stop) => state.end(case, Err(stop)),
        }
    }
    if kept.is_empty() {
        return (kept, Batch::default());
    }
    match compile(&sources.iter().flatten().collect::<Vec<_>>(), arch) {
        Ok(image) => (kept, Batch { image, jobs }),
        Err(why) if kept.len() == 1 => {
            kept.into_iter().for_each(|case| state.end(case, Err(Stop::Different(Stage::Compiler, why.clone()))));
            (Vec::new(), Batch::default())
        }
        // One of them fails to compile: compile each half by itself, and return both results together.
        Err(_) => {
            let half = kept.split_off(kept.len() / 2);
            let mut good = Vec::new();
            for part in [kept, half] {
                good.extend(batch(part, arch, state).0);
            }
            batch(good, arch, state)
        }
    }
}

/// Runs batches on a GPU until there are no more.
fn run_all(mut runner: Runner, batches: Receiver<(Vec<Case>, Batch)>, state: &State) {
    for (cases, batch) in batches {
        let endings = match runner.run(&batch) {
            Ok(endings) => endings,
            Err(why) => return state.give_up(why),
        };
        for (case, ending) in cases.into_iter().zip(&endings) {
            let judged = judge(&case, ending);
            state.end(case, judged);
        }
    }
}

/// Compares the result of a GPU with that of the simulated device; a program with more than one result there is faulty.
fn judge(case: &Case, ending: &Ending) -> Result<(), Stop> {
    let judged = case.judge(ending);
    if judged.is_err() {
        case.is_one()?;
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_programs_are_the_same_on_the_simulated_device() {
        let (families, limit, shrink) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        let request = Request { count: 60, seed: 1, families, arch: None, limit, shrink, shrunk: None };
        assert_eq!(run(&Device::sim(), &request), Ok(true));
    }

    #[test]
    fn every_family_gets_seeds_one_after_the_other() {
        let (families, limit, shrink) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        let request = Request { count: 60, seed: 7, families, arch: None, limit, shrink, shrunk: None };
        let next = AtomicUsize::new(0);
        let all: Vec<(usize, u64)> =
            std::iter::from_fn(|| take(&request, &next)).flatten().map(|case| (case.family, case.seed)).collect();
        assert_eq!(all.len(), 60);
        for family in 0..FAMILIES.len() {
            let seeds: Vec<u64> = all.iter().filter(|(of, _)| *of == family).map(|(_, seed)| *seed).collect();
            assert!(seeds.len() >= 60 / FAMILIES.len());
            assert!(seeds.iter().copied().eq((7..).take(seeds.len())), "{seeds:?}");
        }
    }

    #[test]
    fn an_unknown_family_is_an_error() {
        assert!(family("talk").is_ok());
        assert!(
            family("nonsense").unwrap_err().contains(
                "there is no family `nonsense`; there are kernel, talk, numbers, strides, tables, edges, tma"
            )
        );
    }
}
