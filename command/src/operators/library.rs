//! The second baseline of matrix products: the fastest algorithm of cuBLASLt, both launched from a stream in turn.

use super::case;
use crate::bench::contestant::Contestant;
use crate::bench::cublaslt;
use crate::bench::problem::say;
use hidet::kernel::PreparedLaunch;
use hidet::prelude::*;
use hidet::tune::{Clock, L2, Repeatable, Summary};

/// The launches of a product of ours.
struct Own<'a>(&'a [PreparedLaunch]);

impl Repeatable for Own<'_> {
    fn launch(&mut self) -> hidet::Result<()> {
        self.0.iter().try_for_each(PreparedLaunch::launch)
    }
}

/// Returns the time of cuBLASLt over that of these launches, if the case is a product that the library is measured for.
pub fn ratio(device: &Device, case: &str, launches: &[PreparedLaunch], rounds: usize) -> Result<Option<f64>, String> {
    let Some(gemm) = case::gemm(device, case)? else { return Ok(None) };
    let (mut library, mut own): (Contestant, _) = (cublaslt::best(device, &gemm)?, Own(launches));
    let clock = Clock::new(device, L2::Warm).map_err(say)?;
    let repeats = clock.launches(&mut own, 4.0).map_err(say)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(clock.time(&mut own, repeats).map_err(say)?);
        theirs.push(clock.time(&mut library, repeats).map_err(say)?);
    }
    Ok(Some(Summary::of(&theirs).median / Summary::of(&ours).median))
}
