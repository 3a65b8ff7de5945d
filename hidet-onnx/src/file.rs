//! Reading tensors of a model: from its bytes, and from files beside it, which never leave the folder of the model.

use crate::array::{Array, MOST_AXES};
use crate::element;
use crate::proto::{SparseTensorProto, TensorProto};
use hidet::types::Scalar;
use hidet_ops::TensorType;
use prost::Message;
use prost::bytes::Bytes;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Why a tensor cannot be read.
type Reading<T> = Result<T, String>;

/// Returns the tensor of the bytes of a `TensorProto`, the form in which the test data of ONNX are.
///
/// # Errors
///
/// If the bytes are not a tensor, or are one of a type that hidet does not have.
pub fn tensor(bytes: &[u8]) -> Result<Array, String> {
    let proto = TensorProto::decode(bytes).map_err(|error| format!("it is not a tensor of ONNX: {error}"))?;
    array(&proto, None)
}

/// Returns a tensor of a model whose files are in a folder, if it has one.
pub(crate) fn array(proto: &TensorProto, folder: Option<&Path>) -> Reading<Array> {
    let name = proto.name.as_deref().unwrap_or_default();
    read(proto, folder).map_err(|why| format!("tensor `{name}`: {why}"))
}

fn read(proto: &TensorProto, folder: Option<&Path>) -> Reading<Array> {
    if proto.segment.is_some() {
        return Err("it is stored in segments, which are not supported".to_owned());
    }
    let dtype = element::scalar(i64::from(proto.data_type.unwrap_or(0)))?;
    let (shape, bytes) = extents(&proto.dims, dtype)?;
    let ty = TensorType { dtype, shape };
    let data = match proto.data_location.unwrap_or(0) {
        0 => inside(proto, dtype)?,
        1 => outside(proto, folder, bytes)?,
        other => return Err(format!("there is no place of data with number {other}")),
    };
    if dtype == Scalar::Bool && data.iter().any(|byte| *byte > 1) {
        return Err("it has elements of type bool that are neither 0 nor 1".to_owned());
    }
    let found = data.len();
    Array::new(ty.clone(), data).ok_or_else(|| format!("{ty} has {bytes} bytes, but {found} are stored"))
}

/// Returns the extents, and the number of bytes that the elements take.
fn extents(dims: &[i64], dtype: Scalar) -> Reading<(Vec<usize>, usize)> {
    let wrong = || format!("the extents {dims:?} are not valid: not negative, and at most {MOST_AXES} of them");
    if dims.len() > MOST_AXES {
        return Err(wrong());
    }
    let shape = dims.iter().map(|dim| usize::try_from(*dim).map_err(|_| wrong())).collect::<Reading<Vec<usize>>>()?;
    let bytes = shape.iter().try_fold(dtype.bytes(), |all, extent| all.checked_mul(*extent));
    Ok((shape, bytes.ok_or_else(|| format!("the extents {dims:?} are too large"))?))
}

/// Returns the bytes of elements that are part of the model.
fn inside(proto: &TensorProto, dtype: Scalar) -> Reading<Bytes> {
    fn all<T: Copy, const N: usize>(list: &[T], bytes: impl Fn(T) -> [u8; N]) -> Bytes {
        list.iter().flat_map(|element| bytes(*element)).collect::<Vec<u8>>().into()
    }
    if let Some(raw) = &proto.raw_data {
        return Ok(raw.clone());
    }
    Ok(match dtype {
        Scalar::F32 => all(&proto.float_data, f32::to_le_bytes),
        Scalar::F64 => all(&proto.double_data, f64::to_le_bytes),
        Scalar::I64 => all(&proto.int64_data, i64::to_le_bytes),
        Scalar::U64 => all(&proto.uint64_data, u64::to_le_bytes),
        Scalar::U32 => all(&proto.uint64_data, |element| (element as u32).to_le_bytes()),
        Scalar::I32 => all(&proto.int32_data, i32::to_le_bytes),
        // Floats of 16 and 8 bits are stored as their bits.
        _ if dtype.bytes() == 2 => all(&proto.int32_data, |element| (element as u16).to_le_bytes()),
        _ => all(&proto.int32_data, |element| [element as u8]),
    })
}

