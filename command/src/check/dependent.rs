//! Programmatic dependent launches: kernels that begin while the one before them still runs, and wait for it.
//!
//! Each kernel lets the next begin at once and writes late, so that a missing wait shows: the next one reads elements
//! that other blocks have not written yet.

use super::bench::{Bench, Limit};
use super::numbers::{Random, reals};
use hidet::Result;
use hidet::prelude::*;

/// The operation of one launch on an element, which also moves it.
#[device]
fn step(x: In<i32, 1>, y: Out<i32, 1>, n: Expr<i32>) {
    grid_launch();
    let i = block_idx().x * 256 + thread_id();
    if i < n {
        let v = x[[n - 1 - i]] % 1000 * 7 + 3;
        nanosleep(20_000);
        y[[i]] = v;
    }
}

kernel! {
    #[launch(grid = n.div_ceil(256), block = 256)]
    fn ordered(x: In<i32, [n]>, y: Out<i32, [n]>) {
        step(x, y, n);
    }

    #[launch(grid = n.div_ceil(256), block = 256, dependent)]
    fn early(x: In<i32, [n]>, y: Out<i32, [n]>) {
        grid_wait();
        step(x, y, n);
    }

    /// Waits where a pass says, and lets the next one begin at once.
    #[launch(grid = n.div_ceil(256), block = 256, dependent)]
    fn joins(a: In<i32, [n]>, b: In<i32, [n]>, y: Out<i32, [n]>) {
        grid_launch();
        let i = block_idx().x * 256 + thread_id();
        if i < n {
            let v = a[[n - 1 - i]] % 1000 * 5 + b[[n - 1 - i]] % 1000;
            nanosleep(20_000);
            y[[i]] = v;
        }
    }

    /// Looks for a sign of the next kernel while it still runs.
    #[launch(grid = 1, block = 32)]
    fn looks(sign: InOut<i32, [1]>, seen: Out<i32, [1]>, patience: i32) {
        grid_launch();
        if thread_id() == 0 {
            let mut looks = 0;
            while looks < patience && load_relaxed(&sign[[0]]) == 0 {
                nanosleep(1000);
                looks += 1;
            }
            seen[[0]] = load_relaxed(&sign[[0]]);
        }
    }

    /// Gives the sign before it waits.
    #[launch(grid = 1, block = 32, dependent)]
    fn signs(sign: InOut<i32, [1]>) {
        if thread_id() == 0 {
            store_relaxed(&sign[[0]], 1);
        }
        grid_wait();
    }
}

/// For each launch of a chain, true if it may begin early.
const CHAIN: [bool; 12] = [true, true, true, false, true, true, false, false, true, true, true, true];

pub(super) fn check(bench: &mut Bench) {
    if bench.arch().is_some_and(|arch| arch.number < 90) {
        return;
    }
    let n = if bench.arch().is_some() { 50_021 } else { 1_027 };
    let x: Vec<i32> = Random::new(31).counts(n, 1000);
    let after = |launches: usize| {
        let mut x = x.clone();
        for _ in 0..launches {
            x = x.iter().rev().map(|v| v % 1000 * 7 + 3).collect();
        }
        reals(&x)
    };
    let mut exact = |name, expected: &[f64], run: &dyn Fn(&Device) -> Result<Vec<i32>>| {
        bench.case(name, &[n], Limit::Ulps(0.0), expected, run);
    };
    exact("dependent launch", &after(2), &|device| chain(device, &x, &[false, true]));
    exact("dependent launches", &after(CHAIN.len()), &|device| chain(device, &x, &CHAIN));
    exact("dependent launches, graph", &after(3 * CHAIN.len()), &|device| graph(device, &x));
    exact("dependent launches, joined", &reals(&joined_on_host(&x)), &|device| joined(device, &x));
    if bench.compares() {
        bench.case_alone::<i32>("dependent launch is early", &[1], Limit::Ulps(0.0), &[1.0], overlap);
        bench.case_alone::<i32>("dependent launch is early, graph", &[1], Limit::Ulps(0.0), &[1.0], overlap_in_graph);
    }
}

