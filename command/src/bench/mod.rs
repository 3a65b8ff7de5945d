//! `hidet bench`: measures kernels against libraries, copies and each other.
//!
//! A problem ([`problem`]) is opened for a shape, with random inputs. Contestants ([`contestant`]) that solve it,
//! kernels and baselines ([`baseline`]), are checked first, then timed in interleaved slices ([`hidet::tune`]). Medians,
//! quartiles and ratios ([`hidet::tune::Summary`]) are printed as a table ([`table`]), with the share of the device's
//! measured peaks ([`peaks`]), written as rows of CSV ([`csv`]) and drawn ([`plot`]). The simulated device, which has no
//! time, reports counters instead ([`simulated`]). The cost of a launch itself is measured separately ([`launch`]).

mod attention;
mod barrier;
pub mod baseline;
pub mod canvas;
pub mod compile;
pub mod contestant;
mod convolution;
mod cores;
pub mod csv;
mod cublas;
pub mod cublaslt;
mod fused;
pub mod gemm;
pub mod image;
mod kernels;
pub mod launch;
mod library;
mod linear;
pub mod machine;
pub mod peaks;
pub mod plot;
pub mod problem;
mod product;
pub mod progress;
mod sample;
mod schedules;
pub mod simulated;
mod streaming;
pub mod table;

use crate::near;
use contestant::Contestant;
use hidet::prelude::*;
use hidet::tune::{self, Ratio, Repeatable, Summary, Timing};
use problem::{Family, Make, Problem, Work, say};
use progress::Progress;

/// Returns all families of problems.
fn families() -> Vec<Family> {
    let mut families = product::families();
    families.extend(streaming::families());
    families.extend(attention::families());
    families.extend(convolution::families());
    families
}

/// The measurements requested.
pub struct Request {
    /// Names of kernels, or prefixes of them.
    pub kernels: Vec<String>,
    /// Names of baselines.
    pub against: Vec<String>,
    /// Shapes; if empty, those of the family.
    pub shapes: Vec<Vec<usize>>,
    /// The length of the measurements.
    pub plan: Timing,
}

/// The times of one contestant on one problem, summarised.
pub struct Line {
    /// Its name.
    pub name: String,
    /// The details of the contestant.
    pub detail: String,
    /// True if it is a baseline.
    pub baseline: bool,
    /// Milliseconds per launch.
    pub time: Summary,
    /// The number of rounds.
    pub rounds: usize,
    /// The worst error of its result as a share of the tolerance, or `None` if it writes no result.
    pub error: Option<f64>,
    /// The ratio to the fastest baseline.
    pub ratio: Option<Ratio>,
}

/// The results of all contestants on one problem.
#[derive(Default)]
pub struct Comparison {
    /// The shape, for example `4096x4096x4096`.
    pub shape: String,
    /// The work of the problem.
    pub work: Work,
    /// One line for each contestant whose result is right.
    pub lines: Vec<Line>,
    /// The errors of the others.
    pub failures: Vec<String>,
}

/// Lists the names that can be requested, with shapes and baselines.
pub fn list() -> String {
    let mut text = String::from("kernels, their shapes and baselines:\n");
    for family in families() {
        let shapes: Vec<String> = family.shapes.iter().map(|shape| shape_text(shape)).collect();
        for kernel in &family.kernels {
            text += &format!(
                "  {kernel:<24} {:<12} {}   against {}\n",
                family.axes.join("x"),
                shapes.join(","),
                family.baselines.join(", ")
            );
        }
    }
    text += "baselines (and every kernel of the same problem):\n";
    for (name, meaning) in baseline::NAMES {
        text += &format!("  {name:<24} {meaning}\n");
    }
    text
}

/// `4096x4096x64`
fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Returns the kernels with the given names: each family with those of its kernels, in the order of the names. A name
/// selects the kernel of that name, or that kernel for all types, or else all kernels whose names begin with it.
fn chosen(names: &[String]) -> Result<Vec<(Family, Vec<String>)>, String> {
    let mut all: Vec<(Family, Vec<String>)> = families().into_iter().map(|family| (family, Vec::new())).collect();
    for name in names {
        let ways: [fn(&str, &str) -> bool; 3] = [
            |kernel, name| kernel == name,
            |kernel, name| kernel.split('<').next() == Some(name),
            |kernel, name| kernel.starts_with(name),
        ];
        let known = |means: &&fn(&str, &str) -> bool| {
            all.iter().any(|(family, _)| family.kernels.iter().any(|kernel| means(kernel, name)))
        };
        let means = ways.iter().find(known);
        let means = means.ok_or_else(|| {
            let kernels = all.iter().flat_map(|(family, _)| &family.kernels).map(String::as_str);
            let hint = near::hint(name, kernels.chain(["launch", "compile"]));
            format!("there is no kernel `{name}` to measure{hint}\n`hidet bench --list` lists them")
        })?;
        for (family, kernels) in &mut all {
            for kernel in family.kernels.iter().filter(|kernel| means(kernel, name)) {
                if !kernels.contains(kernel) {
                    kernels.push(kernel.clone());
                }
            }
        }
    }
    all.retain(|(_, kernels)| !kernels.is_empty());
    Ok(all)
}

