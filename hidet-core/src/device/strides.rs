//! Strides of tensors: where their elements are, and in which runs.

use std::ops::Range;

/// Returns the strides of a row-major, contiguous tensor. Those of an empty one have no meaning, and do not overflow.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = shape.to_vec();
    make_row_major(&mut strides);
    strides
}

/// Replaces the extents of a shape by the strides of a row-major, contiguous tensor.
pub(super) fn make_row_major(shape: &mut [usize]) {
    let mut stride = 1usize;
    for axis in shape.iter_mut().rev() {
        let extent = std::mem::replace(axis, stride);
        stride = stride.saturating_mul(extent.max(1));
    }
}

/// Returns the strides without those that have no meaning: an axis of one element gets the stride that a contiguous
/// tensor of the axes behind it would have, and so do all axes of an empty tensor.
pub(super) fn settled(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    if shape.contains(&0) {
        return row_major(shape);
    }
    let mut settled = strides.to_vec();
    let mut next = 1usize;
    for (stride, extent) in settled.iter_mut().zip(shape).rev() {
        if *extent == 1 {
            *stride = next;
        }
        next = stride.saturating_mul(*extent);
    }
    settled
}

/// Returns the number of elements of memory from the first to the last one, or `None` if it is too large.
pub(super) fn reach(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let span = |(extent, stride): (&usize, &usize)| (extent - 1).checked_mul(*stride);
    shape.iter().zip(strides).try_fold(1usize, |sum, axis| sum.checked_add(span(axis)?))
}

/// Returns true if several coordinates may be one element. Exact for axes of which each leaps over all elements of the
/// faster ones, as those of every part and permutation of a contiguous tensor do.
pub(super) fn may_repeat(shape: &[usize], strides: &[usize]) -> bool {
    if shape.contains(&0) {
        return false;
    }
    let mut axes: Vec<(usize, usize)> =
        strides.iter().copied().zip(shape.iter().copied()).filter(|(_, extent)| *extent > 1).collect();
    axes.sort_unstable();
    let mut end = 1usize;
    axes.into_iter().any(|(stride, extent)| {
        let repeats = stride < end;
        end = (extent - 1).saturating_mul(stride).saturating_add(end);
        repeats
    })
}

/// Returns the runs of consecutive elements, in row-major order of the coordinates, as long as possible.
pub(super) fn runs(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let (mut axes, mut run) = (shape.len(), 1usize);
    while axes > 0 && (strides[axes - 1] == run || shape[axes - 1] == 1) {
        run = run.saturating_mul(shape[axes - 1]);
        axes -= 1;
    }
    let (shape, strides) = (shape[..axes].to_vec(), strides[..axes].to_vec());
    let count = if run == 0 { 0 } else { shape.iter().product::<usize>() };
    (0..count).map(move |mut number| {
        let mut first = 0;
        for (extent, stride) in shape.iter().zip(&strides).rev() {
            first += number % extent * stride;
            number /= extent;
        }
        first..first + run
    })
}

/// Returns true if the rows of two tensors lie apart although one begins before the other ends, as columns of one matrix
/// do: every row of either is in its own part of a period that divides all distances between rows. All in bytes, with
/// the first byte and the strides of each tensor, and the bytes of its rows.
pub(super) fn are_apart(a: (u64, &[u64], u64), b: (u64, &[u64], u64)) -> bool {
    let period = a.1.iter().chain(b.1).fold(0, |known, stride| gcd(*stride, known));
    if period == 0 {
        return false;
    }
    let between = |from: u64, to: u64| (to % period + period - from % period) % period;
    a.2.saturating_add(b.2) <= period && between(a.0, b.0) >= a.2 && between(b.0, a.0) >= b.2
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_without_meaning_are_settled() {
        assert_eq!(row_major(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(row_major(&[usize::MAX, 0, 2]), [2, 2, 1]);
        assert_eq!(settled(&[1, 3, 1], &[7, 10, 9]), [30, 10, 1]);
        assert_eq!(settled(&[0, 3, 4], &[7, 9, 2]), [12, 4, 1]);
        assert_eq!(settled(&[], &[]), [0usize; 0]);
    }

    #[test]
    fn memory_ends_with_the_last_element() {
        assert_eq!(reach(&[2, 3, 4], &[100, 10, 1]), Some(100 + 20 + 3 + 1));
        assert_eq!((reach(&[], &[]), reach(&[4, 0], &[9, 1]), reach(&[3], &[0])), (Some(1), Some(0), Some(1)));
        assert_eq!(reach(&[3, 2], &[usize::MAX / 2, 5]), None);
    }

    #[test]
    fn repeated_elements_are_found() {
        assert!(!may_repeat(&[2, 3, 4], &[12, 4, 1]) && !may_repeat(&[3, 2, 4], &[4, 12, 1]));
        assert!(!may_repeat(&[2, 3], &[3, 1]) && !may_repeat(&[1, 3], &[0, 1]) && !may_repeat(&[0, 3], &[0, 0]));
        assert!(may_repeat(&[2, 3], &[2, 1]) && may_repeat(&[2, 3], &[0, 1]) && may_repeat(&[2, 2], &[1, 1]));
    }

    #[test]
    fn runs_are_as_long_as_possible() {
        let all = |shape: &[usize], strides: &[usize]| {
            runs(shape, strides).map(|run| (run.start, run.end)).collect::<Vec<_>>()
        };
        assert_eq!(all(&[2, 3, 4], &[12, 4, 1]), vec![(0, 24)]);
        assert_eq!(all(&[2, 3, 4], &[20, 4, 1]), [(0, 12), (20, 32)]);
        assert_eq!(all(&[2, 2, 2], &[2, 10, 1]), [(0, 2), (10, 12), (2, 4), (12, 14)]);
        assert_eq!(all(&[2, 1], &[0, 1]), [(0, 1), (0, 1)]);
        assert_eq!(all(&[], &[]), vec![(0, 1)]);
        assert!(all(&[2, 0], &[9, 1]).is_empty() && all(&[0, 2], &[9, 1]).is_empty());
    }

    #[test]
    fn columns_of_a_matrix_are_apart() {
        let at = |first, strides: &'static [u64], row| (first, strides, row);
        assert!(are_apart(at(1000, &[64], 16), at(1016, &[64], 48)));
        assert!(are_apart(at(1016, &[64, 640], 48), at(1000 + 640, &[128], 16)));
        assert!(!are_apart(at(1000, &[64], 17), at(1016, &[64], 48)));
        assert!(!are_apart(at(1000, &[64], 16), at(1016, &[96], 48)));
        assert!(!are_apart(at(1000, &[64], 16), at(1060, &[64], 16)));
        assert!(!are_apart(at(1000, &[], 16), at(1000, &[], 16)));
    }
}
