//! Tensor maps: the description of a tensor for TMA, and the rules for the tensors and boxes it can copy.
//!
//! Contains the rules only: the launcher of a GPU encodes the map, the simulated device copies by it. Boxes are dense
//! (no element strides, no interleaving, no im2col).

use super::function::{Function, MAX_SHARED, MapId, Swizzle};
use crate::layout::Layout;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

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
    /// Extents, slowest axis first.
    pub extents: Vec<u64>,
    /// Distance of consecutive coordinates in elements, slowest axis first; the last is 1.
    pub strides: Vec<u64>,
    /// Extents of the box.
    pub tile: Vec<u32>,
    /// The swizzle of the box in shared memory.
    pub swizzle: Swizzle,
}

impl TensorMapShape {
    /// Returns the shape of a tensor map of a function, for given values of its dims.
    pub fn of(function: &Function, map: MapId, dims: &[i64]) -> Result<TensorMapShape, String> {
        let map = &function.maps[map];
        let buffer = &function.buffers[map.buffer];
        let Layout::Strided { shape, strides } = &buffer.layout else {
            return Err("its layout is not strided".to_owned());
        };
        let eval = |all: &[IndexExpr]| -> Result<Vec<u64>, String> {
            all.iter()
                .map(|expr| {
                    let value = expr.eval(dims)?;
                    u64::try_from(value).map_err(|_| format!("an extent or stride is {value}"))
                })
                .collect()
        };
        Ok(TensorMapShape {
            elem: buffer.elem,
            extents: eval(shape)?,
            strides: eval(strides)?,
            tile: map.tile.clone(),
            swizzle: map.swizzle,
        })
    }

    /// Returns the size of a box in shared memory, in bytes.
    pub fn box_bytes(&self) -> u32 {
        box_bytes(&self.tile, self.elem) as u32
    }

    /// Returns the reason why TMA cannot copy it, if any (CUDA driver API, "Tensor Map Object Management"; PTX ISA,
    /// "Tensors"). `address` is that of the first element.
    pub fn problem(&self, address: u64) -> Option<String> {
        let bytes = self.elem.bytes() as u64;
        let rank = self.extents.len();
        if rank == 0 || rank > 5 || self.strides.len() != rank || self.tile.len() != rank {
            return Some(format!("a tensor map has 1 to 5 axes, this one {rank}"));
        }
        if !address.is_multiple_of(16) {
            return Some(format!("the tensor begins at {address:#x}, which is not aligned to 16 bytes"));
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
        tile_problem(&self.tile, self.elem, self.swizzle)
    }
}

/// Returns the size of a box in bytes.
fn box_bytes(tile: &[u32], elem: Scalar) -> u64 {
    tile.iter().fold(elem.bytes() as u64, |bytes, extent| bytes.saturating_mul((*extent).into()))
}

/// Returns the reason why TMA cannot copy boxes of these extents, if any.
pub(super) fn tile_problem(tile: &[u32], elem: Scalar, swizzle: Swizzle) -> Option<String> {
    if let Some(extent) = tile.iter().find(|extent| **extent == 0 || **extent > 256) {
        return Some(format!("an extent of the tile is {extent}; it must be 1 to 256"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> TensorMapShape {
        TensorMapShape {
            elem: Scalar::F16,
            extents: vec![100, 72],
            strides: vec![72, 1],
            tile: vec![64, 64],
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
            |shape| (shape.tile, shape.extents, shape.strides) = (vec![256; 5], vec![256; 5], vec![8, 8, 8, 8, 1]),
            0,
            "the tile has 2199023255552 bytes; a block has at most 232448 (227 KiB) of shared memory",
        );
        refuses(|shape| shape.tile[1] = 4, 0, "a row of the tile is 8 bytes long, which is not a multiple of 16");
        refuses(|shape| shape.strides[1] = 2, 0, "the last axis is not contiguous");
        refuses(|shape| shape.extents[0] = 0, 0, "an extent is 0; it must be 1 to 2^32");
        refuses(|shape| shape.extents[0] = (1 << 32) + 1, 0, "an extent is 4294967297; it must be 1 to 2^32");
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
