//! Task mappings in the IR: made from a [`TaskMapping`], or directly with extents that are known only at run time.

use super::function::ValueId;
use super::stmt::{Mapping, MappingAtom, MappingExtent, Unroll};
use hidet_mapping::{AtomKind, Coordinates, HostArith, IndexExpr, MAX_RANK, MappingError, TaskMapping};

/// The maximum number of tasks of a custom function that is checked.
const MAX_TASKS: usize = 1 << 16;

impl From<u32> for MappingExtent {
    fn from(extent: u32) -> Self {
        MappingExtent::Const(extent)
    }
}

impl From<ValueId> for MappingExtent {
    fn from(extent: ValueId) -> Self {
        MappingExtent::Value(extent)
    }
}

impl MappingExtent {
    /// Returns the number, or `None` for a value.
    pub fn as_const(&self) -> Option<u32> {
        match self {
            MappingExtent::Const(extent) => Some(*extent),
            MappingExtent::Value(_) => None,
        }
    }

    /// Returns true for the number 1.
    pub fn is_one(&self) -> bool {
        self.as_const() == Some(1)
    }
}

impl From<hidet_mapping::Unroll> for Unroll {
    fn from(unroll: hidet_mapping::Unroll) -> Self {
        match unroll {
            hidet_mapping::Unroll::Default => Unroll::Auto,
            hidet_mapping::Unroll::Full => Unroll::Full,
            hidet_mapping::Unroll::By(factor) => Unroll::By(factor),
            hidet_mapping::Unroll::Explicit => Unroll::Explicit,
        }
    }
}

impl<const R: usize> TryFrom<TaskMapping<R>> for Mapping {
    type Error = MappingError;

    /// Converts the mapping, or returns an error if it is invalid.
    fn try_from(mapping: TaskMapping<R>) -> Result<Self, MappingError> {
        mapping.check()?;
        let mut atoms = Vec::new();
        for atom in mapping.atoms() {
            let shape = || atom.shape.iter().map(|extent| MappingExtent::Const(*extent)).collect();
            let projected = atom.projected.to_vec();
            atoms.push(match atom.kind {
                AtomKind::Spatial { ranks } => {
                    MappingAtom::Spatial { shape: shape(), ranks: ranks.to_vec(), projected }
                }
                AtomKind::Repeat { ranks, .. } => {
                    let unroll = (0..R).map(|axis| atom.unroll(axis).into()).collect();
                    MappingAtom::Repeat { shape: shape(), ranks: ranks.to_vec(), unroll, projected }
                }
                AtomKind::Custom(function) => MappingAtom::Custom {
                    workers: function.workers,
                    shape: (0..R).map(|axis| atom.extent(axis)).collect(),
                    tasks: function.formulas(&projected),
                },
            });
        }
        if atoms.is_empty() {
            return Ok(Mapping::spatial([1u32; R]));
        }
        Ok(Mapping { atoms })
    }
}

impl MappingAtom {
    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        match self {
            MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } => shape.len(),
            MappingAtom::Custom { shape, .. } => shape.len(),
        }
    }

    /// Returns the extent of the task domain along `axis`: 1 if the axis is projected away.
    pub fn extent(&self, axis: usize) -> MappingExtent {
        match self {
            MappingAtom::Spatial { shape, projected, .. } | MappingAtom::Repeat { shape, projected, .. } => {
                if projected[axis] { MappingExtent::Const(1) } else { shape[axis].clone() }
            }
            MappingAtom::Custom { shape, .. } => MappingExtent::Const(shape[axis]),
        }
    }

    /// Returns the flags of projected axes; empty for a custom mapping, whose formulas are already projected.
    pub fn projected(&self) -> &[bool] {
        match self {
            MappingAtom::Spatial { projected, .. } | MappingAtom::Repeat { projected, .. } => projected,
            MappingAtom::Custom { .. } => &[],
        }
    }

    /// Returns the factors of the number of workers.
    pub fn workers(&self) -> Vec<MappingExtent> {
        match self {
            MappingAtom::Spatial { shape, .. } => shape.clone(),
            MappingAtom::Repeat { .. } => Vec::new(),
            MappingAtom::Custom { workers, .. } => vec![MappingExtent::Const(*workers)],
        }
    }
}

impl Mapping {
    /// One worker per task, in row-major order; extents may be values.
    pub fn spatial<E: Into<MappingExtent>>(shape: impl IntoIterator<Item = E>) -> Mapping {
        let shape: Vec<MappingExtent> = shape.into_iter().map(Into::into).collect();
        let (ranks, projected) = ((0..shape.len() as u8).collect(), vec![false; shape.len()]);
        Mapping { atoms: vec![MappingAtom::Spatial { shape, ranks, projected }] }
    }

