//! Counters of kernels on the simulated device instead of time: traffic, sectors, bank conflicts.

use super::problem::Work;
use super::{Request, chosen, shape_text, table};
use hidet::prelude::*;
use hidet::sim::{Counters, Options, Tally};

/// The counters of one kernel on one shape.
pub struct Count {
    /// Its name.
    pub name: String,
    /// The shape.
    pub shape: String,
    /// The least work.
    pub work: Work,
    /// The counters of one launch, or `None` if it failed.
    pub counters: Option<Counters>,
    /// The reason of the failure, or that the result is right.
    pub result: String,
}

/// Runs and checks each kernel once.
pub fn run(request: &Request, report: &mut dyn FnMut(Count) -> Result<(), String>) -> Result<(), String> {
    if !request.against.is_empty() {
        return Err("the simulated device has no time: kernels are not measured against others there".to_owned());
    }
    let tally = Tally::default();
    let device = Device::sim_with(Options { tally: Some(tally.clone()), ..Options::default() });
    for (family, kernels) in chosen(&request.kernels)? {
        let small = [family.small.clone()];
        for shape in if request.shapes.is_empty() { &small } else { request.shapes.as_slice() } {
            family.fits(shape)?;
            let problem = (family.open)(&device, shape)?;
            for (name, make) in problem.kernels.iter().filter(|kernel| kernels.contains(&kernel.0)) {
                tally.take();
                let outcome = make().and_then(|mut contestant| problem.verify(&mut contestant));
                let counters = tally.take();
                report(Count {
                    name: name.clone(),
                    shape: shape_text(shape),
                    work: problem.work,
                    counters: outcome.is_ok().then_some(counters),
                    result: outcome.map_or_else(|why| why, |_| "right".to_owned()),
                })?;
            }
        }
    }
    Ok(())
}

/// The counters as a table.
pub fn text(counts: &[Count]) -> String {
    let mut rows = vec![
        [
            "kernel",
            "shape",
            "bytes read",
            "written",
            "of least",
            "sectors",
            "of least",
            "shared accesses",
            "bank conflicts",
            "operations",
            "result",
        ]
        .map(str::to_owned),
    ];
    for count in counts {
        let number = |pick: fn(&Counters) -> u64| {
            count.counters.as_ref().map_or("-".to_owned(), |counters| pick(counters).to_string())
        };
        let share = |pick: fn(&Counters) -> f64, least: f64| {
            count.counters.as_ref().map_or("-".to_owned(), |counters| format!("{:.2}", pick(counters) / least))
        };
        let moved = |counters: &Counters| (counters.global_read + counters.global_written) as f64;
        // If sectors are used completely, their number is the bytes divided by 32.
        let least = count.counters.as_ref().map_or(1.0, moved) / 32.0;
        rows.push([
            count.name.clone(),
            count.shape.clone(),
            number(|counters| counters.global_read),
            number(|counters| counters.global_written),
            share(|counters| (counters.global_read + counters.global_written) as f64, count.work.bytes),
            number(|counters| counters.global_sectors),
            share(|counters| counters.global_sectors as f64, least),
            number(|counters| counters.shared_accesses),
            number(|counters| counters.bank_conflicts),
            number(|counters| counters.lane_operations),
            count.result.clone(),
        ]);
    }
    let mut text = String::new();
    table::align(&mut text, &rows);
    text
}
