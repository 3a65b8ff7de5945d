//! Tensor maps: what the tensor memory accelerator needs to know of a tensor.

use super::driver::driver;
use crate::error::{Error, Result};
use crate::ir::Swizzle;
use crate::types::Scalar;
use cudarc::driver::sys::*;

/// A row-major tensor in global memory and the box that is copied of it; the last axis is contiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMapShape {
    /// The type of an element.
    pub elem: Scalar,
    /// Extents, slowest first.
    pub extents: Vec<u64>,
    /// Elements from one coordinate to the next, slowest first; the last is 1.
    pub strides: Vec<u64>,
    /// Extents of the box.
    pub tile: Vec<u32>,
    /// How the box lies in shared memory.
    pub swizzle: Swizzle,
}

impl TensorMapShape {
    /// Why the accelerator cannot copy it, where it cannot.
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
        if let Some(stride) = self.strides[..rank - 1].iter().find(|stride| !(*stride * bytes).is_multiple_of(16)) {
            return Some(format!("a row is {} bytes long, which is no multiple of 16", stride * bytes));
        }
        if let Some(extent) = self.tile.iter().find(|extent| **extent == 0 || **extent > 256) {
            return Some(format!("an extent of the tile is {extent}; it must be 1 to 256"));
        }
        let inner = u64::from(self.tile[rank - 1]) * bytes;
        if !inner.is_multiple_of(16) {
            return Some(format!("a row of the tile is {inner} bytes long, which is no multiple of 16"));
        }
        let span = match self.swizzle {
            Swizzle::None => u64::MAX,
            Swizzle::B32 => 32,
            Swizzle::B64 => 64,
            Swizzle::B128 => 128,
        };
        (inner > span).then(|| format!("a row of the tile is {inner} bytes long, its swizzle spans {span}"))
    }
}

/// The 128 bytes of a tensor map for a tensor at that address.
pub fn encode(shape: &TensorMapShape, address: u64) -> Result<CUtensorMap> {
    let fail = |message: String| Error::Device { device: "CUDA".to_owned(), message: format!("tensor map: {message}") };
    let driver = driver()?;
    if let Some(problem) = shape.problem(address) {
        return Err(fail(problem));
    }
    use CUtensorMapDataType_enum::*;
    let ty = match shape.elem {
        Scalar::Bool | Scalar::I8 | Scalar::U8 | Scalar::E4M3 | Scalar::E5M2 => CU_TENSOR_MAP_DATA_TYPE_UINT8,
        Scalar::I16 | Scalar::U16 => CU_TENSOR_MAP_DATA_TYPE_UINT16,
        Scalar::I32 => CU_TENSOR_MAP_DATA_TYPE_INT32,
        Scalar::U32 => CU_TENSOR_MAP_DATA_TYPE_UINT32,
        Scalar::I64 => CU_TENSOR_MAP_DATA_TYPE_INT64,
        Scalar::U64 => CU_TENSOR_MAP_DATA_TYPE_UINT64,
        Scalar::F16 => CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
        Scalar::BF16 => CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        // The accelerator's own tf32 type rounds while copying; the bits are to arrive as they are.
        Scalar::TF32 | Scalar::F32 => CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
        Scalar::F64 => CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
    };
    let swizzle = match shape.swizzle {
        Swizzle::None => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_NONE,
        Swizzle::B32 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_32B,
        Swizzle::B64 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_64B,
        Swizzle::B128 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B,
    };
    // The driver counts axes from the contiguous one, and leaves its stride out.
    let bytes = shape.elem.bytes() as u64;
    let extents: Vec<u64> = shape.extents.iter().rev().copied().collect();
    let strides: Vec<u64> = shape.strides.iter().rev().skip(1).map(|stride| stride * bytes).collect();
    let tile: Vec<u32> = shape.tile.iter().rev().copied().collect();
    let steps = vec![1u32; tile.len()];
    let mut map = CUtensorMap_st { opaque: [0; 16] };
    // SAFETY: the arrays have as many items as there are axes (one less for the strides); the address is not read.
    let status = unsafe {
        (driver.cuTensorMapEncodeTiled)(
            &mut map,
            ty,
            extents.len() as u32,
            address as *mut _,
            extents.as_ptr(),
            strides.as_ptr(),
            tile.as_ptr(),
            steps.as_ptr(),
            CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_NONE,
            swizzle,
            CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            CUtensorMapFloatOOBfill_enum::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    };
    if status == 0 { Ok(map) } else { Err(fail(format!("{} for {shape:?}", driver.describe(status)))) }
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
        refuses(|shape| shape.strides[0] = 70, 0, "a row is 140 bytes long, which is no multiple of 16");
        refuses(|shape| shape.tile[0] = 300, 0, "an extent of the tile is 300; it must be 1 to 256");
        refuses(|shape| shape.tile[1] = 128, 0, "a row of the tile is 256 bytes long, its swizzle spans 128");
        refuses(|shape| shape.tile[1] = 4, 0, "a row of the tile is 8 bytes long, which is no multiple of 16");
        refuses(|shape| shape.strides[1] = 2, 0, "the last axis is not contiguous");
        refuses(|shape| shape.extents[0] = 0, 0, "an extent is 0; it must be 1 to 2^32");
        refuses(|shape| shape.extents.clear(), 0, "a tensor map has 1 to 5 axes, this one 0");
    }
}
