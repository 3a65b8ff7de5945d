//! Memory that several tensors use one after the other: the simulated device accepts correct plans and reports wrong
//! ones, with names and Rust lines. The lines are marked in this file: `// REUSE name`.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::device::{RawTensor, Storage};
use hidet::kernel::{Compiled, RawArg};
use hidet::prelude::*;
use hidet::types::Scalar;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn double(x: In<f32, [n]>, y: Out<f32, [n]>) { // REUSE kernel
        let i = block_idx().x * 32 + lane_id();
        if i < n {
            y[[i]] = x[[i]] * 2.0; // REUSE unset
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn first_half(x: In<f32, [n]>, #[partial] y: Out<f32, [n]>) {
        if lane_id() < n / 2 {
            y[[lane_id()]] = x[[lane_id()]];
        }
    }
}

/// Returns `tests/memory_plans.rs:LINE:` of the line marked for `name`.
fn place(name: &str) -> String {
    let mark = format!("// REUSE {name}");
    let line = include_str!("memory_plans.rs").lines().position(|line| line.ends_with(&mark));
    format!("tests/memory_plans.rs:{}:", line.expect("the line is marked") + 1)
}

#[track_caller]
fn refused(result: hidet::Result<()>, words: &[&str]) {
    let report = result.expect_err("the plan is wrong").to_string();
    for words in words {
        assert!(report.contains(words), "expected `{words}` in\n{report}");
    }
}

/// Tensors of an arena of 4 slots of 32 elements.
struct Arena {
    device: Device,
    storage: Storage,
    double: Compiled,
    half: Compiled,
    x: Tensor<f32, 1>,
}

impl Arena {
    fn new(device: Device) -> hidet::Result<Arena> {
        Ok(Arena {
            // Initialised, as memory from elsewhere is.
            storage: Storage::zeros(&device, 512)?,
            double: double().compile(&device)?.compiled().clone(),
            half: first_half().compile(&device)?.compiled().clone(),
            x: device.tensor(&(0..32).map(|i| i as f32).collect::<Vec<_>>(), [32])?,
            device,
        })
    }

    fn slot(&self, slot: usize) -> RawTensor {
        RawTensor::new(&self.device, self.storage.clone(), slot * 128, Scalar::F32, &[32]).unwrap()
    }

    fn double(&self, x: &RawTensor, y: &RawTensor) -> hidet::Result<()> {
        self.double.launch(&[RawArg::Tensor(x), RawArg::Tensor(y)])
    }
}

#[test]
fn a_correct_plan_is_silent() -> hidet::Result<()> {
    let arena = Arena::new(Device::sim())?;
    for _ in 0..2 {
        let (a, b, c) = (arena.slot(0), arena.slot(1), arena.slot(0));
        a.forget()?;
        arena.double(arena.x.raw(), &a)?;
        b.forget()?;
        // A view counts as the tensor that it is of.
        arena.double(&a.view(0, &[32])?, &b)?;
        c.forget()?;
        arena.double(&b, &c)?;
        let mut y = arena.device.empty::<f32, 1>([32])?;
        arena.double.launch(&[RawArg::Tensor(&c), RawArg::Tensor(y.raw())])?;
        assert_eq!(y.to_vec()?[3], 48.0);
        y.forget()?;
    }
    Ok(())
}

#[test]
fn an_element_that_was_not_written_again_is_an_uninitialised_read() -> hidet::Result<()> {
    let arena = Arena::new(Device::sim())?;
    let (a, b) = (arena.slot(0), arena.slot(1));
    arena.double(arena.x.raw(), &a)?;
    let reused = arena.slot(0);
    reused.forget()?;
    let words = ["kernel `double`", "uninitialised read", "element 0 of `x`", &place("unset")];
    refused(arena.double(&reused, &b), &words);
    arena.half.launch(&[RawArg::Tensor(arena.x.raw()), RawArg::Tensor(&reused)])?;
    refused(arena.double(&reused, &b), &["element 16 of `x`", &place("unset")]);
    arena.double(&reused.view(0, &[16])?, &b.view(0, &[16])?)?;
    // Neighbours keep their contents.
    arena.double(&b.view(0, &[16])?, &arena.slot(2).view(0, &[16])?)
}

#[test]
fn a_tensor_that_was_read_too_late_is_reported_although_its_memory_was_written() -> hidet::Result<()> {
    let arena = Arena::new(Device::sim())?;
    let (a, b) = (arena.slot(0), arena.slot(1));
    a.forget()?;
    arena.double(arena.x.raw(), &a)?;
    // 64 elements over the slots 0 and 1.
    let wide = RawTensor::new(&arena.device, arena.storage.clone(), 0, Scalar::F32, &[64])?;
    wide.forget()?; // REUSE given
    let x = arena.device.zeros::<f32, 1>([64])?;
    arena.double(x.raw(), &wide)?;
    let (kernel, given) = (place("kernel"), place("given"));
    refused(arena.double(&a, &arena.slot(2)), &["`double`", "argument `x`", "reads", &kernel, "`forget` at", &given]);
    refused(arena.double(arena.x.raw(), &b), &["`double`", "argument `y`", "writes", &kernel, &given]);
    arena.double(&arena.slot(2), &arena.slot(3))?;
    // Given back, it is there again, without contents.
    b.forget()?;
    refused(arena.double(&b, &arena.slot(2)), &["element 0 of `x` is read before it was written"]);
    refused(arena.double(&wide, &x.raw().clone()), &["argument `x`", "`forget` at"]);
    arena.double(&wide.view(0, &[32])?, &arena.slot(2))
}

#[test]
fn host_copies_of_a_tensor_that_is_gone_are_refused() -> hidet::Result<()> {
    let device = Device::sim();
    let stream = device.stream()?;
    let mut x = device.tensor(&[1f32; 32], [32])?;
    let (mut y, mut array) = (device.empty::<f32, 1>([32])?, device.pinned::<f32>(32)?);
    let other = RawTensor::new(&device, x.raw().storage().clone(), 64, Scalar::F32, &[8])?;
    stream.copy(&x, &mut y)?;
    other.forget()?; // REUSE host
    let host = place("host");
    refused(x.to_vec().map(drop), &["reading a tensor whose memory was given to another one", &host]);
    refused(x.write(&[0f32; 32]), &["writing a tensor from the host", &host]);
    refused(stream.copy(&x, &mut y), &["a copy of a tensor", &host]);
    refused(stream.download(&x, &mut array), &["a copy of a tensor", &host]);
    x.forget()?;
    x.write(&[2f32; 32])?;
    stream.copy(&x, &mut y)?;
    assert_eq!(y.to_vec()?, [2.0; 32]);
    Ok(())
}

#[test]
fn a_graph_forgets_at_every_replay() -> hidet::Result<()> {
    let arena = Arena::new(Device::sim())?;
    let stream = arena.device.stream()?;
    let capture = |late: bool| {
        let (a, b, c) = (arena.slot(0), arena.slot(1), arena.slot(0));
        Graph::capture(&stream, |stream| {
            let double =
                |x: &RawTensor, y: &RawTensor| arena.double.launch_on(stream, &[RawArg::Tensor(x), RawArg::Tensor(y)]);
            stream.forget(&a)?;
            double(arena.x.raw(), &a)?;
            double(&a, &b)?;
            stream.forget(&c)?; // REUSE replay
            double(&b, &c)?;
            double(if late { &a } else { &c }, &arena.slot(3))
        })
    };
    let graph = capture(false)?;
    assert_eq!(graph.len(), 4);
    graph.replay(&stream)?;
    graph.replay(&stream)?;
    let wrong = capture(true)?;
    refused(wrong.replay(&stream), &["argument `x`", &place("kernel"), &place("replay")]);
    let refusal = Graph::capture(&stream, |_| arena.slot(0).forget());
    refused(refusal.map(drop), &["launch on the captured stream"]);
    Ok(())
}

#[test]
fn without_the_checker_nothing_is_reported() -> hidet::Result<()> {
    let arena = Arena::new(Device::sim_with(hidet::sim::Options::fast()))?;
    let (a, b) = (arena.slot(0), arena.slot(0));
    arena.double(arena.x.raw(), &a)?;
    b.forget()?;
    arena.double(&b, &arena.slot(1))?;
    arena.double(&a, &arena.slot(1))
}

/// In graphs of prepared launches memory is forgotten by the launch that begins a tensor, which waits for those that use
/// the same bytes for an earlier one, and is waited for by the later ones.
#[test]
fn launches_of_a_graph_forget_memory_in_their_order() -> hidet::Result<()> {
    for seed in 0..20 {
        let device = Device::sim_with(hidet::sim::Options { seed, ..hidet::sim::Options::default() });
        let arena = Arena::new(device.clone())?;
        let y = device.zeros::<f32, 1>([32])?;
        let launch = |x: &RawTensor, y: &RawTensor, begins: &[&RawTensor]| {
            let prepared = arena.double.prepare(&[RawArg::Tensor(x), RawArg::Tensor(y)])?;
            Ok::<_, hidet::Error>(prepared.forgetting(begins.iter().map(|tensor| (*tensor).clone())))
        };
        // Two chains, of which the second has the memory of the first.
        let (a, b, c, d) = (arena.slot(0), arena.slot(1), arena.slot(0), arena.slot(1));
        let x = arena.x.raw();
        let launches = || {
            let first = [launch(x, &a, &[&a])?, launch(&a, &b, &[&b])?, launch(&b, y.raw(), &[])?];
            let second = [launch(x, &c, &[&c])?, launch(&c, &d, &[&d])?];
            Ok::<_, hidet::Error>(first.into_iter().chain(second))
        };
        let graph = Graph::of(&device, launches()?)?;
        assert_eq!(graph.dependencies(), [vec![], vec![0], vec![1], vec![1], vec![2, 3]]);
        let stream = device.stream()?;
        let captured = Graph::capture(&stream, |stream| launches()?.try_for_each(|launch| launch.launch_on(stream)))?;
        for graph in [&graph, &captured, &graph] {
            graph.replay(&stream)?;
            assert_eq!((y.to_vec()?[3], d.to_vec::<f32>()?[3]), (24.0, 12.0));
        }
        // Too late for `a`, whose memory `c` has.
        let late = Graph::of(&device, launches()?.chain([launch(&a, y.raw(), &[])?]))?;
        refused(late.replay(&stream), &["`double`", "argument `x`", "`forget` at", "tests/memory_plans.rs:"]);
        // A partial write leaves the rest of what begins unset, whatever was there before.
        let half = arena.half.prepare(&[RawArg::Tensor(x), RawArg::Tensor(&a)])?.forgetting([a.clone()]);
        let unset = Graph::of(&device, [half, launch(&a, &b, &[&b])?])?;
        refused(unset.replay(&stream), &["uninitialised read", "element 16 of `x`"]);
    }
    Ok(())
}
