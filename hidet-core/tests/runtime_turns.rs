//! Interactions of threads, streams and captures on a stub driver. Where calls of two threads must overlap, the stub
//! delays the call that makes a stream wait for another (`HIDET_STUB_SLOW`).

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use hidet::prelude::*;
use hidet_core::cuda;
use hidet_core::kernel::RawArg;
use std::thread;
use std::time::Duration;
use stub::on_stubs;

type Done = hidet::Result<()>;
type Scale = Kernel<(In<f32, 1>, Out<f32, 1>, Expr<f32>)>;

kernel! {
    /// y = x * s
    #[launch(grid = n.div_ceil(4), block = 4)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        y[[i]] = x[[i]] * s;
    }
}

mod cooperative {
    use super::*;

    kernel! {
        /// The same as a cooperative launch.
        #[launch(grid = n.div_ceil(4), block = 4, cooperative)]
        pub fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
            let i = block_idx().x * 4 + thread_idx().x;
            grid_sync();
            y[[i]] = x[[i]] * s;
        }
    }
}

/// In a child process with the stubs, returns the device and the kernel; in the parent, runs the child and returns
/// `None`.
fn setup(test: &str, slow: bool) -> hidet::Result<Option<(Device, Scale)>> {
    if on_stubs(test).is_some() {
        return Ok(None);
    }
    if slow {
        // SAFETY: only the test harness runs in this process yet, and it does not read the environment.
        unsafe { std::env::set_var("HIDET_STUB_SLOW", "1") };
    }
    let device = Device::cuda(0)?;
    let kernel = scale().compile(&device)?;
    Ok(Some((device, kernel)))
}

/// Returns the current elements, without waiting for pending work.
fn now<const R: usize>(tensor: &Tensor<f32, R>) -> Vec<f32> {
    let first = tensor.raw().data() as *const f32;
    // SAFETY: the memory of the stub is host memory, and only work that this thread waits for runs.
    (0..tensor.len()).map(|index| unsafe { first.add(index).read_volatile() }).collect()
}

/// Runs both in separate threads; the second begins a while after the first.
fn one_then_other(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(first);
        thread::sleep(Duration::from_millis(20));
        scope.spawn(second);
    });
}

#[test]
fn threads_on_one_stream_both_wait_for_what_they_read() -> Done {
    let Some((device, kernel)) = setup("threads_on_one_stream_both_wait_for_what_they_read", true)? else {
        return Ok(());
    };
    let (a, b) = (device.stream()?, device.stream()?);
    let w = device.tensor(&[1f32, 2.0], [2])?;
    let (mut x, mut y, mut z) = (device.empty([2])?, device.empty([2])?, device.empty([2])?);
    kernel.on(&b).launch(&w, &mut y, 1.0)?;
    kernel.on(&b).launch(&w, &mut z, 1.0)?;
    kernel.on(&a).launch(&w, &mut x, 3.0)?;
    one_then_other(
        || kernel.on(&b).launch(&x, &mut y, 2.0).unwrap(),
        || kernel.on(&b).launch(&x, &mut z, 4.0).unwrap(),
    );
    assert_eq!((y.to_vec()?, z.to_vec()?), (vec![6.0, 12.0], vec![12.0, 24.0]));
    Ok(())
}

#[test]
fn cooperative_grids_on_two_streams_come_one_after_the_other() -> Done {
    let Some((device, kernel)) = setup("cooperative_grids_on_two_streams_come_one_after_the_other", true)? else {
        return Ok(());
    };
    let together = cooperative::scale().compile(&device)?;
    let (b, c) = (device.stream()?, device.stream()?);
    let x = device.tensor(&[1f32, 2.0], [2])?;
    let (mut y, mut z) = (device.empty([2])?, device.empty([2])?);
    kernel.on(&b).launch(&x, &mut y, 1.0)?;
    kernel.on(&c).launch(&x, &mut z, 1.0)?;
    one_then_other(
        || together.on(&b).launch(&x, &mut y, 2.0).unwrap(),
        || together.on(&c).launch(&x, &mut z, 4.0).unwrap(),
    );
    c.synchronize()?;
    assert_eq!((now(&y), now(&z)), (vec![2.0, 4.0], vec![4.0, 8.0]));
    Ok(())
}

#[test]
fn a_capture_begins_after_the_launch_of_another_thread() -> Done {
    let Some((device, kernel)) = setup("a_capture_begins_after_the_launch_of_another_thread", true)? else {
        return Ok(());
    };
    let stream = device.stream()?;
    let (x, mut y) = (device.tensor(&[1f32, 2.0], [2])?, device.empty([2])?);
    let mut graph = None;
    one_then_other(
        || kernel.on(&stream).launch(&x, &mut y, 2.0).unwrap(),
        || {
            let body = |_: &Stream| {
                thread::sleep(Duration::from_millis(200));
                Ok(())
            };
            graph = Some(Graph::capture(&stream, body).unwrap());
        },
    );
    assert_eq!((y.to_vec()?, graph.unwrap().len()), (vec![2.0, 4.0], 0));
    Ok(())
}

