//! Prints layouts as they are written: `row([2, 8]).swizzle(1, 0, 0) * row([1, 8])`.

use super::Layout;
use hidet_mapping::IndexExpr;
use std::fmt;

struct List<'a>(&'a [IndexExpr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        f.write_str("]")
    }
}

/// Precedences: `+`, `*`, then method calls.
const SUM: u8 = 0;
const PRODUCT: u8 = 1;
const CALL: u8 = 2;

impl Layout {
    fn show(&self, f: &mut fmt::Formatter<'_>, around: u8) -> fmt::Result {
        let (own, sign) = match self {
            Layout::Concat(..) => (SUM, " + "),
            Layout::Compose(..) => (PRODUCT, " * "),
            _ => (CALL, ""),
        };
        match self {
            Layout::Strided { shape, .. } if *self == Layout::row_major(shape) => write!(f, "row({})", List(shape)),
            Layout::Strided { shape, .. } if *self == Layout::column_major(shape) => write!(f, "col({})", List(shape)),
            Layout::Strided { shape, strides } => write!(f, "strided({}, {})", List(shape), List(strides)),
            Layout::Local { shape } => write!(f, "local({})", List(shape)),
            Layout::Concat(outer, inner) | Layout::Compose(outer, inner) => {
                if own < around {
                    f.write_str("(")?;
                }
                outer.show(f, own)?;
                f.write_str(sign)?;
                inner.show(f, own + 1)?;
                if own < around { f.write_str(")") } else { Ok(()) }
            }
            Layout::Swizzle { base, axis, by, log_step } => {
                base.show(f, CALL)?;
                write!(f, ".swizzle({axis}, {by}, {log_step})")
            }
            Layout::Permute { base, order } => {
                base.show(f, CALL)?;
                write!(f, ".permute({order:?})")
            }
            Layout::Reshape { base, shape } => {
                base.show(f, CALL)?;
                write!(f, ".reshape({})", List(shape))
            }
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, SUM)
    }
}
