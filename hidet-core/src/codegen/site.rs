//! Places where a kernel may report something, and the words for it.

use crate::ir::{Format, Span, fault};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

/// How many numbers a report holds: the axes that an index may have.
pub const VALUES: usize = 16;

/// How many words of 64 bits the log of printed lines holds: 1 MiB.
pub const LOG: usize = 1 << 17;

/// Words before the numbers of a line in the log: its site and their number, and the block.
pub const LINE: usize = 2;

/// A place where a kernel may report.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// What is wrong when it is reported.
    pub message: Message,
    /// Where, in the Rust source.
    pub span: Span,
}

/// What a kernel reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A tile outside of a shape; the report holds the index.
    Outside {
        /// The name of the buffer.
        name: String,
        /// Elements from the index on, an axis.
        tile: Vec<u32>,
        /// Formulas of the dims.
        shape: Vec<IndexExpr>,
    },
    /// An element at no multiple of so many bytes; the report holds its offset.
    Misaligned {
        /// The name of the buffer.
        name: String,
        /// Its elements.
        elem: Scalar,
        /// The alignment.
        bytes: u32,
    },
    /// A condition that did not hold.
    Assert(String),
    /// A line to print; the log holds its numbers.
    Line(Vec<Piece>),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// So many numbers of the log.
    Value {
        /// How they look.
        format: Format,
        /// Their type.
        scalar: Scalar,
        /// More than one for a vector.
        lanes: u32,
    },
}

/// A line, with its numbers from the log.
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
    /// What it says of the numbers of a report, with these dims.
    pub fn text(&self, values: &[i64], dims: &[i64]) -> String {
        match self {
            Message::Outside { name, tile, shape } => {
                let shape: Vec<i64> = shape.iter().map(|extent| extent.eval(dims).unwrap_or(0)).collect();
                let index = &values[..values.len().min(shape.len())];
                format!("out of bounds: {}", fault::outside(name, index, tile, &shape))
            }
            Message::Misaligned { name, elem, bytes } => {
                let byte = values.first().map_or(0, |offset| offset * elem.bytes() as i64);
                format!("misaligned access: {}", fault::misaligned(name, byte, *bytes))
            }
            Message::Assert(message) => format!("assertion failed: {message}"),
            Message::Line(_) => "a line that was printed".to_owned(),
        }
    }
}