#[test]
fn a_capture_takes_nothing_of_other_threads() -> Done {
    match setup("a_capture_takes_nothing_of_other_threads", false)? {
        Some((device, _)) => refused_to_others(&device),
        None => Ok(()),
    }
}

#[test]
fn a_capture_takes_nothing_of_other_threads_on_the_simulated_device() -> Done {
    refused_to_others(&Device::sim())
}

fn refused_to_others(device: &Device) -> Done {
    let kernel = scale().compile(device)?;
    let (stream, other) = (device.stream()?, device.stream()?);
    let (x, mut y, mut z) = (device.tensor(&[1f32; 4], [4])?, device.zeros([4])?, device.zeros([4])?);
    let mut pinned = device.pinned::<f32>(4)?;
    let replayed = Graph::capture(&other, |other| kernel.on(other).launch(&x, &mut z, 5.0))?;
    let event = other.record()?;
    let graph = Graph::capture(&stream, |stream| {
        kernel.on(stream).launch(&x, &mut y, 2.0)?;
        let others = || {
            let mut own = device.zeros::<f32, 1>([4]).unwrap();
            let results = [
                stream.upload(&pinned, &mut own),
                stream.download(&own, &mut pinned),
                stream.copy(&x, &mut own),
                stream.record().map(drop),
                stream.wait(&event),
                stream.synchronize(),
                replayed.replay(stream),
                kernel.on(stream).launch(&x, &mut own, 1.0),
                Graph::capture(stream, |_| Ok(())).map(drop),
            ];
            // Other work continues.
            kernel.launch(&x, &mut own, 3.0).unwrap();
            assert_eq!(own.to_vec().unwrap(), [3.0; 4]);
            device.synchronize().unwrap();
            results.map(|result| result.unwrap_err().to_string())
        };
        for error in thread::scope(|scope| scope.spawn(others).join().unwrap()) {
            assert!(error.contains("another thread is capturing this stream"), "{error}");
        }
        Ok(())
    })?;
    assert_eq!(graph.len(), 1);
    graph.replay(&stream)?;
    assert_eq!((y.to_vec()?, z.to_vec()?), (vec![2.0; 4], vec![0.0; 4]));
    Ok(())
}

#[test]
fn a_capture_does_not_hide_what_was_asked_before() -> Done {
    let Some((device, kernel)) = setup("a_capture_does_not_hide_what_was_asked_before", false)? else {
        return Ok(());
    };
    let stream = device.stream()?;
    let (x, mut y, mut z) = (device.tensor(&[1f32, 2.0], [2])?, device.empty([2])?, device.empty([2])?);
    let mut pinned = device.pinned::<f32>(2)?;
    kernel.on(&stream).launch(&x, &mut y, 2.0)?;
    stream.download(&y, &mut pinned)?;
    kernel.on(&stream).launch(&x, &mut y, 3.0)?;
    let graph = Graph::capture(&stream, |stream| {
        kernel.on(stream).launch(&x, &mut z, 4.0)?;
        // A pinned array waits for its copy, in this thread too, and may be dropped.
        assert_eq!(pinned.as_slice()?, [2.0, 4.0]);
        drop(pinned);
        thread::scope(|scope| scope.spawn(|| device.synchronize()).join().unwrap())?;
        assert_eq!(now(&y), [3.0, 6.0]);
        Ok(())
    })?;
    graph.replay(&stream)?;
    assert_eq!(z.to_vec()?, [4.0, 8.0]);
    Ok(())
}

#[test]
fn pinned_arrays_wait_only_for_their_copies() -> Done {
    let Some((device, kernel)) = setup("pinned_arrays_wait_only_for_their_copies", false)? else {
        return Ok(());
    };
    let (a, b) = (device.stream()?, device.stream()?);
    let (x, mut y) = (device.tensor(&[1f32, 2.0], [2])?, device.tensor(&[0f32; 2], [2])?);
    let (mut up, mut other) = (device.empty::<f32, 1>([2])?, device.empty::<f32, 1>([2])?);
    let mut pinned = device.pinned::<f32>(2)?;
    // From here on, the streams use the tensors.
    a.upload(&pinned, &mut up)?;
    b.upload(&pinned, &mut other)?;
    device.synchronize()?;
    kernel.launch(&x, &mut y, 2.0)?;
    pinned.as_mut_slice()?.fill(7.0);
    a.upload(&pinned, &mut up)?;
    b.upload(&pinned, &mut other)?;
    pinned.as_mut_slice()?.fill(9.0);
    // Both copies are done, but the kernel is not.
    assert_eq!((now(&up), now(&other), now(&y)), (vec![7.0; 2], vec![7.0; 2], vec![0.0; 2]));
    Ok(())
}

