//! Tensor maps: the description of a tensor for TMA, and the rules for the tensors and boxes it can copy.
//!
//! Contains the rules only: the launcher of a GPU encodes the map, the simulated device copies by it. Without
//! interleaving.

use super::function::{Buffer, BufferId, Function, MAX_SHARED, MapId, Swizzle};
use super::im2col::Im2col;
use crate::layout::Layout;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

/// A tensor map: describes how boxes of a global buffer are copied to and from shared memory. Its axes are its own: the
/// map may be of a part of the buffer, with its axes in another order, merged or split.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorMap {
    /// The global buffer.
    pub buffer: BufferId,
    /// The offset of the element at coordinates 0, in elements.
    pub offset: IndexExpr,
    /// The axes, slowest first as in shared memory; the last one is contiguous.
    pub axes: Vec<MapAxis>,
    /// Extents of the box in shared memory, one per axis; with [`Im2col`], the pixels and channels of a copy.
    pub tile: Vec<u32>,
    /// The box of pixels, in the im2col mode.
    pub im2col: Option<Im2col>,
    /// The swizzle of the tile in shared memory.
    pub swizzle: Swizzle,
}

/// An axis of a tensor map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapAxis {
    /// The number of coordinates. Elements of a box outside of it are zero, or are not written.
    pub extent: IndexExpr,
    /// The distance of consecutive coordinates in memory, in elements.
    pub stride: IndexExpr,
    /// The distance of consecutive elements of a box in coordinates, 1 to [`MAX_STEP`].
    pub step: u32,
}

/// The largest step of an axis (CUDA driver API, `elementStrides`).
pub const MAX_STEP: u32 = 8;

impl TensorMap {
    /// Returns the map of a whole buffer, or `None` if its layout is not strided.
    pub fn whole(id: BufferId, buffer: &Buffer, tile: Vec<u32>, swizzle: Swizzle) -> Option<TensorMap> {
        let axes = TensorMap::axes(&buffer.layout)?;
        Some(TensorMap { buffer: id, offset: 0.into(), axes, tile, im2col: None, swizzle })
    }

    /// Returns the axes of a strided layout.
    pub fn axes(layout: &Layout) -> Option<Vec<MapAxis>> {
        let Layout::Strided { shape, strides } = layout else { return None };
        let axis = |(extent, stride): (&IndexExpr, &IndexExpr)| MapAxis {
            extent: extent.clone(),
            stride: stride.clone(),
            step: 1,
        };
        Some(shape.iter().zip(strides).map(axis).collect())
    }

    /// Returns the number of elements of a box.
    pub fn elements(&self) -> u32 {
        self.tile.iter().fold(1, |elements, extent| elements.saturating_mul(*extent))
    }
}

impl Swizzle {
    /// Returns the width of the swizzle in bytes, after which the pattern repeats, or `None` without a swizzle.
    pub const fn span(self) -> Option<u32> {
        match self {
            Swizzle::None => None,
            Swizzle::B32 => Some(32),
            Swizzle::B64 => Some(64),
            Swizzle::B128 => Some(128),
        }
    }

    /// Returns the swizzled position of a byte of shared memory: the number of its 16-byte chunk within the span is
    /// XORed with the number of its 128-byte line. The function is its own inverse.
    #[inline(always)]
    pub const fn apply(self, byte: u32) -> u32 {
        match self {
            Swizzle::None => byte,
            Swizzle::B32 => byte ^ (byte >> 3 & 0x10),
            Swizzle::B64 => byte ^ (byte >> 3 & 0x30),
            Swizzle::B128 => byte ^ (byte >> 3 & 0x70),
        }
    }

    /// Returns true if a layout places elements as TMA does: in row-major order, their bytes moved by
    /// [`Swizzle::apply`]. Layouts that are not constant are accepted. Only the first 1024 bytes are checked, after
    /// which every pattern repeats.
    pub fn is_layout(self, layout: &Layout, elem: Scalar) -> bool {
        let shape: Option<Vec<i64>> = layout.shape().iter().map(IndexExpr::as_const).collect();
        let (Some(shape), bytes) = (shape, elem.bytes() as i64) else { return true };
        let elements = shape.iter().product::<i64>().min(1024 / bytes);
        (0..elements).all(|element| {
            let mut rest = element;
            let mut index = vec![0; shape.len()];
            for (coordinate, extent) in index.iter_mut().zip(&shape).rev() {
                *coordinate = rest % extent;
                rest /= extent;
            }
            let wanted = i64::from(self.apply((element * bytes) as u32)) / bytes;
            layout.offset_at(&index, &[]).is_ok_and(|offset| offset == wanted)
        })
    }

