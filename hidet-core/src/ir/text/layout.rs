//! Layouts as text: `row[32, 33]`, `strided([4, 4], [1, 4])`, `local[8] * row[4]`, `swizzle(.., axis 1, by 0, step 0)`.

use super::lex::Token;
use super::parse::Parser;
use super::{MAX_DEPTH, MAX_NODES, error};
use crate::Result;
use crate::layout::Layout;
use hidet_mapping::IndexExpr;

/// Returns the row-major strides of a shape.
fn row_strides(shape: &[IndexExpr]) -> Vec<IndexExpr> {
    let mut strides = vec![IndexExpr::Const(1); shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = &shape[axis] * &strides[axis];
    }
    strides
}

/// Returns the row-major layout, which the text form omits.
pub(super) fn row(shape: &[IndexExpr]) -> Layout {
    Layout::Strided { shape: shape.to_vec(), strides: row_strides(shape) }
}

/// Prints `[a, b]`.
pub(super) fn print_shape(shape: &[IndexExpr], symbol: &dyn Fn(u32) -> String) -> String {
    let extents: Vec<String> = shape.iter().map(|extent| extent.text(symbol)).collect();
    format!("[{}]", extents.join(", "))
}

/// Prints a layout.
pub(super) fn print(layout: &Layout, symbol: &dyn Fn(u32) -> String) -> String {
    print_within(layout, symbol, 0)
}

fn print_within(layout: &Layout, symbol: &dyn Fn(u32) -> String, least: u8) -> String {
    let (own, text) = match layout {
        Layout::Strided { shape, strides } if *strides == row_strides(shape) => {
            (2, format!("row{}", print_shape(shape, symbol)))
        }
        Layout::Strided { shape, strides } => {
            (2, format!("strided({}, {})", print_shape(shape, symbol), print_shape(strides, symbol)))
        }
        Layout::Local { shape } => (2, format!("local{}", print_shape(shape, symbol))),
        Layout::Compose(a, b) => (1, format!("{} * {}", print_within(a, symbol, 1), print_within(b, symbol, 2))),
        Layout::Concat(a, b) => (0, format!("{} + {}", print_within(a, symbol, 0), print_within(b, symbol, 1))),
        Layout::Swizzle { base, axis, by, log_step } => {
            (2, format!("swizzle({}, axis {axis}, by {by}, step {log_step})", print(base, symbol)))
        }
        Layout::Permute { base, order } => (2, format!("permute({}, {order:?})", print(base, symbol))),
        Layout::Reshape { base, shape } => {
            (2, format!("reshape({}, {})", print(base, symbol), print_shape(shape, symbol)))
        }
    };
    if own < least { format!("({text})") } else { text }
}

impl<'s> Parser<'s> {
    /// Parses `[a, b]`.
    pub(super) fn shape(&mut self) -> Result<Vec<IndexExpr>> {
        self.list("[", "]", |parser| parser.dim_formula())
    }

    /// Parses a layout.
    pub(super) fn layout(&mut self) -> Result<Layout> {
        // Formulas count their own operations, so those of the layout are counted separately.
        self.layout_nodes = 0;
        self.layout_sum(0)
    }

    fn layout_sum(&mut self, depth: u32) -> Result<Layout> {
        let mut left = self.layout_product(depth)?;
        while *self.peek() == Token::Sign("+") {
            self.next();
            left = Layout::Concat(Box::new(left), Box::new(self.layout_product(depth)?));
        }
        Ok(left)
    }

    fn layout_product(&mut self, depth: u32) -> Result<Layout> {
        let mut left = self.layout_atom(depth)?;
        while *self.peek() == Token::Sign("*") {
            self.next();
            left = Layout::Compose(Box::new(left), Box::new(self.layout_atom(depth)?));
        }
        Ok(left)
    }

    fn layout_atom(&mut self, depth: u32) -> Result<Layout> {
        self.layout_nodes += 1;
        if depth > MAX_DEPTH || self.layout_nodes > MAX_NODES {
            return Err(error(self.line(), "the layout is nested too deep"));
        }
        let depth = depth + 1;
        if *self.peek() == Token::Sign("(") {
            self.next();
            let inner = self.layout_sum(depth)?;
            self.sign(")")?;
            return Ok(inner);
        }
        let expected = "a layout: `row`, `strided`, `local`, `swizzle`, `permute`, `reshape` or `(`";
        let Token::Word(word) = *self.peek() else { return Err(self.expected(expected)) };
        if !["row", "strided", "local", "swizzle", "permute", "reshape"].contains(&word) {
            return Err(self.expected(expected));
        }
        self.next();
        match word {
            "row" => return Ok(row(&self.shape()?)),
            "local" => return Ok(Layout::Local { shape: self.shape()? }),
            _ => {}
        }
        self.sign("(")?;
        let layout = if word == "strided" {
            let shape = self.shape()?;
            self.sign(",")?;
            Layout::Strided { shape, strides: self.shape()? }
        } else {
            let base = Box::new(self.layout_sum(depth)?);
            self.sign(",")?;
            match word {
                "swizzle" => {
                    self.word("axis")?;
                    let axis = self.number("an axis")?;
                    self.sign(",")?;
                    self.word("by")?;
                    let by = self.number("an axis")?;
                    self.sign(",")?;
                    self.word("step")?;
                    Layout::Swizzle { base, axis, by, log_step: self.number("a number")? }
                }
                "permute" => Layout::Permute { base, order: self.list("[", "]", |p| p.number("an axis"))? },
                _ => Layout::Reshape { base, shape: self.shape()? },
            }
        };
        self.sign(")")?;
        Ok(layout)
    }
}
