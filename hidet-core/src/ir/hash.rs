//! [`HandleMap`]: a hash map whose keys are handles, or small values made of handles.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from handles. Its hash takes one multiplication per word, as no one chooses the keys to make it slow.
pub(crate) type HandleMap<K, V> = HashMap<K, V, BuildHasherDefault<HandleHasher>>;

/// The hasher of a [`HandleMap`].
#[derive(Clone, Copy, Default)]
pub(crate) struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        // The factor is 2^64 divided by the golden ratio: consecutive numbers spread evenly.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn finish(&self) -> u64 {
        // The map takes its buckets from the lowest bits, which depend on few bits of the last word.
        self.0 ^ (self.0 >> 32)
    }
}
