//! Runs a kernel on the simulated device under many seeds.

use hidet_core::ir::{Access, Buffer, Function, Param, eval};
use hidet_core::layout::Layout;
use hidet_core::passes;
use hidet_core::sim::{self, Failure, Fault, FaultKind, LaunchArguments, Memory, Options, TableArg, TensorArg};
use hidet_core::types::{Const, Scalar};
use std::sync::Arc;

/// The words after `; test: sim`: dims as `name=value`, `seeds=50`, and `varies` if the result, or the kind of the
/// fault, depends on the seed.
struct Request {
    dims: Vec<i64>,
    seeds: u64,
    varies: bool,
}

fn request(function: &Function, argument: &str) -> Result<Request, String> {
    let mut request = Request { dims: vec![0; function.dims.len()], seeds: 50, varies: false };
    for word in argument.split_whitespace() {
        match word.split_once('=') {
            None if word == "varies" => request.varies = true,
            Some(("seeds", seeds)) => request.seeds = seeds.parse().map_err(|_| format!("`{word}`"))?,
            Some((name, value)) => {
                let position = function.dims.iter().position(|(_, dim)| dim.name == name);
                let position = position.ok_or_else(|| format!("no dim `{name}`"))?;
                request.dims[position] = value.parse().map_err(|_| format!("`{word}`"))?;
            }
            None => return Err(format!("`{word}` is not understood")),
        }
    }
    Ok(request)
}

/// The bytes of small numbers, exact in every type.
fn pattern(scalar: Scalar, elements: usize) -> Vec<u8> {
    let bits = |index: usize| {
        let number = (index * 7 % 23) as i64;
        match scalar {
            Scalar::Bool => (index % 2) as u64,
            Scalar::F32 | Scalar::TF32 => ((number - 11) as f32).to_bits() as u64,
            Scalar::F64 => ((number - 11) as f64).to_bits(),
            Scalar::F16 => hidet_core::types::f16::from_f32(number as f32).to_bits() as u64,
            Scalar::BF16 => hidet_core::types::bf16::from_f32(number as f32).to_bits() as u64,
            Scalar::E4M3 | Scalar::E5M2 => 0x38,
            _ => number as u64,
        }
    };
    (0..elements).flat_map(|index| bits(index).to_le_bytes()[..scalar.bytes()].to_vec()).collect()
}

/// Memory for that many elements: an input holds small numbers, a tensor that is read and written zeros, an output is unset.
fn tensor(buffer: &Buffer, access: Access, elements: usize) -> Result<TensorArg, String> {
    let memory = match access {
        Access::In => Memory::from_bytes(&pattern(buffer.elem, elements)),
        Access::InOut => Memory::from_bytes(&vec![0; elements * buffer.elem.bytes()]),
        Access::Out | Access::PartialOut => Memory::uninit(elements * buffer.elem.bytes()),
    };
    Ok(TensorArg { memory: Arc::new(memory.map_err(|full| full.to_string())?), offset: 0 })
}

/// A table of tensors. If their rows may differ, each has one less than the one before it, down to one.
fn table(buffer: &Buffer, access: Access, dims: &[i64]) -> Result<TableArg, String> {
    let shape = buffer.shape.iter().map(|extent| extent.eval(dims)).collect::<Result<Vec<i64>, _>>()?;
    let differ = buffer.entries.is_some_and(|entries| entries.rows.is_some());
    let (mut entries, mut bytes) = (Vec::new(), Vec::new());
    for entry in 0..shape[0] {
        let rows = if differ { (shape[1] - entry).max(1) } else { shape[1] };
        let elements = (rows * shape[2..].iter().product::<i64>()) as usize;
        entries.push((tensor(buffer, access, elements)?, elements));
        // The address does not matter.
        bytes.extend([rows.to_le_bytes(), [0; 8]].concat());
    }
    let memory = Memory::from_bytes(&bytes).map_err(|full| full.to_string())?;
    Ok(TableArg { entries, table: TensorArg { memory: Arc::new(memory), offset: 0 } })
}

/// The arguments of a kernel as it was written, if it has tables. A scalar is 1.
pub fn arguments(function: &Function, dims: &[i64]) -> Result<LaunchArguments, String> {
    let mut arguments = LaunchArguments { dims: dims.to_vec(), ..LaunchArguments::default() };
    for param in &function.params {
        let (buffer, access) = match param {
            Param::Tensor { buffer, access } => (buffer, access),
            Param::Scalar { value, .. } => {
                let scalar = function.ty(*value).scalar;
                let bits = eval::cast(Scalar::I32, scalar, 1);
                arguments.scalars.push(Const { scalar, bits });
                continue;
            }
        };
        let buffer = &function.buffers[*buffer];
        if buffer.entries.is_some() {
            arguments.tables.push(table(buffer, *access, dims)?);
            continue;
        }
        let mut elements = 1;
        match &buffer.layout {
            Layout::Strided { shape, strides } => {
                for (extent, stride) in shape.iter().zip(strides) {
                    elements += (extent.eval(dims)? - 1) * stride.eval(dims)?;
                }
            }
            _ => return Err("global buffers must be strided in these tests".to_owned()),
        }
        let elements = elements.max(0) as usize;
        arguments.tensors.push(tensor(buffer, *access, elements)?);
    }
    Ok(arguments)
}

