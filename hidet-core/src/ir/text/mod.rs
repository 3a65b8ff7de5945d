//! The text form of a function: what tests are written in and what `hidet inspect` shows.
//!
//! ```text
//! ; A comment runs to the end of the line.
//! kernel scale<rows, cols>(@x: in f32[rows, cols], @y: out f32[rows, cols] align 16, %factor: f32)
//! grid ((rows + 3) / 4, 1, 1)
//! block (128, 1, 1)
//! where cols multiple_of 4 "the last extent must be a multiple of 4"
//! {
//!   shared @tile: f32[32, 32] layout swizzle(row[32, 32], axis 1, by 0, step 0) align 16
//!   register @acc: f32[4]
//!   %lane: i32 = lane
//!   %row: i32 = block.x
//!   var $sum: f32 = %factor
//!   'k: for %k: i32 in %lane..%cols step %step unroll full {
//!     %v: f32x4 = load @x[%row, %k]
//!     %p: bool = lt %k, %row
//!     if %p { break 'k } else { continue 'k }
//!   }
//!   'tasks: for (%i: i32, %j: i32) in repeat[4, 1] * spatial[32, 8] on %lane {
//!     store.guard @y[%i, %j] = %factor
//!   }
//!   call sync.threads()
//!   return
//! }
//! ```
//!
//! - Every handle has a sigil: values `%`, variables `$`, buffers `@`, loops `'`, tensor maps `#`; symbolic extents have
//!   none. A name that is no identifier stands in quotes: `%"2nd try"`. Of several items of one name the later ones
//!   carry a number, `%i.1`; what has no name is a number alone, `%3`.
//! - The type of a value stands where it is defined, nowhere else. A value may be mentioned before its definition, so
//!   that the verifier can be shown such a function.
//! - Line breaks and indentation mean nothing. `%` as remainder needs a space after it.
//! - Constants are exact: the shortest decimal that reads back to the same bits, else the bits in hexadecimal.
//! - Spans, where printed, follow the statement (before `{` of a block): `!file:line:column`, with the file a number
//!   into the header's `files`.
//!
//! Printing starts from the compact form ([`Function::compact`]), so equal text means equal functions, and
//! `print(parse(print(f))) == print(f)`.

mod constant;
mod index;
mod layout;
mod lex;
mod names;
mod parse;
mod print;

use super::Function;
use crate::Result;
use crate::types::{Const, Scalar};

/// The text of a function, without source positions.
pub fn print(function: &Function) -> String {
    print::print(function, false)
}

/// The text of a function with the source position of every statement.
pub fn print_with_spans(function: &Function) -> String {
    print::print(function, true)
}

/// The function of that text. The text holds one function; nothing is verified that the text form does not need.
pub fn parse(text: &str) -> Result<Function> {
    parse::parse(text, None)
}

/// As [`parse`], for a text with the name `file`: a statement without a source position gets its own line there, so that
/// problems and faults can be shown in the text.
pub fn parse_file(text: &str, file: &str) -> Result<Function> {
    parse::parse(text, Some(file))
}

/// The text of a constant, which reads back to the same bits.
pub fn print_constant(constant: Const) -> String {
    constant::print(constant)
}

/// The constant of that type and text; `None` where the text is no number of that type.
pub fn parse_constant(scalar: Scalar, text: &str) -> Option<Const> {
    constant::read(scalar, text)
}

/// The error of a text that cannot be read.
fn error(line: u32, message: impl Into<String>) -> crate::Error {
    crate::Error::Parse { line: line as usize, message: message.into() }
}

/// How deep blocks and formulas may be nested in a text.
const MAX_DEPTH: u32 = 200;

/// How many operations a formula or a layout may have in a text.
const MAX_NODES: u32 = 500;

#[cfg(test)]
mod tests;
