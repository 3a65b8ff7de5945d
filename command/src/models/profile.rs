//! `hidet profile MODEL.onnx`: the time of each launch of a model by itself, many times in a row, and its share of the roof.
//!
//! What a launch reads is then in L2, if it fits: its share of the roof, which is that of memory, may be more than 1.

use super::prepare;
use super::timeline::{self, Bar};
use crate::bench::machine::Machine;
use crate::bench::peaks::Peaks;
use crate::bench::problem::{Engine, Work, say};
use crate::command::Outcome;
use hidet::kernel::PreparedLaunch;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_onnx::Arithmetic;
use std::path::Path;

/// How often a launch is repeated in a graph.
const REPEATS: usize = 20;

/// What is measured.
pub struct Request<'a> {
    pub model: &'a Path,
    pub arithmetic: Arithmetic,
    pub dims: &'a [String],
    /// Where the timeline goes.
    pub svg: Option<&'a Path>,
}

/// Prints the launches of a model in order, with their times, and draws them if asked to.
pub fn profile(device: &Device, request: &Request) -> Outcome {
    if device.is_sim() && request.svg.is_some() {
        return Err("--svg: the simulated device has no times to draw; measure on a GPU (--device cuda), or draw the \
                    kernels by `hidet show MODEL --svg FILE`"
            .to_owned());
    }
    let prepared = prepare(request.model, device, request.arithmetic, request.dims)?;
    let Some(context) = device.as_cuda() else {
        for (output, tensor) in prepared.session.lazy(&prepared.inputs()).map_err(say)? {
            let kernels = tensor.functions().map_err(say)?;
            println!("{output}: {} launches; the simulated device has no times", kernels.len());
            kernels.iter().for_each(|kernel| println!("  {}", kernel.name));
            let templates = tensor.templates().map_err(say)?;
            println!("made by {}", templates.join(" "));
        }
        return Ok(true);
    };
    let (machine, peaks) = (Machine::of(context), Peaks::measure(device)?);
    println!("{machine}\n{peaks}");
    let launches = prepared.launches()?;
    let stream = device.stream().map_err(say)?;
    let mut bars = Vec::new();
    println!("{}", HEADER);
    for own in &launches {
        let us = time(&[&own.launch; REPEATS], &stream)? / REPEATS as f64;
        let roof = peaks.roof(&work(own.template, own.dtype, own.bytes, own.flops));
        let roof = roof.map(|roof| (roof.time * 1e3, roof.bound));
        let name = own.launch.kernel().function().name.clone();
        let bar = Bar { name, template: own.template, us, bytes: own.bytes, roof };
        println!("{}", row(&bar));
        bars.push(bar);
    }
    let sum: f64 = bars.iter().map(|bar| bar.us).sum();
    let whole = time(&launches.iter().map(|own| &own.launch).collect::<Vec<_>>(), &stream)?;
    println!("{} launches, {sum:.1} us one by one, {whole:.1} us in order", launches.len());
    if let Some(path) = request.svg {
        let name = request.model.file_name().unwrap_or_default().to_string_lossy();
        let title = format!("{name} in {}, {}, {whole:.1} us in order", request.arithmetic, machine.gpu);
        std::fs::write(path, timeline::svg(&title, &bars)).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(true)
}

/// The columns of the table.
const HEADER: &str = "       us         MB   of roof  bound   template         kernel";

/// Returns the row of a launch.
fn row(bar: &Bar) -> String {
    let share = bar.share().map_or("-".to_owned(), |share| format!("{:.0}%", share * 100.0));
    let (bound, megabytes) = (bar.roof.map_or("-", |(_, bound)| bound), bar.bytes as f64 / 1e6);
    format!("{:>9.2} {megabytes:>10.3} {share:>9}  {bound:<7} {:<16} {}", bar.us, bar.template, bar.name)
}

/// Returns the least work of a launch. Operations of which the peak is not measured, as of integers and tf32, do not count: then
/// the roof is that of memory.
fn work(template: &str, dtype: Scalar, bytes: usize, flops: f64) -> Work {
    let is_half = matches!(dtype, Scalar::F16 | Scalar::BF16);
    let (flops, engine) = match template {
        "matmul_wgmma" | "matmul_mma" | "conv_wgmma" | "conv_patch" | "attention_wgmma" if is_half => {
            (flops, Engine::Tensor)
        }
        "matmul_simt" | "contract_simt" if dtype == Scalar::F32 => (flops, Engine::Fma),
        _ => (0.0, Engine::Fma),
    };
    Work { flops, engine, bytes: bytes as f64 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_below_their_columns() {
        let bar =
            |roof| Bar { name: "matmul_add".to_owned(), template: "matmul_wgmma", us: 12.5, bytes: 2_500_000, roof };
        let rows = [HEADER.to_owned(), row(&bar(Some((5.0, "tensor")))), row(&bar(None))];
        assert_eq!(rows[1], "    12.50      2.500       40%  tensor  matmul_wgmma     matmul_add");
        assert_eq!(rows[2], "    12.50      2.500         -  -       matmul_wgmma     matmul_add");
        for (column, cell) in [("bound", "tensor"), ("template", "matmul_wgmma"), ("kernel", "matmul_add")] {
            assert_eq!(rows[0].find(column), rows[1].find(cell));
        }
    }

    #[test]
    fn only_operations_with_a_peak_count() {
        let of = |template, dtype| {
            let Work { flops, engine, bytes } = work(template, dtype, 100, 1e6);
            (flops, engine, bytes)
        };
        assert_eq!(of("matmul_wgmma", Scalar::BF16), (1e6, Engine::Tensor, 100.0));
        assert_eq!(of("matmul_wgmma", Scalar::F32), (0.0, Engine::Fma, 100.0));
        assert_eq!(of("matmul_simt", Scalar::F32), (1e6, Engine::Fma, 100.0));
        assert_eq!(of("rows", Scalar::F16), (0.0, Engine::Fma, 100.0));
    }
}
