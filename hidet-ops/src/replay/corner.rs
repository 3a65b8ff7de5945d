//! Copies from and to the front of a larger tensor, along each axis.

use crate::error::Result;
use hidet::device::{RawTensor, Storage, Stream, Tensor};
use hidet::types::Scalar;

/// Copies a tensor to the front of another one with as many axes, all of whose extents are as large or larger. Behind it along
/// each axis its elements follow again, so that all of them are ones that were given. Both are contiguous.
pub(super) fn fill(stream: &Stream, from: &RawTensor, to: &RawTensor) -> Result<()> {
    if !from.is_empty() {
        Fill { stream, from, to }.along(0, [0, 0])?;
    }
    Ok(())
}

/// Returns a copy of the front of a contiguous tensor with this shape, none of whose extents is larger.
pub(super) fn cut(stream: &Stream, from: &RawTensor, shape: &[usize]) -> Result<RawTensor> {
    let bytes = shape.iter().product::<usize>() * from.scalar().bytes();
    let storage = Storage::uninit(from.device(), bytes)?;
    let part = RawTensor::new(from.device(), storage, 0, from.scalar(), shape)?;
    if !part.is_empty() {
        parts(stream, [from, &part], &part, 0, [0, 0])?;
    }
    Ok(part)
}

struct Fill<'a> {
    stream: &'a Stream,
    from: &'a RawTensor,
    to: &'a RawTensor,
}

impl Fill<'_> {
    /// Fills the part of axes from this one on, which begins at these bytes of both.
    fn along(&self, axis: usize, [first, at]: [usize; 2]) -> Result<()> {
        let (from, to) = (self.from, self.to);
        let Some((few, many)) = from.shape().get(axis).zip(to.shape().get(axis)) else {
            return copy(self.stream, [from, to], [first, at], from.scalar().bytes());
        };
        let [small, large] = [from, to].map(|tensor| bytes_of(tensor, axis + 1));
        if small == large {
            copy(self.stream, [from, to], [first, at], few * small)?;
        } else {
            (0..*few).try_for_each(|number| self.along(axis + 1, [first + number * small, at + number * large]))?;
        }
        let mut done = *few;
        while done < *many {
            let more = done.min(many - done);
            copy(self.stream, [to, to], [at, at + done * large], more * large)?;
            done += more;
        }
        Ok(())
    }
}

/// Copies the part of axes from this one on, of the shape of `small`, which begins at these bytes of both.
fn parts(stream: &Stream, tensors: [&RawTensor; 2], small: &RawTensor, axis: usize, firsts: [usize; 2]) -> Result<()> {
    let [from, to] = tensors;
    let Some(extent) = small.shape().get(axis) else {
        return copy(stream, tensors, firsts, small.scalar().bytes());
    };
    let sizes = [from, to].map(|tensor| bytes_of(tensor, axis + 1));
    if sizes[0] == sizes[1] {
        return copy(stream, tensors, firsts, extent * sizes[0]);
    }
    let part = |number: usize| [firsts[0] + number * sizes[0], firsts[1] + number * sizes[1]];
    (0..*extent).try_for_each(|number| parts(stream, tensors, small, axis + 1, part(number)))
}

/// Returns the bytes of a part with one coordinate along the axes before this one.
fn bytes_of(tensor: &RawTensor, axis: usize) -> usize {
    tensor.shape()[axis..].iter().product::<usize>() * tensor.scalar().bytes()
}

/// Copies bytes from one tensor to another, which begin at these of theirs.
fn copy(stream: &Stream, tensors: [&RawTensor; 2], firsts: [usize; 2], bytes: usize) -> Result<()> {
    let part = |at: usize| {
        let tensor = tensors[at];
        RawTensor::new(tensor.device(), tensor.storage().clone(), tensor.offset() + firsts[at], Scalar::U8, &[bytes])
    };
    let (from, to) = (part(0)?, part(1)?);
    // A tensor that is copied to itself is there already.
    if from.overlaps(&to) && from.offset() == to.offset() {
        return Ok(());
    }
    Ok(stream.copy(&Tensor::<u8, 1>::from_raw(from)?, &mut Tensor::from_raw(to)?)?)
}
