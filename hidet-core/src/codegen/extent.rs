//! Extents as C++, of the dims among the kernel's parameters. Where a part of one may go beyond `int`, it is `long long`.

use super::expr::Expr;
use crate::passes::bounds::fits_i32;
use hidet_mapping::{Arith, IndexExpr};

/// Writes extents as C++.
struct TextArith<'a> {
    dims: &'a [String],
    long: bool,
}

/// The text of an extent; the names are those of the dims.
pub fn text(extent: &IndexExpr, dims: &[String]) -> Expr {
    extent.emit(&mut TextArith { dims, long: !fits_i32(extent) })
}

impl TextArith<'_> {
    fn infix(a: &Expr, operator: &str, b: &Expr) -> Expr {
        Expr { text: format!("{} {operator} {}", a.within(0), b.within(0)), level: 5 }
    }
}

impl Arith for TextArith<'_> {
    type Int = Expr;

    fn constant(&mut self, value: i64) -> Expr {
        Expr::atom(if self.long { format!("{value}ll") } else { value.to_string() })
    }
    fn symbol(&mut self, symbol: u32) -> Expr {
        // An unknown symbol does not compile.
        let name = self.dims.get(symbol as usize).cloned().unwrap_or_else(|| format!("unknown_dim_{symbol}"));
        Expr::atom(if self.long { format!("(long long){name}") } else { name })
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
