//! Drawing: text and SVG.
//!
//! Drawing has two steps: what is drawn becomes a [`Grid`] of labelled cells, and the grid becomes text or SVG.
//! Drawings of data layouts use the same grids.

mod grid;
mod mapping;
mod svg;

pub use grid::{Cell, Grid, Panel};
pub use mapping::grid;

use crate::error::MappingError;
use crate::mapping::TaskMapping;

/// The maximum number of cells of a drawing.
pub const MAX_CELLS: usize = 1 << 14;

/// The reason why something cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrawError {
    /// The mapping is invalid.
    Mapping(MappingError),
    /// There are more than [`MAX_CELLS`] cells.
    TooLarge {
        /// The number of cells.
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

/// Returns the worker of each task as text, one row per line; a task of several workers lists them all. More than two
/// axes give one panel for each of the leading coordinates.
pub fn text<const R: usize>(mapping: &TaskMapping<R>) -> Result<String, DrawError> {
    Ok(grid(mapping)?.text())
}

/// Returns a self-contained SVG of the tasks: each cell shows its worker, coloured by worker, and below it the position
/// of the task in the worker's order.
pub fn svg<const R: usize>(mapping: &TaskMapping<R>) -> Result<String, DrawError> {
    Ok(grid(mapping)?.svg())
}
