//! [`At`]: where a parameter of a kernel is read.

/// Where a parameter is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum At {
    /// At coordinates of the fused task, one for each axis; nothing where it is always 0.
    Coordinates(Vec<Option<usize>>),
    /// At computed coordinates; the extents of the whole input.
    Computed(Vec<usize>),
    /// At coordinates of the fused task, which are those of the kernel, behind these starts, one for each axis; nothing where it
    /// is read at the start alone. The extents of the whole input are last.
    Part(Vec<Option<usize>>, Vec<usize>, Vec<usize>),
    /// At coordinates of the kernel, of a copy with these extents: rows are longer.
    Copy(Vec<usize>, Vec<usize>),
    /// At coordinates of the kernel, but its elements are in one row in the kernel, which reads them in its own way.
    Flat(Vec<usize>),
}

/// Returns coordinates at which a parameter is read, without those that are free.
pub(super) fn without(free: &[bool], axes: Vec<Option<usize>>) -> Vec<Option<usize>> {
    axes.into_iter().map(|axis| axis.filter(|axis| !free[*axis])).collect()
}
