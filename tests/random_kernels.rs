//! Random kernels through the passes: valid after each of them, and the text form reads back what it prints.

use hidet_core::ir::{text, verify};
use hidet_core::passes::{Options, lower_with};
use hidet_core::testing::random::random_kernel;

#[test]
fn random_kernels_stay_valid() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut failures = std::collections::BTreeMap::<String, (usize, u64, String)>::new();
    for seed in 0..n {
        let kernel = random_kernel(seed);
        let options = Options { checks: seed % 2 == 1, wide_index: seed % 4 > 1, contract: seed % 3 == 0 };
        let mut last = text::print(&kernel.function);
        let mut failed = None;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lower_with(&kernel.function, &options, &mut |pass, f| {
            if failed.is_some() { return; }
            if let Err(p) = verify::verify(f) { failed = Some((format!("{}: {}", pass.name, p[0].message), format!("{last}\n=== after\n{}", text::print(f)))); return; }
            let t = text::print(f);
            match text::parse(&t) {
                Ok(g) => if !g.structurally_equals(f) || text::print(&g) != t { failed = Some((format!("{}: roundtrip", pass.name), t.clone())); },
                Err(e) => failed = Some((format!("{}: {e}", pass.name), t.clone())),
            }
            last = t;
        })));
        match result { Err(_) => failed = Some(("panic".into(), last.clone())), Ok(Err(e)) => failed = Some((format!("error {e}"), last.clone())), _ => {} }
        if let Some((k, t)) = failed { let k: String = k.chars().filter(|c| !c.is_ascii_digit()).collect(); let e = failures.entry(k).or_insert((0, seed, t)); e.0 += 1; }
    }
    for (k, (n, seed, t)) in &failures { println!("{n} x {k} (seed {seed})"); std::fs::write(format!("/tmp/irtext_fail_{seed}.txt"), t).unwrap(); }
    assert!(failures.is_empty());
}
