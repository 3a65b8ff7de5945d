//! Archives of arrays as NumPy writes them: `.npz` whose members are stored, not compressed.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_onnx::Array;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte))
}

/// Returns the arrays of an archive by name. The directory at its end says where they are.
pub fn read(path: &Path) -> HashMap<String, Array> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let end = (0..=bytes.len() - 22).rev().find(|at| bytes[*at..].starts_with(b"PK\x05\x06")).unwrap();
    let (count, mut at) = (number(&bytes, end + 10, 2), number(&bytes, end + 16, 4));
    let mut arrays = HashMap::new();
    for _ in 0..count {
        assert!(bytes[at..].starts_with(b"PK\x01\x02"));
        assert_eq!(number(&bytes, at + 10, 2), 0, "{} is compressed", path.display());
        let size = number(&bytes, at + 20, 4);
        let [name, extra, comment] = [28, 30, 32].map(|field| number(&bytes, at + field, 2));
        let local = number(&bytes, at + 42, 4);
        let key = String::from_utf8_lossy(&bytes[at + 46..at + 46 + name]).into_owned();
        let data = local + 30 + number(&bytes, local + 26, 2) + number(&bytes, local + 28, 2);
        let array = Array::from_npy(&bytes[data..data + size]).unwrap_or_else(|why| panic!("{key}: {why}"));
        arrays.insert(key.trim_end_matches(".npy").to_owned(), array);
        at += 46 + name + extra + comment;
    }
    arrays
}
