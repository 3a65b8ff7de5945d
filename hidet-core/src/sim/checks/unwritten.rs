//! Elements of outputs that no thread of a launch has written: on a GPU they keep their previous contents.
//!
//! The shadow contains the elements that a launch has written, by every kind of store: plain stores, atomics, and bulk
//! copies.

use super::global_shadow::GlobalShadow;
use crate::ir::{Access, Buffer, Function, Param};
use crate::layout::Layout;
use crate::sim::LaunchArguments;
use crate::sim::report::{Fault, FaultKind, Party};
use crate::sim::run::Bound;

/// The unwritten elements of a tensor: their number, and the coordinates of the first.
struct Unwritten {
    count: usize,
    first: Vec<i64>,
}

impl Unwritten {
    fn add(&mut self, first: impl FnOnce() -> Vec<i64>) {
        if self.count == 0 {
            self.first = first();
        }
        self.count += 1;
    }
}

/// Returns a fault for each output with unwritten elements. `written` is the kernel as its author wrote it.
pub fn find(
    written: &Function,
    tensors: &[Bound],
    shadows: &[GlobalShadow],
    arguments: &LaunchArguments,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for tensor in tensors {
        let Some(shadow) = tensor.shadow.map(|index| &shadows[index]).filter(|_| tensor.access == Access::Out) else {
            continue;
        };
        let Some(Param::Tensor { buffer, .. }) = written.params.get(tensor.param) else { continue };
        let buffer = &written.buffers[*buffer];
        let Some(found) = look(buffer, tensor, shadow, &arguments.dims).filter(|found| found.count > 0) else {
            continue;
        };
        let (name, kernel) = (&buffer.name, &written.name);
        let others = match found.count {
            1 => String::new(),
            count => format!(", the first of {count} elements that no thread writes"),
        };
        let message = format!(
            "`{kernel}` ends without writing {name}[[{}]]{others}; on a GPU unwritten elements hold whatever the memory held \
             before. Write all of `{name}`, declare it `InOut` if it keeps old values, or `#[partial] {name}: Out<..>` if the \
             rest is never read",
            tensor
                .entry
                .iter()
                .map(|entry| *entry as i64)
                .chain(found.first)
                .map(|at| at.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        );
        let party = Party {
            span: written.place,
            place: written.place_of(written.place),
            what: format!("kernel `{kernel}` has the output `{name}`"),
        };
        faults.push(Fault { kind: FaultKind::Unwritten, kernel: kernel.clone(), message, party, others: Vec::new() });
    }
    faults
}

/// Returns the unwritten elements of a tensor, or `None` if an extent has no value, which the launch has reported
/// before.
fn look(buffer: &Buffer, tensor: &Bound, shadow: &GlobalShadow, dims: &[i64]) -> Option<Unwritten> {
    let mut found = Unwritten { count: 0, first: Vec::new() };
    let elem = buffer.elem.bytes();
    let cells = |element: usize| {
        let start = tensor.offset + element * elem;
        start / shadow.granule..(start + elem).div_ceil(shadow.granule)
    };
    let mut shape: Vec<i64> = buffer.shape.iter().map(|extent| extent.eval(dims).ok()).collect::<Option<_>>()?;
    if tensor.entry.is_some() {
        // An entry may have fewer rows than the largest.
        let row: i64 = shape.get(2..)?.iter().product();
        shape = [&[(tensor.bytes / elem) as i64 / row.max(1)], &shape[2..]].concat();
    }
    let size = shape.iter().product::<i64>() as usize;
    if size == 0 {
        return Some(found);
    }
    if tensor.entry.is_some() || buffer.layout == Layout::row_major(&buffer.shape) {
        let mut last = usize::MAX;
        shadow.each_unset(cells(0).start..cells(size - 1).end, &mut |cell| {
            let element = (cell * shadow.granule).saturating_sub(tensor.offset) / elem;
            // A wide element has several granules.
            if element != last {
                last = element;
                found.add(|| coordinates(element, &shape));
            }
        });
        return Some(found);
    }
    // Not every element of memory belongs to the tensor.
    for number in 0..size {
        let index = coordinates(number, &shape);
        let element = buffer.layout.offset_at(&index, dims).ok()? as usize;
        let mut unset = false;
        shadow.each_unset(cells(element), &mut |_| unset = true);
        if unset {
            found.add(|| index);
        }
    }
    Some(found)
}

/// Returns the coordinates of an element in row-major order.
fn coordinates(mut element: usize, shape: &[i64]) -> Vec<i64> {
    let mut index = vec![0; shape.len()];
    for (index, extent) in index.iter_mut().zip(shape).rev() {
        let extent = (*extent).max(1) as usize;
        *index = (element % extent) as i64;
        element /= extent;
    }
    index
}
