//! Parts of kernels at the level of a block, written in the kernel language on views alone: a kernel made of them is short,
//! fuses like any other, and is as fast as one written thread by thread.
//!
//! The parts of a matrix product on tensor cores of a warp group (sm_90a), in the order in which a kernel uses them:
//!
//! - [`TileOrder`]: which tile of the result a block computes when.
//! - [`StagedInput`]: tiles of an input in shared memory, several at the same time, copied by TMA ([`load_stage`]).
//! - [`Pipeline`]: the barriers of these stages, and a thread's [`Position`] in them.
//! - [`multiply`]: the products of one warp group along k, with the prologues of its inputs.
//! - [`OnlineSoftmax`], of scores that arrive in tiles, and [`attend`], attention to [`Visible`] keys made of it.
//! - [`TiledOutput`]: the results, with the epilogue of the output, through shared memory.
//!
//! This crate knows no operators and no schedules; it depends on the kernel language alone.

mod attention;
mod fragment;
mod output;
mod pipeline;
mod product;
mod softmax;
mod staged;
mod tile_order;

pub use attention::{Visible, attend};
pub use output::TiledOutput;
pub use pipeline::{Pipeline, Position};
pub use product::{issue, issue_left, issue_left_by_rows, multiply};
pub use softmax::{MASKED, OnlineSoftmax, scale_rows};
pub use staged::{StagedInput, load_stage};
pub use tile_order::TileOrder;