#[test]
fn pinned_bools_are_bools() -> Done {
    let Some((device, _)) = setup("pinned_bools_are_bools", false)? else { return Ok(()) };
    let stream = device.stream()?;
    let mut pinned = device.pinned::<bool>(3)?;
    assert_eq!(pinned.as_slice()?, [false; 3]);
    stream.download(&device.empty::<bool, 1>([3])?, &mut pinned)?;
    assert_eq!(
        pinned.as_slice().unwrap_err().to_string(),
        "cuda:0 (Stub): element 0 of a pinned array is 0xdd, which is not a bool: the tensor it was copied from was \
         not written there"
    );
    assert_eq!(pinned.as_mut_slice()?, [true; 3]);
    stream.download(&device.tensor(&[true, false, true], [3])?, &mut pinned)?;
    assert_eq!(pinned.as_slice()?, [true, false, true]);
    Ok(())
}

#[test]
fn what_overlaps_and_what_does_not() -> Done {
    if let Some((device, _)) = setup("what_overlaps_and_what_does_not", false)? {
        overlaps(&device)?;
    }
    overlaps(&Device::sim())
}

fn overlaps(device: &Device) -> Done {
    let (kernel, stream) = (scale().compile(device)?, device.stream()?);
    let x = device.tensor(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0], [6])?;
    let (left, mut middle, mut right) = (x.view(0, [3])?, x.view(2, [3])?, x.view(3, [3])?);
    let error = stream.copy(&left, &mut middle).unwrap_err().to_string();
    assert!(error.ends_with("a tensor cannot be copied to one that shares memory with it"), "{error}");
    stream.copy(&left, &mut right)?;
    assert_eq!(x.to_vec()?, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    // Empty tensors overlap nothing.
    let (source, mut target) = (x.view(0, [0])?, x.view(2, [0])?);
    let whole = x.view(0, [6])?;
    assert!(!whole.raw().overlaps(target.raw()));
    stream.copy(&source, &mut target)?;
    kernel.launch(&source, &mut target, 2.0)
}

#[test]
fn graphs_built_by_hand_refuse_invalid_nodes() -> Done {
    let Some((device, kernel)) = setup("graphs_built_by_hand_refuse_invalid_nodes", false)? else { return Ok(()) };
    let context = device.as_cuda().unwrap();
    let (x, y) = (device.tensor(&[1f32, 2.0], [2])?, device.zeros::<f32, 1>([2])?);
    let arguments = [RawArg::Tensor(x.raw()), RawArg::Tensor(y.raw()), RawArg::Scalar(2f32.constant())];
    let chain = |context: &'static cuda::Context, kernel: &Scale| {
        let mut prepared = kernel.compiled().prepare(&arguments)?;
        // SAFETY: the graph is not run.
        unsafe { cuda::Graph::of(context, &[prepared.bare().map(|bare| &*bare)], &[]) }.map(drop)
    };
    chain(context, &kernel)?;
    let together = cooperative::scale().compile(&device)?;
    assert_eq!(
        chain(context, &together).unwrap_err().to_string(),
        "cuda:0: a cooperative launch cannot be a node of a graph that is built by hand"
    );
    assert_eq!(
        chain(Device::cuda(1)?.as_cuda().unwrap(), &kernel).unwrap_err().to_string(),
        "cuda:1: a launch on cuda:0 (Stub) cannot be a node of a graph here"
    );
    Ok(())
}

#[test]
fn unknown_statuses_are_reported() -> Done {
    if on_stubs("unknown_statuses_are_reported").is_some() {
        return Ok(());
    }
    // SAFETY: only the test harness runs in this process yet, and it does not read the environment.
    unsafe { std::env::set_var("HIDET_STUB_STATUS", "1234") };
    let error = scale().compile(&Device::cuda(0)?).unwrap_err().to_string();
    assert!(error.contains("an error (1234)"), "{error}");
    Ok(())
}

#[test]
fn a_context_that_cannot_be_used_is_released() -> Done {
    if let Some(text) = on_stubs("a_context_that_cannot_be_used_is_released") {
        assert!(text.contains("released: 0\nerror: cuda:0: cuStreamCreate failed: CUDA_ERROR (2)"), "{text}");
        return Ok(());
    }
    // SAFETY: as above.
    unsafe { std::env::set_var("HIDET_STUB_FULL", "1") };
    println!("error: {}", Device::cuda(0).unwrap_err());
    Ok(())
}
