//! Faulty kernels in Rust: the simulated device names the fault and the Rust lines of both parties.
//!
//! The lines are marked in this file: `// FAULT name` marks every line that the report of `name` must name. The faults
//! of every checker, in the text form of the IR, are in `tests/filetests/sim/faulty`.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet::device::Graph;
use hidet::kernel::PreparedLaunch;
use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 64)]
    pub fn missing_barrier(y: Out<i32, [64]>) {
        let tile = shared::<i32>([64]);
        tile[[thread_id()]] = thread_id(); // FAULT missing_barrier
        y[[thread_id()]] = tile[[63 - thread_id()]]; // FAULT missing_barrier
    }

    #[launch(grid = 1, block = 32)]
    pub fn race_inside_a_warp(y: Out<i32, [32]>) {
        let tile = shared::<i32>([32]);
        tile[[lane_id()]] = lane_id(); // FAULT race_inside_a_warp
        y[[lane_id()]] = tile[[31 - lane_id()]]; // FAULT race_inside_a_warp
    }

    #[launch(grid = 2, block = 32)]
    pub fn race_between_blocks(y: Out<i32, [32]>) {
        y[[lane_id()]] = block_idx().x; // FAULT race_between_blocks
    }

    #[launch(grid = 1, block = 32)]
    pub fn past_the_end(x: In<i32, [n]>, y: Out<i32, [32]>) {
        y[[lane_id()]] = x[[lane_id() + 1]]; // FAULT past_the_end
    }

    #[launch(grid = 1, block = 32)]
    pub fn unset_element(y: Out<i32, [32]>) {
        let tile = shared::<i32>([32]);
        if lane_id() < 31 {
            tile[[lane_id()]] = 1;
        }
        sync_threads();
        y[[lane_id()]] = tile[[lane_id()]]; // FAULT unset_element
    }

    #[launch(grid = 1, block = 64)]
    pub fn barrier_in_a_branch(y: Out<i32, [64]>) {
        if thread_id() < 32 {
            sync_threads(); // FAULT barrier_in_a_branch
        }
        y[[thread_id()]] = 1;
    }

    #[launch(grid = 1, block = 32)]
    pub fn read_before_the_wait(x: In<f32, [32]>, y: Out<f32, [32]>) {
        let tile = shared::<f32>([32]);
        cp_async::<1>(&tile[[lane_id()]], &x[[lane_id()]]); // FAULT read_before_the_wait
        cp_async_commit();
        y[[lane_id()]] = tile[[lane_id()]]; // FAULT read_before_the_wait
        cp_async_wait(0);
    }

    #[launch(grid = 1, block = 32)]
    pub fn too_few_arrivals(y: Out<i32, [32]>) {
        let done = mbarriers(1);
        if lane_id() == 0 {
            done.init(0, 33);
        }
        sync_threads();
        done.arrive(0);
        done.wait(0, 0); // FAULT too_few_arrivals
        y[[lane_id()]] = 1;
    }

    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn half_written(y: Out<i32, [n, 2]>) { // FAULT half_written
        let i = block_idx().x * 32 + lane_id();
        if i < n {
            y[[i, 0]] = i;
        }
    }

    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn half_written_meant(#[partial] y: Out<i32, [n, 2]>) {
        let i = block_idx().x * 32 + lane_id();
        if i < n {
            y[[i, 0]] = i;
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn element_of_another_worker(y: Out<i32, [32, 2]>) {
        let map = spatial([32, 1]) * repeat([1, 2]);
        let mine = registers::<i32, 2>(map.register_layout());
        mine.fill(0);
        for (i, j) in map.on(thread_id()) {
            mine[[i, j]] = mine[[i, j]] + i * 2 + j;
        }
        for (i, j) in map.on(thread_id()) {
            y[[i, j]] = mine[[(i + 1) % 32, j]]; // FAULT element_of_another_worker
        }
    }

    #[launch(grid = 1, block = 64)]
    pub fn writes_ahead(x: Out<i32, [64]>) {
        grid_launch();
        x[[thread_id()]] = thread_id();
    }

    #[launch(grid = 1, block = 64, dependent)]
    pub fn reads_too_early(weights: In<i32, [64]>, x: In<i32, [64]>, y: Out<i32, [64]>) {
        let weight = weights[[thread_id()]];
        let early = x[[thread_id()]]; // FAULT reads_too_early
        grid_wait();
        y[[thread_id()]] = early * weight;
    }

    #[launch(grid = 1, block = 64, dependent)]
    pub fn writes_too_early(x: Out<i32, [64]>) {
        x[[thread_id()]] = 1; // FAULT writes_too_early
        grid_wait();
    }

    #[launch(grid = 1, block = 64, dependent)]
    pub fn reads_in_time(weights: In<i32, [64]>, x: In<i32, [64]>, y: Out<i32, [64]>) {
        let weight = weights[[thread_id()]];
        if thread_id() == 0 {
            grid_wait();
        }
        sync_threads();
        y[[thread_id()]] = x[[thread_id()]] * weight;
    }

    /// Says nothing of a wait, so it waits before it reads, and lets the next one begin before that.
    #[launch(grid = 1, block = 64, dependent)]
    pub fn copies(x: In<i32, [64]>, y: Out<i32, [64]>) {
        grid_launch();
        y[[thread_id()]] = x[[thread_id()]];
    }

    /// Waits before it lets the next one begin.
    #[launch(grid = 1, block = 64, dependent)]
    pub fn copies_in_order(x: In<i32, [64]>, y: Out<i32, [64]>) {
        grid_wait();
        grid_launch();
        y[[thread_id()]] = x[[thread_id()]];
    }

    #[launch(grid = 1, block = 32)]
    pub fn failed_assertion(x: In<i32, [n]>, y: Out<i32, [32]>) {
        assert!(x[[lane_id()]] < 7, "only small numbers"); // FAULT failed_assertion
        y[[lane_id()]] = x[[lane_id()]];
    }
}

/// The report names every line marked for `name`, and `words`.
#[track_caller]
fn faulty(name: &str, words: &str, result: hidet::Result<()>) {
    let report = result.expect_err("the kernel is faulty").to_string();
    assert!(report.contains(words), "{name}: expected `{words}` in\n{report}");
    let mark = format!("// FAULT {name}");
    let marked = include_str!("faults.rs").lines().enumerate().filter(|(_, line)| line.ends_with(&mark));
    let mut count = 0;
    for (number, line) in marked {
        let place = format!("tests/faults.rs:{}:", number + 1);
        assert!(report.contains(&place), "{name}: `{}` at {place} is not named in\n{report}", line.trim());
        count += 1;
    }
    assert!(count > 0, "{name} has no marked line");
}

#[test]
fn faults_name_their_rust_lines() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&(0..32).collect::<Vec<i32>>(), [32])?;
    let (mut y, mut y64) = (device.empty([32])?, device.empty([64])?);
    faulty("missing_barrier", "race", missing_barrier().compile(&device)?.launch(&mut y64));
    faulty("race_inside_a_warp", "race", race_inside_a_warp().compile(&device)?.launch(&mut y));
    faulty("race_between_blocks", "race", race_between_blocks().compile(&device)?.launch(&mut y));
    faulty("past_the_end", "out of bounds", past_the_end().compile(&device)?.launch(&x, &mut y));
    faulty("unset_element", "uninitialised", unset_element().compile(&device)?.launch(&mut y));
    faulty("barrier_in_a_branch", "barrier", barrier_in_a_branch().compile(&device)?.launch(&mut y64));
    let (xf, mut yf) = (device.zeros::<f32, 1>([32])?, device.empty::<f32, 1>([32])?);
    faulty("read_before_the_wait", "race", read_before_the_wait().compile(&device)?.launch(&xf, &mut yf));
    faulty("too_few_arrivals", "deadlock", too_few_arrivals().compile(&device)?.launch(&mut y));
    let (mut pairs, mut pairs32) = (device.empty([40, 2])?, device.empty([32, 2])?);
    let words = "`half_written` ends without writing y[[0, 1]], the first of 40 elements that no thread writes";
    faulty("half_written", words, half_written().compile(&device)?.launch(&mut pairs));
    half_written_meant().compile(&device)?.launch(&mut pairs)?;
    let words = "`mine` is read at an element that another worker of its mapping owns";
    faulty("element_of_another_worker", words, element_of_another_worker().compile(&device)?.launch(&mut pairs32));
    faulty("failed_assertion", "only small numbers", failed_assertion().compile(&device)?.launch(&x, &mut y));
    Ok(())
}