/// The contents of the tensors.
pub fn contents(arguments: &LaunchArguments) -> Vec<Vec<u8>> {
    let content = |tensor: &TensorArg| {
        let mut bytes = vec![0; tensor.memory.len()];
        tensor.memory.read(0, &mut bytes);
        bytes
    };
    let entries = arguments.tables.iter().flat_map(|table| table.entries.iter().map(|(tensor, _)| tensor));
    arguments.tensors.iter().chain(entries).map(content).collect()
}

/// Returns the faults at seed 0, as messages at lines of the kernel from 0. The other seeds must fail alike, or all
/// succeed with one result; one thread and two must agree for every seed.
pub fn simulate(function: &Function, argument: &str) -> Result<Vec<(usize, String)>, String> {
    let request = request(function, argument)?;
    let mut found = Vec::new();
    let mut kinds = None;
    let mut result = None;
    for seed in 0..request.seeds {
        let mut reports = Vec::new();
        for threads in [1, 2] {
            let arguments = arguments(function, &request.dims)?;
            let options = Options { seed, threads: Some(threads), ..Options::default() };
            let outcome = sim::run(function, &arguments, &options);
            let text = match &outcome {
                Ok(report) => format!("{report:?}"),
                Err(failure) => failure.to_string(),
            };
            reports.push((text, contents(&arguments), outcome));
        }
        let (first, second) = (&reports[0], &reports[1]);
        if (&first.0, &first.1) != (&second.0, &second.1) {
            return Err(format!("seed {seed}: one thread and two differ:\n{}\n{}", first.0, second.0));
        }
        match &first.2 {
            Ok(_) if kinds.is_some() => return Err(format!("seed {seed} finds nothing")),
            Ok(_) if request.varies => {}
            Ok(_) => {
                if *result.get_or_insert_with(|| first.1.clone()) != first.1 {
                    return Err(format!("seed {seed} gives another result"));
                }
            }
            Err(failure) => {
                let these: Vec<_> = failure.faults().iter().flat_map(places).collect();
                if seed == 0 {
                    found = messages(failure);
                    kinds = Some(these);
                } else if kinds.is_some() && request.varies {
                    continue;
                } else if kinds.as_ref().is_none_or(|kinds: &Vec<_>| !kinds.iter().any(|kind| these.contains(kind))) {
                    return Err(format!("seed {seed}: {failure}"));
                }
            }
        }
    }
    Ok(found)
}

/// Lowered with checks, as a user runs it, the kernel must fail where the kernel as written fails, or not at all.
pub fn simulate_lowered(function: &Function, argument: &str) -> Result<(), String> {
    let request = request(function, argument)?;
    let lowering = passes::LoweringOptions { checks: true, ..passes::LoweringOptions::default() };
    let lowered = passes::lower(function, &lowering).map_err(|error| error.to_string())?;
    for seed in 0..request.seeds.min(4) {
        let run = |lowered: &Function, arguments: &LaunchArguments| {
            sim::run_lowered(lowered, function, arguments, &Options { seed, threads: Some(1), ..Options::default() })
        };
        let (first, second) = (arguments(function, &request.dims)?, arguments(function, &request.dims)?);
        match (run(function, &first), run(&lowered, &second)) {
            (Ok(_), Ok(_)) if request.varies || contents(&first) == contents(&second) => {}
            (Ok(_), Ok(_)) => return Err(format!("seed {seed}: lowered, it gives another result")),
            (Err(_), Err(_)) | (Ok(_), Err(_)) | (Err(_), Ok(_)) if request.varies => {}
            (Err(Failure::Refused { .. }), Err(Failure::Refused { .. })) => {}
            (Err(written), Err(lowered)) => {
                let these: Vec<_> = written.faults().iter().flat_map(places).collect();
                if !lowered.faults().iter().flat_map(places).any(|place| these.contains(&place)) {
                    return Err(format!("seed {seed}: as written:\n{written}\nlowered:\n{lowered}"));
                }
            }
            (Ok(_), Err(failure)) => return Err(format!("seed {seed}: only lowered it fails: {failure}")),
            (Err(failure), Ok(_)) => return Err(format!("seed {seed}: lowered it does not fail: {failure}")),
        }
    }
    Ok(())
}

/// Returns the kind of a fault at each of its lines. Which party comes first may depend on the seed.
fn places(fault: &Fault) -> impl Iterator<Item = (FaultKind, u32)> + '_ {
    std::iter::once(&fault.party).chain(&fault.others).map(|party| (fault.kind, party.span.line))
}

fn messages(failure: &Failure) -> Vec<(usize, String)> {
    let line = |line: u32| (line as usize).checked_sub(1).unwrap_or(usize::MAX);
    if let Failure::Refused { message, .. } = failure {
        let at = message.rsplit(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
        return vec![(line(at), message.split("\n  -->").next().unwrap_or_default().to_owned())];
    }
    let mut all = Vec::new();
    for fault in failure.faults() {
        let name = fault.kind.name();
        all.push((line(fault.party.span.line), format!("{name}: {} ({})", fault.message, fault.party.what)));
        for other in &fault.others {
            all.push((line(other.span.line), format!("{name}, other party: {}", other.what)));
        }
    }
    all
}
