//! `hidet profile MODEL.onnx`: the time of each launch of a model by itself, many times in a row.

use super::prepare;
use crate::bench::machine::Machine;
use crate::bench::problem::say;
use crate::command::Outcome;
use hidet::kernel::PreparedLaunch;
use hidet::prelude::*;
use hidet_onnx::Arithmetic;
use std::path::Path;

/// How often a launch is repeated in a graph.
const REPEATS: usize = 20;

/// Prints the launches of a model in order, with their times.
pub fn profile(device: &Device, model: &Path, arithmetic: Arithmetic, dims: &[String]) -> Outcome {
    let prepared = prepare(model, device, arithmetic, dims)?;
    let Some(context) = device.as_cuda() else {
        for (output, tensor) in prepared.session.lazy(&prepared.inputs()).map_err(say)? {
            let kernels = tensor.functions().map_err(say)?;
            println!("{output}: {} launches; the simulated device has no time", kernels.len());
            kernels.iter().for_each(|kernel| println!("  {}", kernel.name));
            let templates = tensor.templates().map_err(say)?;
            println!("made by {}", templates.join(" "));
        }
        return Ok(true);
    };
    println!("{}", Machine::of(context));
    let launches = prepared.launches()?;
    let stream = device.stream().map_err(say)?;
    let mut sum = 0.0;
    for launch in &launches {
        let us = time(&[launch; REPEATS], &stream)? / REPEATS as f64;
        println!("{us:>9.2} us  {}", launch.kernel().function().name);
        sum += us;
    }
    let whole = time(&launches.iter().collect::<Vec<_>>(), &stream)?;
    println!("{} launches, {sum:.1} us one by one, {whole:.1} us in order", launches.len());
    Ok(true)
}

/// Returns the microseconds of a graph of launches, the median of some.
fn time(launches: &[&PreparedLaunch], stream: &Stream) -> Result<f64, String> {
    let graph = Graph::capture(stream, |stream| launches.iter().try_for_each(|launch| launch.launch_on(stream)));
    let graph = graph.map_err(say)?;
    let mut times = Vec::new();
    for _ in 0..7 {
        let start = stream.record().map_err(say)?;
        graph.replay(stream).map_err(say)?;
        let end = stream.record().map_err(say)?;
        end.synchronize().map_err(say)?;
        times.push(start.until(&end).map_err(say)? * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