#[test]
fn dependent_launches_wait_before_they_touch_what_the_kernel_ahead_uses() -> hidet::Result<()> {
    let device = Device::sim();
    let weights = device.tensor(&[3; 64], [64])?;
    let (mut x, mut y) = (device.empty([64])?, device.empty([64])?);
    let ahead = writes_ahead().compile(&device)?;
    let early = reads_too_early().compile(&device)?;
    ahead.launch(&mut x)?;
    let words = "element 0 of `x` is read by `reads_too_early` before it has waited for a kernel ahead of it, \
                 `writes_ahead`";
    faulty("reads_too_early", words, early.launch(&weights, &x, &mut y));
    ahead.launch(&mut x)?;
    let words = "element 0 of `x` is written by `writes_too_early`";
    faulty("writes_too_early", words, writes_too_early().compile(&device)?.launch(&mut x));
    let in_time = reads_in_time().compile(&device)?;
    ahead.launch(&mut x)?;
    in_time.launch(&weights, &x, &mut y)?;
    // A tensor that the previous kernel reads must not be written either.
    faulty("writes_too_early", "`reads_in_time`", writes_too_early().compile(&device)?.launch(&mut x));
    // No fault: the host has waited, or another stream has no previous kernel.
    ahead.launch(&mut x)?;
    device.synchronize()?;
    early.launch(&weights, &x, &mut y)?;
    ahead.launch(&mut x)?;
    early.on(&device.stream()?).launch(&weights, &x, &mut y)?;
    assert_eq!(y.to_vec()?[5], 15);
    Ok(())
}

