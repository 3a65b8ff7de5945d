//! `hidet bench launch`: measures what a launch costs beyond the bare call of the driver, a replay beyond a graph built by
//! hand, and a barrier of the grid.
//!
//! Times are host times. The device is idle when a batch begins, and is synchronized after it. The synchronization is
//! not timed, except for replays, whose time ends with the device's work. Kernels are as small as possible, so that the
//! queue of the device never fills and a replay is mostly launching.

use hidet::cuda;
use hidet::kernel::{PreparedLaunch, RawArg};
use hidet::prelude::*;
use hidet::tune::Summary;
use std::fmt::Write;
use std::time::Instant;

/// Launches per batch, and nodes per graph.
const BATCH: usize = 200;
/// Batches of each kind, interleaved; one more before them is not counted.
const ROUNDS: usize = 201;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 128 + thread_idx().x;
        if i < n { y[[i]] = x[[i]] * s; }
    }

    /// The arguments of a large kernel, and extents that must agree.
    #[launch(grid = (cols.div_ceil(128), rows), block = 128)]
    fn combine(
        a: In<f32, [rows, cols]>, b: In<f32, [rows, cols]>, c: In<f32, [rows, cols]>, d: In<f32, [rows]>,
        e: In<f32, [cols]>, y: Out<f32, [rows, cols]>, z: Out<f32, [rows, cols]>, s: f32, t: f32
    ) {
        let i = block_idx().x * 128 + thread_idx().x;
        let r = block_idx().y;
        if i < cols {
            y[[r, i]] = a[[r, i]] * s + b[[r, i]] + d[[r]];
            z[[r, i]] = c[[r, i]] * t + e[[i]];
        }
    }
}

/// Measures on a GPU. Returns the table.
pub fn run(device: &Device) -> Result<String, String> {
    let mut text = String::new();
    let all = [launches, replays, super::barrier::run];
    all.iter().try_for_each(|part| part(device, &mut text)).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Times of kinds of batches in microseconds, interleaved so that drift affects all alike.
fn interleaved<const N: usize>(
    batches: &mut [(&str, &mut dyn FnMut() -> hidet::Result<f64>); N],
) -> hidet::Result<[Vec<f64>; N]> {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for at in 0..N {
            let kind = (at + round) % N;
            let time = batches[kind].1()?;
            if round > 0 {
                times[kind].push(time);
            }
        }
    }
    Ok(times)
}

/// Returns the mean time of the launches of a batch on an idle device, in microseconds.
fn batch(device: &Device, mut launch: impl FnMut() -> hidet::Result<()>) -> hidet::Result<f64> {
    device.synchronize()?;
    let start = Instant::now();
    for _ in 0..BATCH {
        launch()?;
    }
    let time = start.elapsed().as_secs_f64() * 1e6 / BATCH as f64;
    device.synchronize()?;
    Ok(time)
}

fn launches(device: &Device, text: &mut String) -> hidet::Result<()> {
    let row = |values: [String; 5]| {
        let [name, median, quartiles, more, lost] = values;
        format!("{name:<34} {median:>8} {quartiles:>15} {more:>9} {lost:>8}\n")
    };
    let _ = writeln!(text, "launches in batches of {BATCH}, us each, median of {ROUNDS} interleaved batches");
    *text += &row(["", "median", "quartiles", "more", "share"].map(str::to_owned));
    let stream = device.stream()?;

    let kernel = scale().compile(device)?;
    let (x, mut y) = (device.zeros([512])?, device.zeros([512])?);
    let arguments = [RawArg::Tensor(x.raw()), RawArg::Tensor(y.raw()), RawArg::Scalar(2f32.constant())];
    let prepared = kernel.compiled().prepare(&arguments)?;
    let y = std::cell::RefCell::new(&mut y);
    measure(
        device,
        "scale, 3 arguments",
        prepared,
        text,
        row,
        &mut || kernel.launch(&x, &mut y.borrow_mut(), 2.0),
        &mut || kernel.on(&stream).launch(&x, &mut y.borrow_mut(), 2.0),
    )?;

    let kernel = combine().compile(device)?;
    let [a, b, c] = [(); 3].map(|()| device.zeros([4, 100]));
    let (a, b, c, d, e) = (a?, b?, c?, device.zeros([4])?, device.zeros([100])?);
    let outputs = (device.zeros([4, 100])?, device.zeros([4, 100])?);
    let tensors = [&a, &b, &c].map(|tensor| RawArg::Tensor(tensor.raw()));
    let arguments: Vec<RawArg> = tensors
        .into_iter()
        .chain([d.raw(), e.raw(), outputs.0.raw(), outputs.1.raw()].map(RawArg::Tensor))
        .chain([2f32, 3.0].map(|number| RawArg::Scalar(number.constant())))
        .collect();
    let prepared = kernel.compiled().prepare(&arguments)?;
    drop(arguments);
    let outputs = std::cell::RefCell::new(outputs);
    measure(
        device,
        "combine, 9 arguments",
        prepared,
        text,
        row,
        &mut || {
            let (y, z) = &mut *outputs.borrow_mut();
            kernel.launch(&a, &b, &c, &d, &e, y, z, 2.0, 3.0)
        },
        &mut || {
            let (y, z) = &mut *outputs.borrow_mut();
            kernel.on(&stream).launch(&a, &b, &c, &d, &e, y, z, 2.0, 3.0)
        },
    )
}

