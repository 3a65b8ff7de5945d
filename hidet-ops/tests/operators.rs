//! Every operator on every type that it takes and awkward shapes, beside its definition on the host.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet_ops::testing::cases;

/// `HIDET_SEEDS=N` draws inputs that many times, `HIDET_OPERATOR=name` runs one operator.
#[test]
fn operators_agree_with_their_definitions() {
    let device = Device::best().unwrap();
    let seeds: u64 = std::env::var("HIDET_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let only = std::env::var("HIDET_OPERATOR").ok();
    let mut problems = Vec::new();
    let mut compared = 0;
    for case in cases().iter().filter(|case| only.as_ref().is_none_or(|only| only == case.operator)) {
        for dtype in case.dtypes {
            for seed in 0..seeds {
                let outcome = case.run(&device, *dtype, seed);
                compared += outcome.elements;
                if let Some(problem) = outcome.problem {
                    problems
                        .push(format!("{} of {dtype}, seed {seed}: {problem} {:?}", case.operator, outcome.kernels));
                }
            }
        }
    }
    println!("{} operators, {compared} elements compared", cases().len());
    assert!(problems.is_empty(), "{} wrong:\n{}", problems.len(), problems.join("\n"));
}
