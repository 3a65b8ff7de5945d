//! The im2col mode of tensor maps: columns of pixels of a tensor [n, w, c], [n, h, w, c] or [n, d, h, w, c], as products
//! of a convolution read them.
//!
//! The box of a map in this mode bounds the pixels at which the corner of the convolution's kernel may be, along all axes
//! but the first and the last. A copy begins at such a pixel, and takes the following ones in the order of memory: from the
//! end of a row of the box to the beginning of the next one, and from the end of the box to its beginning in the next image.
//! Each copy adds offsets to the pixels, the position in the kernel; what is then outside of the tensor is zero. (PTX ISA,
//! "Tensors", "im2col mode".)

use super::tensor_map::MAX_STEP;

/// The box of pixels. The corners count from those of the tensor, so that its extents are those of the tensor plus `upper`
/// minus `lower`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Im2col {
    /// The first pixel along each axis between the first and the last, slowest first: minus the padding.
    pub lower: Vec<i32>,
    /// The last pixel, minus the last one of the tensor: the padding minus the extent of the kernel beyond its corner.
    pub upper: Vec<i32>,
}

/// The largest number of pixels and of channels of a copy.
const MOST: [u32; 2] = [1024, 256];

impl Im2col {
    /// Returns the number of bits that each corner has along each axis of a tensor with that many axes, or `None` if there
    /// is no such mode.
    const fn bits(rank: usize) -> Option<u32> {
        match rank {
            3 => Some(16),
            4 => Some(8),
            5 => Some(5),
            _ => None,
        }
    }

    /// Returns the exclusive bound of the offsets of a copy, for a tensor with that many axes.
    pub const fn offset_end(rank: usize) -> i64 {
        match Im2col::bits(rank) {
            Some(bits) => 1 << bits,
            None => 0,
        }
    }

    /// Returns the reason why TMA cannot copy such columns, if there is one. `tile` are the pixels and channels of a copy.
    pub(super) fn problem(&self, tile: &[u32], steps: &[u32]) -> Option<String> {
        let rank = steps.len();
        let Some(bits) = Im2col::bits(rank) else {
            return Some(format!("im2col needs 3 to 5 axes, this tensor map has {rank}"));
        };
        if [self.lower.len(), self.upper.len()] != [rank - 2; 2] || tile.len() != 2 {
            return Some(format!(
                "im2col of {rank} axes has corners of {} and a tile of pixels and channels",
                rank - 2
            ));
        }
        let end = 1 << (bits - 1);
        if let Some(corner) = self.lower.iter().chain(&self.upper).find(|corner| !(-end..end).contains(*corner)) {
            return Some(format!(
                "a corner of im2col is {corner}; with {rank} axes it must be {} to {}",
                -end,
                end - 1
            ));
        }
        for ((extent, most), of) in tile.iter().zip(MOST).zip(["pixels", "channels"]) {
            if !(1..=most).contains(extent) {
                return Some(format!("a copy of im2col has {extent} {of}; it must be 1 to {most}"));
            }
        }
        if let Some(step) = steps.iter().find(|step| !(1..=MAX_STEP).contains(*step)) {
            return Some(format!("the step of an axis is {step}; it must be 1 to {MAX_STEP}"));
        }
        let outer = [steps.first(), steps.last()].into_iter().flatten().find(|step| **step != 1);
        outer.map(|step| format!("the step of the first and of the last axis of im2col is {step}; it must be 1"))
    }

    /// Returns the last pixel along an axis of that extent.
    pub fn last(&self, axis: usize, extent: u64) -> i64 {
        extent as i64 - 1 + i64::from(self.upper[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_tma_cannot_copy_are_told() {
        let padded = Im2col { lower: vec![-1, -1], upper: vec![-1, -1] };
        assert_eq!(padded.problem(&[128, 64], &[1, 2, 2, 1]), None);
        assert_eq!([3, 4, 5, 2].map(Im2col::offset_end), [1 << 16, 256, 32, 0]);
        let why = |change: &dyn Fn(&mut Im2col, &mut [u32; 2], &mut Vec<u32>)| {
            let (mut im2col, mut tile, mut steps) = (padded.clone(), [128, 64], vec![1; 4]);
            change(&mut im2col, &mut tile, &mut steps);
            im2col.problem(&tile, &steps).unwrap_or_default()
        };
        for (why, wanted) in [
            (why(&|_, _, steps| steps.truncate(2)), "im2col needs 3 to 5 axes, this tensor map has 2"),
            (why(&|_, _, steps| steps.push(1)), "im2col of 5 axes has corners of 3 and a tile of pixels and channels"),
            (
                why(&|im2col, _, _| im2col.lower[0] = -129),
                "a corner of im2col is -129; with 4 axes it must be -128 to 127",
            ),
            (
                why(&|im2col, _, _| im2col.upper[1] = 128),
                "a corner of im2col is 128; with 4 axes it must be -128 to 127",
            ),
            (why(&|_, tile, _| tile[0] = 1025), "a copy of im2col has 1025 pixels; it must be 1 to 1024"),
            (why(&|_, tile, _| tile[1] = 0), "a copy of im2col has 0 channels; it must be 1 to 256"),
            (why(&|_, _, steps| steps[1] = 9), "the step of an axis is 9; it must be 1 to 8"),
            (
                why(&|_, _, steps| steps[0] = 2),
                "the step of the first and of the last axis of im2col is 2; it must be 1",
            ),
        ] {
            assert_eq!(why, wanted);
        }
    }
}
