//! `hidet experiment N`: the experiments of the paper, each as one command.
//!
//! An experiment ([`workload`]) is a list of workloads, each in some floats. Our launches ([`ours`]) and other programs in
//! processes of their own ([`peers`]) are sampled in turn, so that drift of clocks affects all alike. A row ([`row`]) is printed
//! as the artifact of the paper prints it, and written at once ([`results`]), so that an experiment which was interrupted goes on
//! where it ended. What cannot be measured is a row with the reason. Only what is missing of a workload is sampled together:
//! `--again` measures all in one run.

pub mod executor;
mod grouped;
mod ours;
mod peers;
mod report;
mod results;
mod row;
mod tolerance;
pub mod workload;

use crate::bench::machine::Machine;
use crate::bench::progress::Progress;
use crate::command::Outcome;
use executor::Executor;
use hidet::prelude::*;
use hidet::tune::Summary;
use hidet_onnx::Arithmetic;
use ours::Ours;
use peers::Peers;
use report::Report;
use results::Results;
use row::{Figures, Key, Row};
use std::path::Path;
use workload::{Experiment, Work, Workload};

/// Samples before those that count.
const WARM_UP: usize = 3;

/// In the column of the error: it was not asked for, as the artifact prints it for PyTorch.
const NOT_ASKED: f64 = -1.0;

/// What is measured, and where results go.
pub struct Request<'a> {
    /// The experiment, with the workloads that are wanted.
    pub experiment: Experiment,
    /// The folder of the models.
    pub models: Option<&'a Path>,
    /// The folder of the results.
    pub output: &'a Path,
    /// The programs beside hidet.
    pub against: Vec<Executor>,
    /// In which floats.
    pub arithmetics: &'a [Arithmetic],
    /// Samples of each.
    pub rounds: usize,
    /// Trials of TVM for each task.
    pub trials: usize,
    /// Also what is there already.
    pub again: bool,
}

/// A workload in some floats.
struct Group<'a> {
    workload: &'a Workload,
    arithmetic: Arithmetic,
}

impl Request<'_> {
    /// Checks what needs no device: that the models are there, and layers have floats that they can be computed in.
    pub fn check(&self) -> Result<(), String> {
        let number = self.experiment.number;
        let models = self.experiment.workloads.iter().filter(|own| own.work == Work::Model);
        let mut files: Vec<String> = models.map(Workload::file).collect();
        files.dedup();
        if files.is_empty() {
            let is_product = |own: &&Arithmetic| matches!(own, Arithmetic::Tf32 | Arithmetic::Tf32x3);
            return match self.arithmetics.iter().find(is_product) {
                Some(own) => {
                    Err(format!("--arithmetic {own}: experiment {number} has convolutions, in f32, f16 or bf16"))
                }
                None => Ok(()),
            };
        }
        let how = "python3 hidet-onnx/tests/paper_models.py MODELS FOLDER makes it";
        let Some(folder) = self.models else {
            return Err(format!("experiment {number} needs --models FOLDER with {}; {how}", files.join(", ")));
        };
        files.retain(|file| !folder.join(file).is_file());
        match files.as_slice() {
            [] => Ok(()),
            missing => Err(format!("{} has no {}; {how}", folder.display(), missing.join(", "))),
        }
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let of = |arithmetic: &Arithmetic| {
            let arithmetic = *arithmetic;
            self.experiment.workloads.iter().map(move |workload| Group { workload, arithmetic })
        };
        self.arithmetics.iter().flat_map(of).collect()
    }

    fn executors(&self) -> Vec<Executor> {
        [Executor::Hidet].into_iter().chain(self.against.iter().copied()).collect()
    }

    fn key(&self, group: &Group, executor: Executor, gpu: &str) -> Key {
        Key {
            batch: group.workload.batch,
            model: group.workload.name.clone(),
            executor: executor.name().to_owned(),
            config: executor.config(group.arithmetic, self.trials),
            space: if executor == Executor::Hidet { "0" } else { "-" }.to_owned(),
            gpu: gpu.to_owned(),
        }
    }
}

