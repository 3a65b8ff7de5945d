//! How much a call touches from an address on, and how that must be aligned: what checks of a launch ask.

use super::{Effect, Meaning, Operand, Row, Space};

/// What is touched from an address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// So many elements, one after the other.
    Elements(u32),
    /// So many bytes, one after the other.
    Bytes(u32),
    /// As many bytes as that operand, a value, says; perhaps none.
    BytesOf(usize),
    /// The box of the tensor map that is that operand, one element after the other.
    Box(usize),
    /// A matrix in the last two axes.
    Matrix {
        /// Along the axis before the last.
        rows: u32,
        /// Along the last axis.
        columns: u32,
        /// Which operand says how it lies (see [`Form`](super::matrix::Form)), and so whether the axes are exchanged.
        form: usize,
    },
}

impl Row {
    /// What is touched from the address that is that operand; none where it is no address.
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
                // The last numbers are the forms of those in shared memory.
                let form = self.operands.len() - if position == 1 && !registers { 2 } else { 1 };
                Reach::Matrix { rows, columns: product.k, form }
            }
            _ => Reach::Elements(1),
        })
    }

    /// The bytes that the address which is that operand must be a multiple of, more than its element's own size.
    pub fn alignment(&self, position: usize, element: u32) -> u32 {
        match (self.reach(position), self.meaning) {
            (Some(Reach::Box(_)), _) => 128,
            (Some(Reach::Matrix { .. }), _) => 16,
            (Some(Reach::Bytes(_) | Reach::BytesOf(_)), Meaning::CpAsync { bytes }) => bytes,
            (Some(Reach::BytesOf(_)), _) => 16,
            (Some(Reach::Elements(count)), _) => {
                // What a thread moves at once, to and from global memory and elsewhere.
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

    /// Where the table does not say how many elements, the reach must.
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
