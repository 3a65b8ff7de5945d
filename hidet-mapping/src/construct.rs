//! Constructors: `spatial`, `repeat`, their column-major variants, chaining, orders and unroll attributes.

use crate::error::MappingError;
use crate::mapping::{Atom, AtomKind, TaskMapping, Unroll, column_ranks, row_ranks};
use std::ops::Mul;

/// One worker per task: worker `w` does the task at position `w` of the row-major order.
pub const fn spatial<const R: usize>(shape: [u32; R]) -> TaskMapping<R> {
    TaskMapping::from_atom(Atom { kind: AtomKind::Spatial { ranks: row_ranks() }, shape, projected: [false; R] })
}

/// One worker does all tasks, in row-major order.
pub const fn repeat<const R: usize>(shape: [u32; R]) -> TaskMapping<R> {
    let kind = AtomKind::Repeat { ranks: row_ranks(), unroll: [None; R] };
    TaskMapping::from_atom(Atom { kind, shape, projected: [false; R] })
}

/// [`spatial`] in column-major order: the first axis varies fastest with the worker.
pub const fn col_spatial<const R: usize>(shape: [u32; R]) -> TaskMapping<R> {
    spatial(shape).ranks(column_ranks())
}

/// [`repeat`] in column-major order: the first axis is the innermost loop.
pub const fn col_repeat<const R: usize>(shape: [u32; R]) -> TaskMapping<R> {
    repeat(shape).ranks(column_ranks())
}

impl<const R: usize> TaskMapping<R> {
    /// `self * spatial(shape)`
    pub const fn spatial(self, shape: [u32; R]) -> Self {
        self.then(spatial(shape))
    }

    /// `self * repeat(shape)`
    pub const fn repeat(self, shape: [u32; R]) -> Self {
        self.then(repeat(shape))
    }

    /// `self * col_spatial(shape)`
    pub const fn col_spatial(self, shape: [u32; R]) -> Self {
        self.then(col_spatial(shape))
    }

    /// `self * col_repeat(shape)`
    pub const fn col_repeat(self, shape: [u32; R]) -> Self {
        self.then(col_repeat(shape))
    }

    /// Sets the order of the axes of the last factor: rank 0 is the slowest axis, rank `R - 1` the fastest.
    pub const fn ranks(self, ranks: [u8; R]) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let mut axis = 0;
        let mut seen = [false; R];
        while axis < R {
            let rank = ranks[axis] as usize;
            if rank >= R || seen[rank] {
                return Self::faulty(MappingError::Ranks { rank: ranks[axis], axes: R });
            }
            seen[rank] = true;
            axis += 1;
        }
        let mut mapping = self;
        if mapping.len == 0 {
            return mapping;
        }
        let atom = &mut mapping.atoms[mapping.len - 1];
        atom.kind = match atom.kind {
            AtomKind::Spatial { .. } => AtomKind::Spatial { ranks },
            AtomKind::Repeat { unroll, .. } => AtomKind::Repeat { ranks, unroll },
            AtomKind::Custom(_) => return Self::faulty(MappingError::RanksOfCustom),
        };
        mapping
    }

    /// Sets how the loops of the last factor, a `repeat`, are unrolled: `.` lets the compiler decide, `u` unrolls
    /// completely in the compiler, `u4` unrolls four times, `u+` unrolls completely in hidet. Write one item for all
    /// axes or one per axis, as in `"u+ ."` (blanks are optional).
    pub const fn attrs(self, attrs: &str) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let text = attrs.as_bytes();
        let mut unroll = [None; R];
        let (mut count, mut at) = (0, 0);
        while at < text.len() {
            let item = match text[at] {
                b' ' => {
                    at += 1;
                    continue;
                }
                b'.' => {
                    at += 1;
                    Unroll::Default
                }
                b'u' => {
                    at += 1;
                    let (mut factor, mut digits) = (0u32, 0);
                    while at < text.len() && text[at].is_ascii_digit() {
                        factor = factor.saturating_mul(10).saturating_add((text[at] - b'0') as u32);
                        digits += 1;
                        at += 1;
                    }
                    let plus = at < text.len() && text[at] == b'+';
                    if digits > 0 && (plus || factor == 0) {
                        return Self::faulty(if plus {
                            MappingError::UnrollFactorOfExplicit
                        } else {
                            MappingError::UnrollZero
                        });
                    }
                    if plus {
                        at += 1;
                        Unroll::Explicit
                    } else if digits > 0 {
                        Unroll::By(factor)
                    } else {
                        Unroll::Full
                    }
                }
                _ => return Self::faulty(MappingError::UnrollItem),
            };
            if count < R {
                unroll[count] = Some(item);
            }
            count += 1;
        }
        if count == 1 {
            unroll = [unroll[0]; R];
        } else if count != R {
            return Self::faulty(MappingError::UnrollCount { items: count, axes: R });
        }
        self.unroll(unroll)
    }

    /// Same as [`attrs`](TaskMapping::attrs), by value; `None` leaves the choice to hidet.
    pub const fn unroll(self, unroll: [Option<Unroll>; R]) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let mut mapping = self;
        let last = if mapping.len == 0 { Atom::IDENTITY } else { mapping.atoms[mapping.len - 1] };
        match last.kind {
            AtomKind::Repeat { ranks, .. } => {
                mapping.atoms[mapping.len - 1].kind = AtomKind::Repeat { ranks, unroll };
                mapping
            }
            _ => Self::faulty(MappingError::UnrollOfSpatial),
        }
    }
}

impl<const R: usize> Mul for TaskMapping<R> {
    type Output = TaskMapping<R>;

    fn mul(self, inner: TaskMapping<R>) -> TaskMapping<R> {
        self.then(inner)
    }
}
