//! The intrinsics: operations of a kernel beyond arithmetic, loads and stores.
//!
//! All intrinsics are rows of one table. A [`Row`] states the name, the operands, the result, the lowest architecture,
//! the threads that must execute it together, the CUDA text, the meaning for the simulated device, and one line of
//! documentation. The verifier, the printers, both devices and the documentation read the table; to add an intrinsic,
//! add a row. Each family has a file.
//!
//! Depends on the types, not on the IR.

mod approx;
mod async_copy;
mod atomic;
mod barrier;
mod bits;
mod cluster;
pub mod matrix;
mod meaning;
mod memory;
mod mma;
mod reach;
mod row;
mod tma;
mod vector;
mod warp;
mod wgmma;

pub use approx::Approx;
pub use async_copy::{PREFETCHES, copy_name};
pub use bits::BitOp;
pub use meaning::{AtomicOp, Level, Meaning, Order, ShuffleKind, VoteKind};
pub use reach::Reach;
pub use row::{Effect, Operand, ResultRule, Row, Space, Together, TypeRule};
pub use vector::{LoadHint, StoreHint};

use row::row;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// An intrinsic: a row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Intrinsic(u16);

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let families = [
        barrier::rows(),
        warp::rows(),
        atomic::rows(),
        memory::rows(),
        vector::rows(),
        bits::rows(),
        approx::rows(),
        async_copy::rows(),
        cluster::rows(),
        tma::rows(),
        mma::rows(),
        wgmma::rows(),
    ];
    families.into_iter().flatten().collect()
});

static NAMES: LazyLock<HashMap<&str, u16>> =
    LazyLock::new(|| TABLE.iter().enumerate().map(|(index, row)| (row.name.as_str(), index as u16)).collect());

impl Intrinsic {
    /// Returns the intrinsic with that name.
    pub fn named(name: &str) -> Option<Intrinsic> {
        NAMES.get(name).copied().map(Intrinsic)
    }

    /// Returns all intrinsics, family by family.
    pub fn all() -> impl Iterator<Item = Intrinsic> {
        (0..TABLE.len()).map(|index| Intrinsic(index as u16))
    }

    /// Returns its row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self.0 as usize]
    }
}

impl fmt::Debug for Intrinsic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_documented() {
        let mut seen = HashSet::new();
        for intrinsic in Intrinsic::all() {
            let row = intrinsic.row();
            assert!(seen.insert(&row.name), "{} stands twice", row.name);
            assert!(row.doc.ends_with('.'), "{}: {}", row.name, row.doc);
            assert_eq!(Intrinsic::named(&row.name), Some(intrinsic));
        }
    }

    #[test]
    fn the_cuda_text_uses_every_operand_once_or_more() {
        for intrinsic in Intrinsic::all() {
            let row = intrinsic.row();
            for index in 0..row.operands.len() {
                let used = [format!("${index}"), format!("$F{index}")].iter().any(|name| row.cuda.contains(name));
                assert!(used, "{} does not use operand {index}", row.name);
            }
        }
    }
}