/// Returns an error if the request names something that does not exist. Needs no device.
pub fn check(request: &Request) -> Result<(), String> {
    for (family, _) in chosen(&request.kernels)? {
        request.shapes.iter().try_for_each(|shape| family.fits(shape))?;
    }
    Ok(())
}

/// Measures everything in the request and passes each comparison to `report` when it is done. Failures are reported
/// there too, and the remaining comparisons continue.
pub fn run(
    device: &Device,
    request: &Request,
    report: &mut dyn FnMut(Comparison) -> Result<(), String>,
) -> Result<(), String> {
    let chosen = chosen(&request.kernels)?;
    let mut comparisons = Vec::new();
    for (family, kernels) in &chosen {
        let shapes = if request.shapes.is_empty() { &family.shapes } else { &request.shapes };
        for shape in shapes {
            family.fits(shape)?;
            comparisons.push((family, kernels, shape));
        }
    }
    for (number, (family, kernels, shape)) in comparisons.iter().enumerate() {
        let mut comparison = Comparison { shape: shape_text(shape), ..Comparison::default() };
        let progress = Progress::new(&format!("{} of {}, {}", number + 1, comparisons.len(), comparison.shape));
        let done = (family.open)(device, shape).and_then(|problem| {
            comparison.work = problem.work;
            comparison.measure(device, &problem, kernels, request, &progress)
        });
        progress.done();
        comparison.failures.extend(done.err());
        report(comparison)?;
    }
    Ok(())
}

impl Comparison {
    /// Makes, checks and times the contestants.
    fn measure(
        &mut self,
        device: &Device,
        problem: &Problem,
        kernels: &[String],
        request: &Request,
        progress: &Progress,
    ) -> Result<(), String> {
        let mut contestants = Vec::new();
        let mut errors = Vec::new();
        let mut enter = |made: Result<Vec<Contestant>, String>| {
            for mut contestant in made? {
                errors.push(if contestant.solves { Some(problem.verify(&mut contestant)?) } else { None });
                contestants.push(contestant);
            }
            Ok(contestants.len())
        };
        compile_together(problem, kernels);
        let mut own = 0;
        for (_, make) in problem.kernels.iter().filter(|kernel| kernels.contains(&kernel.0)) {
            match enter(make().map(|made| vec![made])) {
                Ok(count) => own = count,
                Err(why) => self.failures.push(why),
            }
        }
        for name in &request.against {
            self.failures.extend(enter(baseline::named(name, device, problem)).err());
        }
        let step = &mut |done, all| progress.step(done, all);
        let times = tune::rounds(device, &mut contestants, &request.plan, step).map_err(say)?;
        progress.done();
        let summaries: Vec<Summary> = times.iter().map(|times| Summary::of(times)).collect();
        let best = (own..times.len()).min_by(|&a, &b| summaries[a].median.total_cmp(&summaries[b].median));
        let line = |(index, contestant): (usize, Contestant)| Line {
            detail: contestant.detail(),
            name: contestant.name,
            baseline: index >= own,
            time: summaries[index],
            rounds: times[index].len(),
            error: errors[index],
            ratio: best.filter(|_| index < own).map(|best| Ratio::of(&times[index], &times[best])),
        };
        self.lines = contestants.into_iter().enumerate().map(line).collect();
        Ok(())
    }
}

/// Compiles kernels on all cores, and launches each once, because a launch may compile another instance. Only the cache
/// on disk keeps the results; errors are reported when the kernel is compiled again for the measurement.
fn compile_together(problem: &Problem, kernels: &[String]) {
    let makes: Vec<&Make> =
        problem.kernels.iter().filter(|kernel| kernels.contains(&kernel.0)).map(|kernel| &kernel.1).collect();
    if makes.len() > 1 {
        sample::on_all_cores(makes.len(), |index| {
            makes[index]().is_ok_and(|mut contestant| contestant.launch().is_ok())
        });
    }
}

#[cfg(test)]
mod tests;
