//! The addresses of a bulk copy on both sides: a box of a tensor, or consecutive bytes.
//!
//! Pure geometry (PTX ISA, "Tensors"): coordinates, the part outside of the tensor, and the swizzle. Moves no bytes.

use super::pixels::Pixels;
use crate::ir::{BufferId, Im2col, TensorMapShape};

/// A tensor map of the launch.
#[derive(Debug)]
pub struct BoxMap {
    pub shape: TensorMapShape,
    /// The index of the tensor in the launch.
    pub tensor: u32,
    pub buffer: BufferId,
}

/// Bytes that are consecutive on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the shared memory of the block.
    pub shared: u32,
    /// Offset in the copy without the swizzle.
    pub linear: u32,
    /// Offset from the start of the tensor; `None` outside of it.
    pub global: Option<usize>,
    pub bytes: u32,
}

/// The source or destination of a copy in global memory.
#[derive(Debug, Clone, Copy)]
pub enum Route<'a> {
    /// The box of a tensor at these coordinates, slowest first.
    Tile { shape: &'a TensorMapShape, at: [i64; 5] },
    /// The column of pixels of a tensor, with the channels from the last coordinate of its first pixel on.
    Column { shape: &'a TensorMapShape, im2col: &'a Im2col, pixels: Pixels },
    /// Consecutive bytes of a tensor.
    Line { start: usize, bytes: u32 },
}

impl Route<'_> {
    /// Returns the number of bytes in shared memory.
    pub fn bytes(&self) -> u32 {
        match self {
            Route::Tile { shape, .. } | Route::Column { shape, .. } => shape.box_bytes(),
            Route::Line { bytes, .. } => *bytes,
        }
    }

    /// Calls `f` for each segment of a copy that starts at offset `shared`.
    pub fn segments(&self, shared: u32, f: &mut dyn FnMut(Segment)) {
        match self {
            Route::Tile { shape, at } => tile(shape, at, shared, f),
            Route::Column { shape, im2col, pixels } => {
                let mut rows = Rows::new(shape, pixels.first, shared, f);
                pixels.each(shape, im2col, &mut |pixel| rows.row(&pixel));
            }
            Route::Line { start, bytes } => f(Segment { shared, linear: 0, global: Some(*start), bytes: *bytes }),
        }
    }
}

fn tile(shape: &TensorMapShape, at: &[i64; 5], shared: u32, f: &mut dyn FnMut(Segment)) {
    let Some((_, outer)) = shape.tile.split_last() else { return };
    let mut rows = Rows::new(shape, *at, shared, f);
    for row in 0..outer.iter().product::<u32>() {
        let (mut rest, mut place) = (row, *at);
        for axis in (0..outer.len()).rev() {
            place[axis] += i64::from(rest % outer[axis]) * i64::from(shape.steps[axis]);
            rest /= outer[axis];
        }
        rows.row(&place);
    }
}

/// The rows of a copy: consecutive elements along the last axis of the tensor.
struct Rows<'a> {
    shape: &'a TensorMapShape,
    shared: u32,
    f: &'a mut dyn FnMut(Segment),
    /// The offset of the next row in the copy.
    linear: u32,
    /// The columns of a row that are inside of the tensor.
    inside: std::ops::Range<i64>,
    /// The coordinate of the first column.
    column: i64,
}

