//! Reads the project's own files, for the tests that look at them.

use std::fs;
use std::path::{Path, PathBuf};

/// Every folder with files of the project.
pub const FOLDERS: [&str; 12] = [
    "hidet-mapping",
    "hidet-macros",
    "hidet-core",
    "hidet-blocks",
    "hidet-ops",
    "hidet-onnx",
    "hidet-models",
    "src",
    "command",
    "examples",
    "tests",
    "benches",
];

/// Adds the files of a folder and of the folders in it whose names end in `.extension`.
pub fn sources(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, extension, found);
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
}

/// Where a comment, string or character at the beginning of `rest` ends, or `None` if `rest` begins with code.
pub fn end_of_text(rest: &str) -> Option<usize> {
    let until = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let escaped = |end: char| {
        // As if it were escaped, the quote that begins it does not end it.
        let mut escape = true;
        for (at, c) in rest.char_indices() {
            match c {
                _ if escape => escape = false,
                '\\' => escape = true,
                c if c == end => return at + 1,
                _ => {}
            }
        }
        rest.len()
    };
    let hashes = rest.strip_prefix('r').map_or(0, |rest| rest.len() - rest.trim_start_matches('#').len());
    let mut chars = rest.chars();
    match (chars.next()?, chars.next(), chars.next()) {
        ('/', Some('/'), _) => Some(until(0, "\n") - 1),
        ('/', Some('*'), _) => Some(until(2, "*/")),
        ('"', ..) => Some(escaped('"')),
        ('r', Some('"' | '#'), _) if rest[1 + hashes..].starts_with('"') => {
            Some(until(2 + hashes, &format!("\"{}", "#".repeat(hashes))))
        }
        // A lifetime has no end.
        ('\'', Some('\\'), _) | ('\'', Some(_), Some('\'')) => Some(escaped('\'')),
        _ => None,
    }
}

/// Splits a file of Rust into code and texts (comments, strings, characters), in order, each with its first line.
pub fn split(text: &str) -> Vec<(usize, &str, bool)> {
    let (mut parts, mut begin, mut at, mut line) = (Vec::new(), 0, 0, 1);
    while let Some(next) = text[at..].chars().next() {
        // `r` ends a name and begins no raw string after a letter.
        let name = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let Some(length) = end_of_text(&text[at..]).filter(|_| !(name && next == 'r')) else {
            at += next.len_utf8();
            continue;
        };
        for (from, to, is_text) in [(begin, at, false), (at, at + length, true)] {
            parts.push((line, &text[from..to], is_text));
            line += text[from..to].matches('\n').count();
        }
        at += length;
        begin = at;
    }
    parts.push((line, &text[begin..], false));
    parts
}
