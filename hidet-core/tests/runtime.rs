//! Launches, streams, graphs, copies and errors on a stub driver: its devices are the host, and it executes work as
//! late as a driver may.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use hidet::prelude::*;
use hidet_core::kernel::{CompileOptions, RawArg};
use stub::on_stubs;

type Done = hidet::Result<()>;

kernel! {
    /// y = x * s, without a guard, so that accesses are checked if checks are on.
    #[launch(grid = n.div_ceil(4), block = 4)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        y[[i]] = x[[i]] * s;
    }
}

/// Runs the rest of a test in a process with the stubs, and checks that its output contains these lines.
macro_rules! on_stubs {
    ($name:literal, [$($line:expr),* $(,)?]) => {
        if let Some(text) = on_stubs($name) {
            for line in [$($line),*] as [&str; _] {
                assert!(text.contains(line), "{line}\n{text}");
            }
            return Ok(());
        }
    };
}

type Scale = Kernel<(In<f32, 1>, Out<f32, 1>, Expr<f32>)>;

fn setup() -> hidet::Result<(Device, Scale)> {
    let device = Device::cuda(0)?;
    let kernel = scale().compile(&device)?;
    Ok((device, kernel))
}

#[test]
fn launches_good_and_bad() -> Done {
    on_stubs!(
        "launches_good_and_bad",
        [
            "device: cuda:0 (Stub) Some(Arch { number: 90, specific: true })",
            "launch: grid 2 1 1 block 4 1 1 shared 0",
            "plain: [2.0, 4.0, 6.0, 8.0, 10.0]",
            "checked: [0.5, 1.0]",
            "empty: []",
            "aliased: launch of `scale`: argument `y`, which the kernel writes, shares memory with argument `x`",
            "time: Ok(0.0",
            "fault: kernel `scale` failed: \nout of bounds: x[[-1]] is outside of x, whose shape is [3]",
            ": thread 1",
            "next: [0.5, 1.0, 1.5, 2.0]",
        ]
    );
    let (device, plain) = setup()?;
    println!("device: {device} {:?}", device.arch());
    let checked = scale().compile_with(&device, &CompileOptions { checks: true, ..Default::default() })?;
    let launch = |kernel: &Scale, values: &[f32], s: f32| -> hidet::Result<Vec<f32>> {
        let x = device.tensor(values, [values.len()])?;
        let mut y = device.empty([values.len()])?;
        kernel.launch(&x, &mut y, s)?;
        y.to_vec()
    };
    println!("plain: {:?}", launch(&plain, &[1.0, 2.0, 3.0, 4.0, 5.0], 2.0)?);
    println!("checked: {:?}", launch(&checked, &[1.0, 2.0], 0.5)?);
    println!("empty: {:?}", launch(&plain, &[], 0.5)?);
    let x = device.tensor(&[1f32, 2.0], [2])?;
    let arguments = [RawArg::Tensor(x.raw()), RawArg::Tensor(x.raw()), RawArg::Scalar(1f32.constant())];
    println!("aliased: {}", plain.compiled().launch(&arguments).unwrap_err());
    println!("time: {:?}", hidet::cuda::measure(device.as_cuda().unwrap(), 3, || Ok(())));
    println!("fault: {}", launch(&checked, &[1.0, 2.0, 3.0], 0.5).unwrap_err());
    println!("next: {:?}", launch(&checked, &[1.0, 2.0, 3.0, 4.0], 0.5)?);
    Ok(())
}

