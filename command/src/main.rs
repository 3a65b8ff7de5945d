//! The `hidet` command: looks inside kernels, checks devices, draws mappings and layouts, runs models.

#[macro_use]
mod output;

mod bench;
mod check;
mod command;
#[cfg(feature = "models")]
mod experiments;
#[cfg(feature = "models")]
mod input;
#[cfg(feature = "models")]
mod models;
mod near;
#[cfg(feature = "models")]
mod operators;

use clap::{Parser, Subcommand};
use hidet_examples as examples;
use std::process::ExitCode;

/// Tensor programs by task mapping.
#[derive(Parser)]
#[command(name = "hidet", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Report the driver, GPU and compiler found, and how to fix what is missing.
    Doctor,
    /// Print a kernel's IR after each pass, its CUDA, its PTX and, if a disassembler is found, its SASS.
    Inspect(command::inspect::Inspect),
    /// Draw a task mapping or a layout: `hidet viz 'spatial([4, 8]) * repeat([2, 2])'`.
    Viz(command::viz::Viz),
    /// Run every kernel against references in f64, on a device.
    Check(command::check::Check),
    /// Measure kernels on a GPU, against libraries, copies and each other.
    Bench(command::bench::Bench),
    /// Run an experiment of the paper on a GPU, beside PyTorch, ONNX Runtime and TVM.
    #[cfg(feature = "models")]
    Experiment(command::experiment::ExperimentCommand),
    /// Print the graph of a model of ONNX, its kernels, and why there are not fewer; or draw it.
    #[cfg(feature = "models")]
    Show(command::show::Show),
    /// Print the launches of a model of ONNX, and on a GPU the time of each.
    #[cfg(feature = "models")]
    Profile(command::profile::Profile),
    /// Run a model of ONNX on arrays of NumPy, pictures, sounds or text: `hidet run MODEL.onnx --input NAME=FILE`.
    #[cfg(feature = "models")]
    Run(command::run::Run),
    /// Compile a model of ONNX to one file, which `hidet run` runs without compiling anything.
    #[cfg(feature = "models")]
    Compile(command::compile::Compile),
    /// Show or remove the compiled kernels kept on disk.
    Cache(command::cache::CacheCommand),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Doctor => command::doctor::run(),
        Command::Inspect(arguments) => arguments.run(),
        Command::Viz(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Bench(arguments) => arguments.run(),
        #[cfg(feature = "models")]
        Command::Experiment(arguments) => arguments.run(),
        #[cfg(feature = "models")]
        Command::Show(arguments) => arguments.run(),
        #[cfg(feature = "models")]
        Command::Profile(arguments) => arguments.run(),
        #[cfg(feature = "models")]
        Command::Run(arguments) => arguments.run(),
        #[cfg(feature = "models")]
        Command::Compile(arguments) => arguments.run(),
        Command::Cache(arguments) => arguments.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            output::complain(message);
            ExitCode::FAILURE
        }
    }
}
