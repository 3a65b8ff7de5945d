//! `hidet doctor`: what is found of driver, GPU and compiler.

use super::Outcome;
use hidet::cache::Cache;
use hidet::cuda::nvrtc;
use hidet::prelude::*;

/// Prints what was found; all is well where kernels can run on the device that programs get, and the settings of the
/// cache can be understood.
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
    let cache = Cache::global();
    match (cache.folder(), cache.trouble()) {
        (Some(folder), _) => println!("compiled kernels: kept in {}", folder.display()),
        (None, None) => println!("compiled kernels: not kept"),
        (None, Some(trouble)) => println!("compiled kernels: not kept\n  {trouble}"),
    }
    let best = Device::best();
    match &best {
        Ok(device) => println!("kernels run on: {}", device),
        Err(error) => println!("kernels cannot run: {error}"),
    }
    Ok(best.is_ok() && cache.trouble().is_none())
}
