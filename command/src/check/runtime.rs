//! Streams, graphs, copies, external memory and errors: the runtime around kernels. All are exact.
//!
//! A missing wait shows as a wrong result only while the device is busy, so tensors are large enough that a launch
//! takes longer than submitting the next.

use super::bench::{Bench, Limit};
use hidet::prelude::*;

kernel! {
    /// y = x + s
    #[launch(grid = n.div_ceil(256), block = 256)]
    fn add(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 256 + thread_idx().x;
        if i < n { y[[i]] = x[[i]] + s; }
    }
}

pub(super) fn check(bench: &mut Bench) {
    // The simulated device runs everything at once; only a GPU must be kept busy.
    let n = if bench.arch().is_some() { 10_000_019 } else { 1_027 };
    let exact =
        |bench: &mut Bench, name: &'static str, value: f64, run: &dyn Fn(&Device) -> hidet::Result<Vec<f32>>| {
            let expected = vec![value; 5];
            bench.case(name, &[n], Limit::Ulps(0.0), &expected, |device| sample(device, &run(device)?));
        };
    exact(bench, "tensors order streams", 102.0, &|device| streams(device, n));
    exact(bench, "graph, replayed on two streams", 60.0, &|device| graphs(device, n));
    exact(bench, "graph of two branches and a join", 33.0, &|device| branches(device, n));
    exact(bench, "failed captures, then launches", 1.0, &|device| failed_captures(device, n));
    exact(bench, "pinned arrays", 9.0, &|device| pinned(device, n));
    exact(bench, "host arrays through staging", 4.0, &|device| device.tensor(&vec![4.0; n], [n])?.to_vec());
    exact(bench, "memory dropped while in use", 8.0, &|device| dropped(device, n));
    exact(bench, "DLPack out and in", 3.0, &|device| dlpack(device, n));
    exact(bench, "occupancy by the published limits", 1.0, &occupancy);
    if bench.arch().is_some() {
        exact(bench, "out of memory, then launches", 7.0, &|device| out_of_memory(device, n));
    }
    if hidet::cuda::count().is_ok_and(|count| count > 1) && bench.arch().is_some() {
        exact(bench, "two devices", 30.0, &|device| devices(device, n));
    }
}

/// Returns the first, the last and three elements between if all are equal; otherwise one that differs.
fn sample(device: &Device, values: &[f32]) -> hidet::Result<Vec<f32>> {
    device.synchronize()?;
    let first = values.first().copied().unwrap_or(f32::NAN);
    let other = values.iter().copied().find(|value| *value != first);
    Ok(vec![other.unwrap_or(first); 5])
}

fn wrong(what: &str) -> hidet::Error {
    hidet::Error::Device { device: "check".to_owned(), message: what.to_owned() }
}

/// Two tensors, alternating on four streams: each launch reads what one stream wrote and overwrites what another read.
fn streams(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let streams = [device.stream()?, device.stream()?, device.stream()?];
    let (mut x, mut y) = (device.zeros([n])?, device.empty([n])?);
    for step in 0..51 {
        match streams.get(step % 4) {
            Some(stream) => kernel.on(stream).launch(&x, &mut y, 2.0)?,
            None => kernel.launch(&x, &mut y, 2.0)?,
        }
        std::mem::swap(&mut x, &mut y);
    }
    let (start, end) = (streams[0].record()?, streams[0].record()?);
    if start.until(&end)? < 0.0 || !end.is_reached()? {
        return Err(wrong("time runs backwards between two events"));
    }
    x.to_vec()
}

fn graphs(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let (one, two) = (device.stream()?, device.stream()?);
    let (mut x, mut y) = (device.zeros([n])?, device.empty([n])?);
    let graph = Graph::capture(&one, |stream| {
        kernel.on(stream).launch(&x, &mut y, 1.0)?;
        kernel.on(stream).launch(&y, &mut x, 2.0)
    })?;
    for _ in 0..10 {
        graph.replay(&one)?;
        graph.replay(&two)?;
    }
    drop((graph, kernel));
    x.to_vec()
}

