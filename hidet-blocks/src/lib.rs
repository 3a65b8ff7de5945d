//! Parts of kernels at the level of a block, written in the kernel language on views alone: a kernel made of them is short,
//! fuses like any other, and is as fast as one written thread by thread.
//!
//! The parts of a matrix product on tensor cores of a warp group (sm_90a), in the order in which a kernel uses them:
//!
//! - [`TileOrder`]: which tile of the result a block computes when.
//! - [`StagedInput`]: tiles of an input in shared memory, several at the same time, copied by TMA ([`load_stage`]).
//! - [`StagedPixels`]: the same for the pixels of a convolution, in three ways ([`PixelRoute`]); [`ImagePatch`] for those of
//!   images with few channels, such as colours.
//! - [`Pipeline`]: the barriers of these stages, and a thread's [`Position`] in them.
//! - [`multiply`]: the products of one warp group along k, with the prologues of its inputs.
//! - [`OnlineSoftmax`], of scores that arrive in tiles, and [`attend`], attention to [`Visible`] keys made of it.
//! - [`TiledOutput`]: the results, with the epilogue of the output, through shared memory; [`PixelOutput`] those of a
//!   convolution.
//! - [`AsyncTiles`], [`WarpTiles`]: tiles that threads copy, and their products by `mma.sync`, on sm_80 and later.
//! - [`SplitTiles`]: tiles of `f32` as sums of two of tf32, with [`split_stages`] and [`multiply_split`]: products of `f32` on
//!   tensor cores that are nearly those of `f32`; a [`Handover`] for warp groups that change tiles between copy and product.
//! - [`SplitSums`]: the sums of a product that the blocks of a cluster have split along k.
//!
//! The parts of a product without tensor cores, of any architecture: [`ThreadTile`], the elements that each thread computes;
//! [`CopiedInput`], tiles of an input that all threads copy; [`multiply_by_threads`].
//!
//! For prologues and epilogues: the activations [`gelu`], [`gelu_tanh`] and [`silu`], of few instructions.
//!
//! A product of tiles of 64 x 64, and the same fused:
//!
//! ```
//! use hidet::blocks::{Pipeline, StagedInput, TiledOutput, load_stage, multiply};
//! use hidet::prelude::*;
//!
//! kernel! {
//!     /// c = a * transposed b. One thread loads tiles, a warp group multiplies them.
//!     #[launch(grid = (n.div_ceil(64), m.div_ceil(64)), block = 256)]
//!     fn product<C: Element>(a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<C, [m, n]>) {
//!         let [a, b] = [a, b].map(|input| StagedInput::new(input, 3, [64, 64]));
//!         let c = TiledOutput::<C, bf16, 2>::new(c, 1, 64);
//!         let at = Pipeline::new(3, 1, 1).start();
//!         let (row, col) = (block_idx().y * 64, block_idx().x * 64);
//!         #[warp_group(0)]
//!         {
//!             if thread_id() == 0 {
//!                 for step in 0..(k + 63) / 64 {
//!                     load_stage(&at, (&a, (row, step * 64)), (&b, (col, step * 64)));
//!                 }
//!                 c.load_operand(&b, &at, (row, col));
//!             }
//!         }
//!         #[warp_group(1)]
//!         {
//!             let sums = registers::<f32>([32]);
//!             sums.fill(0.0);
//!             multiply(sums, (&a, &b), &at, (0, (row, 0)), (k + 63) / 64);
//!             c.store(sums, (&b, &at), 0, (row, col));
//!             c.finish();
//!         }
//!     }
//! }
//!
//! let device = Device::sim();
//! let (m, n, k) = (70, 72, 136);
//! let one = bf16::from_f32(1.0);
//! let (a, b) = (device.tensor(&vec![one; m * k], [m, k])?, device.tensor(&vec![one; n * k], [n, k])?);
//! let mut c = device.empty([m, n])?;
//! product::<bf16>().compile(&device)?.launch(&a, &b, &mut c)?;
//! assert_eq!(c.to_vec()?, vec![bf16::from_f32(136.0); m * n]);
//!
//! // The residual's tiles come through the pipeline; the sums are added to them before they are rounded.
//! type Parameters = (In<bf16, 2>, In<bf16, 2>, In<bf16, 2>, Out<bf16, 2>);
//! let sum = product::<f32>().fuse("sum", ["a[m, k]", "b[n, k]", "residual[m, n]", "c[m, n]"], |args: Parameters| {
//!     let (a, b, residual, c) = args;
//!     (a, b, c.map_store_with((residual,), |sum: Expr<f32>, (residual,), _| (sum + residual.to::<f32>()).to::<bf16>()))
//! });
//! let residual = device.tensor(&vec![one; m * n], [m, n])?;
//! sum.compile(&device)?.launch(&a, &b, &residual, &mut c)?;
//! assert_eq!(c.to_vec()?, vec![bf16::from_f32(137.0); m * n]);
//! # Ok::<(), hidet::Error>(())
//! ```
//!
//! This crate knows no operators and no schedules; it depends on the kernel language alone.

mod activation;
mod attention;
mod direct;
mod fragment;
mod mma;
mod output;
mod patch;
mod pipeline;
mod pixel_output;
mod pixels;
mod product;
mod simt;
mod softmax;
mod split;
mod staged;
mod staged_rows;
mod three;
mod tile_order;
mod tiles;

pub use activation::{gelu, gelu_tanh, silu};
pub use attention::{Visible, attend};
pub use direct::{RowOutput, store_sums};
pub use mma::{AsyncTiles, WarpTiles};
pub use output::TiledOutput;
pub use patch::{ImagePatch, PatchShape};
pub use pipeline::{Handover, Pipeline, Position};
pub use pixel_output::PixelOutput;
pub use pixels::{PixelRoute, PixelTile, StagedPixels, Window};
pub use product::{issue, issue_left, issue_left_by_rows, multiply, multiply_tiles};
pub use simt::{CopiedInput, Route, ThreadTile, multiply_by_threads};
pub use softmax::{MASKED, OnlineSoftmax, scale_rows};
pub use split::SplitSums;
pub use staged::{StagedInput, load_stage};
pub use three::{SplitTiles, multiply_split, split_stages};
pub use tile_order::TileOrder;
pub use tiles::StagedTiles;