#[test]
fn a_kernel_that_lets_the_next_one_begin_early_does_not_hide_those_ahead_of_it() -> hidet::Result<()> {
    let device = Device::sim();
    let weights = device.tensor(&[3; 64], [64])?;
    let (mut x, mut y, mut z) = (device.empty([64])?, device.empty([64])?, device.empty([64])?);
    let (ahead, early) = (writes_ahead().compile(&device)?, reads_too_early().compile(&device)?);
    ahead.launch(&mut x)?;
    copies().compile(&device)?.launch(&x, &mut y)?;
    faulty("reads_too_early", "`writes_ahead`", early.launch(&weights, &x, &mut z));
    device.synchronize()?;
    ahead.launch(&mut x)?;
    copies_in_order().compile(&device)?.launch(&x, &mut y)?;
    early.launch(&weights, &x, &mut z)?;
    assert_eq!((y.to_vec()?[7], z.to_vec()?[7]), (7, 21));
    Ok(())
}

#[test]
fn in_a_graph_the_kernels_ahead_are_those_that_it_waits_for() -> hidet::Result<()> {
    for seed in 0..6 {
        let device = Device::sim_with(hidet::sim::Options { seed, ..Default::default() });
        let weights = device.tensor(&[3; 64], [64])?;
        let mut all = (0..5).map(|_| device.zeros([64])).collect::<hidet::Result<Vec<Tensor<i32, 1>>>>()?;
        let [x, y, z, unrelated, copy] = all.as_mut_slice() else { unreachable!() };
        let (ahead, early) = (writes_ahead().compile(&device)?, reads_too_early().compile(&device)?);
        let copies = copies().compile(&device)?;
        let stream = device.stream()?;
        let replay = |launches: Vec<PreparedLaunch>| Graph::of(&device, launches)?.replay(&stream);

        let launches = vec![ahead.prepare(x)?, ahead.prepare(unrelated)?, early.prepare(&weights, x, y)?];
        faulty("reads_too_early", "`writes_ahead`", replay(launches));
        // It waits for the copy alone, which waits for the first kernel and lets it begin before that.
        let launches = vec![ahead.prepare(x)?, copies.prepare(x, y)?, early.prepare(y, x, z)?];
        faulty("reads_too_early", "`writes_ahead`", replay(launches));
        // What it reads early is not written, and others may run at any time.
        let launches = vec![copies.prepare(unrelated, copy)?, early.prepare(&weights, unrelated, z)?];
        replay(launches)?;
        // Kernels that wait by themselves are right in any order.
        replay(vec![ahead.prepare(x)?, copies.prepare(x, y)?, copies.prepare(x, copy)?, copies.prepare(y, z)?])?;
        assert_eq!((z.to_vec()?[9], copy.to_vec()?[8]), (9, 8));
    }
    Ok(())
}
