//! The addresses of a bulk copy on both sides: a box of a tensor, or consecutive bytes.
//!
//! Pure geometry (PTX ISA, "Tensors"): coordinates, the part outside of the tensor, and the swizzle. Moves no bytes.

use crate::ir::{BufferId, TensorMapShape};

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
    /// Consecutive bytes of a tensor.
    Line { start: usize, bytes: u32 },
}

impl Route<'_> {
    /// Returns the number of bytes in shared memory.
    pub fn bytes(&self) -> u32 {
        match self {
            Route::Tile { shape, .. } => shape.box_bytes(),
            Route::Line { bytes, .. } => *bytes,
        }
    }

    /// Calls `f` for each segment of a copy that starts at offset `shared`.
    pub fn segments(&self, shared: u32, f: &mut dyn FnMut(Segment)) {
        match self {
            Route::Tile { shape, at } => tile(shape, at, shared, f),
            Route::Line { start, bytes } => f(Segment { shared, linear: 0, global: Some(*start), bytes: *bytes }),
        }
    }
}

fn tile(shape: &TensorMapShape, at: &[i64; 5], shared: u32, f: &mut dyn FnMut(Segment)) {
    let Some((&columns, outer)) = shape.tile.split_last() else { return };
    let (last, bytes) = (outer.len(), shape.elem.bytes() as u32);
    // Columns of the box that are inside of the tensor.
    let extent = shape.extents[last] as i64;
    let first = (-at[last]).clamp(0, columns as i64);
    let end = (extent - at[last]).clamp(first, columns as i64);
    let mut emit = |linear: u32, global: Option<usize>, length: u32| {
        if shape.swizzle.span().is_none() {
            if length > 0 {
                f(Segment { shared: shared + linear, linear, global, bytes: length });
            }
            return;
        }
        let (mut linear, mut global, stop) = (linear, global, linear + length);
        while linear < stop {
            let part = (16 - (shared + linear) % 16).min(stop - linear);
            f(Segment { shared: shape.swizzle.apply(shared + linear), linear, global, bytes: part });
            linear += part;
            global = global.map(|byte| byte + part as usize);
        }
    };
    let mut inner = [0i64; 5];
    for row in 0..outer.iter().product::<u32>() {
        let mut rest = row;
        for axis in (0..last).rev() {
            inner[axis] = i64::from(rest % outer[axis]);
            rest /= outer[axis];
        }
        let mut offset = shape.offset as i64;
        let mut inside = true;
        for axis in 0..last {
            let coordinate = at[axis] + inner[axis] * i64::from(shape.steps[axis]);
            inside &= (0..shape.extents[axis] as i64).contains(&coordinate);
            offset += coordinate * shape.strides[axis] as i64;
        }
        let linear = row * columns * bytes;
        if !inside {
            emit(linear, None, columns * bytes);
            continue;
        }
        let start = (offset + at[last] + first) as usize * bytes as usize;
        let (before, within) = (first as u32 * bytes, (end - first) as u32 * bytes);
        emit(linear, None, before);
        emit(linear + before, Some(start), within);
        emit(linear + before + within, None, (columns - end as u32) * bytes);
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
        TensorMapShape { elem: Scalar::F32, offset: 0, extents, strides, tile: tile.to_vec(), steps, swizzle }
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
        for at in [[100, 0, 0, 0, 0], [0, 100, 0, 0, 0], [-100, -100, 0, 0, 0]] {
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
