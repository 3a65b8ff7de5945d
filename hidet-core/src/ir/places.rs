//! Source positions separated from the function: what is derived from the function alone can be shared by all functions
//! that differ only in positions, and each maps it back to its own lines.

use super::arena::{Handle, SecondaryMap};
use super::function::{Function, Span};
use super::stmt::StmtId;

/// The positions of the statements of a compact function, indexed by their number.
#[derive(Clone, Debug, Default)]
pub struct Places {
    spans: Vec<Span>,
    /// The source files that the spans index.
    pub files: Vec<String>,
}

impl Places {
    /// Returns the position of the statement that a span of [`Function::without_places`] names, or an unknown one.
    pub fn resolve(&self, number: Span) -> Span {
        let statement = (number.line as usize).checked_sub(1).and_then(|index| self.spans.get(index));
        statement.copied().unwrap_or_default()
    }
}

impl Function {
    /// Returns the compact function in which the line of each statement is its number, counted from 1, and the
    /// positions. Passes and printers pass these numbers on as they pass on positions.
    pub fn without_places(&self) -> (Function, Places) {
        let mut function = self.compacted();
        let spans = function.stmts.handles().map(|id| function.spans[id]).collect();
        let places = Places { spans, files: std::mem::take(&mut function.files) };
        let mut numbers = SecondaryMap::<StmtId, Span>::new();
        for id in function.stmts.handles() {
            numbers[id] = Span { file: 0, line: id.index() as u32 + 1, column: 0 };
        }
        function.spans = numbers;
        function.place = Span::default();
        (function, places)
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{Span, text};

    #[test]
    fn numbers_lead_back_to_positions() {
        let text = "kernel k(@y: out i32[4])\ngrid (1, 1, 1)\nblock (4, 1, 1)\n{\n  %t: i32 = thread\n\n  store @y[%t] = %t\n}";
        let function = text::parse_file(text, "k.hir").unwrap();
        let (plain, places) = function.without_places();
        let mut lines = Vec::new();
        plain.each_stmt(&mut |id, _| lines.push(places.resolve(plain.spans[id]).line));
        assert_eq!(lines, [5, 7]);
        assert_eq!(places.resolve(Span::default()), Span::default());
        assert_eq!(places.resolve(Span { line: 99, ..Span::default() }), Span::default());
        let moved = text::parse_file(&format!("\n\n{text}"), "other.hir").unwrap();
        let again = moved.without_places().0;
        assert_eq!(text::print_with_spans(&plain), text::print_with_spans(&again));
    }
}
