//! Bytes of an entry: numbers in little endian, everything of varying length preceded by its length.
//!
//! There are no tags and no optional fields: what is written depends on the version of the crate, which is part of the
//! name of an entry. Reading gives `None` where the bytes end too early, never more than they hold.

/// What can be written to an entry and read back.
pub trait Encode: Sized {
    /// Writes it.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads it back.
    fn decode(from: &mut Reader) -> Option<Self>;
}

/// The bytes of a value.
pub fn encode(value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// The value of these bytes, all of them.
pub fn decode<T: Encode>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader { rest: bytes };
    let value = T::decode(&mut reader)?;
    reader.rest.is_empty().then_some(value)
}

/// The bytes not read yet.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (now, later) = self.rest.split_at_checked(count)?;
        self.rest = later;
        Some(now)
    }

    /// The next value.
    pub fn read<T: Encode>(&mut self) -> Option<T> {
        T::decode(self)
    }

    /// How many bytes follow, where a length comes next that they can hold.
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

/// Bytes as they are.
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

/// Every item takes at least a byte, so a length is never larger than what is left.
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

/// As many bytes as there are, written as they are.
impl Encode for super::Digest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(super::Digest(from.take(32)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_not() {
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
