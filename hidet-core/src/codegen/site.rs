//! Sites: places where a kernel may report, with their messages.

use crate::ir::{Format, Span, fault};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

/// Maximum number of values in a report: one per axis of an index.
pub const VALUES: usize = 16;

/// Number of 64-bit words in the log of printed lines: 1 MiB.
pub const LOG: usize = 1 << 17;

/// Words before the numbers of a line in the log: the site with the number of words, and the block.
pub const LINE: usize = 2;

/// A place where a kernel may report.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The message of the report.
    pub message: Message,
    /// Its position in the Rust source.
    pub span: Span,
}

/// A message that a kernel reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A tile outside of a shape; the report contains the index.
    Outside {
        /// The name of the buffer.
        name: String,
        /// Elements from the index on, along each axis.
        tile: Vec<u32>,
        /// The shape, as formulas of the dims.
        shape: Vec<IndexExpr>,
        /// True if the extent of axis 1 is in the report, behind the index.
        has_rows: bool,
    },
    /// A misaligned element; the report contains its offset.
    Misaligned {
        /// The name of the buffer.
        name: String,
        /// The type of its elements.
        elem: Scalar,
        /// The required alignment in bytes.
        bytes: u32,
    },
    /// An assertion that failed.
    Assert(String),
    /// A line to print; the log contains its numbers.
    Line(Vec<Piece>),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// One or several numbers of the log.
    Value {
        /// Their format.
        format: Format,
        /// Their type.
        scalar: Scalar,
        /// The number of numbers; more than one for a vector.
        lanes: u32,
    },
}

/// Formats a line with its numbers from the log.
pub fn line(pieces: &[Piece], mut numbers: &[u64]) -> String {
    let mut line = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => line.push_str(text),
            Piece::Value { format, scalar, lanes } => {
                let (now, later) = numbers.split_at(numbers.len().min(*lanes as usize));
                line.push_str(&format.value(*scalar, *lanes, |lane| now.get(lane as usize).copied().unwrap_or(0)));
                numbers = later;
            }
        }
    }
    line
}

impl Message {
    /// Returns the text of the message for the numbers of a report and the dims of the launch.
    pub fn text(&self, values: &[i64], dims: &[i64]) -> String {
        match self {
            Message::Outside { name, tile, shape, has_rows } => {
                let mut shape: Vec<i64> = shape.iter().map(|extent| extent.eval(dims).unwrap_or(0)).collect();
                if let (true, Some(rows)) = (has_rows, values.get(shape.len()))
                    && let Some(extent) = shape.get_mut(1)
                {
                    *extent = *rows;
                }
                let index = &values[..values.len().min(shape.len())];
                format!("out of bounds: {}", fault::outside(name, index, tile, &shape))
            }
            Message::Misaligned { name, elem, bytes } => {
                let byte = values.first().map_or(0, |offset| offset * elem.bytes() as i64);
                format!("misaligned access: {}", fault::misaligned(name, byte, *bytes))
            }
            Message::Assert(message) => format!("assertion failed: {message}"),
            Message::Line(_) => "a printed line".to_owned(),
        }
    }
}
