//! What can go wrong with a model: in its weights, with its input, or in an operator.

use hidet_ops::TensorType;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a model.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A weight is missing or does not fit.
    #[error("weight `{name}`: {why}")]
    Weight {
        /// Its whole name.
        name: String,
        /// What is wrong with it, and what would fit.
        why: String,
    },
    /// A file of weights cannot be read, or is not one of the model.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A field of a configuration has a value that no model can have.
    #[error("`{field}`: {why}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what would fit.
        why: String,
    },
    /// The input is not one of the model.
    #[error("{model} of {found}: {wanted}")]
    Input {
        /// The model.
        model: &'static str,
        /// What was given.
        found: TensorType,
        /// What it takes.
        wanted: String,
    },
    /// An operator refused its inputs, or the device failed.
    #[error(transparent)]
    Operator(#[from] hidet_ops::Error),
}
