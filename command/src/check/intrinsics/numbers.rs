//! Small whole numbers as bits of any type.

use super::super::numbers::Random;
use hidet::types::{E4M3, E5M2, Scalar, bf16, f16};

/// Returns the bits of a whole number that the type can hold.
pub fn bits(scalar: Scalar, value: i64) -> u64 {
    let float = value as f32;
    match scalar {
        Scalar::F16 => f16::from_f32(float).to_bits().into(),
        Scalar::BF16 => bf16::from_f32(float).to_bits().into(),
        Scalar::E4M3 => E4M3::from_f32(float).to_bits().into(),
        Scalar::E5M2 => E5M2::from_f32(float).to_bits().into(),
        Scalar::F32 | Scalar::TF32 => float.to_bits().into(),
        Scalar::F64 => (value as f64).to_bits(),
        _ => hidet::types::Const::int(scalar, value).bits,
    }
}

/// Returns `count` whole numbers around 0, or from 0 on for unsigned types; products of 256 of them fit every type.
pub fn small(random: &mut Random, scalar: Scalar, count: usize) -> Vec<i64> {
    let unsigned = scalar.is_int() && !scalar.is_signed_int();
    (0..count).map(|_| i64::from(random.bits() % 5) - if unsigned { 0 } else { 2 }).collect()
}

/// Returns all of them as bits.
pub fn all_bits(scalar: Scalar, values: &[i64]) -> Vec<u64> {
    values.iter().map(|value| bits(scalar, *value)).collect()
}
