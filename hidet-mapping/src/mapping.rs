//! The task mapping: a composition of atoms in a fixed array, so that it is `Copy` and can be built in const context.

use crate::custom::CustomFunction;
use crate::error::MappingError;
use crate::text::MAX_RANK;

/// The maximum number of factors of a mapping.
pub const MAX_ATOMS: usize = 8;

/// A task mapping over an `R`-dimensional task domain: factors composed from outer to inner.
///
/// Constructors do not fail: if the numbers do not fit together, the mapping stores the error, has no workers and no
/// tasks, and [`check`](TaskMapping::check) returns the error. So mappings can be built in const context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskMapping<const R: usize> {
    pub(crate) atoms: [Atom<R>; MAX_ATOMS],
    pub(crate) len: usize,
    pub(crate) fault: Option<MappingError>,
}

/// A factor of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Atom<const R: usize> {
    /// The kind of the factor.
    pub kind: AtomKind<R>,
    /// Extents, before projection.
    pub shape: [u32; R],
    /// Axes that are projected away: the coordinate is 0 and the task domain has extent 1 there, for the same workers.
    pub projected: [bool; R],
}

/// The kind of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomKind<const R: usize> {
    /// One worker per task.
    Spatial {
        /// Order of the axes: rank 0 varies slowest with the worker, rank `R - 1` fastest.
        ranks: [u8; R],
    },
    /// One worker does all tasks.
    Repeat {
        /// Order of the axes: rank 0 is the outermost loop.
        ranks: [u8; R],
        /// One entry per axis; `None` selects the default.
        unroll: [Option<Unroll>; R],
    },
    /// A function from the worker to its tasks.
    Custom(CustomFunction),
}

/// How a loop of a `repeat` is unrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unroll {
    /// `.`: the device's compiler decides.
    Default,
    /// `u`: completely, by the device's compiler.
    Full,
    /// `uN`: by that factor, by the device's compiler.
    By(u32),
    /// `u+`: completely, by hidet.
    Explicit,
}

impl<const R: usize> Atom<R> {
    /// The mapping of one worker to one task at the origin, the neutral element of composition.
    pub(crate) const IDENTITY: Atom<R> =
        Atom { kind: AtomKind::Spatial { ranks: row_ranks() }, shape: [1; R], projected: [false; R] };

    /// Returns the extent of the task domain along `axis`: 1 if the axis is projected away.
    pub const fn extent(&self, axis: usize) -> u32 {
        if self.projected[axis] { 1 } else { self.shape[axis] }
    }

    /// Returns the number of workers.
    pub const fn workers(&self) -> u32 {
        match self.kind {
            AtomKind::Spatial { .. } => product(&self.shape),
            AtomKind::Repeat { .. } => 1,
            AtomKind::Custom(function) => function.workers,
        }
    }

    /// Returns the number of tasks per worker.
    pub const fn tasks_per_worker(&self) -> u32 {
        match self.kind {
            AtomKind::Spatial { .. } => 1,
            AtomKind::Repeat { .. } => product(&self.shape),
            AtomKind::Custom(function) => function.tasks_per_worker(R),
        }
    }

    /// Returns how the loop along `axis` is unrolled: by the author's attribute, else `u+` for fewer than 4 iterations.
    pub const fn unroll(&self, axis: usize) -> Unroll {
        match self.kind {
            AtomKind::Repeat { unroll, .. } => match unroll[axis] {
                Some(unroll) => unroll,
                None if self.shape[axis] < 4 => Unroll::Explicit,
                None => Unroll::Default,
            },
            _ => Unroll::Default,
        }
    }
}

impl<const R: usize> TaskMapping<R> {
    /// Returns the mapping of one worker to the one task at the origin: `identity * m == m * identity == m`.
    pub const fn identity() -> Self {
        TaskMapping { atoms: [Atom::IDENTITY; MAX_ATOMS], len: 0, fault: None }
    }

    pub(crate) const fn from_atom(atom: Atom<R>) -> Self {
        let mut mapping = Self::identity();
        mapping.atoms[0] = atom;
        mapping.len = 1;
        mapping.validated()
    }

    pub(crate) const fn faulty(fault: MappingError) -> Self {
        TaskMapping { fault: Some(fault), ..Self::identity() }
    }

    /// Returns the factors, outermost first; none if the mapping is invalid.
    pub fn atoms(&self) -> &[Atom<R>] {
        if self.fault.is_some() { &[] } else { &self.atoms[..self.len] }
    }

    /// Returns the error in the numbers, if any.
    pub const fn fault(&self) -> Option<MappingError> {
        self.fault
    }

    /// Returns an error if the numbers of the mapping do not fit together.
    pub const fn check(&self) -> Result<(), MappingError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// Returns the number of workers; 0 if the mapping is invalid.
    pub const fn workers(&self) -> u32 {
        if self.fault.is_some() {
            return 0;
        }
        let (mut total, mut k) = (1, 0);
        while k < self.len {
            total *= self.atoms[k].workers();
            k += 1;
        }
        total
    }