fn chain(device: &Device, x: &[i32], chain: &[bool]) -> Result<Vec<i32>> {
    let (plain, early) = (ordered().compile(device)?, early().compile(device)?);
    let (mut x, mut y) = (device.tensor(x, [x.len()])?, device.empty([x.len()])?);
    for dependent in chain {
        if *dependent { &early } else { &plain }.launch(&x, &mut y)?;
        std::mem::swap(&mut x, &mut y);
    }
    x.to_vec()
}

fn graph(device: &Device, x: &[i32]) -> Result<Vec<i32>> {
    let (plain, early) = (ordered().compile(device)?, early().compile(device)?);
    let (mut x, mut y) = (device.tensor(x, [x.len()])?, device.empty([x.len()])?);
    let stream = device.stream()?;
    let graph = Graph::capture(&stream, |stream| {
        for two in CHAIN.chunks(2) {
            if two[0] { &early } else { &plain }.on(stream).launch(&x, &mut y)?;
            if two[1] { &early } else { &plain }.on(stream).launch(&y, &mut x)?;
        }
        Ok(())
    })?;
    (0..3).try_for_each(|_| graph.replay(&stream))?;
    x.to_vec()
}

/// The rounds of a graph with branches.
const ROUNDS: usize = 8;

/// In each round a plain and a dependent launch read the same, and a dependent one joins what they give, in memory of which each
/// round uses the same again.
fn joined(device: &Device, x: &[i32]) -> Result<Vec<i32>> {
    let (plain, early, joins) = (ordered().compile(device)?, early().compile(device)?, joins().compile(device)?);
    let mut x = device.tensor(x, [x.len()])?;
    let (mut a, mut b) = (device.empty([x.len()])?, device.empty([x.len()])?);
    let mut launches = Vec::new();
    for round in 0..ROUNDS {
        let first = if round % 2 == 0 { &plain } else { &early };
        launches.push(first.prepare(&x, &mut a)?);
        launches.push(early.prepare(&x, &mut b)?);
        launches.push(joins.prepare(&a, &b, &mut x)?);
    }
    let (graph, stream) = (Graph::of(device, launches)?, device.stream()?);
    (0..3).try_for_each(|_| graph.replay(&stream))?;
    x.to_vec()
}

fn joined_on_host(x: &[i32]) -> Vec<i32> {
    (0..3 * ROUNDS).fold(x.to_vec(), |x, _| {
        let stepped: Vec<i32> = x.iter().rev().map(|v| v % 1000 * 7 + 3).collect();
        stepped.iter().rev().map(|v| v % 1000 * 5 + v % 1000).collect()
    })
}

/// Returns 1 if a dependent kernel begins before the previous one has ended, else 0.
fn overlap(device: &Device) -> Result<Vec<i32>> {
    let (looks, signs) = (looks().compile(device)?, signs().compile(device)?);
    let (mut sign, mut seen) = (device.zeros([1])?, device.zeros([1])?);
    looks.launch(&mut sign, &mut seen, 100_000)?;
    signs.launch(&mut sign)?;
    seen.to_vec()
}

/// The same of nodes of a graph.
fn overlap_in_graph(device: &Device) -> Result<Vec<i32>> {
    let (looks, signs) = (looks().compile(device)?, signs().compile(device)?);
    let (mut sign, mut seen) = (device.zeros([1])?, device.zeros([1])?);
    let launches = [looks.prepare(&mut sign, &mut seen, 100_000)?, signs.prepare(&mut sign)?];
    Graph::of(device, launches)?.replay(&device.stream()?)?;
    seen.to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_device_passes() {
        super::super::tests::passes(check);
    }

    #[test]
    fn on_the_simulated_device_kernels_run_one_after_the_other() {
        let device = Device::sim();
        let (mut sign, mut seen) = (device.zeros([1]).unwrap(), device.tensor(&[7], [1]).unwrap());
        looks().compile(&device).unwrap().launch(&mut sign, &mut seen, 3).unwrap();
        signs().compile(&device).unwrap().launch(&mut sign).unwrap();
        assert_eq!((sign.to_vec().unwrap(), seen.to_vec().unwrap()), (vec![1], vec![0]));
    }

    #[test]
    fn they_compile() {
        for function in [ordered().build(), early().build(), joins().build(), looks().build(), signs().build()] {
            super::super::tests::compiles(&function.unwrap(), &Default::default());
        }
    }
}
