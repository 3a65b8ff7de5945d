//! Indices and extents of threads, blocks, lanes and warps.

use crate::dsl::builder::here;
use crate::dsl::expr::{Expr, emit};
use crate::ir::{Op, Special};

/// Three coordinates.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Dim3 {
    pub x: Expr<i32>,
    pub y: Expr<i32>,
    pub z: Expr<i32>,
}

#[track_caller]
fn special(special: Special) -> Expr<i32> {
    emit(here(), |_| Some(Op::Special(special)))
}

macro_rules! triples {
    ($($(#[$doc:meta])* $name:ident $x:ident $y:ident $z:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name() -> Dim3 {
            Dim3 { x: special(Special::$x), y: special(Special::$y), z: special(Special::$z) }
        }
    )*};
}
triples! {
    /// The thread's index in its block along x, y and z.
    thread_idx ThreadX ThreadY ThreadZ;
    /// The block's index in the grid along x, y and z.
    block_idx BlockX BlockY BlockZ;
    /// Threads a block along x, y and z.
    block_dim BlockDimX BlockDimY BlockDimZ;
    /// Blocks in the grid along x, y and z.
    grid_dim GridX GridY GridZ;
}

/// The thread's linear index in its block.
#[track_caller]
pub fn thread_id() -> Expr<i32> {
    special(Special::Thread)
}

/// The thread's number in its warp, `0..32`.
#[track_caller]
pub fn lane_id() -> Expr<i32> {
    special(Special::Lane)
}

/// The warp's number in its block.
#[track_caller]
pub fn warp_id() -> Expr<i32> {
    special(Special::Warp)
}

/// The block's rank in its cluster.
#[track_caller]
pub fn cluster_rank() -> Expr<i32> {
    special(Special::ClusterRank)
}

/// Blocks in the cluster.
#[track_caller]
pub fn cluster_size() -> Expr<i32> {
    special(Special::ClusterSize)
}
