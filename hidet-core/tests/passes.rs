//! Every pass on random kernels: the result is valid, survives its text, and comes to rest.

use hidet_core::ir::{text, verify};
use hidet_core::passes::{self, Options};
use hidet_core::testing::random::random_kernel;

fn all_options() -> [Options; 3] {
    let default = Options::default();
    [
        default.clone(),
        Options { checks: true, ..default.clone() },
        Options { wide_index: true, contract: false, ..default },
    ]
}

#[test]
fn passes_keep_random_kernels_valid() {
    let count = std::env::var("HIDET_RANDOM").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    for seed in 0..count {
        let kernel = random_kernel(seed).function;
        for options in all_options() {
            let mut before = text::print(&kernel);
            let lowered = passes::lower_with(&kernel, &options, &mut |pass, function| {
                let printed = text::print(function);
                if let Err(problems) = verify::verify(function) {
                    panic!(
                        "seed {seed}, after {}: {}\nbefore:\n{before}\nafter:\n{printed}",
                        pass.name, problems[0].message
                    );
                }
                let again = text::parse(&printed).unwrap();
                assert!(again.structurally_equals(function), "seed {seed}, after {}: {printed}", pass.name);
                before = printed;
            });
            let lowered = match lowered {
                Ok(lowered) => lowered,
                Err(error) => panic!("seed {seed}: {error}\n{}", text::print(&kernel)),
            };
            let again = passes::lower(&lowered, &options).unwrap();
            if !options.checks {
                assert_eq!(text::print(&again), text::print(&lowered), "seed {seed}: lowering twice is more");
            }
        }
    }
}
