//! `.npz`, the archives of NumPy with several arrays: a zip file whose members are `.npy` files.
//!
//! Members must be stored, as `numpy.savez` does, not compressed. Checksums are not compared, and archives and members have less
//! than 4 GiB.

use crate::array::Array;
use std::collections::HashMap;

/// Why an archive cannot be read.
type Reading<T> = Result<T, String>;

/// What a member, its entry in the directory, and the end of the directory begin with.
const LOCAL: &[u8] = b"PK\x03\x04";
const ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// The sizes of these records, without what they say to follow.
const LOCAL_BYTES: usize = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;

/// In the place of a number that is elsewhere, in records of zip64.
const ELSEWHERE: usize = u32::MAX as usize;

impl Array {
    /// Reads the content of a `.npz` file: its arrays by name.
    ///
    /// # Errors
    ///
    /// If the archive is damaged, compressed or larger than 4 GiB, or as [`Array::from_npy`], with the name of the array.
    pub fn from_npz(bytes: &[u8]) -> Result<HashMap<String, Array>, String> {
        let places = 0..=bytes.len().checked_sub(END_BYTES).ok_or_else(no_archive)?;
        // Behind the end there may be a comment.
        let end = places.rev().find(|at| bytes[*at..].starts_with(END)).ok_or_else(no_archive)?;
        let (count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
        if at == ELSEWHERE {
            return Err("it is larger than 4 GiB".to_owned());
        }
        let mut arrays = HashMap::new();
        for _ in 0..count {
            let [names, extra, comment] = [28, 30, 32].map(|field| number(bytes, at + field, 2));
            let (names, next) = (names?, extra? + comment?);
            let name = String::from_utf8_lossy(part(bytes, at + ENTRY_BYTES, names)?).into_owned();
            let key = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
            let array = member(bytes, at).and_then(Array::from_npy).map_err(|why| format!("`{key}`: {why}"))?;
            arrays.insert(key, array);
            at += ENTRY_BYTES + names + next;
        }
        Ok(arrays)
    }
}

/// Returns the content of the member whose entry is at a place.
fn member(bytes: &[u8], entry: usize) -> Reading<&[u8]> {
    if part(bytes, entry, ENTRY.len())? != ENTRY {
        return Err(damaged());
    }
    let (method, size, local) =
        (number(bytes, entry + 10, 2)?, number(bytes, entry + 20, 4)?, number(bytes, entry + 42, 4)?);
    if method != 0 {
        return Err("it is compressed; write it with `numpy.savez`, not `numpy.savez_compressed`".to_owned());
    }
    if size == ELSEWHERE || local == ELSEWHERE {
        return Err("it is larger than 4 GiB".to_owned());
    }
    if part(bytes, local, LOCAL.len())? != LOCAL {
        return Err(damaged());
    }
    let before = LOCAL_BYTES + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
    part(bytes, local + before, size)
}

/// Returns so many bytes at a place.
fn part(bytes: &[u8], at: usize, len: usize) -> Reading<&[u8]> {
    bytes.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(damaged)
}

/// Returns a number of so many bytes, little-endian.
fn number(bytes: &[u8], at: usize, len: usize) -> Reading<usize> {
    Ok(part(bytes, at, len)?.iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte)))
}

fn no_archive() -> String {
    "it is not a .npz file, as `numpy.savez` writes, or it is cut off".to_owned()
}

fn damaged() -> String {
    "the archive is damaged".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::types::Scalar;
    use hidet_ops::TensorType;

    /// An archive as `numpy.savez` writes it: with an extra field before each member, and a comment at the end.
    fn archive(members: &[(&str, &[u8])], method: u16) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in members {
            let (local, size) = (bytes.len() as u32, (content.len() as u32).to_le_bytes());
            let lengths = [(name.len() as u16).to_le_bytes(), 20u16.to_le_bytes()].concat();
            // The sizes before a member are those of its extra field.
            bytes.extend([LOCAL, &[0; 14], &[0xff; 8], &lengths, name.as_bytes(), &[7; 20], content].concat());
            let method = method.to_le_bytes();
            directory.extend([ENTRY, &[0; 6], &method, &[0; 8], &size, &size, &lengths[..2], &[0; 12]].concat());
            directory.extend([&local.to_le_bytes()[..], name.as_bytes()].concat());
        }
        let (start, count) = ((bytes.len() as u32).to_le_bytes(), (members.len() as u16).to_le_bytes());
        let size = (directory.len() as u32).to_le_bytes();
        bytes.extend([&directory[..], END, &[0; 4], &count, &count, &size, &start, &[2, 0], b"ok"].concat());
        bytes
    }

    fn some() -> (Array, Array) {
        let floats = Array::new(TensorType::new(Scalar::F32, &[2]), [1.5f32, -2.0].map(f32::to_le_bytes).concat());
        (floats.unwrap(), Array::list(&[1, 2, 3]))
    }

    #[test]
    fn arrays_are_found_by_name() {
        let (x, ids) = some();
        let bytes = archive(&[("in_x.npy", &x.to_npy()), ("out_0.npy", &ids.to_npy())], 0);
        let arrays = Array::from_npz(&bytes).unwrap();
        assert_eq!((arrays.len(), &arrays["in_x"], &arrays["out_0"]), (2, &x, &ids));
        assert!(Array::from_npz(&archive(&[], 0)).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_with_an_archive_is_said() {
        let (x, _) = some();
        let error = |bytes: &[u8]| Array::from_npz(bytes).unwrap_err();
        assert!(error(b"").contains("it is not a .npz file"));
        assert!(error(&x.to_npy()).contains("it is not a .npz file"));
        assert!(error(&archive(&[("a.npy", &x.to_npy())], 8)).contains("`a`: it is compressed"));
        assert!(error(&archive(&[("a.npy", b"text")], 0)).contains("`a`: it is not a .npy file"));
        let mut cut = archive(&[("a.npy", &x.to_npy())], 0);
        cut.drain(..40);
        assert!(error(&cut).contains("the archive is damaged"));
    }

    #[test]
    fn no_damage_leads_to_a_panic() {
        let (x, ids) = some();
        let bytes = archive(&[("x.npy", &x.to_npy()), ("y.npy", &ids.to_npy())], 0);
        for at in 0..bytes.len() {
            for damage in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= damage;
                let _ = Array::from_npz(&damaged);
            }
            let _ = Array::from_npz(&bytes[..at]);
        }
    }
}
