//! Changed models are errors or models, never panics, and take bounded memory and time, whatever they ask for.
//!
//! The standard's node cases (`HIDET_ONNX_CASES` names their folder, as for `node_cases.rs`), random models, and those of the paper
//! with small weights are changed: bytes of the files, and fields of the messages, such as extents that are huge or
//! negative, nodes that are missing, or inputs that make cycles. Each is read, and one of four is run if it is small.
//!
//! `HIDET_SEEDS=200000 cargo test -p hidet-onnx --test mutations -- --nocapture` changes as many, from the number `HIDET_FIRST` (0)
//! on; with `HIDET_SHOW` it prints which memory was refused.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;
mod cases;
mod maker;
mod mutate;
#[allow(dead_code, missing_docs)]
#[path = "../src/proto.rs"]
mod proto;

use hidet::prelude::Device;
use hidet::sim::{Checks, Options};
use hidet_onnx::{Array, Model};
use hidet_ops::Tensor;
use prost::Message;
use proto::{ModelProto, TensorProto};
use rayon::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// The most bytes that a thread uses to read and run a model: what it asks for beyond that is refused, as a machine would.
const MOST_MEMORY: isize = 1 << 29;

/// The most bytes in use by a thread that reads a model, for each byte of its file, and beside these.
const READING: (usize, usize) = (64, 1 << 22);

/// How long a model may take to be read and run, on a machine that does other things too.
const MOST_TIME: Duration = Duration::from_secs(60);

/// The most elements of outputs that are computed.
const MOST_ELEMENTS: usize = 1 << 16;

/// The most instructions of a block of the simulated device.
const MOST_STEPS: u64 = 1 << 22;

/// Memory of which there is little for each model.
struct Little;

static SHOWS: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The model that a thread reads.
    static SEED: Cell<u64> = const { Cell::new(0) };
    /// The bytes that the thread has taken and not given back.
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    /// The most of them since it began with the model, and how many it may have.
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LIMIT: Cell<isize> = const { Cell::new(isize::MAX) };
}