#[test]
fn an_earlier_launch_hides_no_error() -> Done {
    let device = Device::sim();
    let kernel = scale().compile(&device)?;
    let (x, mut y) = (device.tensor(&[1f32, 2.0, 3.0, 4.0], [4])?, device.zeros([4])?);
    kernel.launch(&x, &mut y, 2.0)?;
    let (tensor, two) = (|tensor| RawArg::Tensor(tensor), RawArg::Scalar(2f32.constant()));
    let refused = |args: &[RawArg], message: &str| {
        let error = kernel.compiled().launch(args).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\ndoes not say: {message}");
    };
    let (other, square, eight) = (device.zeros::<i32, 1>([4])?, x.view(0, [2, 2])?, device.zeros::<f32, 1>([8])?);
    let (left, right) = (eight.view(0, [4])?, eight.view(2, [4])?);
    refused(&[tensor(x.raw()), tensor(x.raw()), two], "shares memory with argument `x`");
    refused(&[tensor(left.raw()), tensor(right.raw()), two], "shares memory with argument `x`");
    refused(
        &[tensor(x.raw()), tensor(other.raw()), two],
        "argument `y` has elements of type i32; the kernel takes f32",
    );
    refused(&[tensor(square.raw()), tensor(y.raw()), two], "argument `x` has 2 axes [2, 2]; the kernel takes 1");
    refused(&[tensor(x.raw()), tensor(eight.raw()), two], "`n` is 4 from axis 0 of argument `x`, but 8 from axis 0");
    refused(&[tensor(x.raw()), two, tensor(y.raw())], "is a number (f32); the kernel takes a tensor");
    refused(&[tensor(x.raw()), tensor(y.raw())], "2 arguments were passed; the kernel takes 3");
    refused(
        &[tensor(x.raw()), tensor(y.raw()), RawArg::Scalar(2i32.constant())],
        "argument `s` has type i32; the kernel takes f32",
    );
    // Two disjoint halves count as two tensors.
    let mut right = eight.view(4, [4])?;
    kernel.launch(&left, &mut right, 3.0)?;
    kernel.launch(&x, &mut y, 5.0)?;
    assert_eq!(y.to_vec()?, [5.0, 10.0, 15.0, 20.0]);
    Ok(())
}

#[test]
fn a_lost_context_says_since_when() -> Done {
    on_stubs!(
        "a_lost_context_says_since_when",
        [
            "late: cuda:0: waiting for the device failed: CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access \
             was encountered; kernels launched since the last synchronization: `scale`, `scale`\nthe context is lost",
            "launch: cuda:0: the context is lost and cannot be used any more in this process, because: waiting for the \
             device failed",
            "empty: cuda:0: the context is lost",
            "read: cuda:0: the context is lost",
            "stream: cuda:0: the context is lost",
            "dropped",
        ]
    );
    let (device, kernel) = setup()?;
    let (x, mut y) = (device.tensor(&[1f32], [1])?, device.empty([1])?);
    kernel.launch(&x, &mut y, 1.0)?;
    device.synchronize()?;
    let stream = device.stream()?;
    kernel.launch(&x, &mut y, -1.0)?;
    kernel.on(&stream).launch(&x, &mut y, 1.0)?;
    println!("late: {}", stream.synchronize().unwrap_err());
    println!("launch: {}", kernel.launch(&x, &mut y, 1.0).unwrap_err());
    println!("empty: {}", device.empty::<f32, 1>([8]).unwrap_err());
    println!("read: {}", y.to_vec().unwrap_err());
    println!("stream: {}", device.stream().unwrap_err());
    drop((x, y, stream, kernel));
    println!("dropped");
    Ok(())
}

