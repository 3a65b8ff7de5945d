//! Times contestants against each other on one GPU: by events on the stream, in interleaved rounds.

use super::contestant::Contestant;
use super::progress::Progress;
use hidet::cuda::{Context, Memory};

/// The content of L2 when a launch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum L2 {
    /// The content that the previous launch left: launches follow each other without a gap.
    Warm,
    /// Nothing useful: 256 MiB are written before each launch, which is timed by itself.
    Flush,
}

/// The length of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of time slices of each contestant.
    pub rounds: usize,
    /// The least length of a time slice in milliseconds.
    pub slice: f64,
    /// The state of L2.
    pub l2: L2,
}

/// Bytes written to clear L2: several times the largest there is. Devices with little memory use fewer.
const FLUSH: usize = 256 << 20;

/// The most launches in a time slice.
const MOST_LAUNCHES: usize = 20_000;

/// Times launches of a device.
pub struct Clock {
    context: &'static Context,
    flush: Option<Memory>,
}

impl Clock {
    /// A clock of that device.
    pub fn new(context: &'static Context, l2: L2) -> Result<Clock, String> {
        let flush = match l2 {
            L2::Warm => None,
            L2::Flush => Some(Memory::new(context, FLUSH.min(context.properties.memory / 8)).map_err(say)?),
        };
        Ok(Clock { context, flush })
    }

    /// Returns milliseconds per launch, over that many launches.
    pub fn time(&self, contestant: &mut Contestant, launches: usize) -> Result<f64, String> {
        let launches = launches.max(1);
        match &self.flush {
            None => {
                let start = self.context.stream().record().map_err(say)?;
                for _ in 0..launches {
                    contestant.launch()?;
                }
                let end = self.context.stream().record().map_err(say)?;
                Ok(f64::from(start.until(&end).map_err(say)?) / launches as f64)
            }
            Some(flush) => {
                let mut events = Vec::with_capacity(launches);
                for _ in 0..launches {
                    flush.zero().map_err(say)?;
                    let start = self.context.stream().record().map_err(say)?;
                    contestant.launch()?;
                    events.push((start, self.context.stream().record().map_err(say)?));
                }
                let times = events.iter().map(|(start, end)| start.until(end).map(f64::from).map_err(say));
                let times = times.collect::<Result<Vec<f64>, String>>()?;
                Ok(super::stats::Summary::of(&times).median)
            }
        }
    }

    /// Returns the launches that fill a time slice of that many milliseconds, after two to warm up: the first may
    /// compile.
    pub fn launches(&self, contestant: &mut Contestant, slice: f64) -> Result<usize, String> {
        for _ in 0..2 {
            contestant.launch()?;
        }
        self.context.synchronize().map_err(|error| format!("{}: {error}", contestant.name))?;
        let once = self.time(contestant, 3)?;
        Ok((slice / once.max(1e-4)).ceil().clamp(3.0, MOST_LAUNCHES as f64) as usize)
    }
}

/// Returns (round, contestant) in order: every contestant has a time slice per round, and each round begins with
/// another.
pub fn slices(contestants: usize, rounds: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rounds).flat_map(move |round| (0..contestants).map(move |place| (round, (round + place) % contestants)))
}

/// Returns milliseconds per launch of each contestant in each round.
pub fn rounds(
    context: &'static Context,
    contestants: &mut [Contestant],
    plan: &Plan,
    progress: &Progress,
) -> Result<Vec<Vec<f64>>, String> {
    let clock = Clock::new(context, plan.l2)?;
    let mut launches = Vec::new();
    for contestant in contestants.iter_mut() {
        launches.push(clock.launches(contestant, plan.slice)?);
    }
    // A round that is not counted: clocks and power settle.
    for (contestant, &launches) in contestants.iter_mut().zip(&launches) {
        clock.time(contestant, launches)?;
    }
    let mut times = vec![Vec::with_capacity(plan.rounds); contestants.len()];
    let all = plan.rounds * contestants.len();
    for (done, (_, who)) in slices(contestants.len(), plan.rounds).enumerate() {
        progress.step(done, all);
        times[who].push(clock.time(&mut contestants[who], launches[who])?);
    }
    progress.done();
    Ok(times)
}

/// Returns the fastest of several contestants that compute the same, by a short measurement of all and a longer one of
/// the best four, and the number that could run. Contestants that return an error are left out.
pub fn fastest(context: &'static Context, candidates: Vec<Contestant>) -> Result<(Contestant, usize), String> {
    let clock = Clock::new(context, L2::Warm)?;
    let mut refusal = "there is no candidate".to_owned();
    let mut timed: Vec<(f64, Contestant)> = Vec::new();
    for mut candidate in candidates {
        let time = clock.launches(&mut candidate, 4.0).and_then(|launches| clock.time(&mut candidate, launches));
        match time {
            Ok(time) => timed.push((time, candidate)),
            Err(why) => refusal = why,
        }
    }
    let able = timed.len();
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    timed.truncate(4);
    let mut finalists: Vec<Contestant> = timed.into_iter().map(|(_, candidate)| candidate).collect();
    if finalists.is_empty() {
        return Err(refusal);
    }
    let plan = Plan { rounds: 7, slice: 10.0, l2: L2::Warm };
    let times = rounds(context, &mut finalists, &plan, &Progress::silent())?;
    let medians: Vec<f64> = times.iter().map(|times| super::stats::Summary::of(times).median).collect();
    let best = (0..medians.len()).min_by(|&a, &b| medians[a].total_cmp(&medians[b])).unwrap_or(0);
    Ok((finalists.swap_remove(best), able))
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_are_interleaved_and_each_begins_as_often() {
        let order: Vec<(usize, usize)> = slices(2, 3).collect();
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
        for contestants in 1..5 {
            let order: Vec<(usize, usize)> = slices(contestants, 2 * contestants).collect();
            for who in 0..contestants {
                assert_eq!(order.iter().filter(|slice| slice.1 == who).count(), 2 * contestants);
                let begun = order.chunks(contestants).filter(|round| round[0].1 == who).count();
                assert_eq!(begun, 2, "each round everybody has one slice, and everybody begins twice");
            }
        }
    }
}
