//! Graphs of launches that wait only for what they use, and prepared launches: on the simulated device, and on a stub
//! driver that runs of the nodes that may run the one that was added last.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use hidet::device::RawTensor;
use hidet::kernel::{CompileOptions, PreparedLaunch, RawArg};
use hidet::prelude::*;
use hidet::sim;
use hidet::types::Scalar;
use stub::on_stubs;

type Done = hidet::Result<()>;
type Scale = Kernel<(In<f32, 1>, Out<f32, 1>, Expr<f32>)>;

kernel! {
    /// y = x * s
    #[launch(grid = n.div_ceil(4), block = 4)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        if i < n {
            y[[i]] = x[[i]] * s;
        }
    }
}

mod cooperative {
    use super::*;

    kernel! {
        #[launch(grid = n.div_ceil(4), block = 4, cooperative)]
        pub fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
            let i = block_idx().x * 4 + thread_idx().x;
            grid_sync();
            if i < n {
                y[[i]] = x[[i]] * s;
            }
        }
    }
}

/// Two branches fill the halves of `y`; the join reads all of it; the last two overwrite what the branches read, and
/// what the join wrote.
fn diamond(device: &Device, kernel: &Scale, values: &[f32; 4]) -> hidet::Result<(Graph, [Tensor<f32, 1>; 3])> {
    let (x, y, z) = (device.tensor(values, [4])?, device.empty([4])?, device.empty([4])?);
    let prepare = |from: Tensor<f32, 1>, mut to: Tensor<f32, 1>, s| kernel.prepare(&from, &mut to, s);
    let launches = [
        prepare(x.view(0, [2])?, y.view(0, [2])?, 10.0)?,
        prepare(x.view(2, [2])?, y.view(2, [2])?, 100.0)?,
        prepare(y.view(0, [4])?, z.view(0, [4])?, 2.0)?,
        prepare(z.view(0, [4])?, x.view(0, [4])?, 1.0)?,
        prepare(x.view(0, [1])?, z.view(3, [1])?, 1.0)?,
    ];
    Ok((Graph::of(device, launches)?, [x, y, z]))
}

/// The replays of that graph give what running the launches in order gives, also of dependent launches, which wait themselves.
fn check_diamond(device: &Device) -> Done {
    check_diamond_of(device, scale().compile(device)?)?;
    check_diamond_of(device, scale().dependent().compile(device)?)
}

fn check_diamond_of(device: &Device, kernel: Scale) -> Done {
    let (graph, [x, y, z]) = diamond(device, &kernel, &[1.0, 2.0, 3.0, 4.0])?;
    assert_eq!(graph.len(), 5);
    assert_eq!(graph.dependencies(), [vec![], vec![], vec![0, 1], vec![2], vec![3]]);
    let stream = device.stream()?;
    graph.replay(&stream)?;
    assert_eq!(x.to_vec()?, [20.0, 40.0, 600.0, 800.0]);
    assert_eq!(y.to_vec()?, [10.0, 20.0, 300.0, 400.0]);
    assert_eq!(z.to_vec()?, [20.0, 40.0, 600.0, 20.0]);
    // The graph keeps kernel and tensors alive, and replays wait for each other on any stream.
    drop((kernel, y, z));
    graph.replay(&device.stream()?)?;
    graph.replay(&stream)?;
    assert_eq!(x.to_vec()?, [8000.0, 16000.0, 24e6, 32e6]);
    Ok(())
}

#[test]
fn two_branches_and_a_join_on_the_stub() -> Done {
    if on_stubs("two_branches_and_a_join_on_the_stub").is_some() {
        return Ok(());
    }
    check_diamond(&Device::cuda(0)?)
}

#[test]
fn two_branches_and_a_join_in_any_order_on_the_simulated_device() -> Done {
    (0..8).try_for_each(|seed| check_diamond(&Device::sim_with(sim::Options { seed, ..Default::default() })))
}