    /// One worker does all tasks, in row-major order; extents may be values. Loops of fewer than 4 iterations are
    /// unrolled.
    pub fn repeat<E: Into<MappingExtent>>(shape: impl IntoIterator<Item = E>) -> Mapping {
        let shape: Vec<MappingExtent> = shape.into_iter().map(Into::into).collect();
        let (ranks, projected) = ((0..shape.len() as u8).collect(), vec![false; shape.len()]);
        let small = |extent: &MappingExtent| extent.as_const().is_some_and(|extent| extent < 4);
        let unroll = shape.iter().map(|extent| if small(extent) { Unroll::Explicit } else { Unroll::Auto }).collect();
        Mapping { atoms: vec![MappingAtom::Repeat { shape, ranks, unroll, projected }] }
    }

    /// Returns `self * inner`, as [`TaskMapping::then`].
    pub fn then(mut self, inner: Mapping) -> Result<Mapping, MappingError> {
        if self.rank() != inner.rank() {
            return Err(MappingError::Ranking { outer: self.rank(), inner: inner.rank() });
        }
        self.atoms.extend(inner.atoms);
        Ok(self)
    }

    /// Sets the order of the axes of the last factor, as [`TaskMapping::ranks`].
    pub fn ranks(mut self, order: &[u8]) -> Result<Mapping, MappingError> {
        check_ranks(order, self.rank())?;
        match self.atoms.last_mut() {
            Some(MappingAtom::Spatial { ranks, .. } | MappingAtom::Repeat { ranks, .. }) => *ranks = order.to_vec(),
            Some(MappingAtom::Custom { .. }) => return Err(MappingError::RanksOfCustom),
            None => {}
        }
        Ok(self)
    }

    /// Sets how the loops of the last factor, a `repeat`, are unrolled.
    pub fn unroll(mut self, attributes: &[Unroll]) -> Result<Mapping, MappingError> {
        let axes = self.rank();
        match self.atoms.last_mut() {
            Some(MappingAtom::Repeat { unroll, .. }) if attributes.len() == axes => *unroll = attributes.to_vec(),
            Some(MappingAtom::Repeat { .. }) => {
                return Err(MappingError::UnrollCount { items: attributes.len(), axes });
            }
            _ => return Err(MappingError::UnrollOfSpatial),
        }
        Ok(self)
    }

