//! [`Mixer`]: a quick hash of small values that no stranger chooses, as of graphs that come again and again.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash that multiplies and rotates, as that of the Rust compiler does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mixer(u64);

/// Makes maps whose keys are hashed so.
pub(crate) type Mixed = BuildHasherDefault<Mixer>;

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        // The upper bits are mixed best, but maps use the lower ones.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}
