//! Plans of memory of replays, right and wrong.

use super::*;
use hidet::sim;

/// Sorting, sums and products of rows, which are kernels of their own: a chain, with a branch from its begin to its end.
fn graph(device: &Device) -> Result<(Tensor, Tensor)> {
    let values: Vec<f32> = (0..64).map(|at| ((at * 37 + 11) % 64) as f32 / 32.0 - 1.0).collect();
    let x = Tensor::from(&device.tensor(&values, [8, 8])?);
    let first = x.cumsum(1, false, false)?;
    let mut y = first.clone();
    for _ in 0..4 {
        y = y.matmul(&x)?.cumsum(0, false, false)?;
    }
    Ok((x, y.add(&first)?))
}

fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
    Ok(tensor.to_vec::<f32>()?.iter().map(|value| value.to_bits()).collect())
}

#[test]
fn tensors_between_launches_share_memory() -> Result<()> {
    for seed in 0..4 {
        let device = Device::sim_with(sim::Options { seed, ..sim::Options::default() });
        let (x, y) = graph(&device)?;
        let wanted = bits(&y)?;
        let (own, y) = graph(&device)?;
        let replay = Replay::of(&[&own], &[&y])?;
        assert_eq!(replay.launches(), 10);
        // Eight products and sums, and the first sum, which all others outlive; two of them are needed at a time.
        assert_eq!(replay.memory(), ReplayMemory { arena: 3 * 256, apart: 9 * 256, least: 3 * 256 });
        assert_eq!(bits(&replay.results()?[0])?, wanted);
        for _ in 0..3 {
            assert_eq!(bits(&replay.run(&[&x])?[0])?, wanted);
            assert_ne!(bits(&replay.run(&[&x.neg()?])?[0])?, wanted);
        }
    }
    Ok(())
}

/// Branches that may run at the same time do not share memory, so that they still may.
#[test]
fn shared_memory_makes_no_launch_wait_longer() -> Result<()> {
    let device = Device::sim();
    let branches = |planner: &dyn Fn(&[Life]) -> MemoryPlan| {
        let (x, _) = graph(&device)?;
        let mut sum = x.clone();
        for number in 0..4 {
            let mut y = x.mul(f64::from(number))?;
            for _ in 0..4 {
                y = y.matmul(&x)?.cumsum(0, false, false)?;
            }
            sum = sum.add(&y)?;
        }
        Replay::planned(&[&x], &[&sum], planner, None)
    };
    let apart = |lives: &[Life]| {
        let memory = ReplayMemory { arena: 256 * lives.len(), ..ReplayMemory::default() };
        MemoryPlan { offsets: (0..lives.len()).map(|at| 256 * at).collect(), memory }
    };
    let longest = |replay: &Replay| {
        let mut lengths: Vec<usize> = Vec::new();
        for earlier in replay.graph.dependencies() {
            lengths.push(1 + earlier.iter().map(|at| lengths[*at]).max().unwrap_or(0));
        }
        lengths.into_iter().max()
    };
    let (shared, apart) = (branches(&memory::plan)?, branches(&apart)?);
    assert_eq!((longest(&shared), longest(&apart)), (Some(9), Some(9)));
    // Two tensors of each branch are needed at a time.
    assert_eq!(shared.memory(), ReplayMemory { arena: 8 * 256, apart: 32 * 256, least: 8 * 256 });
    Ok(())
}

/// Whatever two tensors that live at the same time a plan gives the same bytes, the simulated device reports it.
#[test]
fn wrong_plans_are_found() -> Result<()> {
    let device = Device::sim();
    let lives = {
        let (x, y) = graph(&device)?;
        let mut all = Vec::new();
        let planner = |lives: &[Life]| {
            all = lives.to_vec();
            memory::plan(lives)
        };
        Replay::planned(&[&x], &[&y], planner, None)?;
        all
    };
    let mut planted = 0;
    for (a, first) in lives.iter().enumerate() {
        for (b, second) in lives.iter().enumerate().skip(a + 1) {
            if first.last < second.first || second.last < first.first {
                continue;
            }
            let (x, y) = graph(&device)?;
            let wrong = |lives: &[Life]| {
                let offsets = (0..lives.len()).map(|at| 256 * if at == b { a } else { at }).collect();
                let memory = ReplayMemory { arena: 256 * lives.len(), ..ReplayMemory::default() };
                MemoryPlan { offsets, memory }
            };
            let report = Replay::planned(&[&x], &[&y], wrong, None).and_then(|replay| replay.run(&[&x]));
            let report = report.map(|_| ()).unwrap_err().to_string();
            let words = ["memory was given to another one", "overlap", "argument"];
            assert!(words.iter().any(|words| report.contains(words)), "{a} and {b}: {report}");
            planted += 1;
        }
    }
    assert!(planted >= 15, "{planted}");
    Ok(())
}

/// Lives that end too early make plans that are found too, or do not matter.
#[test]
fn lives_that_end_too_early_are_found() -> Result<()> {
    let device = Device::sim();
    let (x, y) = graph(&device)?;
    let short = |lives: &[Life]| {
        let ends: Vec<Life> = lives.iter().map(|life| Life { last: life.first, ..*life }).collect();
        memory::plan(&ends)
    };
    let report = Replay::planned(&[&x], &[&y], short, None).and_then(|replay| replay.run(&[&x]));
    assert!(report.is_err());
    Ok(())
}
