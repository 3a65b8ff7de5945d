//! `hidet bench compile`: measures compile time by phase, with the cache, and for many kernels in parallel.
//!
//! Works without a GPU: kernels are then compiled for sm_90a and not loaded. Times that depend on the state of a
//! process are measured in processes of their own: this program started again with [`CHILD`] set, which prints its
//! times as lines `name milliseconds`. Every process has a cache folder that the parent chose; the user's own is not
//! touched.

use crate::examples::{layer_norm, reduction, softmax};
use hidet::cache::Cache;
use hidet::cuda::{Binary, Context, Module, Origin, conditions, nvrtc};
use hidet::ir::{Arch, Function, text, verify};
use hidet::prelude::*;
use hidet::{codegen, passes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The environment variable that tells a child process what to measure.
const CHILD: &str = "HIDET_BENCH_COMPILE";

/// The device name that stands for no GPU.
const WITHOUT: &str = "sim";

/// The number of kernels compiled one after another and in parallel.
const MANY: usize = 64;

/// The number of repetitions.
const ROUNDS: usize = 5;

type Outcome<T = ()> = Result<T, String>;

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Returns the milliseconds since `start`.
fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Measures and prints for the GPU of that name, or without a GPU on `sim`; without a name, for the default device of
/// programs. Returns true if every time that has a limit is below it.
pub fn run(device: Option<&str>) -> Outcome<bool> {
    let target = Target::find(device)?;
    if let Ok(what) = std::env::var(CHILD) {
        return child(&target, &what).map(|()| true);
    }
    let device = target.gpu().map_or(WITHOUT.to_owned(), |gpu| format!("cuda:{}", gpu.ordinal));
    let (major, minor) = nvrtc::version().map_err(say)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gpu = if target.context.is_some() { "with a GPU" } else { "without a GPU" };
    println!("NVRTC {major}.{minor}, {}, {gpu}, {cores} cores; times in milliseconds", target.arch);
    let folder = Scratch::new()?;

    println!("\nsoftmax, phase by phase, first in a process and again");
    let (first, again) = lines(&start(&device, "phases", &folder.path("phases"))?)?.split_at_halves();
    for ((name, first), (_, again)) in first.iter().zip(&again) {
        println!("  {name:32} {first:9.2} {again:9.2}");
    }

    println!("\nsoftmax in all, medians of {ROUNDS} processes");
    let (mut context, mut first, mut then, mut stored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let path = folder.path(&format!("softmax{round}"));
        let compiled = lines(&start(&device, "whole", &path)?)?;
        context.push(compiled.of("context")?);
        first.push(compiled.of("first")?);
        then.push(compiled.of("second")?);
        stored.push(lines(&start(&device, "whole", &path)?)?.of("first")?);
    }
    let mut met = row("before: context and NVRTC", median(context), None);
    met &= row("first in a process", median(first), Some(300.0));
    met &= row("then", median(then), Some(120.0));
    met &= row("from the cache in a new process", median(stored), Some(5.0));

    println!("\n{MANY} kernels, cache empty");
    let (mut serial, mut parallel, mut processes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let times = lines(&start(&device, "many", &folder.path(&format!("many{round}")))?)?;
        serial.push(times.of("serial")?);
        parallel.push(times.of("parallel")?);
        let begin = Instant::now();
        let share = |part: usize| {
            let path = folder.path(&format!("share{round}.{part}"));
            command(WITHOUT, &format!("share {part} {cores}"), &path)?.spawn().map_err(say)
        };
        let children = (0..cores).map(share).collect::<Outcome<Vec<_>>>()?;
        for mut child in children {
            if !child.wait().map_err(say)?.success() {
                return Err("a process that compiles failed".to_owned());
            }
        }
        processes.push(since(begin));
    }
    let [serial, parallel, processes] = [serial, parallel, processes].map(median);
    println!("  medians of {ROUNDS} rounds");
    row("one after another", serial, None);
    row("in parallel, on threads", parallel, None);
    row(&format!("in parallel, in {cores} processes"), processes, None);
    println!("  {:32} {:9.2}", "arithmetic, all cores for one", super::cores::worth(cores));
    let faster = serial / parallel;
    // The goal is for machines with enough cores to reach it.
    let fast = cores < 16 || faster >= 10.0;
    let goal = match fast {
        _ if cores < 16 => "",
        true => "  at least 10",
        false => "  MISSED: must be at least 10",
    };
    println!("  {:32} {faster:9.2}{goal}", "times as fast, on threads");
    Ok(met && fast)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints a time. Returns true if it is below its limit.
fn row(name: &str, time: f64, must: Option<f64>) -> bool {
    let met = must.is_none_or(|must| time < must);
    let must =
        must.map_or(String::new(), |must| format!("  {} {must}", if met { "below" } else { "MISSED: must be below" }));
    println!("  {name:32} {time:9.2}{must}");
    met
}

/// The device and architecture that kernels are compiled for.
struct Target {
    arch: Arch,
    context: Option<Device>,
    /// Milliseconds until the context and NVRTC were loaded.
    ready: f64,
}

impl Target {
    fn find(device: Option<&str>) -> Outcome<Target> {
        let start = Instant::now();
        let device = device.map_or_else(Device::best, Device::named).map_err(say)?;
        let context = Some(device).filter(|device| !device.is_sim());
        nvrtc::version().map_err(say)?;
        let arch = context.as_ref().and_then(Device::arch).unwrap_or(Arch { number: 90, specific: true });
        Ok(Target { arch, context, ready: since(start) })
    }

    fn gpu(&self) -> Option<&'static Context> {
        self.context.as_ref()?.as_cuda()
    }

    /// Compiles like `Template::compile`, but works without a GPU too. Returns where the machine code came from.
    fn compile(&self, function: &Function) -> Outcome<Origin> {
        verify::check(function).map_err(say)?;
        let binary = Binary::of(Cache::global(), function, self.arch, &Default::default()).map_err(say)?;
        conditions(Cache::global(), function).map_err(say)?;
        if let Some(context) = self.gpu() {
            Module::load(context, &binary.cubin, &function.name, &binary.source.entry).map_err(say)?;
        }
        Ok(binary.origin)
    }
}

/// Runs the measurement of a child process.
fn child(target: &Target, what: &str) -> Outcome {
    let words: Vec<&str> = what.split(' ').collect();
    match words.as_slice() {
        ["phases"] => (0..2).try_for_each(|_| phases(target)),
        ["whole"] => {
            println!("context {}", target.ready);
            let start = Instant::now();
            target.compile(&softmax::softmax::<f32>().build().map_err(say)?)?;
            println!("first {}", since(start));
            let start = Instant::now();
            target.compile(&softmax::softmax::<f16>().build().map_err(say)?)?;
            println!("second {}", since(start));
            Ok(())
        }
        ["many"] => many(target),
        ["share", part, of] => {
            let (part, of) = (part.parse::<usize>().map_err(say)?, of.parse::<usize>().map_err(say)?);
            let functions = functions("share")?;
            functions.iter().skip(part).step_by(of).try_for_each(|function| target.compile(function).map(drop))
        }
        _ => Err(format!("{CHILD} is for this program's own use")),
    }
}

/// Measures each phase of compiling by itself.
fn phases(target: &Target) -> Outcome {
    fn timed<T, E: std::fmt::Display>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Outcome<T> {
        let start = Instant::now();
        let value = work().map_err(say)?;
        println!("{name} {}", since(start));
        Ok(value)
    }
    let function = timed("build", || softmax::softmax::<f32>().build())?;
    timed("verify", || verify::check(&function))?;
    timed("print, for the key", || Ok::<_, String>(text::print(&function)))?;
    let lowered = timed("passes", || passes::lower(&function, &Default::default()))?;
    timed("conditions on extents", || passes::bounds_report(&function))?;
    let source = timed("codegen", || codegen::cuda(&lowered, target.arch))?;
    timed("NVRTC, to PTX", || nvrtc::ptx(&source, target.arch))?;
    let cubin = timed("NVRTC, to machine code", || nvrtc::compile(&source, target.arch))?;
    if let Some(context) = target.gpu() {
        timed("load", || Module::load(context, &cubin, &function.name, &source.entry))?;
    }
    Ok(())
}

/// Returns small kernels that all differ.
fn functions(name: &str) -> Outcome<Vec<Function>> {
    let build = |number: usize| {
        let name = format!("{name}_{number}");
        match number % 8 {
            0 => softmax::softmax::<f32>().named(&name).build(),
            1 => softmax::softmax::<f64>().named(&name).build(),
            2 => softmax::softmax::<f16>().named(&name).build(),
            3 => softmax::softmax::<bf16>().named(&name).build(),
            4 => layer_norm::layer_norm::<f32>().named(&name).build(),
            5 => layer_norm::layer_norm::<f16>().named(&name).build(),
            6 => reduction::row_sum_warp::<f32>().named(&name).build(),
            _ => reduction::row_sum_block::<bf16>().named(&name).build(),
        }
    };
    (0..MANY).map(build).collect::<hidet::Result<Vec<_>>>().map_err(say)
}

fn many(target: &Target) -> Outcome {
    target.compile(&softmax::softmax::<f32>().build().map_err(say)?)?;
    let (cache, options) = (Cache::global(), passes::LoweringOptions::default());
    let all_compiled = |binaries: Vec<hidet::Result<Binary>>| {
        binaries.into_iter().try_for_each(|binary| match binary.map_err(say)?.origin {
            Origin::Compiled => Ok(()),
            origin => Err(format!("a kernel was {origin:?}, not compiled")),
        })
    };
    let functions_a = functions("one")?;
    let start = Instant::now();
    all_compiled(functions_a.iter().map(|function| Binary::of(cache, function, target.arch, &options)).collect())?;
    println!("serial {}", since(start));
    let functions_b = functions("all")?;
    let start = Instant::now();
    all_compiled(Binary::all(cache, &functions_b, target.arch, &options))?;
    println!("parallel {}", since(start));
    Ok(())
}

/// Returns the command that starts this program again as a child.
fn command(device: &str, what: &str, cache: &Path) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe().map_err(say)?);
    command.args(["bench", "compile", "--device", device]).env(CHILD, what).env("HIDET_CACHE", cache);
    Ok(command)
}

