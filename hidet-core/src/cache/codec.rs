//! The encoding of entries: numbers in little endian, everything of variable length preceded by its length.
//!
//! There are no tags and no optional fields: the format depends on the version of the crate, which is part of the key
//! of an entry. Decoding returns `None` if the bytes end too early, and never reads beyond them.

/// A type that can be written to an entry and read back.
pub trait Encode: Sized {
    /// Appends the encoding of the value.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads a value, or returns `None` if the bytes are invalid.
    fn decode(from: &mut Reader) -> Option<Self>;
}

/// Returns the bytes of a value.
pub fn encode(value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// Returns the value that all of these bytes encode, or `None` if they are invalid.
pub fn decode<T: Encode>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    reader.rest.is_empty().then_some(value)
}

/// Reads bytes from front to back.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Returns a reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Returns the bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the next bytes, or `None` if there are too few.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (now, later) = self.rest.split_at_checked(count)?;
        self.rest = later;
        Some(now)
    }

    /// Returns the next value, or `None` if the bytes are invalid.
    pub fn read<T: Encode>(&mut self) -> Option<T> {
        T::decode(self)
    }

    /// Reads a length, or returns `None` if fewer bytes follow.
    fn len(&mut self) -> Option<usize> {
        let len = usize::try_from(self.read::<u64>()?).ok()?;
        (len <= self.rest.len()).then_some(len)
    }
}

macro_rules! numbers {
    ($($ty:ty)*) => {$(
        impl Encode for $ty {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn decode(from: &mut Reader) -> Option<Self> {
                Some(<$ty>::from_le_bytes(from.take(size_of::<$ty>())?.try_into().ok()?))
            }
        }
    )*};
}
numbers!(u8 u32 u64 i64);

/// Raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Encode for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.0.len() as u64).encode(out);
        out.extend_from_slice(&self.0);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let len = from.len()?;
        Some(Bytes(from.take(len)?.to_vec()))
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as u64).encode(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        String::from_utf8(from.read::<Bytes>()?.0).ok()
    }
}

/// Every item takes at least one byte, so a valid length is at most the number of remaining bytes.
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as u64).encode(out);
        self.iter().for_each(|item| item.encode(out));
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let len = from.len()?;
        (0..len).map(|_| from.read()).collect()
    }
}

/// A digest has a fixed size, so it is written without a length.
impl Encode for super::Digest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(super::Digest(from.take(super::Digest::BYTES)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_and_truncated_ones_do_not() {
        let value = vec!["one".to_owned(), String::new(), "zwölf".to_owned()];
        let bytes = encode(&value);
        assert_eq!(decode::<Vec<String>>(&bytes), Some(value));
        for len in 0..bytes.len() {
            assert_eq!(decode::<Vec<String>>(&bytes[..len]), None, "{len} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<Vec<String>>(&longer), None);
    }

    #[test]
    fn absurd_lengths_allocate_nothing() {
        assert_eq!(decode::<Vec<u8>>(&u64::MAX.to_le_bytes()), None);
        assert_eq!(decode::<String>(&(1u64 << 40).to_le_bytes()), None);
    }
}
