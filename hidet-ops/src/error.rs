//! What can go wrong with operators.

use hidet::types::Scalar;
use std::fmt;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of an operator, or of the device below it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The inputs do not fit the operator.
    #[error("`{operator}` of {}: {why}", Inputs(inputs))]
    Operator {
        /// The operator, as a method of [`Tensor`](crate::Tensor).
        operator: &'static str,
        /// Its inputs.
        inputs: Vec<TensorType>,
        /// What does not fit, and what would.
        why: String,
    },
    /// A tensor is read as another type than it has.
    #[error("a tensor {found} is read as {wanted}")]
    Type {
        /// What it is.
        found: TensorType,
        /// What it was read as.
        wanted: String,
    },
    /// An extent cannot have a size, or not several ones.
    #[error("extent `{extent}`: {why}")]
    Extent {
        /// The name of the extent.
        extent: String,
        /// What is wrong, and what would help.
        why: String,
    },
    /// A compiled program cannot be written, read or loaded.
    #[error("compiled program: {0}")]
    Program(String),
    /// A kernel could not be built, compiled or launched, or the device failed.
    #[error(transparent)]
    Core(#[from] hidet::Error),
}

/// Inputs of an operator, as a list in words.
struct Inputs<'a>(&'a [TensorType]);

impl fmt::Display for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, input) in self.0.iter().enumerate() {
            let between = match at {
                0 => "",
                _ if at + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{between}{input}")?;
        }
        Ok(())
    }
}

/// The type of a tensor: of its elements, and its extents. Written `f32[2, 3]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The type of the elements.
    pub dtype: Scalar,
    /// The extents.
    pub shape: Vec<usize>,
}

impl TensorType {
    /// Returns the type of tensors with these elements and extents.
    pub fn new(dtype: Scalar, shape: &[usize]) -> TensorType {
        TensorType { dtype, shape: shape.to_vec() }
    }

    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}