#[test]
fn tensors_order_streams() -> Done {
    on_stubs!("tensors_order_streams", []);
    let (device, kernel) = setup()?;
    let (a, b) = (device.stream()?, device.stream()?);
    let x = device.tensor(&[1f32, 2.0], [2])?;
    let (mut y, mut z) = (device.empty([2])?, device.empty([2])?);
    // Written on one stream, read on another, overwritten on a third.
    kernel.on(&a).launch(&x, &mut y, 3.0)?;
    kernel.on(&b).launch(&y, &mut z, 2.0)?;
    kernel.launch(&x, &mut y, 10.0)?;
    assert_eq!(y.to_vec()?, [10.0, 20.0]);
    assert_eq!(z.to_vec()?, [6.0, 12.0]);
    // Dropped while another stream still reads it.
    kernel.on(&a).launch(&x, &mut y, 5.0)?;
    kernel.on(&b).launch(&y, &mut z, 2.0)?;
    drop(y);
    device.synchronize()?;
    assert_eq!(z.to_vec()?, [10.0, 20.0]);
    // Copies and events.
    let mut copy = device.empty([2])?;
    a.copy(&z, &mut copy)?;
    let event = a.record()?;
    assert!(!event.is_reached()?);
    b.wait(&event)?;
    b.synchronize()?;
    assert!(event.is_reached()?);
    assert_eq!(copy.to_vec()?, [10.0, 20.0]);
    let (start, end) = (a.record()?, a.record()?);
    assert_eq!(start.until(&end)?, 0.5);
    // A dropped stream is handed out again.
    let streams: Vec<_> = (0..61).map(|_| device.stream()).collect::<hidet::Result<_>>()?;
    assert_eq!(
        device.stream().unwrap_err().to_string(),
        "cuda:0: all 64 streams are in use; drop one, or share one between several tasks"
    );
    drop(streams);
    device.stream().map(drop)
}

#[test]
fn graphs() -> Done {
    on_stubs!("graphs", []);
    let (device, kernel) = setup()?;
    let (stream, other) = (device.stream()?, device.stream()?);
    let x = device.tensor(&[1f32, 2.0], [2])?;
    let (mut y, mut z, mut copy) = (device.empty([2])?, device.empty([2])?, device.empty([2])?);
    let graph = Graph::capture(&stream, |stream| {
        kernel.on(stream).launch(&x, &mut y, 3.0)?;
        kernel.on(stream).launch(&y, &mut z, 2.0)?;
        stream.copy(&z, &mut copy)
    })?;
    assert_eq!(graph.len(), 3);
    graph.replay(&stream)?;
    assert_eq!(copy.to_vec()?, [6.0, 12.0]);
    // The graph waits for work on another stream, and other streams wait for it.
    let mut x = x;
    x.write(&[5.0, 7.0])?;
    graph.replay(&other)?;
    kernel.launch(&copy, &mut z, 1.0)?;
    assert_eq!(z.to_vec()?, [30.0, 42.0]);
    // The graph keeps the tensors and the kernel alive.
    drop((x, y, z, kernel));
    graph.replay(&stream)?;
    assert_eq!(copy.to_vec()?, [30.0, 42.0]);
    drop(graph);
    assert_eq!(copy.to_vec()?, [30.0, 42.0]);
    Ok(())
}

#[test]
fn what_cannot_be_captured_leaves_the_stream_as_it_was() -> Done {
    on_stubs!("what_cannot_be_captured_leaves_the_stream_as_it_was", []);
    uncapturable(&Device::cuda(0)?)
}

#[test]
fn what_cannot_be_captured_is_refused_by_the_simulated_device_too() -> Done {
    uncapturable(&Device::sim())
}