/// A prepared launch does the same as a launch, and keeps its memory alive.
fn check_prepared(device: &Device) -> Done {
    let kernel = scale().compile(device)?;
    let (stream, x, mut y) = (device.stream()?, device.tensor(&[1f32, 2.0], [2])?, device.empty([2])?);
    let prepared = kernel.prepare(&x, &mut y, 3.0)?;
    prepared.launch()?;
    assert_eq!(y.to_vec()?, [3.0, 6.0]);
    // It waits for the use on another stream, and the next use waits for it.
    let mut x = x;
    x.write(&[5.0, 7.0])?;
    prepared.launch_on(&stream)?;
    assert_eq!(y.to_vec()?, [15.0, 21.0]);
    // In a capture it is recorded.
    let graph = Graph::capture(&stream, |stream| prepared.launch_on(stream))?;
    x.write(&[1.0, 1.0])?;
    assert_eq!((graph.len(), y.to_vec()?), (1, vec![15.0, 21.0]));
    graph.replay(&stream)?;
    assert_eq!(y.to_vec()?, [3.0, 3.0]);
    let error = Graph::capture(&stream, |_| prepared.launch()).unwrap_err().to_string();
    assert!(error.contains("the default stream is used while this thread captures another"), "{error}");
    drop((x, kernel));
    std::thread::scope(|scope| scope.spawn(|| prepared.launch()).join().unwrap())?;
    assert_eq!(y.to_vec()?, [3.0, 3.0]);
    // An empty grid does nothing, alone and in a graph.
    let kernel = scale().compile(device)?;
    let nothing = kernel.prepare(&device.empty([0])?, &mut device.empty([0])?, 1.0)?;
    nothing.launch()?;
    let again = kernel.prepare(&y.view(0, [1])?, &mut y.view(1, [1])?, 2.0)?;
    Graph::of(device, [nothing, again])?.replay(&stream)?;
    assert_eq!(y.to_vec()?, [3.0, 6.0]);
    // Forgotten memory is as it was on a GPU.
    RawTensor::new(device, y.raw().storage().clone(), 0, Scalar::F32, &[1])?.forget()
}

#[test]
fn prepared_launches_on_the_stub() -> Done {
    if on_stubs("prepared_launches_on_the_stub").is_some() {
        return Ok(());
    }
    check_prepared(&Device::cuda(0)?)
}

#[test]
fn prepared_launches_on_the_simulated_device() -> Done {
    check_prepared(&Device::sim())
}

#[track_caller]
fn refused<T>(result: hidet::Result<T>, message: &str) {
    let error = result.err().expect("it must be refused").to_string();
    assert!(error.contains(message), "{error}\ndoes not say: {message}");
}

fn check_refusals(device: &Device) -> Done {
    let (x, mut y) = (device.tensor(&[1f32, 2.0, 3.0, 4.0, 5.0], [5])?, device.empty([5])?);
    let together = cooperative::scale().compile(device)?.prepare(&x, &mut y, 2.0)?;
    refused(
        Graph::of(device, [together]),
        "launch of `scale`: a cooperative launch cannot be part of a graph of launches: capture it, by `Graph::capture`",
    );
    let kernel = scale().compile(device)?;
    refused(
        kernel.prepare(&x, &mut device.empty([4])?, 2.0),
        "`n` is 5 from axis 0 of argument `x`, but 4 from axis 0 of argument `y`",
    );
    refused(
        kernel.compiled().prepare(&[RawArg::Tensor(x.raw()), RawArg::Tensor(x.raw()), RawArg::Scalar(2f32.constant())]),
        "shares memory with argument `x`",
    );
    let graph = Graph::of(device, Vec::<PreparedLaunch>::new())?;
    assert!(graph.is_empty());
    graph.replay(&device.stream()?)
}

#[test]
fn launches_that_no_graph_can_hold_are_refused_on_the_stub() -> Done {
    if on_stubs("launches_that_no_graph_can_hold_are_refused_on_the_stub").is_some() {
        return Ok(());
    }
    let device = Device::cuda(0)?;
    check_refusals(&device)?;
    let (x, mut y) = (device.tensor(&[1f32, 2.0], [2])?, device.empty([2])?);
    let options = CompileOptions { checks: true, ..Default::default() };
    let unproved = unguarded::scale().compile_with(&device, &options)?.prepare(&x, &mut y, 2.0)?;
    refused(Graph::of(&device, [unproved]), "it has checks, assertions or prints and is waited for");
    let elsewhere = scale().compile(&device)?.prepare(&x, &mut y, 2.0)?;
    refused(Graph::of(&Device::cuda(1)?, [elsewhere]), "it is for cuda:0 (Stub), but the graph for cuda:1 (Stub)");
    Ok(())
}

mod unguarded {
    use super::*;

    kernel! {
        #[launch(grid = n.div_ceil(4), block = 4)]
        pub fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
            let i = block_idx().x * 4 + thread_idx().x;
            y[[i]] = x[[i]] * s;
        }
    }
}

#[test]
fn launches_that_no_graph_can_hold_are_refused_on_the_simulated_device() -> Done {
    check_refusals(&Device::sim())
}
