//! `.safetensors`, the files in which weights are kept: a header in JSON, then the elements of tensors.
//!
//! A file begins with the length of the header, 8 bytes. The header gives each tensor's type and the place of its elements behind the
//! header: `{"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"format": "pt"}}`. As the format
//! demands, each byte belongs to one tensor.

use crate::error::TensorType;
use hidet::types::Scalar;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

mod header;

/// What is wrong with a file, as an error.
type Reading<T> = Result<T, String>;

/// The most bytes of a header, as the format has it.
const MOST_HEADER: usize = 100_000_000;

/// The most axes of a tensor.
const MOST_AXES: usize = 64;

/// What the name of a tensor cannot be: texts about the file have it.
const METADATA: &str = "__metadata__";

/// The names of types that are the same here and in files. `tf32` is written as `f32`.
const NAMES: [(&str, Scalar); 15] = [
    ("BOOL", Scalar::Bool),
    ("I8", Scalar::I8),
    ("I16", Scalar::I16),
    ("I32", Scalar::I32),
    ("I64", Scalar::I64),
    ("U8", Scalar::U8),
    ("U16", Scalar::U16),
    ("U32", Scalar::U32),
    ("U64", Scalar::U64),
    ("F8_E4M3", Scalar::E4M3),
    ("F8_E5M2", Scalar::E5M2),
    ("F16", Scalar::F16),
    ("BF16", Scalar::BF16),
    ("F32", Scalar::F32),
    ("F64", Scalar::F64),
];

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, which no other tensor of the file has.
    pub name: String,
    /// Its type and extents.
    pub ty: TensorType,
    /// Where its elements are among the bytes of the file, in row-major order and little-endian.
    pub place: Range<usize>,
}

/// Returns the tensors of a `.safetensors` file in the order of their elements.
///
/// # Errors
///
/// If the file is cut off or damaged, a tensor has elements of a type that hidet does not have, its place does not fit its type, two
/// tensors have the same name or share bytes, or bytes belong to no tensor.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let Some((length, after)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("it is not a .safetensors file, or it is cut off: it has {} bytes", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length).ok().filter(|length| *length <= MOST_HEADER).ok_or_else(|| {
        format!(
            "it is not a .safetensors file: its header would have {length} bytes, but may have {MOST_HEADER} at most"
        )
    })?;
    let (header, elements) = after.split_at_checked(header).ok_or_else(|| {
        format!("it is cut off, or not a .safetensors file: its header has {length} bytes, but {} follow", after.len())
    })?;
    let begin = bytes.len() - elements.len();
    let header = str::from_utf8(header).map_err(|_| "its header is not text in UTF-8")?;
    let mut entries = header::read(header)?;
    for entry in &entries {
        check(entry, elements).map_err(|why| format!("`{}`: {why}", entry.name))?;
    }
    entries.sort_by_key(|entry| (entry.place.start, entry.place.end));
    let mut end = 0;
    let mut last = "";
    for Entry { name, place, .. } in &entries {
        match place.start {
            start if start < end => {
                return Err(format!("`{last}` and `{name}` share bytes, from {start} behind the header on"));
            }
            start if start > end => {
                return Err(format!("bytes {end} to {start} behind its header belong to no tensor"));
            }
            _ => (end, last) = (place.end, name),
        }
    }
    if end < elements.len() {
        return Err(format!("bytes {end} to {} behind its header belong to no tensor", elements.len()));
    }
    for entry in &mut entries {
        entry.place = begin + entry.place.start..begin + entry.place.end;
    }
    Ok(entries)
}

/// Returns an error if the elements of a tensor are not in the file, or are not such as its type has.
fn check(Entry { ty, place, .. }: &Entry, elements: &[u8]) -> Reading<()> {
    let Some(own) = elements.get(place.clone()) else {
        let Range { start, end } = place;
        return Err(match start <= end {
            true => format!(
                "its elements are the bytes {start} to {end}, but {} follow the header: the file is cut off, or damaged",
                elements.len()
            ),
            false => format!("its elements are the bytes {start} to {end}, which is before their begin"),
        });
    };
    let count = ty.shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
    if count.and_then(|count| count.checked_mul(ty.dtype.bytes())) != Some(own.len()) {
        return Err(format!("it is {ty}, but has {} bytes", own.len()));
    }
    if ty.dtype == Scalar::Bool && own.iter().any(|byte| *byte > 1) {
        return Err("it has elements of type bool that are neither 0 nor 1".to_owned());
    }
    Ok(())
}

/// Returns the content of a `.safetensors` file with tensors, of which each has a name, a type and the bytes of its elements. Those
/// with larger elements are first, so that all are aligned. `tf32` is written as `f32`.
///
/// # Errors
///
/// If a name is there twice or reserved, a tensor does not have as many bytes as its type, or there are so many names that the header
/// would have more than 100 MB.
pub fn write<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a TensorType, &'a [u8])>) -> Result<Vec<u8>, String> {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by_key(|(name, ty, _)| (Reverse(ty.dtype.bytes()), *name));
    let mut names = HashSet::from([METADATA]);
    let (mut header, mut end) = (String::from("{"), 0);
    for (name, ty, bytes) in &tensors {
        if !names.insert(name) {
            return Err(format!("`{name}`: it is there twice, or reserved"));
        }
        let entry = Entry { name: (*name).to_owned(), ty: (*ty).clone(), place: 0..bytes.len() };
        check(&entry, bytes).map_err(|why| format!("`{name}`: {why}"))?;
        if end > 0 || header.len() > 1 {
            header.push(',');
        }
        header::push(&mut header, &Entry { place: end..end + bytes.len(), ..entry });
        end += bytes.len();
    }
    header.push('}');
    // Elements are aligned.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    if header.len() > MOST_HEADER {
        return Err(format!("the header has {} bytes, but may have {MOST_HEADER} at most", header.len()));
    }
    let mut file = Vec::with_capacity(8 + header.len() + end);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header.as_bytes());
    tensors.iter().for_each(|(.., bytes)| file.extend_from_slice(bytes));
    Ok(file)
}

#[cfg(test)]
mod tests;