fn uncapturable(device: &Device) -> Done {
    let kernel = scale().compile(device)?;
    let checked = scale().compile_with(device, &CompileOptions { checks: true, ..Default::default() })?;
    let (stream, other) = (device.stream()?, device.stream()?);
    let (x, y) = (device.tensor(&[1f32, 2.0, 3.0, 4.0], [4])?, std::cell::RefCell::new(device.empty([4])?));
    let refused = |what: &dyn Fn(&Stream) -> Done, message: &str| {
        let capture = Graph::capture(&stream, |stream| {
            kernel.on(stream).launch(&x, &mut y.borrow_mut(), 3.0)?;
            what(stream)
        });
        let error = capture.unwrap_err().to_string();
        assert!(error.contains(message), "{error}\ndoes not say: {message}");
        // The stream works as before.
        kernel.on(&stream).launch(&x, &mut y.borrow_mut(), 7.0).unwrap();
        assert_eq!(y.borrow().to_vec().unwrap(), [7.0, 14.0, 21.0, 28.0]);
    };
    let late = " cannot be captured in a graph: do it before or after the capture";
    refused(&|_| y.borrow().to_vec().map(drop), &format!("reading a tensor{late}"));
    refused(&|_| y.borrow_mut().write(&[1.0; 4]), &format!("writing a tensor from the host{late}"));
    refused(&|_| device.empty::<f32, 1>([4]).map(drop), &format!("allocating a tensor{late}"));
    refused(&|_| device.tensor(&[1f32], [1]).map(drop), &format!("allocating a tensor{late}"));
    refused(&|_| device.zeros::<f32, 1>([4]).map(drop), &format!("allocating a tensor{late}"));
    refused(&|stream| stream.synchronize(), &format!("waiting for a stream{late}"));
    refused(&|_| device.synchronize(), &format!("waiting for the device{late}"));
    refused(&|stream| stream.record().map(drop), &format!("an event{late}"));
    refused(&|_| device.pinned::<f32>(4).map(drop), &format!("allocating pinned memory{late}"));
    refused(&|stream| Graph::capture(stream, |_| Ok(())).map(drop), &format!("another capture{late}"));
    refused(
        &|_| kernel.launch(&x, &mut y.borrow_mut(), 1.0),
        "the default stream is used while this thread captures another in a graph: launch on the captured stream, by \
         `kernel.on(stream)`",
    );
    refused(
        &|_| kernel.on(&other).launch(&x, &mut y.borrow_mut(), 1.0),
        "a stream is used while this thread captures another stream in a graph: launch on the captured stream",
    );
    refused(
        &|stream| {
            let other_thread = || kernel.on(stream).launch(&x, &mut device.empty([4])?, 1.0);
            std::thread::scope(|scope| scope.spawn(other_thread).join().unwrap())
        },
        "another thread is capturing this stream in a graph: wait for it, or use another stream",
    );
    if !device.is_sim() {
        // With four elements all accesses are proved, so that kernel does not need to be waited for.
        let (five, out) = (device.tensor(&[1f32; 5], [5])?, std::cell::RefCell::new(device.empty([5])?));
        refused(
            &|stream| checked.on(stream).launch(&five, &mut out.borrow_mut(), 1.0),
            "launch of `scale`: it has checks, assertions or prints and is waited for, which cannot be captured in a \
             graph",
        );
    }
    // A panic also ends a capture.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Graph::capture(&stream, |_| std::panic::resume_unwind(Box::new(())))
    }));
    assert!(panicked.is_err());
    kernel.on(&stream).launch(&x, &mut y.borrow_mut(), 1.0)?;
    assert_eq!(y.borrow().to_vec()?, [1.0, 2.0, 3.0, 4.0]);
    // A tensor may be dropped during a capture.
    let dropped = device.empty([4])?;
    let graph = Graph::capture(&stream, |stream| kernel.on(stream).launch(&x, &mut { dropped }, 9.0))?;
    graph.replay(&stream)
}

#[test]
fn memory_runs_out() -> Done {
    on_stubs!(
        "memory_runs_out",
        ["out: cuda:0: out of memory: 16777217 bytes requested, 12777216 of 16777216 bytes are free, tensors of \
             this process hold 4000000; drop some of them first, or use smaller ones"]
    );
    let (device, kernel) = setup()?;
    let x = device.tensor(&vec![2f32; 1_000_000], [1_000_000])?;
    println!("out: {}", device.empty::<u8, 1>([16_777_217]).unwrap_err());
    let mut y = device.empty([1_000_000])?;
    kernel.launch(&x, &mut y, 3.0)?;
    assert_eq!(y.to_vec()?, vec![6.0; 1_000_000]);
    // The allocation waits for memory whose release is still pending.
    let stream = device.stream()?;
    kernel.on(&stream).launch(&x, &mut y, 1.0)?;
    drop((x, y));
    let all = device.empty::<u8, 1>([16_777_216 - 1024])?;
    assert_eq!(all.len(), 16_777_216 - 1024);
    Ok(())
}