/// Measures one kernel, and adds its rows.
fn measure(
    device: &Device,
    name: &str,
    mut prepared: PreparedLaunch,
    text: &mut String,
    row: impl Fn([String; 5]) -> String,
    launch: &mut dyn FnMut() -> hidet::Result<()>,
    launch_on: &mut dyn FnMut() -> hidet::Result<()>,
) -> hidet::Result<()> {
    let Some(bare) = prepared.bare() else { return Ok(()) };
    bare.context().make_current()?;
    let stream = bare.context().stream();
    let times = interleaved(&mut [
        // SAFETY: the tensors outlive the measurement, which waits for all launches.
        ("cuLaunchKernel", &mut || {
            batch(device, || stream.context.status("a bare launch", unsafe { bare.launch(stream) }))
        }),
        ("launch", &mut || batch(device, &mut *launch)),
        ("on(&stream).launch", &mut || batch(device, &mut *launch_on)),
    ])?;
    let base = Summary::of(&times[0]);
    for (kind, times) in ["cuLaunchKernel", "Kernel::launch", "Kernel::on(stream).launch"].iter().zip(&times) {
        let time = Summary::of(times);
        let more = time.median - base.median;
        *text += &row([
            format!("{name}: {kind}"),
            format!("{:.3}", time.median),
            format!("{:.3} {:.3}", time.lower, time.upper),
            format!("{more:+.3}"),
            format!("{:+.1}%", more / base.median * 100.0),
        ]);
    }
    Ok(())
}

/// Compares a captured graph with one whose nodes are added by hand.
fn replays(device: &Device, text: &mut String) -> hidet::Result<()> {
    let Some(context) = device.as_cuda() else { return Ok(()) };
    let kernel = scale().compile(device)?;
    let (mut x, mut y) = (device.zeros([512])?, device.zeros([512])?);
    let mut launches = Vec::new();
    for step in 0..BATCH {
        let (from, to) = if step % 2 == 0 { (&x, &y) } else { (&y, &x) };
        let arguments = [RawArg::Tensor(from.raw()), RawArg::Tensor(to.raw()), RawArg::Scalar(2f32.constant())];
        launches.push(kernel.compiled().prepare(&arguments)?);
    }
    let nodes: Vec<Option<&cuda::Bare>> = launches.iter_mut().map(|launch| launch.bare().map(|bare| &*bare)).collect();
    let chain: Vec<Vec<usize>> = (0..BATCH).map(|step| step.checked_sub(1).into_iter().collect()).collect();
    // SAFETY: the kernel and the tensors live to the end of this function, which waits for each replay.
    let by_hand = unsafe { cuda::Graph::of(context, &nodes, &chain) }?;
    let stream = device.stream()?;
    let captured = Graph::capture(&stream, |stream| {
        for step in 0..BATCH {
            if step % 2 == 0 {
                kernel.on(stream).launch(&x, &mut y, 2.0)?;
            } else {
                kernel.on(stream).launch(&y, &mut x, 2.0)?;
            }
        }
        Ok(())
    })?;
    let queue = context.stream();
    let timed = |replay: &mut dyn FnMut() -> hidet::Result<()>| -> hidet::Result<f64> {
        device.synchronize()?;
        let start = Instant::now();
        for _ in 0..5 {
            replay()?;
        }
        device.synchronize()?;
        Ok(start.elapsed().as_secs_f64() * 1e6 / 5.0)
    };
    let times = interleaved(&mut [
        ("by hand", &mut || timed(&mut || by_hand.launch(&queue.device_lock(false)?, queue))),
        ("captured", &mut || timed(&mut || captured.replay(&stream))),
    ])?;
    let [by_hand, captured] = times.map(|times| Summary::of(&times));
    let _ = writeln!(
        text,
        "\nreplays of {BATCH} kernels in a chain, us until done, five at a time, median of {ROUNDS} interleaved batches"
    );
    for (name, time) in [("cuGraphAddKernelNode", by_hand), ("Graph::capture", captured)] {
        let more = (time.median / by_hand.median - 1.0) * 100.0;
        let _ = writeln!(text, "{name:<34} {:>8.1} {:>7.1} {:>7.1} {more:>+8.1}%", time.median, time.lower, time.upper);
    }
    Ok(())
}