    /// Returns the period of the pattern in bytes, the required alignment of a matrix for tensor cores; 128 without a
    /// swizzle.
    pub const fn alignment(self) -> u32 {
        match self.span() {
            None => 128,
            Some(span) => 8 * span,
        }
    }
}

/// A tensor in global memory and the box that is copied from or to it; the last axis is contiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMapShape {
    /// The type of an element.
    pub elem: Scalar,
    /// The offset of the element at coordinates 0 from the beginning of the tensor, in elements.
    pub offset: u64,
    /// Extents, slowest axis first.
    pub extents: Vec<u64>,
    /// Distance of consecutive coordinates in elements, slowest axis first; the last is 1.
    pub strides: Vec<u64>,
    /// Extents of the box in shared memory; with [`Im2col`], the pixels and channels of a copy.
    pub tile: Vec<u32>,
    /// The box of pixels, in the im2col mode.
    pub im2col: Option<Im2col>,
    /// Distance of consecutive elements of the box in coordinates; the last is 1.
    pub steps: Vec<u32>,
    /// The swizzle of the box in shared memory.
    pub swizzle: Swizzle,
}

impl TensorMapShape {
    /// Returns the shape of a tensor map of a function, for given values of its dims, or an error if it exceeds the buffer.
    pub fn of(function: &Function, map: MapId, dims: &[i64]) -> Result<TensorMapShape, String> {
        let map = &function.maps[map];
        let buffer = &function.buffers[map.buffer];
        let eval = |expr: &IndexExpr| -> Result<u64, String> {
            let value = expr.eval(dims)?;
            u64::try_from(value).map_err(|_| format!("an extent, stride or offset is {value}"))
        };
        let all = |of: fn(&MapAxis) -> &IndexExpr| -> Result<Vec<u64>, String> {
            map.axes.iter().map(|axis| eval(of(axis))).collect()
        };
        let shape = TensorMapShape {
            elem: buffer.elem,
            offset: eval(&map.offset)?,
            extents: all(|axis| &axis.extent)?,
            strides: all(|axis| &axis.stride)?,
            tile: map.tile.clone(),
            im2col: map.im2col.clone(),
            steps: map.axes.iter().map(|axis| axis.step).collect(),
            swizzle: map.swizzle,
        };
        let size = eval(&buffer.layout.size())?;
        match shape.end() {
            end if end > size && !shape.extents.contains(&0) => {
                Err(format!("its tensor map ends at element {end} of {size}"))
            }
            _ => Ok(shape),
        }
    }

    /// Returns the end of the elements that the map describes, counted from the beginning of the tensor.
    fn end(&self) -> u64 {
        let last = |(extent, stride): (&u64, &u64)| extent.saturating_sub(1).saturating_mul(*stride);
        let axes = self.extents.iter().zip(&self.strides).map(last);
        axes.fold(self.offset.saturating_add(1), u64::saturating_add)
    }

    /// Returns the size of a box in shared memory, in bytes.
    pub fn box_bytes(&self) -> u32 {
        box_bytes(&self.tile, self.elem) as u32
    }

    /// Returns the address of the element at coordinates 0 of a tensor at an address.
    pub fn first(&self, address: u64) -> u64 {
        address.wrapping_add(self.offset.wrapping_mul(self.elem.bytes() as u64))
    }

