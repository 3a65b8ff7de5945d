//! `hidet experiment`: the experiments of the paper.

use super::{Outcome, say};
use crate::experiments::workload::Experiment;
use crate::experiments::{self, executor};
use clap::Args;
use hidet::prelude::*;
use hidet_onnx::Arithmetic;
use std::path::PathBuf;

/// The experiment, and what of it is measured.
#[derive(Args)]
pub struct ExperimentCommand {
    /// 0: the five models end to end; 3: batch sizes; 4: convolutions with batch normalisation and relu.
    number: u32,
    /// The folder of the models, NAME.opset13.onnx, and of reference/NAME.opset13.npz with inputs and outputs, which
    /// hidet-onnx/tests/paper_models.py writes. Experiment 4 needs none.
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// The folder of results.csv, plot.svg, env.txt and peers.log. Rows that it has from this GPU are not measured again.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Only these workloads, separated by commas, such as resnet50 or resnet50_conv_3.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The programs beside hidet, separated by commas: torch, torch.compile, ort, tvm, or none. The default is all, of experiment
    /// 4 torch.compile and ort.
    #[arg(long, value_delimiter = ',')]
    against: Vec<String>,
    /// In which floats, separated by commas: f32, f16; also tf32x3, tf32, bf16.
    #[arg(long, value_delimiter = ',', default_value = "f32,f16")]
    arithmetic: Vec<Arithmetic>,
    /// The number of samples, of 10 calls each (of a layer 20).
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// The trials of TVM for each task that it tunes.
    #[arg(long, default_value_t = 64)]
    trials: usize,
    /// Also measure what the output has already.
    #[arg(long)]
    again: bool,
    /// The GPU, the first that all programs see: CUDA_VISIBLE_DEVICES chooses another one.
    #[arg(long, default_value = "cuda")]
    device: String,
}

impl ExperimentCommand {
    /// Measures, and prints each row when it is there.
    pub fn run(&self) -> Outcome {
        if self.rounds == 0 || self.trials == 0 {
            return Err("--rounds and --trials must be at least 1".to_owned());
        }
        if let Some(number) = self.device.strip_prefix("cuda:").filter(|number| *number != "0") {
            return Err(format!(
                "--device cuda:{number}: the programs beside hidet use the first GPU; set CUDA_VISIBLE_DEVICES={number} instead, \
                 which is for all of them"
            ));
        }
        let mut experiment = Experiment::numbered(self.number)?;
        experiment.only(&self.only)?;
        let against = match self.against.as_slice() {
            [] => experiment.against.iter().map(|name| (*name).to_owned()).collect(),
            given => given.to_vec(),
        };
        let request = experiments::Request {
            experiment,
            models: self.models.as_deref(),
            output: &self.output,
            against: executor::named(&against)?,
            arithmetics: &self.arithmetic,
            rounds: self.rounds,
            trials: self.trials,
            again: self.again,
        };
        request.check()?;
        experiments::run(&Device::named(&self.device).map_err(say)?, &request)
    }
}