#[test]
fn several_devices() -> Done {
    on_stubs!("several_devices", []);
    let (first, kernel) = setup()?;
    let second = Device::cuda(1)?;
    let x = first.tensor(&[1f32, 2.0], [2])?;
    let there = x.to_device(&second)?;
    assert_eq!(there.to_vec()?, [1.0, 2.0]);
    // Each call uses its own context, in every thread, and restores the caller's.
    let kernel_there = scale().compile(&second)?;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut y = first.empty([2]).unwrap();
                let mut z = second.empty([2]).unwrap();
                for round in 1..50 {
                    kernel.launch(&x, &mut y, round as f32).unwrap();
                    kernel_there.launch(&there, &mut z, 2.0 * round as f32).unwrap();
                }
                assert_eq!(y.to_vec().unwrap(), [49.0, 98.0]);
                assert_eq!(z.to_device(&first).unwrap().to_vec().unwrap(), [98.0, 196.0]);
            });
        }
    });
    let mut y = first.empty([2])?;
    assert_eq!(
        kernel.launch(&there, &mut y, 1.0).unwrap_err().to_string(),
        "launch of `scale`: argument `x` is on cuda:1 (Stub); the kernel was compiled for cuda:0 (Stub)"
    );
    let stream = second.stream()?;
    assert_eq!(
        kernel.on(&stream).launch(&x, &mut y, 1.0).unwrap_err().to_string(),
        "launch of `scale`: the stream belongs to cuda:1 (Stub); the kernel was compiled for cuda:0 (Stub)"
    );
    let home = Device::sim().tensor(&[1f32], [1])?;
    assert!(kernel.launch(&home, &mut y, 1.0).unwrap_err().to_string().contains("is on the simulated device"));
    Ok(())
}

#[test]
fn host_copies() -> Done {
    on_stubs!("host_copies", []);
    let (device, kernel) = setup()?;
    let stream = device.stream()?;
    // Larger than all staging buffers together, with an incomplete last piece.
    let values: Vec<u8> = (0..12_000_001u32).map(|index| (index * 7 + index / 251) as u8).collect();
    let tensor = device.tensor(&values, [values.len()])?;
    assert!(tensor.to_vec()? == values);
    drop(tensor);
    let mut pinned = device.pinned::<f32>(1000)?;
    pinned.as_mut_slice()?.fill(2.0);
    let (mut x, mut y, mut back) = (device.empty([1000])?, device.empty([1000])?, device.pinned::<f32>(1000)?);
    stream.upload(&pinned, &mut x)?;
    // Waits for the copy.
    pinned.as_mut_slice()?.fill(9.0);
    kernel.launch(&x, &mut y, 4.0)?;
    stream.download(&y, &mut back)?;
    assert_eq!(back.as_slice()?, [8.0; 1000]);
    let mut small = device.pinned::<f32>(10)?;
    let error = stream.download(&y, &mut small).unwrap_err().to_string();
    assert_eq!(error, "cuda:0 (Stub): an array of 10 elements cannot be copied to or from a tensor of 1000 elements");
    Ok(())
}

#[test]
fn resources_and_bare_launches() -> Done {
    on_stubs!("resources_and_bare_launches", []);
    let (device, kernel) = setup()?;
    let (x, y) = (device.tensor(&[1f32, 2.0], [2])?, device.empty::<f32, 1>([2])?);
    let arguments = [RawArg::Tensor(x.raw()), RawArg::Tensor(y.raw()), RawArg::Scalar(4f32.constant())];
    let resources = kernel.resources()?.unwrap();
    assert_eq!(
        resources.to_string(),
        "24 registers, 0 bytes spilled, 256 bytes of shared memory, 512 blocks (512 of 64 warps) per multiprocessor"
    );
    let mut in_local = resources;
    in_local.usage.stack = 64;
    let text = in_local.to_string();
    assert!(text.contains("0 bytes spilled, 64 bytes of local memory, 256 bytes of shared memory"), "{text}");
    let mut prepared = kernel.compiled().prepare(&arguments)?;
    // SAFETY: the tensors exist.
    assert_eq!(unsafe { prepared.bare().unwrap().launch(device.as_cuda().unwrap().stream()) }, 0);
    assert_eq!(y.to_vec()?, [4.0, 8.0]);
    Ok(())
}
