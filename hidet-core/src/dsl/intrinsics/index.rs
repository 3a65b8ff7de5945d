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
    emit(here(), &[], &|_| Op::Special(special))
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
    /// Returns the thread's index in its block along x, y and z.
    thread_idx ThreadX ThreadY ThreadZ;
    /// Returns the block's index in the grid along x, y and z.
    block_idx BlockX BlockY BlockZ;
    /// Returns the number of threads per block along x, y and z.
    block_dim BlockDimX BlockDimY BlockDimZ;
    /// Returns the number of blocks in the grid along x, y and z.
    grid_dim GridX GridY GridZ;
}

/// Returns the thread's linear index in its block.
#[track_caller]
pub fn thread_id() -> Expr<i32> {
    special(Special::Thread)
}

/// Returns the thread's lane number in its warp, `0..32`.
#[track_caller]
pub fn lane_id() -> Expr<i32> {
    special(Special::Lane)
}

/// Returns the warp's number in its block.
#[track_caller]
pub fn warp_id() -> Expr<i32> {
    special(Special::Warp)
}

/// Returns the block's rank in its cluster.
#[track_caller]
pub fn cluster_rank() -> Expr<i32> {
    special(Special::ClusterRank)
}

/// Returns the number of blocks in the cluster.
#[track_caller]
pub fn cluster_size() -> Expr<i32> {
    special(Special::ClusterSize)
}
