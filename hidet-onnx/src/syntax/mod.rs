//! Models as text, in the textual syntax of ONNX (`onnx/docs/Syntax.md`): written and read back.
//!
//! What `onnx.printer.to_text` writes is read, and what is written here `onnx.parser.parse_model` reads. A text becomes the
//! messages of `proto`, so that it is checked as a binary file is. Fields that `proto` does not have are read and skipped
//! (producer, documentation, types of values in the middle), and not written. Every NaN is written as `nan` or `-nan`, and a text
//! attribute that is not UTF-8 with U+FFFD in the place of wrong bytes, as operators read it.
//!
//! Beyond the syntax, names of attributes, operators, parts of domains and nested graphs may be quoted, `undefined` is a type of
//! unknown elements, and `{..}` stands for elements that were left out, which is an error when it is read.

mod lexer;
mod of_graph;
mod parse;
mod print;
mod types;
mod values;

pub(crate) use of_graph::of_graph;
pub(crate) use parse::parse;
pub(crate) use print::print;

use std::path::Path;

/// Which constants of a model are written with their elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constants {
    /// Those of at most 64 elements. Others are written as `{..}`; a text with such is for people, and cannot be read back.
    Small,
    /// All.
    All,
}

/// The most elements of a constant that is always written.
const MOST_SMALL: usize = 64;

/// How deep graphs, or types, may be inside of each other.
const DEEPEST: usize = 32;

/// Words that begin a type that is not of tensors.
const TYPE_WORDS: [&str; 5] = ["seq", "map", "optional", "sparse_tensor", "opaque"];

/// The word for elements of an unknown type.
const UNDEFINED: &str = "undefined";

/// Kinds of attributes: their numbers in ONNX, their names in the syntax, and in messages.
const KINDS: [(i32, &str, &str); 14] = [
    (1, "float", "a float"),
    (2, "int", "an integer"),
    (3, "string", "a text"),
    (4, "tensor", "a tensor"),
    (5, "graph", "a graph"),
    (6, "floats", "a list of floats"),
    (7, "ints", "a list of integers"),
    (8, "strings", "a list of texts"),
    (9, "tensors", "a list of tensors"),
    (10, "graphs", "a list of graphs"),
    (11, "sparse_tensor", "a sparse tensor"),
    (12, "sparse_tensors", "a list of sparse tensors"),
    (13, "type_proto", "a type"),
    (14, "type_protos", "a list of types"),
];

/// Returns true if a file is a text by the ending of its name: `.onnxtxt`, `.onnxtext` or `.txt`.
pub(crate) fn is_text(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["onnxtxt", "onnxtext", "txt"].into_iter().any(|own| ending.eq_ignore_ascii_case(own))
}

/// Returns true if a name need not be quoted.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_part) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Returns true if a name is that of a float: infinite, or not a number.
fn is_float(text: &str) -> bool {
    ["inf", "infinity", "nan"].into_iter().any(|word| text.eq_ignore_ascii_case(word))
}
