//! Kernels of which a launch needs the head alone.

use crate::error::Result;
use crate::ir::{Function, text};
use std::sync::OnceLock;

/// A kernel. One that was read from an image is a text, of which only the head is parsed until someone asks for its
/// statements: a launch of machine code needs none.
#[derive(Clone, Debug)]
pub(super) struct LazyFunction {
    /// The kernel; without its statements, if there is a text.
    head: Function,
    text: Option<String>,
    whole: OnceLock<Function>,
}

impl From<Function> for LazyFunction {
    fn from(function: Function) -> Self {
        LazyFunction { head: function, text: None, whole: OnceLock::new() }
    }
}

impl LazyFunction {
    /// Takes the text of a compacted kernel with source positions, and parses its head.
    pub(super) fn from_text(text: String) -> Result<Self> {
        Ok(LazyFunction { head: text::parse_head(&text)?, text: Some(text), whole: OnceLock::new() })
    }

    /// Returns the kernel, perhaps without its statements, and the values and variables that these define. Handles of
    /// parameters, extents, buffers and tensor maps are those of the whole one.
    pub(super) fn head(&self) -> &Function {
        &self.head
    }

    /// Returns the whole kernel. If the text cannot be parsed, which a checksum rules out, the head.
    pub(super) fn whole(&self) -> &Function {
        match self.text {
            None => &self.head,
            Some(_) => self.whole.get_or_init(|| self.parsed().unwrap_or_else(|_| self.head.clone())),
        }
    }

    /// Returns the whole kernel, or an error if the text cannot be parsed.
    pub(super) fn parsed(&self) -> Result<Function> {
        let Some(text) = &self.text else { return Ok(self.head.clone()) };
        let mut function = text::parse(text)?;
        function.compact();
        Ok(function)
    }

    /// Returns the text with source positions.
    pub(super) fn text(&self) -> String {
        self.text.clone().unwrap_or_else(|| text::print_with_spans(&self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::{strided_program, tables_program, tma_program};

    #[test]
    fn the_head_has_the_handles_of_the_whole() {
        let programs =
            (0..40).flat_map(|seed| [Some(strided_program(seed)), Some(tables_program(seed)), tma_program(seed).ok()]);
        let mut maps = 0;
        for mut function in programs.flatten().flat_map(|program| program.kernels) {
            function.compact();
            let lazy = LazyFunction::from_text(text::print_with_spans(&function)).unwrap();
            let (head, whole) = (lazy.head(), lazy.whole());
            assert_eq!(text::print_with_spans(whole), text::print_with_spans(&function));
            assert!(head.stmts.is_empty() && !whole.stmts.is_empty());
            for other in [whole, &function] {
                assert_eq!(format!("{:?}", head.params), format!("{:?}", other.params));
                assert_eq!(format!("{:?}", head.dims), format!("{:?}", other.dims));
                assert_eq!(format!("{:?}", head.buffers), format!("{:?}", other.buffers));
                assert_eq!(format!("{:?}", head.maps), format!("{:?}", other.maps));
                assert_eq!(format!("{:?}", head.launch), format!("{:?}", other.launch));
                assert_eq!(format!("{:?}", head.constraints), format!("{:?}", other.constraints));
                assert_eq!((&head.name, &head.files), (&other.name, &other.files));
            }
            maps += head.maps.len();
        }
        assert!(maps > 20, "{maps} tensor maps");
    }
}
