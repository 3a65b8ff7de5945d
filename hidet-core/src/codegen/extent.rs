//! Extents as C++, of the dims among the kernel's parameters.

use super::expr::Expr;
use hidet_mapping::Arith;

/// Writes extents as C++.
pub struct TextArith<'a> {
    /// The names of the dims.
    pub dims: &'a [String],
}

impl TextArith<'_> {
    fn infix(a: &Expr, operator: &str, b: &Expr) -> Expr {
        Expr { text: format!("{} {operator} {}", a.within(0), b.within(0)), level: 5 }
    }
}

impl Arith for TextArith<'_> {
    type Int = Expr;

    fn constant(&mut self, value: i64) -> Expr {
        Expr::atom(value.to_string())
    }
    fn symbol(&mut self, symbol: u32) -> Expr {
        // An unknown symbol does not compile.
        Expr::atom(self.dims.get(symbol as usize).cloned().unwrap_or_else(|| format!("unknown_dim_{symbol}")))
    }
    fn add(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "+", b)
    }
    fn sub(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "-", b)
    }
    fn mul(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "*", b)
    }
    fn div(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "/", b)
    }
    fn rem(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "%", b)
    }
    fn xor(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "^", b)
    }
    fn and(&mut self, a: &Expr, b: &Expr) -> Expr {
        Self::infix(a, "&", b)
    }
    fn min(&mut self, a: &Expr, b: &Expr) -> Expr {
        Expr::atom(format!("min({}, {})", a.text, b.text))
    }
    fn max(&mut self, a: &Expr, b: &Expr) -> Expr {
        Expr::atom(format!("max({}, {})", a.text, b.text))
    }
}
