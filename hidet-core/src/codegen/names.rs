//! Names in the CUDA text, which cannot clash.
//!
//! The text contains three kinds of names. Each kind has a form of its own, so that a name of one kind can never equal
//! one of another, whatever a user writes and whatever CUDA or the prelude define in the future:
//!
//! - *The source's*: kernels, parameters, extents, values, variables, memory, labels. They begin with a letter and end
//!   in one `_`, with letters, digits and single `_` in between: `row` is `row_`, a second `row` is `row_2_`.
//! - *The generator's*: one of the [`NameKind`]s, with a number if there are several: `v`, `v_2`.
//! - *Of C++, CUDA, NVRTC and the prelude*: keywords, macros, types, functions, variables. None ends in `_`, except for
//!   names that begin with `_` or contain `__`, which C++ reserves and which names of the source never do here. The
//!   prelude and the words belong to this crate; tests compare them.
//!
//! A suffix is easier to read than a prefix: profilers list `softmax_` beside `softmax` of other libraries, and the
//! text resembles code that marks members with `_`. PTX and the driver only take ASCII, so other letters are written by
//! their code point: `größe` is `gru00f6u00dfe_`. Messages always use the source's name.

use std::collections::{HashMap, HashSet};

/// The kinds of names that the generator makes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    Value,
    Variable,
    Counter,
    Tensor,
    Scalar,
    Extent,
    Map,
    Report,
    GridBarrier,
    Shared,
    Tile,
    Fragment,
    Bytes,
    Next,
    End,
    More,
    Kernel,
}

impl NameKind {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [NameKind; 17] = [
        NameKind::Value,
        NameKind::Variable,
        NameKind::Counter,
        NameKind::Tensor,
        NameKind::Scalar,
        NameKind::Extent,
        NameKind::Map,
        NameKind::Report,
        NameKind::GridBarrier,
        NameKind::Shared,
        NameKind::Tile,
        NameKind::Fragment,
        NameKind::Bytes,
        NameKind::Next,
        NameKind::End,
        NameKind::More,
        NameKind::Kernel,
    ];

    /// Returns the word itself.
    pub fn text(self) -> &'static str {
        match self {
            NameKind::Value => "v",
            NameKind::Variable => "t",
            NameKind::Counter => "i",
            NameKind::Tensor => "tensor",
            NameKind::Scalar => "scalar",
            NameKind::Extent => "dim",
            NameKind::Map => "map",
            NameKind::Report => "report",
            NameKind::GridBarrier => "grid_barrier",
            NameKind::Shared => "shared",
            NameKind::Tile => "tile",
            NameKind::Fragment => "frag",
            NameKind::Bytes => "bytes",
            NameKind::Next => "next",
            NameKind::End => "end",
            NameKind::More => "more",
            NameKind::Kernel => "kernel",
        }
    }
}

/// Assigns unique names.
#[derive(Default)]
pub struct Names {
    used: HashSet<String>,
    next: HashMap<String, u32>,
}

impl Names {
    /// Returns a name for an item of the source, or one from the generator's word if `name` has no letter or digit.
    pub fn source(&mut self, name: &str, word: NameKind) -> String {
        let base = plain(name);
        if base.is_empty() { self.own(word) } else { self.unique(base, "_") }
    }

    /// Returns a name for an item that the source does not name.
    pub fn own(&mut self, word: NameKind) -> String {
        self.unique(word.text().to_owned(), "")
    }

    fn unique(&mut self, base: String, suffix: &str) -> String {
        let mut name = format!("{base}{suffix}");
        let next = self.next.entry(name.clone()).or_insert(2);
        while self.used.contains(&name) {
            name = format!("{base}_{next}{suffix}");
            *next += 1;
        }
        self.used.insert(name.clone());
        name
    }
}

/// Reduces a name to letters, digits and single `_` between them, with a letter in front; empty if it has no letter or
/// digit.
fn plain(name: &str) -> String {
    let mut base = String::new();
    for c in name.chars() {
        match c {
            _ if c.is_ascii_alphanumeric() => base.push(c),
            _ if !c.is_ascii() => base += &format!("u{:04x}", u32::from(c)),
            _ if base.is_empty() || base.ends_with('_') => {}
            _ => base.push('_'),
        }
    }
    base.truncate(base.trim_end_matches('_').len());
    if base.starts_with(|first: char| first.is_ascii_digit()) {
        base.insert(0, 'n');
    }
    base
}

#[cfg(test)]
mod tests {
    use super::super::prelude;
    use super::*;
    use NameKind::{Kernel, Value};

    /// Returns true if a name has the form of the source's names.
    fn is_source(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.ends_with('_')
            && !name.contains("__")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    /// Returns true if a name has the form of the generator's names.
    fn is_own(name: &str) -> bool {
        NameKind::ALL.iter().any(|word| match name.strip_prefix(word.text()) {
            Some("") => true,
            Some(rest) => rest.strip_prefix('_').is_some_and(|digits| digits.parse::<u32>().is_ok()),
            None => false,
        })
    }

    #[test]
    fn names_are_unique_and_readable() {
        let mut names = Names::default();
        assert_eq!(names.source("row", Value), "row_");
        assert_eq!(names.source("row", Value), "row_2_");
        assert_eq!(names.source("row_2", Value), "row_2_2_");
        assert_eq!(names.source("", Value), "v");
        assert_eq!(names.source("_", Value), "v_2");
        assert_eq!(names.source("v", Value), "v_");
        assert_eq!(names.source("_x", Value), "x_");
        assert_eq!(names.source("a__b_", Value), "a_b_");
        assert_eq!(names.source("2nd try", Value), "n2nd_try_");
        assert_eq!(names.source("größe", Value), "gru00f6u00dfe_");
        assert_eq!(names.source("__CUDA_ARCH__", Value), "CUDA_ARCH_");
        assert_eq!(names.source("__", Kernel), "kernel");
    }

    #[test]
    fn every_name_of_the_source_has_the_form_that_no_other_name_has() {
        let mut names = Names::default();
        let mut seen = HashSet::new();
        let odd =
            ["_", "__", "1", "a", "_a_", "a__", "v", "v_2", "hidet_", "hidet_fault", "é", "日本", "a b", "-", "u00e9"];
        for _ in 0..3 {
            for name in odd.into_iter().chain(prelude::names()).chain(NameKind::ALL.map(NameKind::text)) {
                let given = names.source(name, Value);
                assert!(is_source(&given) != is_own(&given), "{name:?} is {given}");
                assert!(is_source(&given) || !name.contains(char::is_alphanumeric), "{name:?} is {given}");
                assert!(seen.insert(given.clone()), "{given} is given twice");
            }
        }
        for word in NameKind::ALL.iter().cycle().take(3 * NameKind::ALL.len()) {
            let given = names.own(*word);
            assert!(is_own(&given) && !is_source(&given), "{given}");
            assert!(seen.insert(given.clone()), "{given} is given twice");
        }
    }

    #[test]
    fn the_prelude_defines_no_name_of_the_source_or_the_generator() {
        // Fixed names in kernels count as those of the prelude.
        let fixed = ["hidet_value", "hidet_barriers"];
        let clash = |name: &&str| is_source(name) || is_own(name);
        assert_eq!(prelude::names().chain(fixed).find(clash), None);
        assert!(fixed.iter().all(|name| prelude::names().all(|defined| defined != *name)));
    }
}
