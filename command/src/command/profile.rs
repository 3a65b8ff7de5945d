//! `hidet profile`: the launches of a model, and the time of each.

use super::{Outcome, device};
use crate::models;
use clap::Args;
use hidet_onnx::Arithmetic;
use std::path::PathBuf;

/// The model, and how it is computed.
#[derive(Args)]
pub struct Profile {
    /// The model, a file of ONNX. Its inputs are random.
    model: PathBuf,
    /// In which floats: f32 (as the model says), tf32x3, tf32, f16, bf16.
    #[arg(long, default_value_t)]
    arithmetic: Arithmetic,
    /// An extent that the model leaves open, as INPUT.AXIS=NUMBER if it has no name; the default is 1.
    #[arg(long = "dim", value_name = "NAME=NUMBER")]
    dims: Vec<String>,
    /// Draw the launches, with their times, as a timeline.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The device: sim, cuda or cuda:1; best is a GPU if there is one, else sim.
    #[arg(long, default_value = "best")]
    device: String,
}

impl Profile {
    /// Measures, and prints.
    pub fn run(&self) -> Outcome {
        let request = models::profile::Request {
            model: &self.model,
            arithmetic: self.arithmetic,
            dims: &self.dims,
            svg: self.svg.as_deref(),
        };
        models::profile::profile(&device(&self.device)?, &request)
    }
}
