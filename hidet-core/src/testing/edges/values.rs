//! The edges of each type: the smallest and largest numbers, and those nearest to zero, to one and to the limits of
//! other types.

use super::operation::is_nan;
use crate::ir::eval;
use crate::types::Scalar;

/// Returns the bits of all edges of a type.
pub fn edges(scalar: Scalar) -> Vec<u64> {
    let mut found: Vec<u64> = match scalar {
        Scalar::Bool => vec![0, 1],
        _ if scalar.is_float() => floats(scalar),
        _ => integers(scalar),
    };
    if scalar == Scalar::TF32 {
        // The lower bits are not part of the number.
        found.iter_mut().for_each(|bits| *bits &= !0x1fff);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|bits| seen.insert(*bits));
    found
}

/// Returns a subset of the edges, for operations of three operands.
pub fn few_edges(scalar: Scalar) -> Vec<u64> {
    let all = edges(scalar);
    let step = all.len().div_ceil(11);
    // Keeps the ends of the list, which are the ends of the type.
    let mut few: Vec<u64> = all.iter().copied().step_by(step).collect();
    few.extend(all.last());
    few.dedup();
    few
}

/// Returns true for a signalling NaN: the highest bit of its payload is clear. 8-bit floats have none.
pub fn signals(scalar: Scalar, bits: u64) -> bool {
    let quiet = match scalar {
        Scalar::F16 => 1 << 9,
        Scalar::BF16 => 1 << 6,
        Scalar::F32 | Scalar::TF32 => 1 << 22,
        Scalar::F64 => 1 << 51,
        _ => return false,
    };
    is_nan(scalar, bits) && bits & quiet == 0
}

fn integers(scalar: Scalar) -> Vec<u64> {
    let width = 8 * scalar.bytes() as u32;
    let mask = u64::MAX >> (64 - width);
    let top = 1u64 << (width - 1);
    let least = if scalar.is_signed_int() { top } else { 0 };
    let most = least.wrapping_sub(1) & mask;
    let small = [0, 1, 2, 3, 7, 8, 10, 15, 16, 31, 32, 63, 100, 250].map(|number| number & mask);
    let around = [top.wrapping_sub(1), top, top + 1, top >> 1, (top >> 1) - 1];
    let negative = [1u64, 2, 3, 7, 100].map(|number| number.wrapping_neg() & mask);
    let mut found = vec![least, (least + 1) & mask];
    found.extend(small);
    found.extend(negative);
    found.extend(around.map(|number| number & mask));
    found.extend([most.wrapping_sub(1) & mask, most]);
    found
}

fn floats(scalar: Scalar) -> Vec<u64> {
    let sign = 1u64 << (8 * scalar.bytes() - 1);
    let of = |value: f64| eval::from_f64(scalar, value);
    let (one, infinity) = (of(1.0), of(f64::INFINITY));
    let positive = [
        0, // and the following: subnormals, the smallest normal number and its neighbours
        1,
        2,
        of(2f64.powi(-14)),
        of(f32::MIN_POSITIVE.into()),
        of(f64::MIN_POSITIVE),
        of(f64::MIN_POSITIVE).saturating_sub(1),
        of(f32::MIN_POSITIVE.into()).saturating_sub(1),
        // Around one half and one, where rounding changes.
        of(0.5) - 1,
        of(0.5),
        of(0.5) + 1,
        one - 1,
        one,
        one + 1,
        of(1.5),
        of(2.5),
        of(3.0),
        of(7.0),
        of(10.0),
        // Ends of integers, and numbers that the low-precision floats cannot represent.
        of(127.5),
        of(255.5),
        of(464.0),
        of(32767.5),
        of(65535.5),
        of(65520.0),
        of(61440.0),
        of(8388607.5),
        of(2147483647.0),
        of(4294967040.0),
        of(4294967296.0),
        of(9223372036854775807.0),
        of(18446744073709549568.0),
        of(18446744073709551616.0),
        of(1e30),
        of(3.4e38),
        of(f64::MAX),
        infinity.saturating_sub(1),
    ];
    let nan = of(f64::NAN);
    let mut found = vec![infinity | sign];
    found.extend(positive.map(|bits| bits | sign));
    found.extend(positive);
    // A NaN with a sign, one with a payload, a signalling one.
    found.extend([nan, nan | sign, nan | 1, infinity | 1, infinity]);
    found
}
