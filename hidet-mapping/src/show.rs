//! Prints mappings as they are written: `repeat([4, 1]) * spatial([32, 8])`.

use crate::mapping::{Atom, AtomKind, TaskMapping, Unroll, column_ranks, row_ranks};
use std::fmt;

impl<const R: usize> fmt::Display for TaskMapping<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = self.fault {
            return write!(f, "invalid mapping: {fault}");
        }
        if self.len == 0 {
            return write!(f, "spatial({:?})", [1; R]);
        }
        for (k, atom) in self.atoms().iter().enumerate() {
            if k > 0 {
                f.write_str(" * ")?;
            }
            atom.fmt(f)?;
        }
        Ok(())
    }
}

impl<const R: usize> fmt::Display for Atom<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = |f: &mut fmt::Formatter<'_>, name: &str, ranks: &[u8; R]| {
            if *ranks == row_ranks() {
                write!(f, "{name}({:?})", self.shape)
            } else if *ranks == column_ranks() {
                write!(f, "col_{name}({:?})", self.shape)
            } else {
                write!(f, "{name}({:?}).ranks({ranks:?})", self.shape)
            }
        };
        match &self.kind {
            AtomKind::Spatial { ranks } => order(f, "spatial", ranks)?,
            AtomKind::Repeat { ranks, unroll } => {
                order(f, "repeat", ranks)?;
                if unroll.iter().any(Option::is_some) {
                    // An axis without an attribute of its own shows its default.
                    let items: Vec<String> = (0..R).map(|axis| self.unroll(axis).to_string()).collect();
                    write!(f, ".attrs(\"{}\")", items.join(" "))?;
                }
            }
            AtomKind::Custom(function) => {
                write!(f, "custom(workers = {}, tasks = {:?})", function.workers, self.shape)?;
            }
        }
        let projected: Vec<usize> = (0..R).filter(|axis| self.projected[*axis]).collect();
        if projected.is_empty() { Ok(()) } else { write!(f, ".project({projected:?})") }
    }
}

impl fmt::Display for Unroll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unroll::Default => f.write_str("."),
            Unroll::Full => f.write_str("u"),
            Unroll::By(factor) => write!(f, "u{factor}"),
            Unroll::Explicit => f.write_str("u+"),
        }
    }
}
