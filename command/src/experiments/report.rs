//! What is written beside the rows: a picture of them, and the machine, versions and settings that they were measured with.

use super::executor::{ALL, Executor};
use super::grouped::{self, Panel, grouped};
use super::results::Results;
use super::row::Row;
use super::{Group, Request, WARM_UP};
use crate::bench::machine::Machine;
use hidet_onnx::Arithmetic;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// The files.
pub struct Report<'a> {
    request: &'a Request<'a>,
    machine: &'a Machine,
    remarks: Vec<String>,
}

impl<'a> Report<'a> {
    /// Nothing is written yet.
    pub fn new(request: &'a Request<'a>, machine: &'a Machine) -> Report<'a> {
        Report { request, machine, remarks: Vec::new() }
    }

    /// Adds how something was measured otherwise than expected.
    pub fn remark(&mut self, remark: &str) {
        self.remarks.push(remark.to_owned());
    }

    /// Writes both files.
    pub fn write(&self, groups: &[Group], results: &Results, versions: &[(Executor, String)]) -> Result<(), String> {
        self.draw(groups, results)?;
        put(self.request.output.join("env.txt"), &self.environment(versions))
    }

    /// Writes the picture.
    pub fn draw(&self, groups: &[Group], results: &Results) -> Result<(), String> {
        put(
            self.request.output.join("plot.svg"),
            &self.picture(groups, |group, executor| results.get(&self.request.key(group, executor, &self.machine.gpu))),
        )
    }

    /// Draws a panel for each kind of floats, in it a group for each workload: latencies relative to that of hidet.
    fn picture<'r>(&self, groups: &[Group], row: impl Fn(&Group, Executor) -> Option<&'r Row>) -> String {
        let executors = self.request.executors();
        let latency = |group: &Group, executor| Some(row(group, executor)?.outcome.as_ref().ok()?.latency);
        let bars = |group: &Group| grouped::Group {
            label: group.workload.label(),
            values: executors
                .iter()
                .map(|executor| Some(latency(group, *executor)? / latency(group, Executor::Hidet)?))
                .collect(),
        };
        let panel = |arithmetic: &Arithmetic| Panel {
            title: format!("{arithmetic}"),
            groups: groups.iter().filter(|group| group.arithmetic == *arithmetic).map(bars).collect(),
        };
        let panels: Vec<Panel> = self.request.arithmetics.iter().map(panel).collect();
        // Colours are those of the programs, whichever of them are measured.
        let names: Vec<(usize, &str)> =
            executors.iter().map(|own| (ALL.iter().position(|other| other == own).unwrap_or(0), own.name())).collect();
        let experiment = &self.request.experiment;
        let title = format!(
            "{}: experiment {}, {}: latency relative to hidet, more is slower",
            self.machine.gpu, experiment.number, experiment.title
        );
        grouped(&title, &names, &panels)
    }

    fn environment(&self, versions: &[(Executor, String)]) -> String {
        let Machine { gpu, multiprocessors, clock, driver, nvrtc, cpu } = self.machine;
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut text = format!(
            "command: hidet {}\nhidet: {}{}\ngpu: {gpu}, {multiprocessors} multiprocessors, {clock} MHz\n\
             driver: CUDA {driver}\nNVRTC: {nvrtc}\ncpu: {cpu}\nsamples: {} after {WARM_UP} that warm up\n",
            arguments.join(" "),
            env!("CARGO_PKG_VERSION"),
            commit().map_or(String::new(), |commit| format!(", commit {commit}")),
            self.request.rounds
        );
        // Writing to a string cannot fail.
        for (executor, versions) in versions {
            let _ = writeln!(text, "{}: {versions}", executor.name());
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "remark: {remark}");
        }
        text
    }
}

/// Returns the commit of the repository that the command runs in, if it is in one.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn put(path: PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::super::workload::Experiment;
    use super::*;
    use std::path::Path;

    #[test]
    fn pictures_and_environment_are_those_of_the_rows() {
        let mut experiment = Experiment::numbered(3).unwrap();
        experiment.only(&["bert".to_owned(), "gpt2".to_owned()]).unwrap();
        let request = Request {
            experiment,
            models: None,
            output: Path::new("."),
            against: vec![Executor::Torch, Executor::Ort],
            arithmetics: &[Arithmetic::F32, Arithmetic::F16],
            rounds: 7,
            trials: 64,
            again: false,
        };
        let machine = Machine { gpu: "G200".to_owned(), driver: "13.0".to_owned(), ..Machine::default() };
        let mut report = Report::new(&request, &machine);
        let rows = [
            row("hidet", "", Ok((2.0, None))),
            row("torch", "", Ok((3.0, None))),
            row("ort", "", Err("it is not here")),
        ];
        let groups = request.groups();
        let picture = report.picture(&groups, |group, executor| {
            // Of gpt2 nothing is measured.
            let at = request.executors().iter().position(|own| *own == executor)?;
            (group.workload.name == "bert").then(|| &rows[at])
        });
        for text in
            ["G200: experiment 3, batch sizes: latency relative to hidet", ">f32<", ">f16<", ">bert, 8<", ">gpt2, 8<"]
        {
            assert!(picture.contains(text), "{text}\n{picture}");
        }
        // In each panel hidet has 1, torch 1.5, and there is nothing of ort and of gpt2; the axis ends at 2.
        assert_eq!(picture.matches("height=\"120.0\" class=\"s0\"").count(), 2, "{picture}");
        assert_eq!(picture.matches("height=\"180.0\" class=\"s1\"").count(), 2, "{picture}");
        assert_eq!(picture.matches(">-</text>").count(), 8, "{picture}");
        report.remark("ort bert, 8 f16: without its CUDA graph");
        let text = report.environment(&[(Executor::Torch, "torch 2.11".to_owned())]);
        for line in ["gpu: G200, 0 multi", "driver: CUDA 13.0\n", "samples: 7 after 3", "\ntorch: torch 2.11\n"] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("remark: ort bert, 8 f16: without its CUDA graph\n"), "{text}");
    }
}