// SAFETY: memory is that of the system.
unsafe impl GlobalAlloc for Little {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        if taken(layout.size()) { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        if taken(layout.size()) { unsafe { System.alloc_zeroed(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Counts bytes, and returns true if there are so many.
fn taken(size: usize) -> bool {
    let now = IN_USE.get().saturating_add_unsigned(size);
    if now > LIMIT.get() {
        if SHOWS.load(Ordering::Relaxed) {
            eprintln!("model {}: {size} bytes are refused, beside {}", SEED.get(), IN_USE.get());
        }
        return false;
    }
    IN_USE.set(now);
    PEAK.set(PEAK.get().max(now));
    true
}

fn given_back(size: usize) {
    IN_USE.set(IN_USE.get() - size as isize);
}

#[global_allocator]
static MEMORY: Little = Little;

/// A model to be changed, and what it is given.
struct Source {
    name: String,
    bytes: Vec<u8>,
    inputs: Vec<(String, Array)>,
}

/// Returns a model of the paper with weights of at most two elements along each axis.
fn small(name: &str, bytes: &[u8]) -> Source {
    let mut model = ModelProto::decode(bytes).unwrap();
    for tensor in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        if !tensor.external_data.is_empty() {
            let dims: Vec<i64> = tensor.dims.iter().map(|dim| (*dim).min(2)).collect();
            let raw = vec![0; 4 * dims.iter().product::<i64>() as usize];
            let (name, data_type) = (tensor.name.clone(), tensor.data_type);
            *tensor = TensorProto { dims, name, data_type, raw_data: Some(raw.into()), ..Default::default() };
        }
    }
    Source { name: name.to_owned(), bytes: model.encode_to_vec(), inputs: Vec::new() }
}

/// Returns all models to be changed: of the paper, random ones, and the standard's.
fn sources() -> Vec<Source> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/paper");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|own| own == "onnx"));
    paths.sort();
    let paper = paths.iter().map(|path| small(&path.to_string_lossy(), &fs::read(path).unwrap()));
    let random = (0..300).map(|seed| {
        let made = maker::model(seed);
        let input = |value: &maker::Value| {
            let count: usize = value.shape.iter().product();
            let ty = hidet_ops::TensorType::new(hidet::types::Scalar::F32, &value.shape);
            (value.name.clone(), Array::new(ty, vec![0; 4 * count]).unwrap())
        };
        let inputs = made.inputs.iter().map(input).collect();
        Source { name: format!("random model {seed}"), bytes: build::model(&made.graph), inputs }
    });
    let mut sources: Vec<Source> = paper.chain(random).collect();
    let Some(folder) = env::var_os("HIDET_ONNX_CASES") else {
        eprintln!("HIDET_ONNX_CASES does not name the folder of the standard's node cases, which are left out");
        return sources;
    };
    for case in cases::all(Path::new(&folder)).iter().filter(|case| case.counts()) {
        let bytes = fs::read(case.folder.join("model.onnx")).unwrap();
        let Ok(model) = Model::from_bytes(&bytes) else { continue };
        let names = model.inputs().iter().map(|input| input.name.clone());
        let inputs = names.zip(case.data("input")).collect();
        sources.push(Source { name: case.name.clone(), bytes, inputs });
    }
    sources
}

/// Reads a changed model, and may run it if it is small, whatever comes of it. Returns true if it is a model.
fn run(bytes: &[u8], inputs: &[(String, Array)], runs: bool) -> bool {
    let before = IN_USE.get();
    PEAK.set(before);
    let model = Model::from_bytes(bytes);
    let (used, most) = ((PEAK.get() - before) as usize, READING.0 * bytes.len() + READING.1);
    assert!(used <= most, "{used} bytes were in use to read a file of {}", bytes.len());
    let Ok(model) = model else { return false };
    // A loop may be one of 2^24 iterations.
    if !runs || inputs.is_empty() || model.operators().contains_key("Loop") {
        return true;
    }
    let checks = Checks { deadlock: true, ..Checks::NONE };
    let options = Options { checks, steps: Some(MOST_STEPS), threads: Some(1), ..Options::fast() };
    let device = Device::sim_with(options);
    let Ok(session) = model.on(&device) else { return true };
    let given: Vec<(&str, Tensor)> =
        inputs.iter().map(|(name, array)| (name.as_str(), array.on(&device).unwrap())).collect();
    let Ok(outputs) = session.lazy(&given) else { return true };
    let elements = outputs.iter().try_fold(0usize, |all, (_, tensor)| {
        tensor
            .shape()
            .iter()
            .try_fold(1usize, |all, extent| all.checked_mul(*extent))
            .and_then(|own| all.checked_add(own))
    });
    if elements.is_some_and(|elements| elements <= MOST_ELEMENTS) {
        let _ = session.run(&given);
    }
    true
}

/// Ends the process if a model takes too long, and names it.
fn watch(running: &'static Mutex<Vec<(u64, Instant)>>) {
    loop {
        thread::sleep(Duration::from_secs(1));
        let all = running.lock().unwrap().clone();
        if let Some((seed, _)) = all.iter().find(|(_, begin)| begin.elapsed() > MOST_TIME) {
            eprintln!("model {seed} takes longer than {MOST_TIME:?}");
            process::exit(1);
        }
    }
}

static RUNNING: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

#[test]
fn changed_models_do_not_panic() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seeds) = (number("HIDET_FIRST").unwrap_or(0u64), number("HIDET_SEEDS").unwrap_or(2000));
    let sources = sources();
    thread::spawn(|| watch(&RUNNING));
    SHOWS.store(env::var_os("HIDET_SHOW").is_some(), Ordering::Relaxed);
    let models = AtomicUsize::new(0);
    let one = |seed: u64| {
        SEED.set(seed);
        LIMIT.set(IN_USE.get() + MOST_MEMORY);
        RUNNING.lock().unwrap().push((seed, Instant::now()));
        let mut random = maker::Random(seed);
        // Those of the paper are long.
        let paper = sources.iter().filter(|own| own.inputs.is_empty() && own.name.ends_with(".onnx")).count();
        let source = match random.below(20) {
            0 => &sources[random.below(paper)],
            _ => &sources[paper + random.below(sources.len() - paper)],
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(&mutate::mutated(&source.bytes, !seed), &source.inputs, seed.is_multiple_of(4))
        }));
        models.fetch_add(usize::from(matches!(result, Ok(true))), Ordering::Relaxed);
        RUNNING.lock().unwrap().retain(|(own, _)| *own != seed);
        result.is_err().then(|| format!("model {seed}: {}", source.name))
    };
    let begin = Instant::now();
    let panicked: Vec<String> = (first..first + seeds).into_par_iter().filter_map(one).collect();
    println!("{seeds} files in {:.1?}, of which {} are models", begin.elapsed(), models.into_inner());
    assert!(panicked.is_empty(), "{} panics:\n{}", panicked.len(), panicked.join("\n"));
}
