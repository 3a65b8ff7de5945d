//! Drawing: text and SVG.
//!
//! A drawing is made in two steps: what is drawn becomes a [`Grid`] of labelled cells, and a grid becomes text or SVG.
//! The drawing of data layouts uses the same grids.

mod grid;
mod mapping;
mod svg;

pub use grid::{Cell, Grid, Panel};
pub use mapping::grid;

use crate::error::MappingError;
use crate::mapping::TaskMapping;

/// The most cells a drawing may have.
pub const MAX_CELLS: usize = 1 << 14;

/// Why something cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrawError {
    /// It is invalid.
    Mapping(MappingError),
    /// It has more than [`MAX_CELLS`] cells.
    TooLarge {
        /// How many it has.
        cells: u64,
    },
}

impl std::fmt::Display for DrawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DrawError::Mapping(error) => write!(f, "an invalid mapping cannot be drawn: {error}"),
            DrawError::TooLarge { cells } => write!(f, "{cells} cells are too many to draw, at most {MAX_CELLS} are"),
        }
    }
}

impl std::error::Error for DrawError {}

impl From<MappingError> for DrawError {
    fn from(error: MappingError) -> Self {
        DrawError::Mapping(error)
    }
}

/// The worker of each task as text, a row a line; a task of several workers lists them all. More than two axes give
/// one panel for each of the leading coordinates.
pub fn text<const R: usize>(mapping: &TaskMapping<R>) -> Result<String, DrawError> {
    Ok(grid(mapping)?.text())
}

/// The tasks as a picture: a cell shows its worker, coloured by worker, and below it the place of the task in the
/// worker's order. Self-contained SVG.
pub fn svg<const R: usize>(mapping: &TaskMapping<R>) -> Result<String, DrawError> {
    Ok(grid(mapping)?.svg())
}