/// Returns the bytes of elements that are in a file beside the model.
fn outside(proto: &TensorProto, folder: Option<&Path>, bytes: usize) -> Reading<Bytes> {
    let entry = |key: &str| {
        let found = proto.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
        found.map(|entry| entry.value.as_deref().unwrap_or_default())
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("its {key} `{text}` is not a number")),
    };
    let Some(folder) = folder else {
        return Err("its data are in another file; load the model from its path, not from bytes".to_owned());
    };
    let Some(location) = entry("location") else { return Err("the location of its data is missing".to_owned()) };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != bytes as u64) {
        return Err(format!("it has {bytes} bytes, but {} are stored", length.unwrap_or(0)));
    }
    let path = path_inside(folder, location)?;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(&path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if offset.checked_add(bytes as u64).is_none_or(|end| end > size) {
        let path = path.display();
        return Err(format!("{path} has {size} bytes, but {bytes} are needed from byte {offset} on"));
    }
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut data = vec![0; bytes];
    file.read_exact(&mut data).map_err(failed)?;
    Ok(data.into())
}

/// Returns the path of a file in a folder or below it; links are followed, and must not leave it.
fn path_inside(folder: &Path, location: &str) -> Reading<PathBuf> {
    let stays = Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !stays || location.is_empty() {
        return Err(format!("its data are at `{location}`, but must be in the folder of the model or below it"));
    }
    let real = |path: &Path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let (folder, path) = (real(folder)?, real(&folder.join(location))?);
    match path.starts_with(&folder) {
        true => Ok(path),
        false => Err(format!("its data are at `{location}`, a link that leaves the folder of the model")),
    }
}

/// The most bytes of a sparse tensor that is made dense.
const MOST_DENSE: usize = 1 << 31;

/// Returns a sparse tensor of a model as a dense one.
pub(crate) fn dense(proto: &SparseTensorProto, folder: Option<&Path>) -> Reading<Array> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err("a sparse tensor has no values or no indices".to_owned());
    };
    let (values, indices) = (array(values, folder)?, array(indices, folder)?);
    let size = values.dtype().bytes();
    let (shape, bytes) = extents(&proto.dims, values.dtype())?;
    if bytes > MOST_DENSE {
        return Err(format!("a sparse tensor with extents {shape:?} is too large to be made dense"));
    }
    let numbers = indices.integers().map_err(|why| why.to_string())?;
    let count = values.bytes().len() / size;
    let places: Option<Vec<usize>> = match indices.shape() {
        [_] => numbers.iter().map(|number| usize::try_from(*number).ok()).collect(),
        [_, axes] if *axes == shape.len() => numbers.chunks(*axes).map(|index| place(index, &shape)).collect(),
        _ => None,
    };
    let mut dense = vec![0; bytes];
    let places = places.filter(|places| places.len() == count && places.iter().all(|place| *place < bytes / size));
    let Some(places) = places else { return Err("the indices of a sparse tensor do not fit".to_owned()) };
    for (place, value) in places.iter().zip(values.bytes().chunks_exact(size)) {
        dense[place * size..(place + 1) * size].copy_from_slice(value);
    }
    let ty = TensorType { dtype: values.dtype(), shape };
    Array::new(ty, dense).ok_or_else(|| "a sparse tensor does not fit".to_owned())
}

/// Returns the number of an element in row-major order.
fn place(index: &[i64], shape: &[usize]) -> Option<usize> {
    index.iter().zip(shape).try_fold(0usize, |place, (at, extent)| {
        let at = usize::try_from(*at).ok().filter(|at| at < extent)?;
        Some(place * extent + at)
    })
}
