//! `hidet doctor`: reports the driver, GPU and compiler that it finds.

use super::Outcome;
use hidet::cache::Cache;
use hidet::cuda::nvrtc;
use hidet::prelude::*;

/// Prints the report. Returns true if kernels can run on the default device of programs, and the settings of the cache
/// are valid.
pub fn run() -> Outcome {
    println!("simulated device: always available");
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
