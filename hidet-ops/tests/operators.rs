//! Every operator on every type that it takes and awkward shapes, beside its definition on the host.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::sim::{Options, Tally};
use hidet_ops::testing::cases;
use hidet_ops::{Result, Tensor};

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

/// Every method of a tensor that returns one has a case: those that are written out, and those of the tables of functions.
#[test]
fn every_operator_has_a_case() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let known: Vec<&str> = cases().iter().map(|case| case.operator).collect();
    let (mut found, mut missing) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(rest) = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')) else { continue };
            let letters = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').count();
            let name = if let Some(rest) = rest.strip_prefix("pub fn ") {
                // A signature ends with the line on which its body begins.
                let end = lines[at..].iter().find(|line| line.ends_with('{')).copied().unwrap_or_default();
                let returned = end.split("-> Result<").nth(1).unwrap_or_default();
                returned.contains("Tensor").then(|| &rest[..letters(rest)])
            } else {
                // `exp Exp` and `gelu(x) = ..` in the tables of functions.
                let name = &rest[..letters(rest)];
                let behind = &rest[name.len()..];
                let is_row = behind
                    .strip_prefix(' ')
                    .is_some_and(|op| op.len() == letters(op) && op.starts_with(char::is_uppercase))
                    || behind.starts_with('(') && behind.contains(") = ");
                (is_row && name.starts_with(char::is_lowercase)).then_some(name)
            };
            // Definitions of users have tests of their own.
            let Some(name) = name.filter(|name| !name.starts_with("define")) else { continue };
            found += 1;
            if !known.contains(&name) {
                missing.push(name.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert!(found >= known.len() - 2, "{found} operators were found in the sources, {} have a case", known.len());
}

/// Simulated devices are one device, but kernels check and count what the device says for which they were compiled.
#[test]
fn kernels_are_compiled_for_the_options_of_their_device() -> Result<()> {
    let tally = Tally::default();
    let counting = Device::sim_with(Options { tally: Some(tally.clone()), ..Options::default() });
    for device in [Device::sim_with(Options::fast()), counting] {
        let x = Tensor::from(&device.tensor(&[1.0f32, 2.0], [2])?);
        assert_eq!(x.mul(3.0)?.to_vec::<f32>()?, [3.0, 6.0]);
    }
    assert_eq!(tally.take().global_written, 8);
    Ok(())
}
