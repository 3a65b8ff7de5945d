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
    /// An extent that the model leaves open; the default is 1.
    #[arg(long = "dim", value_name = "NAME=NUMBER")]
    dims: Vec<String>,
    /// The device: sim, cuda or cuda:1; best is a GPU if there is one, else sim.
    #[arg(long, default_value = "best")]
    device: String,
}

impl Profile {
    /// Measures, and prints.
    pub fn run(&self) -> Outcome {
        models::profile::profile(&device(&self.device)?, &self.model, self.arithmetic, &self.dims)
    }
}