/// Each step adds to two halves side by side, joins them, and overwrites what the halves were read from.
fn branches(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let (x, y) = (device.zeros::<f32, 1>([2 * n])?, device.empty::<f32, 1>([2 * n])?);
    let whole = [0, 2 * n];
    let prepare = |from: &Tensor<f32, 1>, to: &Tensor<f32, 1>, [first, count]: [usize; 2], s| {
        kernel.prepare(&from.view(first, [count])?, &mut to.view(first, [count])?, s)
    };
    let launches = [
        prepare(&x, &y, [0, n], 1.0)?,
        prepare(&x, &y, [n, n], 1.0)?,
        prepare(&y, &x, whole, 2.0)?,
        prepare(&x, &y, [n, n], 4.0)?,
        prepare(&x, &y, [0, n], 4.0)?,
        prepare(&y, &x, whole, 4.0)?,
    ];
    let (graph, stream) = (Graph::of(device, launches)?, device.stream()?);
    (0..3).try_for_each(|_| graph.replay(&stream))?;
    x.to_vec()
}

fn failed_captures(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let (stream, x, mut y) = (device.stream()?, device.zeros([n])?, device.zeros([n])?);
    for what in 0..4 {
        let capture = Graph::capture(&stream, |stream| {
            kernel.on(stream).launch(&x, &mut y, 77.0)?;
            match what {
                0 => y.to_vec().map(drop),
                1 => device.empty::<f32, 1>([n]).map(drop),
                2 => stream.synchronize(),
                _ => kernel.launch(&x, &mut y, 78.0),
            }
        });
        if capture.is_ok() {
            return Err(wrong("a call that cannot be captured was captured"));
        }
        kernel.on(&stream).launch(&x, &mut y, 1.0)?;
    }
    y.to_vec()
}

fn pinned(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let stream = device.stream()?;
    let (mut x, mut y) = (device.empty([n])?, device.empty([n])?);
    let (mut values, mut results) = (device.pinned(n)?, device.pinned(n)?);
    for round in 0..4 {
        // Waits until the array of the previous round was read.
        values.as_mut_slice()?.fill(round as f32);
        stream.upload(&values, &mut x)?;
        kernel.launch(&x, &mut y, 6.0)?;
        stream.download(&y, &mut results)?;
    }
    Ok(results.as_slice()?.to_vec())
}

/// Dropped memory is allocated again at once, although kernels are still to use it.
fn dropped(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let stream = device.stream()?;
    let mut x = device.zeros([n])?;
    for _ in 0..8 {
        let mut y = device.empty([n])?;
        kernel.on(&stream).launch(&x, &mut y, 1.0)?;
        drop(std::mem::replace(&mut x, y));
        drop(device.tensor(&vec![1e9f32; n], [n])?);
    }
    x.to_vec()
}

fn dlpack(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let (x, mut y) = (device.zeros([n])?, device.empty([n])?);
    kernel.launch(&x, &mut y, 1.0)?;
    let managed = y.to_dlpack()?;
    drop(y);
    // SAFETY: it was allocated just now, and nothing else uses the memory.
    let y: Tensor<f32, 1> = unsafe { Tensor::from_dlpack(managed) }?;
    let mut z = device.empty([n])?;
    kernel.launch(&y, &mut z, 2.0)?;
    drop(y);
    z.to_vec()
}

fn occupancy(device: &Device) -> hidet::Result<Vec<f32>> {
    if let (Some(arch), Some(resources)) = (device.arch(), add().compile(device)?.resources()?) {
        let shared = resources.usage.shared + resources.dynamic_shared;
        let estimate = hidet::cuda::Occupancy::estimate(arch, resources.threads, resources.usage.registers, shared);
        if estimate.is_some_and(|estimate| estimate != resources.occupancy) {
            return Err(wrong(&format!(
                "the driver reports {}, the published limits {estimate:?}",
                resources.occupancy
            )));
        }
    }
    Ok(vec![1.0; 5])
}

fn out_of_memory(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let kernel = add().compile(device)?;
    let x = device.tensor(&vec![1f32; n], [n])?;
    // The simulated device uses host memory, which systems overcommit.
    if !device.is_sim() {
        match device.empty::<u8, 1>([1 << 45]) {
            Err(error) if error.to_string().contains("out of memory: 35184372088832 bytes requested") => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(wrong("32 TiB were allocated")),
        }
    }
    let mut y = device.empty([n])?;
    kernel.launch(&x, &mut y, 6.0)?;
    y.to_vec()
}

fn devices(device: &Device, n: usize) -> hidet::Result<Vec<f32>> {
    let other = Device::cuda(1)?;
    let kernels = [add().compile(device)?, add().compile(&other)?];
    let mut x = device.zeros([n])?;
    for step in 0..10 {
        let here = x.device().clone();
        let mut y = here.empty([n])?;
        kernels[step % 2].launch(&x, &mut y, 3.0)?;
        x = y.to_device(if step % 2 == 0 { &other } else { device })?;
    }
    x.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_device_passes() {
        super::super::tests::passes(check);
    }
}
