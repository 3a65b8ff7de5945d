//! `hidet bench operators`: operators of hidet-ops beside those of PyTorch, in one run.
//!
//! A case is a line of words, of which both sides make the same work ([`case`]; `benches/operators_peer.py`). Each side records
//! its launches in a graph, one behind the other, and both are replayed in turn. Random inputs, the default schedules, L2 as
//! the replay leaves it. Matrix products are measured beside the best of cuBLASLt too ([`library`]).

pub mod case;
mod host;
mod library;
pub mod peer;

use crate::bench::machine::Machine;
use crate::bench::problem::say;
use crate::command::Outcome;
use crate::near;
use hidet::prelude::*;
use hidet::tune::Summary;
use hidet_ops::Tensor;
use peer::Peer;
use std::fmt::Write;
use std::path::Path;

/// Microseconds for each side, and the kernels.
struct Row {
    case: String,
    ours: Summary,
    peer: Option<Summary>,
    /// The time of cuBLASLt's best over ours, of matrix products.
    library: Option<f64>,
    kernels: String,
}

/// The name of the case of the host's time, which has no peer.
const HOST: &str = "host";

/// Returns the cases that begin with one of the names, or all. Needs no device.
pub fn chosen(names: &[String]) -> Result<Vec<String>, String> {
    if names == [HOST] {
        return Ok(names.to_vec());
    }
    let all: Vec<String> = case::ALL.iter().flat_map(|group| case::lines(group)).collect();
    if let Some(name) = names.iter().find(|name| !all.iter().any(|case| case.starts_with(name.as_str()))) {
        let first = all.iter().filter_map(|case| case.split(' ').next());
        let mut operators: Vec<&str> = first.chain([HOST]).collect();
        operators.dedup();
        let hint = near::hint(name, operators.into_iter());
        return Err(format!("there is no case of operators that begins with `{name}`{hint}"));
    }
    let is_chosen = |case: &String| names.is_empty() || names.iter().any(|name| case.starts_with(name.as_str()));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Measures cases, and prints a line for each.
pub fn bench(device: &Device, cases: Vec<String>, rounds: usize, csv: Option<&Path>) -> Outcome {
    let Some(context) = device.as_cuda() else { return Err("operators are measured on a GPU".to_owned()) };
    let machine = Machine::of(context);
    println!("{machine}");
    if cases == [HOST] {
        return host::bench(device, rounds);
    }
    let mut peer = Peer::start("benches/operators_peer.py");
    if let Err(why) = &peer {
        println!("PyTorch is not measured: {why}");
    }
    let mut table = String::from("gpu,case,ours_us,peer_us,ratio,cublaslt_ratio,kernels\n");
    println!("{:<44} {:>10} {:>10} {:>7} {:>8}", "case", "ours us", "PyTorch us", "ratio", "cuBLASLt");
    let mut all_right = true;
    for case in cases {
        match measure(device, &case, rounds, peer.as_mut().ok()) {
            Ok(row) => {
                let (ours, theirs) = (row.ours.median, row.peer.as_ref().map(|peer| peer.median));
                let [theirs, ratio] = [theirs, theirs.map(|theirs| theirs / ours)]
                    .map(|value| value.map_or(String::new(), |value| format!("{value:.3}")));
                let library = row.library.map_or(String::new(), |ratio| format!("{ratio:.3}"));
                println!("{:<44} {ours:>10.3} {theirs:>10} {ratio:>7} {library:>8}  {}", row.case, row.kernels);
                let _ = writeln!(
                    table,
                    "{},{},{ours:.3},{theirs},{ratio},{library},{}",
                    context.properties.name, row.case, row.kernels
                );
            }
            Err(why) => {
                all_right = false;
                println!("{case:<44} failed: {why}");
                let _ = writeln!(table, "{},{case},,,,,failed", context.properties.name);
            }
        }
        if let Some(path) = csv {
            std::fs::write(path, &table).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(all_right)
}

fn measure(device: &Device, case: &str, rounds: usize, mut peer: Option<&mut Peer>) -> Result<Row, String> {
    let tensor: Tensor = case::tensor(device, case)?;
    let kernels = tensor.templates().map_err(say)?.join(" ");
    let (_, launches) = tensor.prepare().map_err(say)?;
    let stream = device.stream().map_err(say)?;
    // As many launches as take a few milliseconds.
    let some = recorded(&launches, &stream, 10)?;
    replay(&some, &stream)?;
    let once = replay(&some, &stream)? / 10.0;
    let repeats = (4000.0 / once.max(1.0)).ceil().clamp(2.0, 400.0) as usize;
    let graph = recorded(&launches, &stream, repeats)?;
    if let Some(peer) = &mut peer {
        peer.prepare(case, repeats)?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds + 1 {
        let own = replay(&graph, &stream)? / repeats as f64;
        let other = peer.as_mut().map(|peer| peer.time()).transpose()?;
        // The first round warms up.
        if round > 0 {
            ours.push(own);
            theirs.extend(other);
        }
    }
    let peer = (!theirs.is_empty()).then(|| Summary::of(&theirs));
    let library = library::ratio(device, case, &launches, rounds)?;
    Ok(Row { case: case.to_owned(), ours: Summary::of(&ours), peer, library, kernels })
}

/// Returns the microseconds of a replay.
pub fn replay(graph: &Graph, stream: &Stream) -> Result<f64, String> {
    let start = stream.record().map_err(say)?;
    graph.replay(stream).map_err(say)?;
    let end = stream.record().map_err(say)?;
    end.synchronize().map_err(say)?;
    Ok(start.until(&end).map_err(say)? * 1e3)
}

/// Returns a graph of launches, one behind the other, so many times.
pub fn recorded(launches: &[hidet::kernel::PreparedLaunch], stream: &Stream, repeats: usize) -> Result<Graph, String> {
    let record = |stream: &Stream| {
        for _ in 0..repeats {
            launches.iter().try_for_each(|launch| launch.launch_on(stream))?;
        }
        Ok(())
    };
    Graph::capture(stream, record).map_err(say)
}
