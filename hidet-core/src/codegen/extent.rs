//! Extents as C++ expressions of the dims among the kernel's parameters. If a part of an extent may exceed `int`, it is
//! computed as `long long`.

use super::expr::CppExpr;
use crate::passes::bounds::fits_i32;
use hidet_mapping::{Arith, IndexExpr};

/// Writes extents as C++.
struct TextArith<'a> {
    dims: &'a [String],
    long: bool,
}

/// Returns the text of an extent; `dims` are the names of the dims.
pub fn text(extent: &IndexExpr, dims: &[String]) -> CppExpr {
    extent.emit(&mut TextArith { dims, long: !fits_i32(extent) })
}

impl TextArith<'_> {
    fn infix(a: &CppExpr, operator: &str, b: &CppExpr) -> CppExpr {
        CppExpr { text: format!("{} {operator} {}", a.within(0), b.within(0)), level: 5 }
    }
}

impl Arith for TextArith<'_> {
    type Int = CppExpr;

    fn constant(&mut self, value: i64) -> CppExpr {
        CppExpr::atom(if self.long { format!("{value}ll") } else { value.to_string() })
    }
    fn symbol(&mut self, symbol: u32) -> CppExpr {
        // An unknown symbol makes the text fail to compile.
        let name = self.dims.get(symbol as usize).cloned().unwrap_or_else(|| format!("unknown_dim_{symbol}"));
        CppExpr::atom(if self.long { format!("(long long){name}") } else { name })
    }
    fn add(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "+", b)
    }
    fn sub(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "-", b)
    }
    fn mul(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "*", b)
    }
    fn div(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "/", b)
    }
    fn rem(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "%", b)
    }
    fn xor(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "^", b)
    }
    fn and(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        Self::infix(a, "&", b)
    }
    fn min(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        CppExpr::atom(format!("min({}, {})", a.text, b.text))
    }
    fn max(&mut self, a: &CppExpr, b: &CppExpr) -> CppExpr {
        CppExpr::atom(format!("max({}, {})", a.text, b.text))
    }
}
