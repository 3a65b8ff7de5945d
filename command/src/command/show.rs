//! `hidet show`: the graph of a model, its kernels, and why there are not fewer.

use super::{Outcome, device, run, say};
use crate::models::show;
use clap::Args;
use hidet_onnx::{Arithmetic, Compiled};
use std::path::PathBuf;

/// The model, and what of it is shown.
#[derive(Args)]
pub struct Show {
    /// The model, a file of ONNX.
    model: PathBuf,
    /// The graph as the file has it, before passes.
    #[arg(long)]
    before: bool,
    /// The graph after passes, which is what runs. It is the default.
    #[arg(long)]
    after: bool,
    /// Draw operators, kernels and the tensors between them.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// In which floats: f32 (as the model says), tf32x3, tf32, f16, bf16.
    #[arg(long, default_value_t)]
    arithmetic: Arithmetic,
    /// An extent that the model leaves open, as INPUT.AXIS=NUMBER if it has no name; the default is 1.
    #[arg(long = "dim", value_name = "NAME=NUMBER")]
    dims: Vec<String>,
    /// The device whose kernels are shown: sim, cuda or cuda:1; those of sim are those of an H200.
    #[arg(long, default_value = "sim")]
    device: String,
}

impl Show {
    /// Prints, and draws.
    pub fn run(&self) -> Outcome {
        if Compiled::is_at(&self.model).map_err(say)? {
            return Err(format!(
                "{}: it is a compiled model, which has no graph; show the model of ONNX that it was made of",
                self.model.display()
            ));
        }
        let model = run::load(&self.model)?;
        let request = show::Request {
            path: &self.model,
            before: self.before,
            after: self.after || !self.before,
            svg: self.svg.as_deref(),
            arithmetic: self.arithmetic,
            dims: &self.dims,
        };
        show::show(&model, &device(&self.device)?, &request)
    }
}
