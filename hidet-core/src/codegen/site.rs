//! Places where a kernel may report something, and the words for it.

use crate::ir::{Span, fault};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

/// How many numbers a report holds: the axes that an index may have.
pub const VALUES: usize = 16;

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
        }
    }
}