    /// Returns the reason why TMA cannot copy it, if any (CUDA driver API, "Tensor Map Object Management"; PTX ISA,
    /// "Tensors"). `address` is that of the tensor.
    pub fn problem(&self, address: u64) -> Option<String> {
        let bytes = self.elem.bytes() as u64;
        let rank = self.extents.len();
        let tiled = self.im2col.is_some() || self.tile.len() == rank;
        if rank == 0 || rank > 5 || [self.strides.len(), self.steps.len()] != [rank; 2] || !tiled {
            return Some(format!("a tensor map has 1 to 5 axes, this one {rank}"));
        }
        let first = self.first(address);
        if !first.is_multiple_of(16) {
            return Some(format!("the tensor begins at {first:#x}, which is not aligned to 16 bytes"));
        }
        if let Some(extent) = self.extents.iter().find(|extent| **extent == 0 || **extent > 1 << 32) {
            return Some(format!("an extent is {extent}; it must be 1 to 2^32"));
        }
        if self.strides[rank - 1] != 1 {
            return Some("the last axis is not contiguous".to_owned());
        }
        let strides = self.strides[..rank - 1].iter().map(|stride| stride.saturating_mul(bytes));
        for stride in strides {
            if !stride.is_multiple_of(16) {
                return Some(format!("a row is {stride} bytes long, which is not a multiple of 16"));
            }
            if stride >= 1 << 40 {
                return Some(format!("a row is {stride} bytes long; it must be less than 2^40"));
            }
        }
        if let Some(why) = tile_problem(&self.tile, &self.steps, self.im2col.as_ref(), self.elem, self.swizzle) {
            return Some(why);
        }
        let im2col = self.im2col.as_ref()?;
        let empty = |axis: usize| im2col.last(axis, self.extents[axis + 1]) < i64::from(im2col.lower[axis]);
        let axis = (0..rank - 2).find(|axis| empty(*axis))?;
        let extent = self.extents[axis + 1];
        Some(format!("the box of pixels is empty along axis {}, whose extent is {extent}", axis + 1))
    }
}

/// Returns the size of a box in bytes.
fn box_bytes(tile: &[u32], elem: Scalar) -> u64 {
    tile.iter().fold(elem.bytes() as u64, |bytes, extent| bytes.saturating_mul((*extent).into()))
}

/// Returns the reason why TMA cannot copy boxes of these extents, if any.
pub(super) fn tile_problem(
    tile: &[u32],
    steps: &[u32],
    im2col: Option<&Im2col>,
    elem: Scalar,
    swizzle: Swizzle,
) -> Option<String> {
    let extents = match im2col {
        Some(im2col) => im2col.problem(tile, steps),
        None => box_problem(tile, steps),
    };
    if extents.is_some() {
        return extents;
    }
    let bytes = box_bytes(tile, elem);
    if bytes > MAX_SHARED {
        return Some(format!(
            "the tile has {bytes} bytes; a block has at most {MAX_SHARED} (227 KiB) of shared memory"
        ));
    }
    let row = u64::from(*tile.last()?) * elem.bytes() as u64;
    if !row.is_multiple_of(16) {
        return Some(format!("a row of the tile is {row} bytes long, which is not a multiple of 16"));
    }
    match swizzle.span() {
        Some(span) if row > u64::from(span) => {
            Some(format!("a row of the tile is {row} bytes long, but its swizzle spans {span}"))
        }
        // TMA would leave gaps between the rows.
        Some(span) if row < u64::from(span) => Some(format!(
            "a row of the tile is {row} bytes long, but its swizzle spans {span}: there would be gaps between rows; make them equal"
        )),
        _ => None,
    }
}

