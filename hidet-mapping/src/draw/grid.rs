//! Labelled cells in panels, and their text.

use std::fmt::Write;

/// A drawing: panels of cells under a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The title.
    pub title: String,
    /// The meaning of labels and colours.
    pub legend: String,
    /// One panel for each of the leading coordinates; a single one where there are at most two axes, none where an
    /// extent is 0.
    pub panels: Vec<Panel>,
}

/// A matrix of cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// The leading coordinates, as `[2, .., ..]`; empty where there are none.
    pub title: String,
    /// The number of columns; cells are in row-major order.
    pub columns: usize,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cell {
    /// The text in the cell.
    pub label: String,
    /// A second, smaller line, shown in pictures only; may be empty.
    pub note: String,
    /// The number of its colour; `None` leaves it blank.
    pub color: Option<usize>,
}

impl Grid {
    /// Returns a grid of that shape: the last axis runs to the right, the one before it down, and the others make
    /// panels. `cell(position)` returns the cell at a row-major position.
    pub fn new(title: String, legend: String, shape: &[u32], mut cell: impl FnMut(usize) -> Cell) -> Grid {
        let columns = shape.last().map_or(1, |extent| *extent as usize);
        let (leading, rows) = match shape {
            [leading @ .., rows, _] => (leading, *rows as usize),
            _ => (&shape[..0], 1),
        };
        // Without cells there are no panels, even if the leading extents are large.
        let count = match shape.contains(&0) {
            true => 0,
            false => leading.iter().map(|extent| *extent as usize).product::<usize>(),
        };
        let mut panels = Vec::with_capacity(count);
        for panel in 0..count {
            let mut title = String::new();
            if !leading.is_empty() {
                let (mut rest, mut at) = (panel, Vec::new());
                for extent in leading.iter().rev() {
                    at.push((rest % *extent as usize).to_string());
                    rest /= *extent as usize;
                }
                at.reverse();
                title = format!("[{}, .., ..]", at.join(", "));
            }
            let cells = (0..rows * columns).map(|i| cell(panel * rows * columns + i)).collect();
            panels.push(Panel { title, columns, cells });
        }
        Grid { title, legend, panels }
    }

    /// Returns the labels, right-aligned in columns.
    pub fn text(&self) -> String {
        let labels = self.panels.iter().flat_map(|panel| &panel.cells).map(|cell| cell.label.chars().count());
        let width = labels.max().unwrap_or(0);
        let mut out = String::new();
        for (k, panel) in self.panels.iter().enumerate() {
            if k > 0 {
                out.push('\n');
            }
            if !panel.title.is_empty() {
                out.push_str(&panel.title);
                out.push('\n');
            }
            for row in panel.cells.chunks(panel.columns.max(1)) {
                let mut line = String::new();
                for (column, cell) in row.iter().enumerate() {
                    let gap = if column > 0 { " " } else { "" };
                    // Writing to a string cannot fail.
                    let _ = write!(line, "{gap}{:>width$}", cell.label);
                }
                out.push_str(&line);
                out.push('\n');
            }
        }
        out
    }
}
