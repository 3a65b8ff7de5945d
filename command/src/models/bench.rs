//! `hidet bench MODEL.onnx`: a model beside PyTorch, ONNX Runtime and tract, in one run: each is asked for the time of one replay of its
//! graph of launches, in turn. The other side of each is a process of `benches/models_peer.py`.

use super::prepare;
use crate::bench::machine::Machine;
use crate::bench::problem::say;
use crate::command::Outcome;
use crate::operators::peer::Peer;
use hidet::prelude::*;
use hidet::tune::Summary;
use hidet_onnx::Arithmetic;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// What is measured.
pub struct Request<'a> {
    pub model: &'a Path,
    pub arithmetic: Arithmetic,
    pub dims: &'a [String],
    pub against: &'a [String],
    pub rounds: usize,
    pub csv: Option<&'a Path>,
}

/// The programs beside which a model can be measured.
const PEERS: [&str; 4] = ["torch", "torch.compile", "ort", "tract"];

/// Measures a model, and prints a line for each program. A program that cannot be measured is named, with the reason.
pub fn bench(device: &Device, request: &Request) -> Outcome {
    if let Some(other) = request.against.iter().find(|name| !PEERS.contains(&name.as_str())) {
        return Err(format!("a model is measured against {}, not `{other}`", PEERS.join(", ")));
    }
    let Some(context) = device.as_cuda() else { return Err("models are measured on a GPU".to_owned()) };
    println!("{}", Machine::of(context));
    let begin = Instant::now();
    let prepared = prepare(request.model, device, request.arithmetic, request.dims)?;
    let loaded = begin.elapsed();
    let (replay, _) = prepared.replay()?;
    let stream = device.stream().map_err(say)?;
    stream.synchronize().map_err(say)?;
    println!("loaded in {loaded:.2?}, first run after {:.2?}", begin.elapsed());
    println!("{} launches", replay.launches());
    let mut peers: Vec<(&String, Result<Peer, String>)> = Vec::new();
    for name in request.against {
        println!("preparing {name} ..");
        let dims = if request.dims.is_empty() { "-".to_owned() } else { request.dims.join(",") };
        let case = format!("{name} {} {dims} {}", request.arithmetic, request.model.display());
        let peer = Peer::start("benches/models_peer.py").and_then(|mut peer| {
            let remark = peer.prepare(&case, 1)?;
            if !remark.is_empty() {
                println!("{name}: {remark}");
            }
            Ok(peer)
        });
        peers.push((name, peer));
    }
    let mut times = vec![Vec::new(); 1 + peers.len()];
    for round in 0..request.rounds + 3 {
        let start = stream.record().map_err(say)?;
        replay.launch(&stream).map_err(say)?;
        let end = stream.record().map_err(say)?;
        end.synchronize().map_err(say)?;
        let mut all = vec![Some(start.until(&end).map_err(say)? * 1e3)];
        for (_, peer) in &mut peers {
            let time = peer.as_mut().ok().map(Peer::time);
            all.push(time.transpose()?);
        }
        // The first rounds warm up.
        if round >= 3 {
            times.iter_mut().zip(all).for_each(|(times, time)| times.extend(time));
        }
    }
    let ours = Summary::of(&times[0]).median;
    let mut table = String::from("gpu,model,arithmetic,dims,program,us,ratio\n");
    let stem = request.model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut row = |name: &str, cell: String, ratio: String| {
        let _ = writeln!(
            table,
            "{},{stem},{},{},{name},{cell},{ratio}",
            context.properties.name,
            request.arithmetic,
            request.dims.join(" ")
        );
    };
    println!("{:<16} {ours:>10.1} us", "hidet");
    row("hidet", format!("{ours:.1}"), "1".to_owned());
    for ((name, peer), times) in peers.iter().zip(&times[1..]) {
        match peer {
            Ok(_) => {
                let theirs = Summary::of(times).median;
                println!("{name:<16} {theirs:>10.1} us {:>8.3}", theirs / ours);
                row(name, format!("{theirs:.1}"), format!("{:.3}", theirs / ours));
            }
            Err(why) => {
                println!("{name:<16} not measured: {why}");
                row(name, "not measured".to_owned(), String::new());
            }
        }
    }
    if let Some(path) = request.csv {
        std::fs::write(path, &table).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(peers.iter().all(|(_, peer)| peer.is_ok()))
}
