//! Runs checks: each case on the device, against a reference in `f64` and, on a GPU, against the simulated device:
//! equal if results are rounded once, else within twice the limit.

use super::numbers::{Real, reals, ulp};
use hidet::ir::Arch;
use hidet::kernel::CompileOptions;
use hidet::prelude::*;
use std::fmt::Write;

/// The largest allowed distance of a result from the reference.
pub enum Limit<'a> {
    /// Units in the last place of the output type.
    Ulps(f64),
    /// This much for each element, and half a unit in the last place for rounding the result. The text is the bound.
    Bound(&'a [f64], &'static str),
}

impl Limit<'_> {
    /// Returns true if only one result is right, so that all devices must give it.
    fn is_exact(&self) -> bool {
        matches!(self, Limit::Ulps(ulps) if *ulps <= 0.5)
    }
}

/// The results of all cases of one kernel and type.
pub struct Line {
    kernel: String,
    dtype: &'static str,
    cases: usize,
    /// True if any case was compared with the simulated device.
    compared: bool,
    /// The largest error as a share of what was allowed.
    worst: f64,
    /// The largest distance from the simulated device, in ulps of the output type.
    from_sim: f64,
    limit: String,
    failures: Vec<String>,
}

/// A kernel as it is and in checked mode: its name in the report, and how it is compiled.
pub fn modes(kernel: &str) -> [(String, CompileOptions); 2] {
    let checked = CompileOptions { checks: true, ..CompileOptions::default() };
    [(kernel.to_owned(), CompileOptions::default()), (format!("{kernel}, checked"), checked)]
}

/// Collects the lines of a run.
pub struct Bench {
    device: Device,
    sim: Option<Device>,
    /// The beginning of the names of the kernels to run.
    named: String,
    lines: Vec<Line>,
}

impl Bench {
    /// A run on that device. A GPU is compared with the simulated device too if `compare`.
    pub fn new(device: Device, compare: bool) -> Self {
        let sim = (compare && !device.is_sim()).then(Device::sim);
        Bench { device, sim, named: String::new(), lines: Vec::new() }
    }

    /// The same run of kernels whose names begin with that text only.
    pub fn named(self, named: &str) -> Self {
        Bench { named: named.to_owned(), ..self }
    }

    /// Returns the architecture of the device, or `None` if it is not a GPU.
    pub fn arch(&self) -> Option<Arch> {
        self.device.arch()
    }

    /// Returns true if a GPU is compared with the simulated device. If it is not, it may be run under a tool that
    /// serialises kernels.
    pub fn compares(&self) -> bool {
        self.sim.is_some()
    }

    /// One case that is too large for the simulated device.
    pub fn case_alone<T: Real>(
        &mut self,
        kernel: &str,
        shape: &[usize],
        limit: Limit<'_>,
        expected: &[f64],
        run: impl Fn(&Device) -> hidet::Result<Vec<T>>,
    ) {
        let sim = self.sim.take();
        self.case::<T>(kernel, shape, limit, expected, run);
        self.sim = sim;
    }

    /// One case: `run` on the device must be within `limit` of `expected`.
    pub fn case<T: Real>(
        &mut self,
        kernel: &str,
        shape: &[usize],
        limit: Limit<'_>,
        expected: &[f64],
        run: impl Fn(&Device) -> hidet::Result<Vec<T>>,
    ) {
        self.case_of::<T, T>(kernel, shape, limit, expected, run);
    }

    /// The same for a kernel whose inputs are of type `I` and whose output is of type `T`.
    pub fn case_of<I: Real, T: Real>(
        &mut self,
        kernel: &str,
        shape: &[usize],
        limit: Limit<'_>,
        expected: &[f64],
        run: impl Fn(&Device) -> hidet::Result<Vec<T>>,
    ) {
        let run = |device: &Device| Ok(reals(&run(device)?));
        self.case_of_reals((kernel, I::NAME), shape, limit, ulp::<T>, expected, &run);
    }

