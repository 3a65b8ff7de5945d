//! Random initial contents of tensors.

use super::builder::KernelBuilder;
use crate::types::Scalar;

impl KernelBuilder {
    /// Returns the bytes of `elements` elements of a type.
    pub fn content(&mut self, scalar: Scalar, elements: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(elements * scalar.bytes());
        for _ in 0..elements {
            let bits = self.some_bits(scalar);
            bytes.extend_from_slice(&bits.to_le_bytes()[..scalar.bytes()]);
        }
        bytes
    }
}
