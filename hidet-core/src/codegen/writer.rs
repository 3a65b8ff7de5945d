//! A writer of indented lines, each with its position in the Rust source.

use crate::ir::Span;

/// The text under construction.
#[derive(Default)]
pub struct Writer {
    /// The lines so far.
    pub text: String,
    /// The position of each line.
    pub spans: Vec<Span>,
    indent: usize,
    span: Span,
}

impl Writer {
    /// Sets the position of the following lines.
    pub fn at(&mut self, span: Span) {
        self.span = span;
    }

    /// Writes a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.indent {
            self.text += "    ";
        }
        self.raw(line.as_ref());
    }

    /// Writes a line at the left margin.
    pub fn raw(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
        self.spans.push(self.span);
    }

    /// Writes a line that opens a block.
    pub fn open(&mut self, line: impl AsRef<str>) {
        self.line(line);
        self.indent += 1;
    }

    /// Opens a block whose opening line has been written.
    pub fn open_again(&mut self) {
        self.indent += 1;
    }

    /// Writes a line that closes a block.
    pub fn close(&mut self, line: impl AsRef<str>) {
        self.indent = self.indent.saturating_sub(1);
        self.line(line);
    }
}