/// Measures what is missing, and prints all rows. Returns true if there is a figure of hidet for each workload.
pub fn run(device: &Device, request: &Request) -> Outcome {
    let Some(context) = device.as_cuda() else {
        return Err("experiments are measured on a GPU; the simulated device has no time".to_owned());
    };
    let (machine, output) = (Machine::of(context), request.output);
    std::fs::create_dir_all(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut results = Results::open(&output.join("results.csv"))?;
    let groups = request.groups();
    let missing = |results: &Results, group: &Group| -> Vec<Executor> {
        let is_there = |key: Key| results.get(&key).is_some_and(|row| row.outcome.is_ok());
        let mut executors = request.executors();
        executors.retain(|own| request.again || !is_there(request.key(group, *own, &machine.gpu)));
        executors
    };
    let to_do = groups.iter().filter(|group| !missing(&results, group).is_empty()).count();
    let Experiment { number, title, .. } = request.experiment;
    println!("{machine}");
    println!("experiment {number}: {title}; {} of {} workloads are to be measured", to_do, groups.len());
    if request.against.contains(&Executor::Tvm) {
        println!("tvm is tuned with {} trials for each task", request.trials);
    }
    println!("{}", row::head());
    let progress = Progress::new(&format!("experiment {number}"));
    let (mut report, mut peers) = (Report::new(request, &machine), Peers::new(output.join("peers.log")));
    let (mut done, mut not_run, mut all_ours) = (0, 0, true);
    for group in &groups {
        let executors = missing(&results, group);
        if !executors.is_empty() {
            progress.step(done, to_do);
            let outcomes = measure(device, request, group, &executors, &mut peers, &mut report);
            for (executor, outcome) in executors.into_iter().zip(outcomes) {
                results.put(Row { key: request.key(group, executor, &machine.gpu), outcome })?;
            }
            done += 1;
            report.write(&groups, &results, &peers.versions)?;
            progress.done();
        }
        for executor in request.executors() {
            let Some(row) = results.get(&request.key(group, executor, &machine.gpu)) else { continue };
            println!("{}", row.text());
            not_run += usize::from(row.outcome.is_err());
            all_ours &= executor != Executor::Hidet || row.outcome.is_ok();
        }
    }
    if to_do == 0 {
        report.draw(&groups, &results)?;
    }
    println!("results.csv, plot.svg and env.txt are in {}; {not_run} rows were not run", output.display());
    Ok(all_ours)
}

/// Samples programs on a workload in turn.
fn measure(
    device: &Device,
    request: &Request,
    group: &Group,
    executors: &[Executor],
    peers: &mut Peers,
    report: &mut Report,
) -> Vec<Result<Figures, String>> {
    let Group { workload, arithmetic } = group;
    let file = request.models.map_or(String::new(), |folder| folder.join(workload.file()).display().to_string());
    let dims = if workload.batch == 1 { "-".to_owned() } else { workload.dims().join(",") };
    let is_ours = executors.contains(&Executor::Hidet);
    let ours = is_ours.then(|| Ours::of(device, workload, *arithmetic, request.models)).transpose();
    let mut samples: Vec<Result<Vec<f64>, String>> = Vec::new();
    for executor in executors {
        let ready = match executor {
            Executor::Hidet => ours.as_ref().map(drop).map_err(String::clone),
            other => {
                let program = other.program(request.trials);
                let case = format!("{program} {arithmetic} {dims} {}", workload.peers_name(&file));
                peers.prepare(*other, &case, workload.calls()).map(|remark| {
                    if !remark.is_empty() {
                        report.remark(&format!("{} {} {arithmetic}: {remark}", other.name(), workload.label()));
                    }
                })
            }
        };
        samples.push(ready.map(|()| Vec::new()));
    }
    for round in 0..WARM_UP + request.rounds {
        for (executor, times) in executors.iter().zip(&mut samples) {
            let Ok(own) = times else { continue };
            let sample = match (executor, &ours) {
                (Executor::Hidet, Ok(Some(ours))) => ours.sample(),
                (other, _) => peers.sample(*other),
            };
            match sample {
                Ok(time) if round >= WARM_UP => own.push(time),
                Ok(_) => {}
                Err(why) => *times = Err(why),
            }
        }
    }
    let figures = |(executor, times): (&Executor, Result<Vec<f64>, String>)| {
        let times = times?;
        let ours = ours.as_ref().ok().and_then(Option::as_ref).filter(|_| *executor == Executor::Hidet);
        Ok(Figures {
            latency: Summary::of(&times).median,
            std: deviation(&times),
            error: ours.map_or(Some(NOT_ASKED), |ours| ours.error),
            launches: ours.map(|ours| ours.launches),
        })
    };
    executors.iter().zip(samples).map(figures).collect()
}

/// Returns the standard deviation of samples, as NumPy has it: that of all there are.
fn deviation(times: &[f64]) -> f64 {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_numpy() {
        assert_eq!(deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 2.0);
        assert_eq!(deviation(&[3.5]), 0.0);
    }

    #[test]
    fn what_is_missing_is_found_before_anything_is_measured() {
        let request = |number, models, arithmetics| Request {
            experiment: Experiment::numbered(number).unwrap(),
            models,
            output: Path::new("."),
            against: Vec::new(),
            arithmetics,
            rounds: 1,
            trials: 1,
            again: false,
        };
        let error = |request: Request| request.check().unwrap_err();
        let none = error(request(3, None, &[]));
        assert!(none.starts_with("experiment 3 needs --models FOLDER with resnet50.opset13.onnx, bert.opset13.onnx, "));
        let empty = error(request(0, Some(Path::new("/nowhere")), &[]));
        assert!(empty.starts_with("/nowhere has no resnet50.opset13.onnx, inception_v3.opset13.onnx, "), "{empty}");
        assert!(empty.ends_with("; python3 hidet-onnx/tests/paper_models.py MODELS FOLDER makes it"), "{empty}");
        assert_eq!(request(4, None, &[Arithmetic::F32, Arithmetic::F16]).check(), Ok(()));
        let tf32 = error(request(4, None, &[Arithmetic::F32, Arithmetic::Tf32]));
        assert_eq!(tf32, "--arithmetic tf32: experiment 4 has convolutions, in f32, f16 or bf16");
        assert!(
            run(&Device::sim(), &request(4, None, &[])).unwrap_err().starts_with("experiments are measured on a GPU")
        );
    }
}
