//! XXH3 of 128 bits, of several parts: the keys of entries and their checksums. It detects damage; it does not protect against
//! entries that somebody forged.

use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// A hash of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; Digest::BYTES]);

impl fmt::Display for Digest {
    /// Writes it in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Digest {
    /// Its size.
    pub const BYTES: usize = 16;

    /// Returns the hash of several parts. Each is preceded by its length, so that different lists of parts never hash
    /// the same bytes.
    pub fn of(parts: &[&[u8]]) -> Digest {
        let mut hash = Xxh3::new();
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Digest(hash.digest128().to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_xxh3_of_lengths_and_parts() {
        // The published hash of the empty message.
        assert_eq!(Digest::of(&[]).to_string(), "99aa06d3014798d86001c324468d497f");
        let message = [&3u64.to_le_bytes()[..], b"abc"].concat();
        assert_eq!(Digest::of(&[b"abc"]).0, xxhash_rust::xxh3::xxh3_128(&message).to_be_bytes());
    }

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
        assert_ne!(Digest::of(&[b"a"]), Digest::of(&[b"a", b""]));
    }
}
