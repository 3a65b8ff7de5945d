//! Times contestants against each other on one GPU: by events on the stream, in interleaved rounds.

use super::summary::Summary;
use crate::cuda::{Context, Memory};
use crate::device::Device;
use crate::error::{Error, Result};

/// What is timed: a kernel with its arguments, a call of a library.
pub trait Repeatable {
    /// Launches it once, or returns an error that names it. The device may still be busy afterwards.
    fn launch(&mut self) -> Result<()>;
}

impl<F: FnMut() -> Result<()>> Repeatable for F {
    fn launch(&mut self) -> Result<()> {
        self()
    }
}

/// The content of L2 when a launch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L2 {
    /// The content that the previous launch left: launches follow each other without a gap.
    Warm,
    /// Nothing useful: 256 MiB are written before each launch, which is timed by itself.
    Flush,
}

/// The length of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
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

/// Times launches on a GPU.
#[derive(Debug)]
pub struct Clock {
    context: &'static Context,
    flush: Option<Memory>,
}

impl Clock {
    /// Returns a clock of that device, or an error if it is the simulated one, which has no time, or lacks memory.
    pub fn new(device: &Device, l2: L2) -> Result<Clock> {
        let Some(context) = device.as_cuda() else {
            let message = "the simulated device has no time: measure on a GPU".to_owned();
            return Err(Error::Device { device: device.to_string(), message });
        };
        let flush = match l2 {
            L2::Warm => None,
            L2::Flush => Some(Memory::new(context, FLUSH.min(context.properties.memory / 8))?),
        };
        Ok(Clock { context, flush })
    }

    /// Returns milliseconds per launch, over that many launches.
    pub fn time(&self, contestant: &mut impl Repeatable, launches: usize) -> Result<f64> {
        let launches = launches.max(1);
        match &self.flush {
            None => {
                let start = self.context.stream().record()?;
                for _ in 0..launches {
                    contestant.launch()?;
                }
                let end = self.context.stream().record()?;
                Ok(f64::from(start.until(&end)?) / launches as f64)
            }
            Some(flush) => {
                let mut events = Vec::with_capacity(launches);
                for _ in 0..launches {
                    flush.zero()?;
                    let start = self.context.stream().record()?;
                    contestant.launch()?;
                    events.push((start, self.context.stream().record()?));
                }
                let times = events.iter().map(|(start, end)| start.until(end).map(f64::from));
                Ok(Summary::of(&times.collect::<Result<Vec<f64>>>()?).median)
            }
        }
    }

    /// Returns the launches that fill a time slice of that many milliseconds, after two to warm up: the first may
    /// compile.
    pub fn launches(&self, contestant: &mut impl Repeatable, slice: f64) -> Result<usize> {
        for _ in 0..2 {
            contestant.launch()?;
        }
        self.context.synchronize()?;
        let once = self.time(contestant, 3)?;
        Ok((slice / once.max(1e-4)).ceil().clamp(3.0, MOST_LAUNCHES as f64) as usize)
    }
}

/// Returns (round, contestant) in order: every contestant has a time slice per round, and each round begins with
/// another.
pub fn slices(contestants: usize, rounds: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rounds).flat_map(move |round| (0..contestants).map(move |place| (round, (round + place) % contestants)))
}

/// Returns milliseconds per launch of each contestant in each round, or the error of the first that cannot be launched.
/// `progress` is called with the number of time slices that are over, and of all.
///
/// ```
/// use hidet::prelude::*;
/// use hidet::tune::{L2, Summary, Timing, rounds};
///
/// kernel! {
///     #[launch(grid = n.div_ceil(128), block = 128)]
///     fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
///         let i = block_idx().x * 128 + thread_id();
///         if i < n {
///             y[[i]] = x[[i]] * 2.0;
///         }
///     }
/// }
///
/// let device = Device::best()?;
/// if device.as_cuda().is_some() {
///     let (x, mut y) = (device.tensor(&[1f32; 4096], [4096])?, device.empty([4096])?);
///     let kernel = double().compile(&device)?;
///     let timing = Timing { rounds: 7, slice: 10.0, l2: L2::Warm };
///     let times = rounds(&device, &mut [|| kernel.launch(&x, &mut y)], &timing, &mut |_, _| {})?;
///     println!("{} ms", Summary::of(&times[0]).median);
/// }
/// # Ok::<(), hidet::Error>(())
/// ```
pub fn rounds(
    device: &Device,
    contestants: &mut [impl Repeatable],
    plan: &Timing,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<f64>>> {
    let clock = Clock::new(device, plan.l2)?;
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
        progress(done, all);
        times[who].push(clock.time(&mut contestants[who], launches[who])?);
    }
    Ok(times)
}

/// Returns the fastest of several contestants that compute the same, by a short measurement of all and a longer one of the
/// best four, and the number that could run. Those that return an error are left out; if none is left, the last error is
/// returned.
pub fn fastest<L: Repeatable>(device: &Device, candidates: Vec<L>) -> Result<(L, usize)> {
    let clock = Clock::new(device, L2::Warm)?;
    let mut refusal = Error::Device { device: device.to_string(), message: "there is no candidate".to_owned() };
    let mut timed: Vec<(f64, L)> = Vec::new();
    for mut candidate in candidates {
        let time = clock.launches(&mut candidate, 4.0).and_then(|launches| clock.time(&mut candidate, launches));
        match time {
            Ok(time) => timed.push((time, candidate)),
            Err(why) => refusal = why,
        }
    }
    let able = timed.len();
    timed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    timed.truncate(4);
    let mut finalists: Vec<L> = timed.into_iter().map(|(_, candidate)| candidate).collect();
    if finalists.is_empty() {
        return Err(refusal);
    }
    let plan = Timing { rounds: 7, slice: 10.0, l2: L2::Warm };
    let times = rounds(device, &mut finalists, &plan, &mut |_, _| {})?;
    let medians: Vec<f64> = times.iter().map(|times| Summary::of(times).median).collect();
    let best = (0..medians.len()).min_by(|&a, &b| medians[a].total_cmp(&medians[b])).unwrap_or(0);
    Ok((finalists.swap_remove(best), able))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_device_has_no_time() {
        let plan = Timing { rounds: 1, slice: 1.0, l2: L2::Warm };
        let none: Result<_> = rounds(&Device::sim(), &mut [|| Ok(())], &plan, &mut |_, _| {});
        assert!(none.unwrap_err().to_string().contains("has no time"));
    }

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
