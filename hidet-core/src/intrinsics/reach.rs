//! The memory that a call accesses from an address on, and the alignment it needs; used by launch checks.

use super::{Effect, Meaning, Operand, Row, Space};

/// The memory accessed from an address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// That many consecutive elements.
    Elements(u32),
    /// That many consecutive bytes.
    Bytes(u32),
    /// The number of consecutive bytes given by that operand, a value; may be 0.
    BytesOf(usize),
    /// The box of the tensor map given by that operand, contiguous.
    Box(usize),
    /// A matrix in the last two axes.
    Matrix {
        /// The extent along the axis before the last.
        rows: u32,
        /// The extent along the last axis.
        columns: u32,
        /// The operand that gives its [`Form`](super::matrix::Form), and so whether the axes are exchanged.
        form: usize,
    },
}

impl Row {
    /// Returns the memory accessed from an address operand, or `None` if the operand is not an address.
    pub fn reach(&self, position: usize) -> Option<Reach> {
        let Some(Operand::Address { effect, count, .. }) = self.operands.get(position) else { return None };
        let map = self.operands.iter().position(|operand| *operand == Operand::Map);
        Some(match (count, effect, self.meaning, map) {
            (1.., ..) => Reach::Elements(*count),
            (_, Effect::Barrier, ..) => Reach::Elements(1),
            (_, _, Meaning::CpAsync { bytes }, _) if position == 0 => Reach::Bytes(bytes),
            (_, _, Meaning::CpAsync { .. }, _) => Reach::BytesOf(2),
            (_, _, _, Some(map)) => Reach::Box(map),
            (_, _, Meaning::BulkLoad | Meaning::BulkStore(_) | Meaning::PushCopy, _) => Reach::BytesOf(2),
            (_, _, Meaning::Wgmma { product, registers }, _) => {
                let rows = if position == 1 { product.m } else { product.n };
                // The last immediates are the forms of the operands in shared memory.
                let form = self.operands.len() - if position == 1 && !registers { 2 } else { 1 };
                Reach::Matrix { rows, columns: product.k, form }
            }
            _ => Reach::Elements(1),
        })
    }

    /// Returns the alignment in bytes that an address operand needs, at least the size of an element.
    pub fn alignment(&self, position: usize, element: u32) -> u32 {
        match (self.reach(position), self.meaning) {
            (Some(Reach::Box(_)), _) => 128,
            (Some(Reach::Matrix { .. }), _) => 16,
            (Some(Reach::Bytes(_) | Reach::BytesOf(_)), Meaning::CpAsync { bytes }) => bytes,
            (Some(Reach::BytesOf(_)), _) => 16,
            (Some(Reach::Elements(count)), _) => {
                // The width of the widest access of a thread: to global memory, and to other memory.
                let global = matches!(self.operands.get(position), Some(Operand::Address { space: Space::Global, .. }));
                (count * element).next_power_of_two().min(if global { 32 } else { 16 })
            }
            _ => element,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intrinsics::Intrinsic;

    fn of(name: &str, position: usize) -> (Option<Reach>, u32) {
        let row = Intrinsic::named(name).unwrap().row();
        (row.reach(position), row.alignment(position, 2))
    }

    #[test]
    fn rows_say_what_they_touch() {
        let matrix = |rows, columns, form| Some(Reach::Matrix { rows, columns, form });
        assert_eq!(of("cp.async.8", 0), (Some(Reach::Bytes(8)), 8));
        assert_eq!(of("cp.async.8", 1), (Some(Reach::BytesOf(2)), 8));
        assert_eq!(of("tma.load.2d", 0), (Some(Reach::Box(1)), 128));
        assert_eq!(of("tma.load.2d", 4), (Some(Reach::Elements(1)), 2));
        assert_eq!(of("tma.store.3d", 4), (Some(Reach::Box(0)), 128));
        assert_eq!(of("bulk.load", 1), (Some(Reach::BytesOf(2)), 16));
        assert_eq!(of("cluster.bulk.copy", 0), (Some(Reach::BytesOf(2)), 16));
        assert_eq!(of("cluster.bulk.copy", 1), (Some(Reach::BytesOf(2)), 16));
        assert_eq!(of("ldmatrix.x4", 1), (Some(Reach::Elements(8)), 16));
        assert_eq!(of("wgmma.m64n256k16.f32.bf16.bf16.ss", 1), (matrix(64, 16, 6), 16));
        assert_eq!(of("wgmma.m64n256k16.f32.bf16.bf16.ss", 2), (matrix(256, 16, 7), 16));
        assert_eq!(of("wgmma.m64n64k16.f32.f16.f16.rs", 2), (matrix(64, 16, 6), 16));
        assert_eq!(of("wgmma.m64n8k32.f32.e4m3.e4m3.ss", 2), (matrix(8, 32, 7), 16));
    }

    /// A number of bytes is given by a value operand, a box by a tensor map.
    #[test]
    fn the_bytes_of_a_copy_are_a_value() {
        for intrinsic in Intrinsic::all() {
            let row = intrinsic.row();
            for position in 0..row.operands.len() {
                match row.reach(position) {
                    Some(Reach::BytesOf(of)) => assert!(matches!(row.operands[of], Operand::Value(_)), "{}", row.name),
                    Some(Reach::Box(of)) => assert_eq!(row.operands[of], Operand::Map, "{}", row.name),
                    _ => {}
                }
            }
        }
    }
}