    /// The same for a kernel and type by their names; `ulp` returns the unit in the last place of a result.
    fn case_of_reals(
        &mut self,
        (kernel, dtype): (&str, &'static str),
        shape: &[usize],
        limit: Limit<'_>,
        ulp: fn(f64) -> f64,
        expected: &[f64],
        run: &dyn Fn(&Device) -> hidet::Result<Vec<f64>>,
    ) {
        if !kernel.starts_with(&self.named) {
            return;
        }
        let limit_text = match limit {
            Limit::Ulps(ulps) => format!("{ulps} ulp"),
            Limit::Bound(_, text) => format!("1/2 ulp + {text}"),
        };
        let line = match self.lines.iter_mut().find(|line| line.kernel == kernel && line.dtype == dtype) {
            Some(line) => line,
            None => {
                self.lines.push(Line {
                    kernel: kernel.to_owned(),
                    dtype,
                    cases: 0,
                    compared: false,
                    worst: 0.0,
                    from_sim: 0.0,
                    limit: limit_text,
                    failures: Vec::new(),
                });
                let last = self.lines.len() - 1;
                &mut self.lines[last]
            }
        };
        line.cases += 1;
        let output = match run(&self.device) {
            Ok(output) => output,
            Err(error) => return line.failures.push(format!("{shape:?}: {error}")),
        };
        if output.len() != expected.len() {
            let (got, wanted) = (output.len(), expected.len());
            return line.failures.push(format!("{shape:?}: {got} elements came back, {wanted} were expected"));
        }
        let mut first = None;
        let allowed = |at: usize| match limit {
            Limit::Ulps(ulps) => ulps * ulp(expected[at]),
            Limit::Bound(limits, _) => limits[at] + 0.5 * ulp(expected[at]),
        };
        for (at, (&got, &want)) in output.iter().zip(expected).enumerate() {
            let allowed = allowed(at);
            let error = (got - want).abs();
            // Written so that a NaN is never within the limit.
            let within = error <= allowed;
            line.worst = line.worst.max(if error == 0.0 { 0.0 } else { error / allowed });
            if !within && first.is_none() {
                first = Some(format!("{shape:?}: element {at} is {got}, expected {want} within {allowed:e}"));
            }
        }
        line.failures.extend(first);
        if let Some(sim) = &self.sim {
            line.compared = true;
            match run(sim) {
                Ok(other) if other.len() != output.len() => {
                    let (got, other) = (output.len(), other.len());
                    line.failures.push(format!("{shape:?}: {got} elements, on the simulated device {other}"));
                }
                Ok(other) => {
                    let mut first = None;
                    for (at, (&got, &want)) in output.iter().zip(&other).enumerate() {
                        let distance = (got - want).abs();
                        // Only one result is right if it is rounded once; others may err in two directions.
                        let allowed = if limit.is_exact() { 0.0 } else { 2.0 * allowed(at) };
                        let ulps = distance / ulp(want);
                        line.from_sim = line.from_sim.max(if ulps.is_nan() { f64::INFINITY } else { ulps });
                        // As above: a NaN is never within.
                        let within = distance <= allowed;
                        if !within && first.is_none() {
                            first = Some(format!(
                                "{shape:?}: element {at} is {got}, on the simulated device {want}, within {allowed:e}"
                            ));
                        }
                    }
                    line.failures.extend(first);
                }
                Err(error) => line.failures.push(format!("{shape:?}: on the simulated device: {error}")),
            }
        }
    }

    /// Returns the report, and true if every case passed.
    pub fn report(&self) -> (String, bool) {
        let mut text = format!("device: {}\n", self.device);
        let _ = writeln!(
            text,
            "{:<32} {:<5} {:>6} {:>12} {:>10}  {:<42} result",
            "kernel", "type", "cases", "error/limit", "ulp to sim", "limit"
        );
        for line in &self.lines {
            let from_sim =
                if self.sim.is_some() && line.compared { format!("{:.2}", line.from_sim) } else { "-".to_owned() };
            let result = if line.failures.is_empty() { "ok" } else { "FAILED" };
            let _ = writeln!(
                text,
                "{:<32} {:<5} {:>6} {:>12.3} {:>10}  {:<42} {result}",
                line.kernel, line.dtype, line.cases, line.worst, from_sim, line.limit
            );
            for failure in line.failures.iter().take(5) {
                let _ = writeln!(text, "    {failure}");
            }
        }
        let failed = self.lines.iter().filter(|line| !line.failures.is_empty()).count();
        let _ = writeln!(text, "{} kernels and types passed, {failed} failed", self.lines.len() - failed);
        if self.lines.is_empty() {
            let _ = writeln!(text, "no kernel's name begins with `{}`", self.named);
        }
        (text, failed == 0 && !self.lines.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a case on a device that gives 1 and a simulated device that gives `other`. Returns true if it passes.
    fn passes(limit: Limit<'_>, other: f32) -> bool {
        let (device, calls) = (Device::sim(), std::cell::Cell::new(0));
        let mut bench = Bench { sim: Some(device.clone()), ..Bench::new(device, false) };
        bench.case::<f32>("k", &[1], limit, &[1.0], |_| {
            calls.set(calls.get() + 1);
            Ok(vec![if calls.get() == 1 { 1.0 } else { other }])
        });
        bench.report().1
    }

    #[test]
    fn what_differs_from_the_simulated_device_fails() {
        let next = 1.0 + f32::EPSILON;
        assert!(passes(Limit::Ulps(0.5), 1.0) && passes(Limit::Ulps(0.0), 1.0) && passes(Limit::Ulps(1.0), next));
        assert!(!passes(Limit::Ulps(0.5), next) && !passes(Limit::Ulps(0.5), f32::NAN));
        let limits = [1e-6];
        assert!(passes(Limit::Bound(&limits, ""), next));
        assert!(!passes(Limit::Bound(&limits, ""), 1.00001) && !passes(Limit::Bound(&limits, ""), f32::NAN));
    }
}
