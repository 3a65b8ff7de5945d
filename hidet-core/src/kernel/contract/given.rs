//! The tensors that a launch is given: plain arguments, and the entries of tables.

use super::Contract;
use crate::device::RawTensor;
use crate::error::Result;
use crate::ir::{Access, Buffer, LARGEST_EXTENT};
use hidet_mapping::IndexExpr;
use std::fmt;

/// A tensor for a parameter, or for an entry of one that is a table.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub buffer: &'a Buffer,
    pub access: Access,
    pub tensor: &'a RawTensor,
    /// The number of the entry, and how many there are.
    pub entry: Option<(usize, usize)>,
}

impl fmt::Display for Given<'_> {
    /// "argument `x`", or "entry 3 of argument `x`".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((entry, _)) = self.entry {
            write!(f, "entry {entry} of ")?;
        }
        write!(f, "argument `{}`", self.buffer.name)
    }
}

/// Where an extent comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Axis(Given<'a>, usize),
    /// The number of entries.
    Count(Given<'a>),
    /// The largest first extent of the entries.
    Largest(Given<'a>),
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Axis(given, axis) => write!(f, "axis {axis} of {given}"),
            Source::Count(given) => write!(f, "the number of entries of argument `{}`", given.buffer.name),
            Source::Largest(given) => write!(f, "the largest entry of argument `{}`", given.buffer.name),
        }
    }
}

impl<'a> Given<'a> {
    /// Returns true for the entry of a table whose entries have first extents of their own.
    fn has_rows(&self) -> bool {
        self.buffer.entries.is_some_and(|entries| entries.rows.is_some())
    }

    /// Returns the extents that the launch relates: formula, value, and where it comes from.
    fn extents(self) -> impl Iterator<Item = (&'a IndexExpr, usize, Source<'a>)> {
        let (skipped, own) = (usize::from(self.entry.is_some()), usize::from(self.has_rows()));
        let of_tensor = self.buffer.shape.iter().skip(skipped).zip(&self.tensor.shape).enumerate().skip(own);
        let axes = of_tensor.map(move |(axis, (formula, extent))| (formula, *extent, Source::Axis(self, axis)));
        let first = self.entry.filter(|(entry, _)| *entry == 0);
        let count = first.and_then(|(_, count)| Some((self.buffer.shape.first()?, count, Source::Count(self))));
        axes.chain(count)
    }
}

/// Returns all extents that the launch relates.
fn all<'a>(given: &'a [Given<'a>]) -> impl Iterator<Item = (&'a IndexExpr, usize, Source<'a>)> {
    let largest = given.iter().filter(|one| one.has_rows() && one.entry.is_some_and(|(entry, _)| entry == 0));
    let largest = largest.filter_map(|first| {
        let of_table = given.iter().filter(|one| std::ptr::eq(one.buffer, first.buffer));
        let rows = of_table.map(|one| one.tensor.shape[0]).max()?;
        Some((first.buffer.shape.get(1)?, rows, Source::Largest(*first)))
    });
    given.iter().flat_map(|one| one.extents()).chain(largest)
}

impl Contract<'_> {
    /// Returns the values of the symbolic extents. All uses of one must agree, and computed and constant extents must
    /// match.
    pub(super) fn extents(&self, given: &[Given]) -> Result<Vec<i64>> {
        self.rows(given)?;
        // The value of each dim, with the argument and axis that determined it.
        let mut dims: Vec<Option<(i64, Source)>> = vec![None; self.function.dims.len()];
        for (formula, extent, source) in all(given) {
            let extent = extent as i64;
            if extent > LARGEST_EXTENT {
                return Err(self.error(format!("{source} has extent {extent}; extents are at most {LARGEST_EXTENT}")));
            }
            let IndexExpr::Symbol(symbol) = formula else { continue };
            let Some(slot) = dims.get_mut(*symbol as usize) else { continue };
            match *slot {
                None => *slot = Some((extent, source)),
                Some((known, before)) if known != extent => {
                    return Err(self.error(format!(
                        "`{}` is {known} from {before}, but {extent} from {source}",
                        self.show(formula)
                    )));
                }
                Some(_) => {}
            }
        }
        let dims: Vec<i64> = dims.into_iter().map(|dim| dim.map_or(0, |(value, _)| value)).collect();
        for (formula, extent, source) in all(given) {
            let wanted = self.eval(&source.to_string(), formula, &dims)?;
            if wanted != extent as i64 {
                let reason =
                    if formula.as_const().is_some() { String::new() } else { format!(" ({})", self.show(formula)) };
                let message = match source {
                    Source::Axis(..) => format!("{source} has extent {extent}; the kernel takes {wanted}{reason}"),
                    _ => format!("{source} is {extent}; the kernel takes {wanted}{reason}"),
                };
                return Err(self.error(message));
            }
        }
        Ok(dims)
    }

    /// Checks that entries of the same number have the same first extent, in all tables that name it alike.
    fn rows(&self, given: &[Given]) -> Result<()> {
        let rows = |one: &&Given| one.has_rows();
        for (number, one) in given.iter().enumerate().filter(|(_, one)| rows(one)) {
            let Some((entry, count)) = one.entry else { continue };
            let same = |other: &&Given| other.has_rows() && other.buffer.shape.get(1) == one.buffer.shape.get(1);
            let others = given[..number].iter().filter(same).filter(|other| !std::ptr::eq(one.buffer, other.buffer));
            for other in others {
                let Some((other_entry, other_count)) = other.entry else { continue };
                let name = one.buffer.shape.get(1).map_or(String::new(), |formula| self.show(formula));
                if count != other_count {
                    return Err(self.error(format!(
                        "argument `{}` has {other_count} entries and argument `{}` {count}; those of the same number have \
                         the same extent `{name}`",
                        other.buffer.name, one.buffer.name
                    )));
                }
                let (extent, known) = (one.tensor.shape[0], other.tensor.shape[0]);
                if entry == other_entry && extent != known {
                    return Err(self.error(format!(
                        "`{name}` is {known} from axis 0 of {other}, but {extent} from axis 0 of {one}"
                    )));
                }
            }
        }
        Ok(())
    }
}
