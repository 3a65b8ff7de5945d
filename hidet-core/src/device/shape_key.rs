//! Shape keys: three words that launches compare instead of an argument's device, type and shape.

use super::{Device, DeviceKind};
use crate::types::Scalar;

/// Bit of the first word: a number, not a tensor.
const NUMBER: u64 = 1 << 16;
/// Bit of the first word: a tensor whose extents are not in the other words.
const LONG: u64 = 1 << 17;

/// Bit of the first word: a tensor that is not contiguous, whose strides are not in the other words.
const STRIDED: u64 = 1 << 18;

/// Bit of the first word: a table of tensors, whose extents are not in the other words.
const TABLE: u64 = 1 << 19;

/// The device, the type and the shape of a tensor, or the type of a number. If all of these are equal, so are the keys;
/// the converse holds if [`ShapeKey::says_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShapeKey([u64; 3]);

impl ShapeKey {
    /// Returns the key of a tensor.
    pub fn tensor(device: &Device, scalar: Scalar, shape: &[usize], strided: bool) -> ShapeKey {
        let place = match device.kind() {
            DeviceKind::Sim(_) => 0,
            DeviceKind::Cuda(context) => context.ordinal as u64 + 1,
        };
        let kind = scalar as u64 | (shape.len() as u64 & 0xff) << 8 | place << 32;
        let kind = if strided { kind | STRIDED | LONG } else { kind };
        if strided || shape.len() > 4 || shape.iter().any(|extent| u32::try_from(*extent).is_err()) {
            return ShapeKey([kind | LONG, 0, 0]);
        }
        let extent = |axis: usize| shape.get(axis).map_or(0, |extent| *extent as u64);
        ShapeKey([kind, extent(0) | extent(1) << 32, extent(2) | extent(3) << 32])
    }

    /// Returns the key of a table of tensors.
    pub fn table(device: &Device, scalar: Scalar, rank: usize, entries: usize) -> ShapeKey {
        let ShapeKey([kind, ..]) = ShapeKey::tensor(device, scalar, &[], false);
        ShapeKey([kind | (rank as u64 & 0xff) << 8 | TABLE | LONG, entries as u64, 0])
    }

    /// Returns the key of a number.
    #[inline]
    pub fn number(scalar: Scalar) -> ShapeKey {
        ShapeKey([scalar as u64 | NUMBER, 0, 0])
    }

    /// Returns true if it is of a tensor that is not contiguous.
    #[inline]
    pub fn is_strided(&self) -> bool {
        self.0[0] & STRIDED != 0
    }

    /// Returns true if the key is complete. It is not for a tensor of more than four axes, with extents beyond 32 bits
    /// or with strides, whose extents and strides must be compared themselves.
    pub fn says_all(&self) -> bool {
        self.0[0] & LONG == 0
    }

    /// Returns 0 if both are equal.
    #[inline]
    pub fn difference(&self, other: &ShapeKey) -> u64 {
        (self.0[0] ^ other.0[0]) | (self.0[1] ^ other.0[1]) | (self.0[2] ^ other.0[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_if_the_arguments_do() {
        let device = Device::sim();
        let of = |scalar, shape: &[usize]| ShapeKey::tensor(&device, scalar, shape, false);
        let different = [
            of(Scalar::F32, &[]),
            of(Scalar::F32, &[0]),
            of(Scalar::F32, &[3]),
            of(Scalar::F16, &[3]),
            of(Scalar::F32, &[3, 0]),
            of(Scalar::F32, &[3, 1]),
            of(Scalar::F32, &[1, 3]),
            of(Scalar::F32, &[1, 3, 0, 7]),
            of(Scalar::F32, &[1, 3, 7, 0]),
            ShapeKey::number(Scalar::F32),
            ShapeKey::number(Scalar::F64),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(one.says_all());
            for (other_at, other) in different.iter().enumerate() {
                assert_eq!(one.difference(other) == 0, at == other_at, "{one:?} {other:?}");
            }
        }
        assert!(!of(Scalar::F32, &[1, 2, 3, 4, 5]).says_all());
        assert!(!of(Scalar::F32, &[1 << 32]).says_all());
        let strided = ShapeKey::tensor(&device, Scalar::F32, &[3, 1], true);
        assert!(!strided.says_all() && strided.is_strided() && !of(Scalar::F32, &[3, 1]).is_strided());
        assert_ne!(strided.difference(&of(Scalar::F32, &[3, 1])), 0);
    }
}
