//! Automatic mappings: `auto_map`, its predicated variant, and enumeration.

use crate::construct::{col_repeat, col_spatial, repeat, spatial};
use crate::error::MappingError;
use crate::mapping::{TaskMapping, row_ranks};

/// Distributes a domain of that shape over `workers` in row-major order: each worker does the same number of tasks, and
/// neighbouring workers do neighbouring tasks. `workers` must divide the number of tasks.
pub const fn auto_map<const R: usize>(shape: [u32; R], workers: u32) -> TaskMapping<R> {
    auto_map_ranked(shape, workers, row_ranks())
}

/// [`auto_map`] with an order of the axes: rank `R - 1` is the axis along which neighbouring workers lie.
pub const fn auto_map_ranked<const R: usize>(shape: [u32; R], workers: u32, ranks: [u8; R]) -> TaskMapping<R> {
    let (mut tasks, mut axis) = (1u64, 0);
    while axis < R {
        tasks = tasks.saturating_mul(shape[axis] as u64);
        axis += 1;
    }
    if workers == 0 || !tasks.is_multiple_of(workers as u64) {
        return TaskMapping::faulty(MappingError::NotDivisible { workers, tasks });
    }
    split(shape, workers, ranks, false)
}

/// [`auto_map`] for any number of workers: some may stay idle. The mapping uses the first
/// [`workers`](TaskMapping::workers) of them.
pub const fn predicated_auto_map<const R: usize>(shape: [u32; R], workers: u32) -> TaskMapping<R> {
    predicated_auto_map_ranked(shape, workers, row_ranks())
}

/// [`predicated_auto_map`] with an order of the axes.
pub const fn predicated_auto_map_ranked<const R: usize>(
    shape: [u32; R],
    workers: u32,
    ranks: [u8; R],
) -> TaskMapping<R> {
    if workers == 0 {
        return TaskMapping::faulty(MappingError::NoWorker { worker: 0, workers: 0 });
    }
    split(shape, workers, ranks, true)
}

/// Distributes the workers over the axes, from the fastest axis to the slowest.
const fn split<const R: usize>(shape: [u32; R], workers: u32, ranks: [u8; R], predicated: bool) -> TaskMapping<R> {
    // Also reports invalid ranks and extents.
    let checked = spatial(shape).ranks(ranks);
    if checked.fault.is_some() {
        return checked;
    }
    let (mut outer, mut inner) = ([1; R], [1; R]);
    let mut remaining = workers;
    let mut rank = R;
    while rank > 0 {
        rank -= 1;
        let mut axis = 0;
        while ranks[axis] as usize != rank {
            axis += 1;
        }
        let extent = shape[axis];
        if predicated && remaining >= extent {
            inner[axis] = extent;
            remaining /= extent;
        } else {
            inner[axis] = gcd(remaining, extent);
            remaining = if predicated { 1 } else { remaining / inner[axis] };
        }
        outer[axis] = extent / inner[axis];
    }
    repeat(outer).ranks(ranks).then(spatial(inner).ranks(ranks))
}

const fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns all ways to write `number` as an ordered product of `R` factors: 12 as 2 factors is (1, 12), (2, 6), (3, 4),
/// and so on.
pub fn factorizations<const R: usize>(number: u32) -> Vec<[u32; R]> {
    fn fill<const R: usize>(axis: usize, rest: u32, factors: &mut [u32; R], out: &mut Vec<[u32; R]>) {
        if axis + 1 >= R {
            if R > 0 {
                factors[R - 1] = rest;
                out.push(*factors);
            }
            return;
        }
        for factor in (1..=rest).filter(|factor| rest.is_multiple_of(*factor)) {
            factors[axis] = factor;
            fill(axis + 1, rest / factor, factors, out);
        }
    }
    let mut out = Vec::new();
    if number > 0 {
        fill(0, number, &mut [1; R], &mut out);
    }
    out
}

/// Returns the mappings of that many workers over a domain of that shape with one `spatial` and one `repeat` factor,
/// either of them outside, each in row-major or column-major order. Equivalent mappings are listed once.
pub fn enumerate<const R: usize>(shape: [u32; R], workers: u32) -> Vec<TaskMapping<R>> {
    let mut found: Vec<TaskMapping<R>> = Vec::new();
    for inner in factorizations::<R>(workers) {
        if (0..R).any(|axis| !shape[axis].is_multiple_of(inner[axis])) {
            continue;
        }
        let outer: [u32; R] = std::array::from_fn(|axis| shape[axis] / inner[axis]);
        for space in [spatial(inner), col_spatial(inner)] {
            for turn in [repeat(outer), col_repeat(outer)] {
                for mapping in [turn * space, space * turn] {
                    if mapping.fault.is_none() && !found.iter().any(|other| same(other, &mapping)) {
                        found.push(mapping);
                    }
                }
            }
        }
    }
    found
}

fn same<const R: usize>(a: &TaskMapping<R>, b: &TaskMapping<R>) -> bool {
    (0..a.workers()).all(|worker| a.tasks(worker).eq(b.tasks(worker)))
}
