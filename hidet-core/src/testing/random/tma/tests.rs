//! The simulated device gives what the host computed, without a fault, and every kind of copy occurs.

use super::*;
use crate::ir::{Access, Function, Param, verify};
use crate::passes::{LoweringOptions, lower};
use crate::sim;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs a kernel in place of the program's own. Returns the memory of the last argument.
fn run(program: &Program, function: &Function, options: sim::Options) -> std::result::Result<Vec<u8>, String> {
    let access = |number: usize| match function.params[number] {
        Param::Tensor { access, .. } => access,
        Param::Scalar { .. } => Access::In,
    };
    let memory = |(number, argument): (usize, &ArgumentValue)| match argument {
        ArgumentValue::Tensor(bytes) if access(number) == Access::Out => sim::Memory::uninit(bytes.len()),
        ArgumentValue::Tensor(bytes) => sim::Memory::from_bytes(bytes),
        _ => panic!("not a tensor"),
    };
    let memories: Vec<Arc<sim::Memory>> =
        program.arguments.iter().enumerate().map(memory).map(|memory| Arc::new(memory.unwrap())).collect();
    let tensors = memories.iter().map(|memory| sim::TensorArg { memory: memory.clone(), offset: 0 }).collect();
    let arguments = sim::LaunchArguments { dims: program.dims.clone(), tensors, ..sim::LaunchArguments::default() };
    sim::run(function, &arguments, &options).map_err(|failure| failure.to_string())?;
    let mut found = vec![0; memories[1].len()];
    memories[1].read(0, &mut found);
    Ok(found)
}

/// Returns the first difference from what the host computed.
fn check(seed: u64) -> std::result::Result<(), String> {
    let program = tma_program(seed).map_err(|error| error.to_string())?;
    let function = &program.kernels[0];
    verify::verify(function).map_err(|problems| format!("{problems:?}"))?;
    let lowered = lower(function, &LoweringOptions::default()).map_err(|error| error.to_string())?;
    let checked = sim::Options { seed, threads: Some(1), ..sim::Options::default() };
    let fast = sim::Options { seed, threads: Some(1), ..sim::Options::fast() };
    let expected = program.expected[1].as_ref().unwrap();
    for (function, options) in [(function, checked), (&lowered, fast)] {
        let found = run(&program, function, options)?;
        if let Some(at) = (0..expected.len()).find(|at| found[*at] != expected[*at]) {
            return Err(format!("byte {at} is {}, not {}", found[at], expected[at]));
        }
    }
    Ok(())
}

#[test]
fn the_simulated_device_gives_what_the_host_computed() {
    let failures: Vec<String> = (0..300u64)
        .into_par_iter()
        .filter_map(|seed| {
            let why = check(seed).err()?;
            Some(format!("seed {seed}: {why}\n{}", text::print_with_spans(&tma_program(seed).unwrap().kernels[0])))
        })
        .collect();
    assert!(failures.is_empty(), "{} of 300 differ or are faulty\n{}", failures.len(), failures[0]);
}

#[test]
fn every_kind_of_copy_occurs() {
    let (mut counts, mut special): (BTreeMap<String, u32>, BTreeMap<&str, u32>) = Default::default();
    for seed in 0..1000 {
        let kernel = random_copies(&mut Rng::new(seed));
        *counts.entry(kernel.intrinsic()).or_default() += 1;
        let map = &kernel.map;
        let places: Vec<usize> = (0..kernel.blocks / kernel.cluster)
            .flat_map(|block| (0..kernel.rounds).map(move |round| (block, round)))
            .map(|(block, round)| {
                let (at, offsets) = kernel.coordinates(block, round);
                map.places(&at, &offsets).iter().flatten().count()
            })
            .collect();
        let all = map.elements() as usize;
        let text = map.text();
        for (what, is) in [
            ("columns inside or partly", map.pixels.is_some() && places.iter().any(|inside| *inside > 0)),
            ("wholly outside", places.contains(&0)),
            ("partly outside", places.iter().any(|inside| (1..all).contains(inside))),
            ("inside", places.contains(&all)),
            ("before the tensor", kernel.starts.iter().any(|start| start.first < 0)),
            ("steps", map.axes.iter().any(|axis| axis.step > 1)),
            ("an offset", map.offset > 0),
            ("a symbolic extent", map.symbolic),
            ("b32", text.contains("swizzle b32")),
            ("b64", text.contains("swizzle b64")),
            ("b128", text.contains("swizzle b128")),
            ("a cluster", kernel.cluster > 1),
            ("loads in advance", kernel.ahead > 1),
            ("fewer axes", map.axes.len() < map.shape.len()),
            ("more axes", map.axes.len() > map.shape.len()),
        ] {
            *special.entry(what).or_default() += u32::from(is);
        }
    }
    let loads =
        (1..=5).map(|rank| format!("tma.load.{rank}d")).chain((3..=5).map(|rank| format!("tma.load.im2col.{rank}d")));
    let loads = loads.flat_map(|load| [format!("{load}.multicast"), load]);
    let stores = (1..=5).map(|rank| format!("tma.store.{rank}d"));
    for name in loads.chain(stores) {
        assert!(counts.contains_key(&name), "no {name}");
    }
    assert!(special.values().all(|count| *count >= 50), "{special:#?}");
}

#[test]
fn stores_to_one_element_are_left_out() {
    let twice = |seed: u64| {
        let mut rng = Rng::new(seed);
        let kernel = random_copies(&mut rng);
        matches!(kernel.copy, CopyKind::Store(None)) && program(&kernel, &mut rng).unwrap().is_none()
    };
    assert!((0..300).any(twice));
}
