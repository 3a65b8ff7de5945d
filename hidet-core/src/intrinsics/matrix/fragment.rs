//! Fragments: task mappings from a lane to the matrix elements it holds, in register order.
//!
//! The `k`-th task of a lane is the element in its `k`-th register element; a 32-bit register holds several smaller
//! elements, lowest bits first. Source: PTX ISA, "Matrix Fragments" of `mma` and "Register Fragments" of `wgmma`.

use hidet_mapping::{TaskMapping, col_repeat, col_spatial, repeat, spatial};

/// The fragments of `d += a * b` in a warp (32 workers) or, for `wgmma`, a warp group (128).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// Elements of a, `m x k`.
    pub a: TaskMapping<2>,
    /// Elements of b, `k x n`.
    pub b: TaskMapping<2>,
    /// Elements of d, `m x n`.
    pub d: TaskMapping<2>,
}

/// Returns the fragments of `mma.sync` with operands of `bytes` bytes per element (1, 2 or 4), m of 8 or 16 and n of 8.
///
/// ```
/// use hidet_core::intrinsics::matrix::mma_fragments;
/// use hidet_mapping::{col_repeat, col_spatial, repeat, spatial};
/// let half = mma_fragments([16, 8, 16], 2);
/// assert_eq!(half.a.tasks(5).collect::<Vec<_>>(), (col_repeat([2, 2]) * spatial([8, 4]) * repeat([1, 2])).tasks(5).collect::<Vec<_>>());
/// assert_eq!(half.b, col_repeat([2, 1]) * col_spatial([4, 8]) * col_repeat([2, 1]));
/// assert_eq!(half.d, repeat([2, 1]) * spatial([8, 4]) * repeat([1, 2]));
/// ```
pub const fn mma_fragments([m, n, k]: [u32; 3], bytes: u32) -> Fragments {
    // The number of elements per register, and of groups of four registers along k.
    let (word, groups) = (4 / bytes, k * bytes / 16);
    Fragments {
        a: col_repeat([m / 8, groups]).spatial([8, 4]).repeat([1, word]),
        b: col_repeat([groups, n / 8]).col_spatial([4, 8]).col_repeat([word, 1]),
        d: repeat([m / 8, n / 8]).spatial([8, 4]).repeat([1, 2]),
    }
}

/// Returns the accumulator of `wgmma`, `64 x n`: warp `w` of the group holds the 16 rows from `16 w` on.
///
/// ```
/// let d = hidet_core::intrinsics::matrix::wgmma_accumulator(16);
/// assert_eq!((d.workers(), d.shape()), (128, [64, 16]));
/// assert_eq!(d.tasks(33).collect::<Vec<_>>(), [[16, 2], [16, 3], [24, 2], [24, 3], [16, 10], [16, 11], [24, 10], [24, 11]]);
/// ```
pub const fn wgmma_accumulator(n: u32) -> TaskMapping<2> {
    spatial([4, 1]).repeat([1, n / 8]).repeat([2, 1]).spatial([8, 4]).repeat([1, 2])
}

/// Returns the first operand of `wgmma` in registers, `64 x k` where k is 32 bytes of elements.
pub const fn wgmma_left(bytes: u32) -> TaskMapping<2> {
    spatial([4, 1]).col_repeat([2, 2]).spatial([8, 4]).repeat([1, 4 / bytes])
}

/// Returns the fragment of an 8 x 8 matrix of 16-bit words that `ldmatrix` and `stmatrix` move, in elements of `bytes`
/// bytes: a lane holds 4 bytes of a row, or of a column if transposed.
pub const fn matrix_fragment(bytes: u32, transposed: bool) -> TaskMapping<2> {
    if transposed { col_spatial([4, 8]).col_repeat([4 / bytes, 1]) } else { spatial([8, 4]).repeat([1, 4 / bytes]) }
}

/// Returns the row-major positions in the task domain of all tasks, worker by worker.
pub fn positions(mapping: &TaskMapping<2>) -> Vec<u32> {
    let [_, columns] = mapping.shape();
    (0..mapping.workers()).flat_map(|worker| mapping.tasks(worker).map(|[i, j]| i * columns + j)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_held_once() {
        let shapes = [([16, 8, 8], 2), ([16, 8, 16], 2), ([16, 8, 4], 4), ([16, 8, 8], 4)];
        let bytes = [([8, 8, 16], 1), ([16, 8, 16], 1), ([16, 8, 32], 1)];
        for (shape @ [m, n, k], bytes) in shapes.into_iter().chain(bytes) {
            let Fragments { a, b, d } = mma_fragments(shape, bytes);
            assert_eq!([a.shape(), b.shape(), d.shape()], [[m, k], [k, n], [m, n]]);
            for mapping in [a, b, d] {
                assert_eq!(mapping.workers(), 32);
                assert_eq!(mapping.check_cover(false), Ok(()), "{mapping}");
            }
        }
        for n in (8..=256).step_by(8) {
            assert_eq!(wgmma_accumulator(n).shape(), [64, n]);
            assert_eq!(wgmma_accumulator(n).check_cover(false), Ok(()));
        }
        for bytes in [1, 2, 4] {
            assert_eq!((wgmma_left(bytes).workers(), wgmma_left(bytes).shape()), (128, [64, 32 / bytes]));
            assert_eq!(wgmma_left(bytes).check_cover(false), Ok(()));
            assert_eq!(matrix_fragment(bytes, false).shape(), [8, 16 / bytes]);
        }
        assert_eq!(matrix_fragment(2, true).check_cover(false), Ok(()));
    }

    /// From the formulas of the PTX ISA.
    #[test]
    fn registers_are_in_the_order_of_the_instruction() {
        for lane in 0..32 {
            let (group, inside) = (lane / 4, lane % 4);
            let a: Vec<_> = mma_fragments([16, 8, 32], 1).a.tasks(lane).collect();
            for (i, task) in a.iter().enumerate() {
                let i = i as u32;
                let row = if i < 4 || (8..12).contains(&i) { group } else { group + 8 };
                assert_eq!(*task, [row, inside * 4 + (i & 3) + if i < 8 { 0 } else { 16 }]);
            }
            let b: Vec<_> = mma_fragments([16, 8, 16], 2).b.tasks(lane).collect();
            for (i, task) in b.iter().enumerate() {
                let i = i as u32;
                assert_eq!(*task, [inside * 2 + (i & 1) + if i < 2 { 0 } else { 8 }, group]);
            }
            let d: Vec<_> = mma_fragments([16, 8, 8], 4).d.tasks(lane).collect();
            for (i, task) in d.iter().enumerate() {
                let i = i as u32;
                assert_eq!(*task, [if i < 2 { group } else { group + 8 }, inside * 2 + (i & 1)]);
            }
        }
    }
}