    /// Returns the extents of the task domain; all 0 if the mapping is invalid.
    pub const fn shape(&self) -> [u32; R] {
        let mut shape = [1; R];
        if self.fault.is_some() {
            return [0; R];
        }
        let mut k = 0;
        while k < self.len {
            let mut axis = 0;
            while axis < R {
                shape[axis] *= self.atoms[k].extent(axis);
                axis += 1;
            }
            k += 1;
        }
        shape
    }

    /// Returns the number of tasks per worker; 0 if the mapping is invalid.
    pub const fn tasks_per_worker(&self) -> u32 {
        if self.fault.is_some() {
            return 0;
        }
        let (mut total, mut k) = (1, 0);
        while k < self.len {
            total *= self.atoms[k].tasks_per_worker();
            k += 1;
        }
        total
    }

    /// Returns `self * inner`: each task of `self` is split into the tasks of `inner`. The outer worker is
    /// `worker / inner.workers()`, the inner one `worker % inner.workers()`; a task is `outer * inner.shape() + inner`.
    /// Composition is associative. The operator `*` does the same, but cannot be called in const context.
    pub const fn then(self, inner: TaskMapping<R>) -> Self {
        if self.fault.is_some() {
            return self;
        }
        if inner.fault.is_some() {
            return inner;
        }
        let mut whole = self;
        let mut k = 0;
        while k < inner.len {
            if whole.len == MAX_ATOMS {
                return Self::faulty(MappingError::TooManyAtoms { atoms: self.len + inner.len });
            }
            whole.atoms[whole.len] = inner.atoms[k];
            whole.len += 1;
            k += 1;
        }
        whole.validated()
    }

    /// Returns the mapping for an operand that does not depend on `axes`: the same workers do the same number of tasks,
    /// whose coordinates along `axes` are 0, in a domain of extent 1 there. Several workers may then do the same task.
    pub const fn project<const N: usize>(self, axes: [usize; N]) -> Self {
        let mut mapping = self;
        let mut i = 0;
        while i < N {
            if axes[i] >= R {
                return Self::faulty(MappingError::Axis { axis: axes[i], rank: R });
            }
            let mut k = 0;
            while k < mapping.len {
                mapping.atoms[k].projected[axes[i]] = true;
                k += 1;
            }
            i += 1;
        }
        mapping
    }

    /// Checks the numbers: returns an invalid mapping if one is 0 or a product exceeds `i32`.
    pub(crate) const fn validated(self) -> Self {
        if R == 0 || R > MAX_RANK {
            return Self::faulty(MappingError::Rank { rank: R });
        }
        let (mut workers, mut tasks, mut domain) = (1u64, 1u64, 1u64);
        let mut k = 0;
        while k < self.len {
            let atom = &self.atoms[k];
            let mut axis = 0;
            let mut all = 1u64;
            while axis < R {
                if atom.shape[axis] == 0 {
                    return Self::faulty(MappingError::ZeroExtent { axis });
                }
                all = all.saturating_mul(atom.shape[axis] as u64);
                domain = domain.saturating_mul(atom.extent(axis) as u64);
                axis += 1;
            }
            match atom.kind {
                AtomKind::Spatial { .. } => workers = workers.saturating_mul(all),
                AtomKind::Repeat { .. } => tasks = tasks.saturating_mul(all),
                AtomKind::Custom(function) => {
                    workers = workers.saturating_mul(function.workers as u64);
                    tasks = tasks.saturating_mul(function.tasks_per_worker(R) as u64);
                }
            }
            // Indices on the device are `i32`.
            if workers > i32::MAX as u64 || tasks > i32::MAX as u64 || domain > i32::MAX as u64 {
                return Self::faulty(MappingError::TooLarge);
            }
            k += 1;
        }
        self
    }
}

/// Ranks of the row-major order: the last axis is fastest.
pub(crate) const fn row_ranks<const R: usize>() -> [u8; R] {
    let mut ranks = [0; R];
    let mut axis = 0;
    while axis < R {
        ranks[axis] = axis as u8;
        axis += 1;
    }
    ranks
}

/// Ranks of the column-major order: the first axis is fastest.
pub(crate) const fn column_ranks<const R: usize>() -> [u8; R] {
    let mut ranks = [0; R];
    let mut axis = 0;
    while axis < R {
        ranks[axis] = (R - 1 - axis) as u8;
        axis += 1;
    }
    ranks
}

/// Returns the product of extents; `validated` keeps it in range.
pub(crate) const fn product<const R: usize>(extents: &[u32; R]) -> u32 {
    let (mut total, mut axis) = (1, 0);
    while axis < R {
        total *= extents[axis];
        axis += 1;
    }
    total
}