    /// Projects axes away, as [`TaskMapping::project`].
    pub fn project(mut self, axes: &[usize]) -> Result<Mapping, MappingError> {
        let rank = self.rank();
        if let Some(&axis) = axes.iter().find(|axis| **axis >= rank) {
            return Err(MappingError::Axis { axis, rank });
        }
        for atom in &mut self.atoms {
            for &axis in axes {
                match atom {
                    MappingAtom::Spatial { projected, .. } | MappingAtom::Repeat { projected, .. } => {
                        projected[axis] = true;
                    }
                    MappingAtom::Custom { shape, tasks, .. } => {
                        shape[axis] = 1;
                        tasks.iter_mut().for_each(|task| task[axis] = IndexExpr::Const(0));
                    }
                }
            }
        }
        Ok(self)
    }

    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        self.atoms.first().map_or(0, MappingAtom::rank)
    }

    /// Returns the factors of the number of workers, without those that are 1.
    pub fn workers(&self) -> Vec<MappingExtent> {
        self.atoms.iter().flat_map(MappingAtom::workers).filter(|extent| !extent.is_one()).collect()
    }

    /// Returns the number of workers if it is constant.
    pub fn const_workers(&self) -> Option<u32> {
        self.workers().iter().try_fold(1u32, |product, extent| product.checked_mul(extent.as_const()?))
    }

    /// Returns the extents that are values.
    pub fn extents(&self) -> impl Iterator<Item = ValueId> {
        let shapes = self.atoms.iter().filter_map(|atom| match atom {
            MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } => Some(shape),
            MappingAtom::Custom { .. } => None,
        });
        shapes.flatten().filter_map(|extent| match extent {
            MappingExtent::Value(value) => Some(*value),
            MappingExtent::Const(_) => None,
        })
    }

    /// Returns the factors of the extent of the task domain along `axis`, outermost first, without those that are 1.
    pub fn extent(&self, axis: usize) -> Vec<MappingExtent> {
        self.atoms.iter().map(|atom| atom.extent(axis)).filter(|extent| !extent.is_one()).collect()
    }

    /// Returns an error if the mapping is invalid: it has no factors; factors have different ranks; a list has the
    /// wrong length; ranks are not a permutation; an extent is 0; a loop is unrolled 0 times, or by hidet while its
    /// extent is a value; the number of workers or the task domain exceeds `i32`; a custom function uses a symbol other
    /// than the worker, cannot be computed, or leaves its task domain (within its first 65536 tasks).
    pub fn check(&self) -> Result<(), MappingError> {
        let rank = self.rank();
        if rank == 0 || rank > MAX_RANK {
            return Err(MappingError::Rank { rank });
        }
        for atom in &self.atoms {
            if atom.rank() != rank {
                return Err(MappingError::Ranking { outer: rank, inner: atom.rank() });
            }
            match atom {
                MappingAtom::Spatial { shape, ranks, projected } => check_atom(shape, ranks, projected)?,
                MappingAtom::Repeat { shape, ranks, unroll, projected } => {
                    check_atom(shape, ranks, projected)?;
                    if unroll.len() != rank {
                        return Err(MappingError::UnrollCount { items: unroll.len(), axes: rank });
                    }
                    if unroll.contains(&Unroll::By(0)) {
                        return Err(MappingError::UnrollZero);
                    }
                    let explicit =
                        |axis: &usize| unroll[*axis] == Unroll::Explicit && shape[*axis].as_const().is_none();
                    if let Some(axis) = (0..rank).find(explicit) {
                        return Err(MappingError::UnrollSymbolic { axis });
                    }
                }
                MappingAtom::Custom { workers, shape, tasks } => check_custom(*workers, shape, tasks)?,
            }
        }
        let constants = |extents: Vec<MappingExtent>| {
            let known = extents.iter().filter_map(MappingExtent::as_const);
            known.fold(1u64, |product, extent| product.saturating_mul(extent.into()))
        };
        let domain = (0..rank).map(|axis| constants(self.extent(axis))).fold(1, u64::saturating_mul);
        if domain > i32::MAX as u64 || constants(self.workers()) > i32::MAX as u64 {
            return Err(MappingError::TooLarge);
        }
        Ok(())
    }
}

fn check_ranks(ranks: &[u8], axes: usize) -> Result<(), MappingError> {
    let mut seen = vec![false; axes];
    for &rank in ranks {
        match seen.get_mut(usize::from(rank)) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(MappingError::Ranks { rank, axes }),
        }
    }
    if ranks.len() == axes { Ok(()) } else { Err(MappingError::Ranking { outer: axes, inner: ranks.len() }) }
}

fn check_atom(shape: &[MappingExtent], ranks: &[u8], projected: &[bool]) -> Result<(), MappingError> {
    check_ranks(ranks, shape.len())?;
    if projected.len() != shape.len() {
        return Err(MappingError::Ranking { outer: shape.len(), inner: projected.len() });
    }
    match shape.iter().position(|extent| extent.as_const() == Some(0)) {
        Some(axis) => Err(MappingError::ZeroExtent { axis }),
        None => Ok(()),
    }
}

fn check_custom(workers: u32, shape: &[u32], tasks: &[Vec<IndexExpr>]) -> Result<(), MappingError> {
    if let Some(axis) = shape.iter().position(|extent| *extent == 0) {
        return Err(MappingError::ZeroExtent { axis });
    }
    if workers == 0 {
        return Err(MappingError::NoWorker { worker: 0, workers });
    }
    if tasks.is_empty() || tasks.iter().any(|task| task.len() != shape.len()) {
        return Err(MappingError::BadTasks { coordinates: tasks.iter().map(Vec::len).sum(), axes: shape.len() });
    }
    for worker in 0..workers.min((MAX_TASKS / tasks.len()).max(1) as u32) {
        let symbols = [i64::from(worker)];
        for task in tasks {
            let mut arith = HostArith::new(&symbols);
            let coordinates: Vec<i64> = task.iter().map(|formula| formula.emit(&mut arith)).collect();
            if let Some(why) = arith.fault {
                return Err(MappingError::Formula { worker, why });
            }
            if coordinates.iter().zip(shape).any(|(index, extent)| *index < 0 || *index >= i64::from(*extent)) {
                let shape = Coordinates::from_slice(&shape.iter().map(|extent| i64::from(*extent)).collect::<Vec<_>>());
                return Err(MappingError::Outside { worker, task: Coordinates::from_slice(&coordinates), shape });
            }
        }
    }
    Ok(())
}
