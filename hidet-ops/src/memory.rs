//! Plans of memory: tensors that live at different times share the bytes of one arena.
//!
//! Offsets are chosen greedily, the largest tensors first, each at the lowest offset that is free while it lives. That is
//! not always the smallest arena, which is hard to find; [`ReplayMemory::least`] says how much smaller one could be at most.
//! Pure: knows numbers only.

use std::iter::Sum;

/// Bytes of which all offsets in an arena are multiples: what the driver gives to allocations too.
const ALIGN: usize = 256;

/// A tensor that lives from one launch to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) bytes: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Life {
    /// Returns its bytes, with those that nothing else can have.
    fn size(&self) -> usize {
        self.bytes.next_multiple_of(ALIGN)
    }

    /// Returns true if both live at the same time.
    fn meets(&self, other: &Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The memory of a [`Replay`](crate::Replay) for tensors between its launches, in bytes; each tensor counts as a multiple of 256. Inputs and
/// results are not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayMemory {
    /// What it takes: the arena.
    pub arena: usize,
    /// What the tensors would take if each had its own.
    pub apart: usize,
    /// What is needed at the same time, at some launch: no arena can be smaller.
    pub least: usize,
}

impl Sum for ReplayMemory {
    fn sum<I: Iterator<Item = ReplayMemory>>(all: I) -> ReplayMemory {
        all.fold(ReplayMemory::default(), |a, b| ReplayMemory {
            arena: a.arena + b.arena,
            apart: a.apart + b.apart,
            least: a.least + b.least,
        })
    }
}

/// Where tensors are in an arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryPlan {
    /// By tensor, in bytes.
    pub(crate) offsets: Vec<usize>,
    pub(crate) memory: ReplayMemory,
}

/// Plans the memory of tensors.
pub(crate) fn plan(lives: &[Life]) -> MemoryPlan {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(lives[*at].size()), lives[*at].first));
    let (mut offsets, mut arena) = (vec![0; lives.len()], 0);
    // Those that have an offset, in its order.
    let mut placed: Vec<usize> = Vec::new();
    for at in order {
        let own = lives[at];
        let mut offset = 0;
        for other in placed.iter().filter(|other| lives[**other].meets(&own)) {
            if offset + own.size() <= offsets[*other] {
                break;
            }
            offset = offset.max(offsets[*other] + lives[*other].size());
        }
        offsets[at] = offset;
        arena = arena.max(offset + own.size());
        placed.insert(placed.partition_point(|other| offsets[*other] <= offset), at);
    }
    let apart = lives.iter().map(Life::size).sum();
    MemoryPlan { offsets, memory: ReplayMemory { arena, apart, least: least(lives) } }
}

/// Returns the most bytes that live at the same time.
fn least(lives: &[Life]) -> usize {
    let begins = lives.iter().map(|life| (life.first, true, life.size()));
    let mut events: Vec<_> = begins.chain(lives.iter().map(|life| (life.last + 1, false, life.size()))).collect();
    // What ends before a launch is gone when the next begins.
    events.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, begins, size) in events {
        now = if begins { now + size } else { now - size };
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(bytes: usize, first: usize, last: usize) -> Life {
        Life { bytes, first, last }
    }

    #[test]
    fn a_chain_needs_two_tensors() {
        let chain: Vec<Life> = (0..10).map(|at| life(1000, at, at + 1)).collect();
        let plan = plan(&chain);
        assert_eq!((plan.memory.arena, plan.memory.apart, plan.memory.least), (2048, 10240, 2048));
        assert_eq!(plan.offsets, [0, 1024, 0, 1024, 0, 1024, 0, 1024, 0, 1024]);
    }

    #[test]
    fn small_tensors_fill_gaps() {
        // The third begins when the first is over, and is larger; the others fit behind or into its place.
        let plan = plan(&[life(256, 0, 1), life(100, 0, 4), life(600, 2, 3), life(1, 2, 2), life(0, 0, 9)]);
        assert_eq!(plan.offsets, [0, 768, 0, 1024, 0]);
        assert_eq!((plan.memory.arena, plan.memory.apart, plan.memory.least), (1280, 1536, 1280));
    }

    #[test]
    fn nothing_needs_nothing() {
        assert_eq!(plan(&[]), MemoryPlan::default());
        assert_eq!(plan(&[life(0, 0, 0)]).memory.arena, 0);
    }

    /// Random lives: no byte has two tensors at a time, which is looked at launch by launch; and the bound is one.
    #[test]
    fn no_two_tensors_have_a_byte_at_the_same_time() {
        let mut state = 1u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as usize % end
        };
        let (mut arenas, mut leasts, mut aparts) = (0, 0, 0);
        for _ in 0..500 {
            let (launches, most) = (1 + below(40), [1, 3, 40][below(3)]);
            let tensors = below(60);
            let mut any = || {
                let first = below(launches);
                life(below(5000), first, (first + below(most)).min(launches - 1))
            };
            let lives: Vec<Life> = (0..tensors).map(|_| any()).collect();
            let plan = plan(&lives);
            let mut most_used = 0;
            for launch in 0..launches {
                let mut units = vec![false; plan.memory.arena / ALIGN];
                for (life, offset) in lives.iter().zip(&plan.offsets) {
                    if !(life.first..=life.last).contains(&launch) {
                        continue;
                    }
                    assert_eq!(offset % ALIGN, 0);
                    for unit in &mut units[offset / ALIGN..(offset + life.bytes).div_ceil(ALIGN)] {
                        assert!(!std::mem::replace(unit, true), "{lives:?}: {plan:?}");
                    }
                }
                most_used = most_used.max(units.iter().filter(|used| **used).count() * ALIGN);
            }
            assert_eq!(plan.memory.least, most_used);
            assert!(plan.memory.least <= plan.memory.arena && plan.memory.arena <= plan.memory.apart, "{plan:?}");
            arenas += plan.memory.arena;
            leasts += plan.memory.least;
            aparts += plan.memory.apart;
        }
        println!("arenas of {arenas} bytes; at least {leasts}; apart {aparts}");
        // A greedy plan is seldom far from the bound.
        assert!(arenas * 10 <= leasts * 11, "{arenas} {leasts}");
    }
}
