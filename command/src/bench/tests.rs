//! Tests that need no GPU: names, shapes, and the problems themselves on the simulated device.

use super::*;
use hidet::tune::L2;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn names_choose_kernels() {
    let names = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&names).map(|all| all.into_iter().map(|(_, kernels)| kernels).collect::<Vec<_>>())
    };
    assert_eq!(names(&["matmul_wgmma"]).unwrap(), [["matmul_wgmma"]]);
    assert_eq!(names(&["softmax<"]).unwrap(), [["softmax<f32>"], ["softmax<f16>"]]);
    assert_eq!(names(&["softmax_fast<f16>"]).unwrap(), [["softmax_fast<f16>"]]);
    assert_eq!(names(&["matmul_tiled", "matmul_naive"]).unwrap(), [["matmul_tiled", "matmul_naive"]]);
    assert_eq!(
        names(&["row_sum"]).unwrap()[1][..2],
        ["row_sum_warp<f16>", "row_sum_block<f16>"],
        "a beginning means all"
    );
    let error = names(&["matmul_wgmma", "mutmal"]).unwrap_err();
    let words = ["there is no kernel `mutmal` to measure; did you mean `matmul_", "`hidet bench --list` lists them"];
    assert!(words.iter().all(|words| error.contains(words)), "{error}");
}

#[test]
fn every_name_is_listed_once_and_every_shape_fits() {
    let families = families();
    let mut names: Vec<&String> = families.iter().flat_map(|family| &family.kernels).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    for family in &families {
        assert_eq!(family.small.len(), family.axes.len());
        assert!(!family.shapes.is_empty() && family.shapes.iter().all(|shape| shape.len() == family.axes.len()));
        assert!(family.kernels.iter().all(|kernel| list().contains(kernel.as_str())));
    }
}

/// A shape that is not a multiple of any tile, except for the kernels that need multiples of their tile.
fn awkward(family: &Family) -> Vec<usize> {
    if family.axes[0] == "heads" {
        return vec![2, 150];
    }
    if family.axes.contains(&"stride") {
        return vec![1, 9, 16, 72, 2];
    }
    let tiled = family.kernels.iter().any(|kernel| kernel.contains("wgmma"));
    let product = if tiled { vec![256, 256, 128] } else { vec![70, 90, 33] };
    [vec![1000], vec![70, 100], product][family.axes.len() - 1].clone()
}

#[test]
fn problems_are_solved_and_wrong_results_are_found() {
    // On all cores, as this takes longest.
    let (families, next) = (families(), AtomicUsize::new(0));
    let work = || {
        while let Some(family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
            is_solved(family);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

fn is_solved(family: &Family) {
    let device = Device::sim();
    let problem = (family.open)(&device, &awkward(family)).unwrap();
    assert_eq!(
        problem.kernels.iter().map(|kernel| &kernel.0).collect::<Vec<_>>(),
        family.kernels.iter().collect::<Vec<_>>()
    );
    for (name, make) in &problem.kernels {
        let mut contestant = make().unwrap();
        let share = problem.verify(&mut contestant).unwrap_or_else(|why| panic!("{why}"));
        assert!(share <= 1.0, "{name}: {share}");
    }
    // A contestant that does nothing leaves NaN; one that clears the result leaves zeros.
    let mut idle = contestant::Contestant::new("idle", String::new(), || Ok(()));
    let error = problem.verify(&mut idle).unwrap_err();
    assert!(error.starts_with("idle gives a wrong result: ") && error.contains("NaN"), "{error}");
    let output = problem.output.clone();
    let mut clear = contestant::Contestant::new("clear", String::new(), move || {
        output.storage().write(output.offset(), &vec![0; output.bytes()]).map_err(|error| error.to_string())
    });
    assert!(problem.verify(&mut clear).is_err(), "{:?}", family.kernels);
}

#[test]
fn random_numbers_are_nearly_normal() {
    let values = problem::random::<f32, 1>(&Device::sim(), [40_000], 1).unwrap().to_vec().unwrap();
    let mean = values.iter().map(|v| *v as f64).sum::<f64>() / 4e4;
    let variance = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / 4e4;
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    let within = values.iter().filter(|v| v.abs() < 1.0).count() as f64 / 4e4;
    assert!((within - 0.68).abs() < 0.02, "{within}");
    let other = problem::random::<f32, 1>(&Device::sim(), [40_000], 2).unwrap().to_vec().unwrap();
    let product = values.iter().zip(&other).map(|(a, b)| (a * b) as f64).sum::<f64>() / 4e4;
    assert!(product.abs() < 0.02, "seeds are independent: {product}");
}

/// A comparison of two contestants, as if it had been measured.
pub fn comparison() -> Comparison {
    let line = |name: &str, baseline: bool, milliseconds: f64| Line {
        name: name.to_owned(),
        detail: String::new(),
        baseline,
        time: Summary::of(&[milliseconds; 3]),
        rounds: 3,
        error: (!baseline).then_some(0.25),
        ratio: (!baseline).then_some(Ratio { of_medians: 0.5, of_rounds: 0.6 }),
    };
    Comparison {
        shape: "128x128x128".to_owned(),
        work: Work { flops: 4e9, engine: problem::Engine::Tensor, bytes: 1e6 },
        lines: vec![line("ours", false, 2.0), line("theirs", true, 1.0)],
        failures: Vec::new(),
    }
}

#[test]
fn the_simulated_device_counts() {
    let request = |names: &[&str]| Request {
        kernels: names.iter().map(|name| (*name).to_owned()).collect(),
        against: Vec::new(),
        shapes: Vec::new(),
        plan: Timing { rounds: 1, slice: 1.0, l2: L2::Warm },
    };
    let mut counts = Vec::new();
    let copied = request(&["copy16<f32>", "transpose<f32>"]);
    simulated::run(&copied, &mut |count| {
        counts.push(count);
        Ok(())
    })
    .unwrap();
    let bytes = 4 << 16;
    for count in &counts {
        let Some(counters) = &count.counters else { panic!("{} was not run", count.name) };
        assert_eq!((counters.global_read, counters.global_written), (bytes, bytes), "{}", count.name);
        assert_eq!(count.work.bytes, 2.0 * bytes as f64);
        assert_eq!((counters.global_sectors, counters.bank_conflicts), (2 * bytes / 32, 0), "{}", count.name);
    }
    assert_eq!(counts.len(), 2);
    let text = simulated::text(&counts);
    assert!(text.contains("copy16<f32>") && text.contains("65536") && text.contains("64x1024"), "{text}");
    let mut against = request(&["copy16"]);
    against.against.push("copy".to_owned());
    let error = simulated::run(&against, &mut |_| Ok(())).unwrap_err();
    assert!(error.contains("the simulated device has no time"), "{error}");
}