impl<'a> Rows<'a> {
    fn new(shape: &'a TensorMapShape, at: [i64; 5], shared: u32, f: &'a mut dyn FnMut(Segment)) -> Rows<'a> {
        let last = shape.extents.len() - 1;
        let (columns, column) = (i64::from(shape.tile.last().copied().unwrap_or(0)), at[last]);
        let first = (-column).clamp(0, columns);
        let end = (shape.extents[last] as i64 - column).clamp(first, columns);
        Rows { shape, shared, f, linear: 0, inside: first..end, column }
    }

    /// Copies the row at these coordinates along all axes but the last.
    fn row(&mut self, place: &[i64; 5]) {
        let last = self.shape.extents.len() - 1;
        let (bytes, columns) = (self.shape.elem.bytes() as u32, self.shape.tile.last().copied().unwrap_or(0));
        let outer = || place.iter().enumerate().take(last);
        let inside = outer().all(|(axis, at)| (0..self.shape.extents[axis] as i64).contains(at));
        if !inside || self.inside.is_empty() {
            return self.emit(None, columns * bytes);
        }
        let offset: i64 = outer().map(|(axis, at)| at * self.shape.strides[axis] as i64).sum();
        let offset = self.shape.offset as i64 + offset;
        let start = (offset + self.column + self.inside.start) as usize * bytes as usize;
        let (first, end) = (self.inside.start as u32, self.inside.end as u32);
        self.emit(None, first * bytes);
        self.emit(Some(start), (end - first) * bytes);
        self.emit(None, (columns - end) * bytes);
    }

    fn emit(&mut self, mut global: Option<usize>, length: u32) {
        let (shared, swizzle) = (self.shared, self.shape.swizzle);
        let stop = self.linear + length;
        while self.linear < stop {
            let (linear, left) = (self.linear, stop - self.linear);
            // A swizzle moves chunks of 16 bytes.
            let part = if swizzle.span().is_none() { left } else { left.min(16 - (shared + linear) % 16) };
            (self.f)(Segment { shared: swizzle.apply(shared + linear), linear, global, bytes: part });
            self.linear += part;
            global = global.map(|byte| byte + part as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Swizzle;
    use crate::types::Scalar;

    fn segments(shape: &TensorMapShape, at: [i64; 5], shared: u32) -> Vec<Segment> {
        let mut all = Vec::new();
        Route::Tile { shape, at }.segments(shared, &mut |segment| all.push(segment));
        all
    }

    fn shape(swizzle: Swizzle, tile: [u32; 2]) -> TensorMapShape {
        let (extents, strides, steps) = (vec![10, 20], vec![20, 1], vec![1, 1]);
        let (elem, tile) = (Scalar::F32, tile.to_vec());
        TensorMapShape { elem, offset: 0, extents, strides, tile, im2col: None, steps, swizzle }
    }

    #[test]
    fn boxes_partly_outside() {
        let shape = shape(Swizzle::None, [2, 4]);
        let inside = segments(&shape, [3, 8, 0, 0, 0], 128);
        assert_eq!(inside.len(), 2);
        assert_eq!(inside[1], Segment { shared: 144, linear: 16, global: Some((4 * 20 + 8) * 4), bytes: 16 });
        // Above and to the left: one row is outside, of the other the first two columns.
        let corner = segments(&shape, [-1, -2, 0, 0, 0], 0);
        let expected = [
            Segment { shared: 0, linear: 0, global: None, bytes: 16 },
            Segment { shared: 16, linear: 16, global: None, bytes: 8 },
            Segment { shared: 24, linear: 24, global: Some(0), bytes: 8 },
        ];
        assert_eq!(corner, expected);
        let beyond = segments(&shape, [9, 18, 0, 0, 0], 0);
        assert_eq!(beyond[0], Segment { shared: 0, linear: 0, global: Some((9 * 20 + 18) * 4), bytes: 8 });
        assert!(beyond[1..].iter().all(|segment| segment.global.is_none()));
        for at in [[100, 0, 0, 0, 0], [0, 100, 0, 0, 0], [3, -100, 0, 0, 0], [-100, -100, 0, 0, 0]] {
            assert_eq!(segments(&shape, at, 0).iter().map(|segment| segment.bytes).sum::<u32>(), 32);
            assert!(segments(&shape, at, 0).iter().all(|segment| segment.global.is_none()));
        }
    }

    #[test]
    fn boxes_with_steps_and_an_offset() {
        let mut shape = shape(Swizzle::None, [3, 4]);
        (shape.offset, shape.extents[0], shape.steps[0]) = (40, 8, 3);
        let found: Vec<Option<usize>> = segments(&shape, [-1, 4, 0, 0, 0], 0).iter().map(|part| part.global).collect();
        // Rows -1, 2 and 5 from the third row of memory on.
        assert_eq!(found, [None, Some((40 + 2 * 20 + 4) * 4), Some((40 + 5 * 20 + 4) * 4)]);
        // The last row is outside of the map, although memory has it.
        let last = segments(&shape, [3, 0, 0, 0, 0], 0);
        assert_eq!(last.iter().map(|part| part.global.is_some()).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn columns_partly_outside() {
        let im2col = Im2col { lower: vec![-1], upper: vec![0] };
        let (tile, swizzle) = (vec![3, 4], Swizzle::None);
        let (extents, strides, steps) = (vec![2, 3, 6], vec![18, 6, 1], vec![1, 2, 1]);
        let shape = TensorMapShape {
            elem: Scalar::F32,
            offset: 2,
            extents,
            strides,
            tile,
            im2col: Some(im2col.clone()),
            steps,
            swizzle,
        };
        let pixels = Pixels { first: [0, 1, 4, 0, 0], offsets: [1, 0, 0] };
        let mut found = Vec::new();
        Route::Column { shape: &shape, im2col: &im2col, pixels }.segments(0, &mut |segment| found.push(segment));
        // Pixel 2, then 0 and 2 of the next image; of their channels 4 to 7 there are two.
        let expected = [2 * 6, 18, 18 + 2 * 6].iter().enumerate().flat_map(|(row, pixel)| {
            let linear = row as u32 * 16;
            let inside = Segment { shared: linear, linear, global: Some((2 + pixel + 4) * 4), bytes: 8 };
            [inside, Segment { shared: linear + 8, linear: linear + 8, global: None, bytes: 8 }]
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn swizzled_boxes_keep_their_chunks() {
        let shape = shape(Swizzle::B32, [10, 8]);
        let mut seen = [false; 20];
        for segment in segments(&shape, [0, 4, 0, 0, 0], 256) {
            assert_eq!((segment.bytes, segment.shared), (16, Swizzle::B32.apply(256 + segment.linear)));
            assert!(!std::mem::replace(&mut seen[(segment.shared as usize - 256) / 16], true));
        }
        // Row 4, in the second line of 128 bytes, is permuted.
        let row = segments(&shape, [0, 4, 0, 0, 0], 256)[8];
        assert_eq!(row, Segment { shared: 256 + 128 + 16, linear: 128, global: Some((4 * 20 + 4) * 4), bytes: 16 });
    }
}