/// Returns the reason why the extents of a box are impossible, if there is one.
fn box_problem(tile: &[u32], steps: &[u32]) -> Option<String> {
    if let Some(step) = steps.iter().find(|step| **step == 0 || **step > MAX_STEP) {
        return Some(format!("the step of an axis is {step}; it must be 1 to {MAX_STEP}"));
    }
    if let Some(step) = steps.last().filter(|step| **step != 1) {
        return Some(format!("the step of the last axis is {step}; it must be 1"));
    }
    for (extent, step) in tile.iter().zip(steps) {
        let span = u64::from(*extent) * u64::from(*step);
        if span == 0 || span > 256 {
            let by = if *step == 1 { String::new() } else { format!(" in steps of {step}: {span} coordinates") };
            return Some(format!("an extent of the tile is {extent}{by}; it must be 1 to 256"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> TensorMapShape {
        TensorMapShape {
            elem: Scalar::F16,
            offset: 0,
            extents: vec![100, 72],
            strides: vec![72, 1],
            tile: vec![64, 64],
            im2col: None,
            steps: vec![1, 1],
            swizzle: Swizzle::B128,
        }
    }

    #[track_caller]
    fn refuses(change: impl FnOnce(&mut TensorMapShape), address: u64, message: &str) {
        let mut shape = shape();
        change(&mut shape);
        assert_eq!(shape.problem(address).as_deref(), Some(message));
    }

    #[test]
    fn what_the_accelerator_cannot_copy_is_told() {
        assert_eq!(shape().problem(256), None);
        refuses(|_| {}, 8, "the tensor begins at 0x8, which is not aligned to 16 bytes");
        refuses(|shape| shape.strides[0] = 70, 0, "a row is 140 bytes long, which is not a multiple of 16");
        refuses(|shape| shape.strides[0] = 1 << 40, 0, "a row is 2199023255552 bytes long; it must be less than 2^40");
        refuses(|shape| shape.tile[0] = 300, 0, "an extent of the tile is 300; it must be 1 to 256");
        refuses(|shape| shape.tile[0] = 0, 0, "an extent of the tile is 0; it must be 1 to 256");
        refuses(|shape| shape.tile[1] = 128, 0, "a row of the tile is 256 bytes long, but its swizzle spans 128");
        refuses(
            |shape| shape.tile[1] = 32,
            0,
            "a row of the tile is 64 bytes long, but its swizzle spans 128: there would be gaps between rows; make them equal",
        );
        refuses(
            |shape| {
                (shape.tile, shape.extents, shape.strides) = (vec![256; 5], vec![256; 5], vec![8, 8, 8, 8, 1]);
                shape.steps = vec![1; 5];
            },
            0,
            "the tile has 2199023255552 bytes; a block has at most 232448 (227 KiB) of shared memory",
        );
        refuses(|shape| shape.tile[1] = 4, 0, "a row of the tile is 8 bytes long, which is not a multiple of 16");
        refuses(|shape| shape.strides[1] = 2, 0, "the last axis is not contiguous");
        refuses(|shape| shape.extents[0] = 0, 0, "an extent is 0; it must be 1 to 2^32");
        refuses(|shape| shape.extents[0] = (1 << 32) + 1, 0, "an extent is 4294967297; it must be 1 to 2^32");
        refuses(|shape| shape.offset = 4, 0, "the tensor begins at 0x8, which is not aligned to 16 bytes");
        refuses(|shape| shape.steps[0] = 9, 0, "the step of an axis is 9; it must be 1 to 8");
        refuses(|shape| shape.steps[1] = 2, 0, "the step of the last axis is 2; it must be 1");
        refuses(
            |shape| shape.steps[0] = 5,
            0,
            "an extent of the tile is 64 in steps of 5: 320 coordinates; it must be 1 to 256",
        );
        refuses(|shape| shape.extents.clear(), 0, "a tensor map has 1 to 5 axes, this one 0");
        refuses(|shape| shape.tile.push(1), 0, "a tensor map has 1 to 5 axes, this one 2");
    }

    #[test]
    fn layouts_of_swizzles_are_known() {
        assert!(Swizzle::None.is_layout(&Layout::row_major([8, 32]), Scalar::F32));
        assert!(!Swizzle::B128.is_layout(&Layout::row_major([8, 32]), Scalar::F32));
        for (swizzle, row) in [(Swizzle::B32, 16), (Swizzle::B64, 32), (Swizzle::B128, 64)] {
            assert!(swizzle.is_layout(&Layout::tma([4, 16, row], swizzle), Scalar::F16));
            let other = if swizzle == Swizzle::B32 { Swizzle::B64 } else { Swizzle::B32 };
            assert!(!other.is_layout(&Layout::tma([4, 16, row], swizzle), Scalar::F16));
        }
    }

    #[test]
    fn swizzles_are_permutations_of_their_alignment() {
        for swizzle in [Swizzle::None, Swizzle::B32, Swizzle::B64, Swizzle::B128] {
            let mut seen = vec![false; swizzle.alignment() as usize];
            for byte in 0..swizzle.alignment() {
                let to = swizzle.apply(byte);
                assert_eq!(swizzle.apply(to), byte);
                assert!(!std::mem::replace(&mut seen[to as usize], true));
            }
        }
        // The first chunk of row 5 of 128 bytes lies in chunk 5.
        assert_eq!(Swizzle::B128.apply(5 * 128), 5 * 128 + 5 * 16);
        // Rows of 64 bytes: the pattern changes every second row.
        assert_eq!([2, 3, 4].map(|row| Swizzle::B64.apply(row * 64)), [128 + 16, 192 + 16, 256 + 32]);
    }
}
