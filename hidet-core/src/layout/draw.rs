//! Draws layouts as text and SVG: a cell shows the offset of its element.

use super::{Layout, LayoutError};
use hidet_mapping::draw::{Cell, Grid, MAX_CELLS};

/// Banks of shared memory, each 4 bytes wide.
const BANKS: u64 = 32;

/// The reason why a layout cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// The layout is invalid.
    #[error("an invalid layout cannot be drawn: {0}")]
    Layout(#[from] LayoutError),
    /// An extent is not constant.
    #[error("a layout can only be drawn with constant extents, but one is {0}")]
    Symbolic(String),
    /// There are too many cells.
    #[error("{0} cells are too many to draw, at most {MAX_CELLS} are")]
    TooLarge(u64),
    /// An offset cannot be computed.
    #[error("an offset cannot be computed: {0}")]
    Offset(&'static str),
}

/// The meaning of the colours of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// The offset: coordinates with the same offset have the same colour.
    Offset,
    /// The bank of shared memory, for elements of that many bytes.
    Bank {
        /// Bytes per element.
        bytes: u32,
    },
}

/// Returns the offsets as text, one row per line.
pub fn text(layout: &Layout) -> Result<String, DrawError> {
    Ok(grid(layout, Colors::Offset)?.text())
}

/// Returns a self-contained SVG of the offsets; with [`Colors::Bank`] a cell also shows its bank.
pub fn svg(layout: &Layout, colors: Colors) -> Result<String, DrawError> {
    Ok(grid(layout, colors)?.svg())
}

/// Returns the grid of labelled cells of a layout.
pub fn grid(layout: &Layout, colors: Colors) -> Result<Grid, DrawError> {
    layout.check()?;
    let mut shape = Vec::new();
    for extent in layout.shape() {
        let number = extent.as_const().and_then(|number| u32::try_from(number).ok());
        shape.push(number.ok_or_else(|| DrawError::Symbolic(extent.to_string()))?);
    }
    let cells = shape.iter().fold(1u64, |cells, extent| cells.saturating_mul((*extent).into()));
    if cells > MAX_CELLS as u64 {
        return Err(DrawError::TooLarge(cells));
    }
    let mut offsets = Vec::with_capacity(cells as usize);
    for position in 0..cells as i64 {
        let (mut index, mut rest) = (vec![0; shape.len()], position);
        for (index, extent) in index.iter_mut().zip(&shape).rev() {
            *index = rest % i64::from(*extent);
            rest /= i64::from(*extent);
        }
        offsets.push(layout.offset_at(&index, &[]).map_err(DrawError::Offset)?);
    }
    let size = layout.size();
    let legend = match colors {
        Colors::Offset => format!("shape {shape:?}, {size} elements; a cell: offset"),
        Colors::Bank { bytes } => {
            format!("shape {shape:?}, {size} elements of {bytes} bytes; a cell: offset, b: bank of shared memory")
        }
    };
    Ok(Grid::new(layout.to_string(), legend, &shape, |position| {
        let offset = offsets[position];
        let (note, color) = match colors {
            Colors::Offset => (String::new(), offset as usize),
            Colors::Bank { bytes } => {
                let bank = offset as u64 * u64::from(bytes) / 4 % BANKS;
                (format!("b{bank}"), bank as usize)
            }
        };
        Cell { label: offset.to_string(), note, color: Some(color) }
    }))
}