fn start(device: &str, what: &str, cache: &Path) -> Outcome<String> {
    let output = command(device, what, cache)?.output().map_err(say)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("measuring `{what}` failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Names with their times in milliseconds.
struct Times(Vec<(String, f64)>);

fn lines(text: &str) -> Outcome<Times> {
    let read = |line: &str| {
        let (name, time) = line.rsplit_once(' ')?;
        Some((name.to_owned(), time.parse().ok()?))
    };
    let times = text.lines().map(|line| read(line).ok_or_else(|| format!("`{line}` is not a time")));
    times.collect::<Outcome<_>>().map(Times)
}

impl Times {
    fn of(&self, name: &str) -> Outcome<f64> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, time)| *time).ok_or_else(|| format!("no time for `{name}`"))
    }

    fn split_at_halves(mut self) -> (Vec<(String, f64)>, Vec<(String, f64)>) {
        let second = self.0.split_off(self.0.len() / 2);
        (self.0, second)
    }
}

/// A temporary folder, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Scratch> {
        let path = std::env::temp_dir().join(format!("hidet-bench-compile-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(say)?;
        Ok(Scratch(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If removing fails, the system cleans its temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_children_are_read() {
        let times = lines("build 0.5\nNVRTC, to PTX 12\n").unwrap();
        assert_eq!(times.of("NVRTC, to PTX").unwrap(), 12.0);
        assert!(times.of("load").is_err() && lines("warning: something").is_err());
        assert_eq!(times.split_at_halves().1, [("NVRTC, to PTX".to_owned(), 12.0)]);
    }

    #[test]
    fn the_many_kernels_all_differ() {
        let mut texts: Vec<String> = functions("k").unwrap().iter().map(text::print).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), MANY);
    }
}
