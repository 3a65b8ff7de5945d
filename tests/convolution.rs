//! Convolutions made of block parts: what they are fused with, what they refuse, and what is reported of each if one of
//! its synchronisations is missing.

#![allow(clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "filetests/simulate.rs"]
mod simulate;

use hidet::blocks::{PixelRoute, Window};
use hidet::dsl::Template;
use hidet::ir::{Function, text};
use hidet::prelude::*;
use hidet::{passes, sim};
use hidet_examples::convolution::{Schedule, convolution};

const WINDOW: Window = Window { kernel: [3, 3], padding: [1, 1], stride: [2, 1], dilation: [1, 2] };

const ROUTES: [PixelRoute; 3] = [PixelRoute::Boxes([1, 8, 8]), PixelRoute::Columns, PixelRoute::Threads];

fn schedule(route: PixelRoute, split: i32) -> Schedule {
    Schedule { route, blocks: split, stages: 3, groups: 1, outputs: 64, split }
}

type Fused = (In<f16, 4>, In<f16, 4>, In<f16, 1>, Out<f16, 2>);

/// relu(convolution + bias).
fn biased(schedule: Schedule) -> Template<Fused> {
    let names = ["x[n, h, w, c]", "f[k, r, s, c]", "bias[k]", "y[results, k]"];
    convolution::<f32>(WINDOW, schedule).fuse("biased", names, |(x, f, bias, y): Fused| {
        let relu =
            |sum: Expr<f32>, (bias,): (Expr<f16>,), _: [Expr<i32>; 2]| (sum + bias.to::<f32>()).max(0.0).to::<f16>();
        (x, f, y.map_store_with((bias.along([1]),), relu))
    })
}

#[test]
fn an_epilogue_is_applied_to_sums_before_they_are_rounded() -> hidet::Result<()> {
    let device = Device::sim();
    let (x, f) = (device.tensor(&vec![f16::ONE; 2 * 5 * 6 * 8], [2, 5, 6, 8])?, vec![f16::ONE; 72 * 9 * 8]);
    let f = device.tensor(&f, [72, 3, 3, 8])?;
    let bias: Vec<f16> = (0..72).map(|output| f16::from_f32(output as f32 - 60.0)).collect();
    let bias = device.tensor(&bias, [72])?;
    let results = WINDOW.results(0, 5) * WINDOW.results(1, 6);
    for (route, split) in [(1, 1), (2, 1), (0, 2), (1, 4), (2, 8)] {
        let mut y = device.empty([2 * results, 72])?;
        biased(schedule(ROUTES[route], split)).compile(&device)?.launch(&x, &f, &bias, &mut y)?;
        let y = y.to_vec()?;
        for (i, value) in y.iter().enumerate() {
            let (row, col) = (i / 72 % results / WINDOW.results(1, 6), i / 72 % WINDOW.results(1, 6));
            let inside =
                |axis, result, extent| (0..3).filter(|at| WINDOW.pixel(axis, result, *at, extent).is_some()).count();
            let sum = (inside(0, row, 5) * inside(1, col, 6) * 8) as f32;
            assert_eq!(value.to_f32(), (sum + (i % 72) as f32 - 60.0).max(0.0), "{:?}: element {i}", ROUTES[route]);
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> hidet::Result<()> {
    let refused = |template: Template<Fused>, message: &str| {
        let error = template.build().map(drop).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    refused(biased(schedule(ROUTES[0], 1)), "the tensor below this epilogue is of f32, not of f16");
    refused(
        biased(schedule(PixelRoute::Boxes([1, 8, 4]), 2)),
        "boxes of [1, 8, 4] results: each warp group multiplies 64",
    );
    refused(biased(schedule(ROUTES[1], 3)), "64");
    let device = Device::sim();
    let kernel = convolution::<f16>(WINDOW, schedule(ROUTES[1], 1)).compile(&device)?;
    let launch = |x: [usize; 4], f: [usize; 4], y: [usize; 2], message: &str| -> hidet::Result<()> {
        let (x, f, mut y) = (device.zeros(x)?, device.zeros(f)?, device.zeros(y)?);
        let error = kernel.launch(&x, &f, &mut y).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        Ok(())
    };
    launch([1, 5, 6, 8], [64, 3, 3, 8], [11, 64], "the results of images of this size")?;
    launch([1, 5, 6, 8], [64, 3, 2, 8], [12, 64], "the weights of this kernel")?;
    launch([1, 5, 6, 8], [64, 3, 3, 16], [12, 64], "`c` is 8 from axis 3 of argument `x`, but 16 from axis 3")?;
    launch([1, 5, 6, 12], [64, 3, 3, 12], [12, 64], "multiple of")
}

/// Runs a kernel on twelve images of 5 x 6 pixels, with three tiles per block. Returns the report of a fault.
fn fault(function: &Function) -> Option<String> {
    // In the order in which the kernel's parameters name them.
    let extents: Vec<i64> = function
        .dims
        .iter()
        .map(|(_, dim)| match dim.name.as_str() {
            "n" => 12,
            "h" => 5,
            "w" => 6,
            "c" => 72,
            "rows" | "cols" => 3,
            "results" => 144,
            _ => 64,
        })
        .collect();
    let arguments = simulate::arguments(function, &extents).unwrap();
    let options = passes::LoweringOptions { checks: true, ..passes::LoweringOptions::default() };
    let lowered = passes::lower(function, &options).unwrap();
    let report = sim::run_lowered(&lowered, function, &arguments, &sim::Options::default());
    report.err().map(|fault| fault.to_string())
}

#[test]
fn each_missing_synchronisation_is_reported() {
    // The calls that order accesses of threads, copies and tensor cores.
    let orders =
        ["mbarrier", "fence", "wgmma.commit", "wgmma.wait", "bulk.commit", "bulk.wait", "sync", "cp.async.mbarrier"];
    let mut silent = Vec::new();
    let mut count = 0;
    for (route, split) in [(ROUTES[0], 1), (ROUTES[1], 2), (ROUTES[2], 1)] {
        let function = convolution::<f16>(WINDOW, schedule(route, split)).build().unwrap();
        assert_eq!(fault(&function), None, "{route:?}");
        let printed = text::print_with_spans(&function);
        let lines: Vec<&str> = printed.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(call) = line.trim_start().strip_prefix("call ") else { continue };
            if !orders.iter().any(|order| call.contains(order)) {
                continue;
            }
            let without: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, line)| *line).collect();
            let changed = text::parse(&without.join("\n")).unwrap();
            count += 1;
            if fault(&changed).is_none() {
                silent.push(format!("{route:?}: {}", line.trim()));
            }
        }
    }
    assert!(count > 40, "{count} calls");
    assert!(silent.is_empty(), "of {count} calls, these are not missed:\n{}", silent.join("\n"));
}
