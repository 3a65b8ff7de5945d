//! Tensor maps, as the driver encodes them for TMA.

use super::driver::driver;
use crate::error::{Error, Result};
use crate::ir::{Swizzle, TensorMapShape};
use crate::types::Scalar;
use cudarc::driver::sys::*;

/// Encodes the 128 bytes of a tensor map of a tensor at an address.
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
        // TMA's own tf32 type rounds while copying; the bits must arrive unchanged.
        Scalar::TF32 | Scalar::F32 => CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
        Scalar::F64 => CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
    };
    let swizzle = match shape.swizzle {
        Swizzle::None => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_NONE,
        Swizzle::B32 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_32B,
        Swizzle::B64 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_64B,
        Swizzle::B128 => CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B,
    };
    // The driver counts axes from the contiguous one, and omits its stride.
    let bytes = shape.elem.bytes() as u64;
    let extents: Vec<u64> = shape.extents.iter().rev().copied().collect();
    let strides: Vec<u64> = shape.strides.iter().rev().skip(1).map(|stride| stride * bytes).collect();
    let steps: Vec<u32> = shape.steps.iter().rev().copied().collect();
    let rank = extents.len() as u32;
    let none = CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_NONE;
    let promotion = CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
    let zeros = CUtensorMapFloatOOBfill_enum::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
    let (first, extents, strides, steps) =
        (shape.first(address) as *mut _, extents.as_ptr(), strides.as_ptr(), steps.as_slice());
    let mut map = CUtensorMap_st { opaque: [0; 16] };
    let status = match (&shape.im2col, shape.tile.as_slice()) {
        (Some(im2col), [pixels, channels]) => {
            let corners = [&im2col.lower, &im2col.upper];
            let [lower, upper] = corners.map(|corner| corner.iter().rev().copied().collect::<Vec<i32>>());
            let (lower, upper, steps) = (lower.as_ptr(), upper.as_ptr(), steps.as_ptr());
            let encode = driver.cuTensorMapEncodeIm2col;
            // SAFETY: the arrays have one item per axis (one less for the strides, two less for the corners); the address
            // is not read.
            unsafe {
                encode(
                    &mut map, ty, rank, first, extents, strides, lower, upper, *channels, *pixels, steps, none,
                    swizzle, promotion, zeros,
                )
            }
        }
        (_, tile) => {
            // The driver counts the coordinates of a box, and copies one of each `step` of them.
            let tile: Vec<u32> = tile.iter().rev().zip(steps).map(|(extent, step)| extent * step).collect();
            let (tile, steps) = (tile.as_ptr(), steps.as_ptr());
            let encode = driver.cuTensorMapEncodeTiled;
            // SAFETY: the arrays have one item per axis (one less for the strides); the address is not read.
            unsafe { encode(&mut map, ty, rank, first, extents, strides, tile, steps, none, swizzle, promotion, zeros) }
        }
    };
    if status == 0 { Ok(map) } else { Err(fail(format!("{} for {shape:?}", driver.describe(status)))) }
}
