//! `hidet doctor`: what is found of driver, GPU and compiler.

use super::Outcome;
use hidet::cache::Cache;
use hidet::cuda::nvrtc;
use hidet::prelude::*;

/// Prints what was found; all is well where a GPU can be used.
pub fn run() -> Outcome {
    println!("simulated device: always there");
    match nvrtc::version() {
        Ok((major, minor)) => println!("NVRTC: {major}.{minor}"),
        Err(error) => println!("NVRTC: missing\n  {error}"),
    }
    match Device::cuda(0) {
        Ok(device) => println!("GPU: {}", device),
        Err(error) => println!("GPU: none\n  {error}"),
    }
    match Cache::global().folder() {
        Some(folder) => println!("compiled kernels: kept in {}", folder.display()),
        None => println!("compiled kernels: not kept"),
    }
    match Device::best() {
        Ok(device) => println!("kernels run on: {}", device),
        Err(error) => println!("kernels cannot run: {error}"),
    }
    Ok(true)
}
