//! Columns of pixels: the im2col mode of TMA.

use crate::ir::{Im2col, TensorMapShape};

/// The pixels of a copy: the coordinates of the first, along all axes but the last, and the offsets that are added to each
/// along all but the first.
#[derive(Debug, Clone, Copy)]
pub struct Pixels {
    pub first: [i64; 5],
    pub offsets: [i64; 3],
}

impl Pixels {
    /// Calls `f` with the coordinates of each pixel in the tensor.
    pub fn each(&self, shape: &TensorMapShape, im2col: &Im2col, f: &mut dyn FnMut([i64; 5])) {
        let Some(&count) = shape.tile.first() else { return };
        let axes = shape.extents.len() - 2;
        let mut corner = self.first;
        for _ in 0..count {
            let mut pixel = corner;
            for axis in 0..axes {
                pixel[axis + 1] += self.offsets[axis];
            }
            f(pixel);
            // The next one in the box; behind its end, the first of the next image.
            corner[0] += 1;
            for axis in (0..axes).rev() {
                corner[axis + 1] += i64::from(shape.steps[axis + 1]);
                if corner[axis + 1] <= im2col.last(axis, shape.extents[axis + 1]) {
                    corner[0] -= 1;
                    break;
                }
                corner[axis + 1] = im2col.lower[axis].into();
            }
        }
    }

    /// Returns the reason why a copy cannot begin there, if there is one.
    pub fn problem(&self, shape: &TensorMapShape, im2col: &Im2col) -> Option<String> {
        let rank = shape.extents.len();
        for axis in 0..rank - 2 {
            let (at, lower) = (self.first[axis + 1], i64::from(im2col.lower[axis]));
            let (last, step) = (im2col.last(axis, shape.extents[axis + 1]), i64::from(shape.steps[axis + 1]));
            if !(lower..=last).contains(&at) || (at - lower) % step != 0 {
                let by = if step == 1 { String::new() } else { format!(" in steps of {step}") };
                let axis = axis + 1;
                return Some(format!("begins at pixel {at} along axis {axis}; its box has {lower} to {last}{by}"));
            }
            let (offset, end) = (self.offsets[axis], Im2col::offset_end(rank));
            if !(0..end).contains(&offset) {
                return Some(format!("has an offset of {offset}; with {rank} axes it must be 0 to {}", end - 1));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Swizzle;
    use crate::types::Scalar;

    fn shape(extents: &[u64], steps: &[u32], pixels: u32) -> TensorMapShape {
        let strides = (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect();
        let (elem, tile, swizzle) = (Scalar::F16, vec![pixels, 8], Swizzle::None);
        let (extents, steps) = (extents.to_vec(), steps.to_vec());
        TensorMapShape { elem, offset: 0, extents, strides, tile, im2col: None, steps, swizzle }
    }

    fn column(shape: &TensorMapShape, im2col: &Im2col, pixels: Pixels) -> Vec<[i64; 5]> {
        let mut found = Vec::new();
        pixels.each(shape, im2col, &mut |pixel| found.push(pixel));
        found
    }

    /// A convolution along one axis.
    #[derive(Clone, Copy)]
    struct Window {
        extent: i64,
        kernel: i64,
        padding: i64,
        stride: i64,
        dilation: i64,
    }

    impl Window {
        fn results(&self) -> i64 {
            (self.extent + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
        }

        fn lower(&self) -> i32 {
            -self.padding as i32
        }

        fn upper(&self) -> i32 {
            (self.padding - self.dilation * (self.kernel - 1)) as i32
        }
    }

    /// Compares the columns of all positions in the kernel with those that the indices of a convolution give.
    #[track_caller]
    fn is_that_of_a_convolution(images: i64, windows: &[Window], pixels: i64) {
        let results: i64 = windows.iter().map(Window::results).product();
        let extents: Vec<u64> = [images]
            .into_iter()
            .chain(windows.iter().map(|window| window.extent))
            .chain([8])
            .map(|extent| extent as u64)
            .collect();
        let steps: Vec<u32> =
            [1].into_iter().chain(windows.iter().map(|window| window.stride as u32)).chain([1]).collect();
        let shape = shape(&extents, &steps, pixels as u32);
        let im2col = Im2col {
            lower: windows.iter().map(Window::lower).collect(),
            upper: windows.iter().map(Window::upper).collect(),
        };
        // The pixel of a result at a position in the kernel.
        let pixel = |mut result: i64, taps: &[i64; 3]| {
            let mut at = [0i64; 5];
            for (axis, window) in windows.iter().enumerate().rev() {
                at[axis + 1] =
                    result % window.results() * window.stride - window.padding + taps[axis] * window.dilation;
                result /= window.results();
            }
            at[0] = result;
            at
        };
        for start in (0..images * results).step_by(pixels as usize) {
            let first = pixel(start, &[0; 3]);
            for tap in 0..windows.iter().map(|window| window.kernel).product() {
                let (mut rest, mut taps, mut offsets) = (tap, [0; 3], [0; 3]);
                for (axis, window) in windows.iter().enumerate().rev() {
                    taps[axis] = rest % window.kernel;
                    offsets[axis] = taps[axis] * window.dilation;
                    rest /= window.kernel;
                }
                let copy = Pixels { first, offsets };
                assert_eq!(copy.problem(&shape, &im2col), None);
                let wanted: Vec<[i64; 5]> = (start..start + pixels).map(|result| pixel(result, &taps)).collect();
                assert_eq!(column(&shape, &im2col, copy), wanted, "{start} {taps:?}");
            }
        }
    }

    #[test]
    fn columns_are_those_of_convolutions() {
        let window = |extent, kernel, padding, stride, dilation| Window { extent, kernel, padding, stride, dilation };
        is_that_of_a_convolution(3, &[window(11, 3, 1, 1, 1)], 8);
        is_that_of_a_convolution(2, &[window(11, 5, 2, 3, 1)], 7);
        for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)] {
            for padding in [0, 1, 2] {
                is_that_of_a_convolution(3, &[window(7, 3, padding, stride, dilation), window(9, 3, 1, stride, 1)], 16);
                is_that_of_a_convolution(2, &[window(8, 1, 0, stride, 1), window(5, 3, padding, 1, dilation)], 64);
            }
        }
        is_that_of_a_convolution(2, &[window(3, 3, 1, 1, 1), window(5, 2, 0, 2, 1), window(4, 3, 2, 1, 2)], 10);
    }

    #[test]
    fn a_copy_begins_in_its_box() {
        let shape = shape(&[2, 9, 14, 64], &[1, 2, 1, 1], 4);
        let im2col = Im2col { lower: vec![-1, 0], upper: vec![-1, -2] };
        let why = |row, col, offsets| Pixels { first: [0, row, col, 0, 0], offsets }.problem(&shape, &im2col);
        assert_eq!(why(-1, 11, [255, 0, 0]), None);
        assert_eq!(why(-3, 0, [0; 3]).unwrap(), "begins at pixel -3 along axis 1; its box has -1 to 7 in steps of 2");
        assert_eq!(why(0, 0, [0; 3]).unwrap(), "begins at pixel 0 along axis 1; its box has -1 to 7 in steps of 2");
        assert_eq!(why(1, 12, [0; 3]).unwrap(), "begins at pixel 12 along axis 2; its box has 0 to 11");
        assert_eq!(why(1, 0, [0, 256, 0]).unwrap(), "has an offset of 256; with 4 axes it must be 0 to 255");
    }
}
