//! Validity of layouts.

use super::Layout;
use super::construct::product;
use hidet_mapping::{IndexExpr, MappingError};

/// An error in a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Lists of different length.
    #[error("a strided layout has {shape} extents, but {strides} strides")]
    Strides {
        /// The number of extents.
        shape: usize,
        /// The number of strides.
        strides: usize,
    },
    /// An extent or a stride is negative.
    #[error("an extent or stride is {value}: both must be at least 0")]
    Negative {
        /// The value.
        value: i64,
    },
    /// A composition of layouts of different ranks.
    #[error("`{outer}` has another number of axes than `{inner}`: layouts compose axis by axis")]
    Ranks {
        /// The outer layout.
        outer: String,
        /// The inner layout.
        inner: String,
    },
    /// An axis that does not exist.
    #[error("axis {axis} does not exist: the layout has {rank} axes, counted from 0")]
    Axis {
        /// The axis asked for.
        axis: u8,
        /// The number of axes.
        rank: usize,
    },
    /// A swizzle of an axis by itself.
    #[error("axis {axis} cannot be swizzled by itself")]
    SwizzleAxis {
        /// The axis.
        axis: u8,
    },
    /// A swizzle of an axis whose extent is not a power of two.
    #[error("the extent of a swizzled axis must be a power of two, but axis {axis} has {extent}")]
    SwizzleExtent {
        /// The axis.
        axis: u8,
        /// Its extent.
        extent: String,
    },
    /// A swizzle with a step that exceeds any index.
    #[error("a swizzle that changes every 2^{log_step} coordinates: at most 2^30 are possible")]
    SwizzleStep {
        /// The exponent.
        log_step: u8,
    },
    /// An order that is not a permutation.
    #[error("{order:?} is not an order of the {rank} axes of the layout: each of 0 to {} must occur exactly once", rank.saturating_sub(1))]
    Order {
        /// The order given.
        order: Vec<u8>,
        /// The number of axes.
        rank: usize,
    },
    /// A reshape to a different number of elements.
    #[error("a layout of {old} elements cannot be reshaped to {new}")]
    Reshape {
        /// The number of elements before.
        old: String,
        /// The number of elements after.
        new: String,
    },
    /// A split or tile that does not fit the extent.
    #[error("axis {axis} of extent {extent} cannot be split by {factor}: the factor must divide the extent")]
    Split {
        /// The axis.
        axis: usize,
        /// Its extent.
        extent: String,
        /// The factor.
        factor: u32,
    },
    /// An error of the mapping that the layout was made from.
    #[error("no layout mirrors the mapping: {0}")]
    Mapping(MappingError),
}

/// Returns true if `order` contains each axis once.
pub(super) fn is_permutation(order: &[u8], rank: usize) -> bool {
    order.len() == rank && (0..rank).all(|axis| order.iter().any(|other| usize::from(*other) == axis))
}

impl Layout {
    /// Returns an error if the layout is invalid. Sizes that depend on symbols are compared as formulas where possible.
    pub fn check(&self) -> Result<(), LayoutError> {
        match self {
            Layout::Strided { shape, strides } => {
                if shape.len() != strides.len() {
                    return Err(LayoutError::Strides { shape: shape.len(), strides: strides.len() });
                }
                not_negative(shape)?;
                not_negative(strides)
            }
            Layout::Local { shape } => not_negative(shape),
            Layout::Compose(outer, inner) => {
                outer.check()?;
                inner.check()?;
                if outer.rank() != inner.rank() {
                    return Err(LayoutError::Ranks { outer: outer.to_string(), inner: inner.to_string() });
                }
                Ok(())
            }
            Layout::Concat(outer, inner) => {
                outer.check()?;
                inner.check()
            }
            Layout::Swizzle { base, axis, by, log_step } => {
                base.check()?;
                let shape = base.shape();
                if let Some(axis) = [*axis, *by].into_iter().find(|axis| usize::from(*axis) >= shape.len()) {
                    return Err(LayoutError::Axis { axis, rank: shape.len() });
                }
                if axis == by {
                    return Err(LayoutError::SwizzleAxis { axis: *axis });
                }
                if *log_step > 30 {
                    return Err(LayoutError::SwizzleStep { log_step: *log_step });
                }
                let extent = &shape[usize::from(*axis)];
                match extent.as_const() {
                    Some(number) if number > 0 && number & (number - 1) == 0 => Ok(()),
                    _ => Err(LayoutError::SwizzleExtent { axis: *axis, extent: extent.to_string() }),
                }
            }
            Layout::Permute { base, order } => {
                base.check()?;
                if !is_permutation(order, base.rank()) {
                    return Err(LayoutError::Order { order: order.clone(), rank: base.rank() });
                }
                Ok(())
            }
            Layout::Reshape { base, shape } => {
                base.check()?;
                not_negative(shape)?;
                let (old, new) = (product(&base.shape()), product(shape));
                match (old.as_const(), new.as_const()) {
                    (Some(a), Some(b)) if a != b => {
                        Err(LayoutError::Reshape { old: old.to_string(), new: new.to_string() })
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

fn not_negative(exprs: &[IndexExpr]) -> Result<(), LayoutError> {
    match exprs.iter().filter_map(IndexExpr::as_const).find(|value| *value < 0) {
        Some(value) => Err(LayoutError::Negative { value }),
        None => Ok(()),
    }
}
