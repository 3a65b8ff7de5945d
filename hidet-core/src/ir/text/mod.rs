//! The text form of a function, used in tests and shown by `hidet inspect`.
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
//! - Every handle has a sigil: values `%`, variables `$`, buffers `@`, loops `'`, tensor maps `#`; symbolic extents
//!   have none. A name that is not an identifier is quoted: `%"2nd try"`. If several items have the same name, the
//!   later ones carry a number, `%i.1`; an item without a name is a number alone, `%3`.
//! - The type of a value is written at its definition only. A value may be mentioned before its definition, so that the
//!   verifier can be tested with such a function.
//! - Line breaks and indentation are not significant. `%` as remainder must be followed by a space.
//! - Constants are exact: the shortest decimal that reads back to the same bits, else the bits in hexadecimal.
//! - Spans, if printed, follow the statement (before `{` of a block): `!file:line:column`, where the file is an index
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

/// Prints a function, without source positions.
pub fn print(function: &Function) -> String {
    print::print(function, false)
}

/// Prints a function with the source position of every statement.
pub fn print_with_spans(function: &Function) -> String {
    print::print(function, true)
}

/// Parses a function. The text contains exactly one; only what the text form needs is verified.
pub fn parse(text: &str) -> Result<Function> {
    parse::parse(text, None)
}

/// Parses a text of [`print()`] or [`print_with_spans`] up to its first statement: the function without its statements.
pub fn parse_head(text: &str) -> Result<Function> {
    const DECLARATIONS: [&str; 4] = ["  global ", "  shared ", "  register ", "  map "];
    let begin = text.find("\n{\n").map_or(text.len(), |at| at + 3);
    let declared = text[begin..].split_inclusive('\n');
    let declared = declared.take_while(|line| DECLARATIONS.iter().any(|declaration| line.starts_with(declaration)));
    let end = begin + declared.map(str::len).sum::<usize>();
    parse(&format!("{}}}\n", &text[..end]))
}

/// Same as [`parse`], for a text from the file `file`: a statement without a source position gets its own line there,
/// so that problems and faults can be shown in the text.
pub fn parse_file(text: &str, file: &str) -> Result<Function> {
    parse::parse(text, Some(file))
}

/// Prints a constant so that it reads back to the same bits.
pub fn print_constant(constant: Const) -> String {
    constant::print(constant)
}

/// Parses a constant of that type; returns `None` if the text is not a value of the type.
pub fn parse_constant(scalar: Scalar, text: &str) -> Option<Const> {
    constant::read(scalar, text)
}

/// Returns the error for a text that cannot be parsed.
fn error(line: u32, message: impl Into<String>) -> crate::Error {
    crate::Error::Parse { line: line as usize, message: message.into() }
}

/// The maximum nesting depth of blocks and formulas in a text.
const MAX_DEPTH: u32 = 200;

/// The maximum number of operations of a formula or a layout in a text.
const MAX_NODES: u32 = 500;

#[cfg(test)]
mod tests;
