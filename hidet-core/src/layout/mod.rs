//! Data layouts: from the coordinates of a tensor to the offset of the element in memory.
//!
//! The dual of task mappings: `local` mirrors `spatial` (an axis is distributed over the workers, each of which holds
//! one element; not the local memory of CUDA), `row`/`column` mirror `repeat`. One formula serves the host and the
//! device, through [`hidet_mapping::Arith`].

mod check;
mod construct;
mod dense;
pub mod draw;
mod eval;
mod show;
mod tiling;

pub use check::LayoutError;
pub(crate) use dense::same_product;

use hidet_mapping::IndexExpr;

/// A layout. Offsets count elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// `sum(index[i] * strides[i])`
    Strided {
        /// Extents.
        shape: Vec<IndexExpr>,
        /// The distance of consecutive coordinates in elements, per axis.
        strides: Vec<IndexExpr>,
    },
    /// Offset 0 for every coordinate: each worker owns one element.
    Local {
        /// Extents.
        shape: Vec<IndexExpr>,
    },
    /// `outer * inner`: a layout of tiles. Shapes multiply axis by axis.
    Compose(Box<Layout>, Box<Layout>),
    /// `outer + inner`: the axes of both, one after the other.
    Concat(Box<Layout>, Box<Layout>),
    /// Coordinate `axis` is replaced by itself XOR `(coordinate[by] >> log_step)`, reduced modulo its extent.
    Swizzle {
        /// The layout to swizzle.
        base: Box<Layout>,
        /// The axis whose coordinate changes; its extent is a power of two.
        axis: u8,
        /// The axis it is XORed with.
        by: u8,
        /// The binary logarithm of the number of consecutive coordinates of `by` that share a pattern.
        log_step: u8,
    },
    /// Axis `k` is axis `order[k]` of the base.
    Permute {
        /// The layout to permute.
        base: Box<Layout>,
        /// For each axis, the axis of the base.
        order: Vec<u8>,
    },
    /// The same elements in row-major order with another shape.
    Reshape {
        /// The layout to reshape.
        base: Box<Layout>,
        /// The new extents.
        shape: Vec<IndexExpr>,
    },
}
