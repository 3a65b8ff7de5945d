//! [`Types`]: types of tensors whose extents follow sizes.

use super::extent::Extent;
use crate::error::{Error, Result, TensorType};
use hidet::cache::codec::{Encode, Reader};
use hidet::types::Scalar;

/// The extent of a tensor along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// It is always this.
    Fixed(usize),
    /// The size of the extent with this number, so many times.
    Of(usize, usize),
}

/// The types of a tensor for all sizes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Types {
    dtype: Scalar,
    axes: Vec<Axis>,
}

impl Types {
    /// Returns the type for some sizes.
    pub(super) fn of(&self, sizes: &[usize]) -> TensorType {
        let extent = |axis: &Axis| match axis {
            Axis::Fixed(extent) => *extent,
            Axis::Of(at, times) => sizes.get(*at).map_or(0, |size| size * times),
        };
        TensorType { dtype: self.dtype, shape: self.axes.iter().map(extent).collect() }
    }

    /// Returns true if it follows an extent.
    pub(super) fn has(&self, extent: usize) -> bool {
        self.axes.iter().any(|axis| matches!(axis, Axis::Of(at, _) if *at == extent))
    }

    /// Returns the type with names of extents.
    pub(super) fn text(&self, extents: &[Extent]) -> String {
        let axis = |axis: &Axis| match axis {
            Axis::Fixed(extent) => extent.to_string(),
            Axis::Of(at, times) => {
                let name = extents.get(*at).map_or("?", Extent::name);
                if *times == 1 { name.to_owned() } else { format!("{times} {name}") }
            }
        };
        format!("{}[{}]", self.dtype, self.axes.iter().map(axis).collect::<Vec<String>>().join(", "))
    }
}

/// Returns how tensors, which have these types for some sizes, the last of which are the largest, follow the sizes. `probes` are types
/// for sizes of which one is smaller than the largest.
pub(super) fn types(
    extents: &[Extent],
    probes: &[(&[usize], Vec<TensorType>)],
    all: &[(&[usize], Vec<TensorType>)],
) -> Result<Vec<Types>> {
    let Some((largest, last)) = all.last() else { return Ok(Vec::new()) };
    let axis = |tensor: usize, axis: usize| {
        let extent = last[tensor].shape[axis];
        let mut found = Axis::Fixed(extent);
        for (sizes, types) in probes {
            let at = (0..sizes.len()).find(|at| sizes[*at] != largest[*at])?;
            let own = *types.get(tensor)?.shape.get(axis)?;
            let times = extent / largest[at];
            let follows = found == Axis::Fixed(extent) && times * largest[at] == extent && times * sizes[at] == own;
            match own == extent {
                true => {}
                false if follows => found = Axis::Of(at, times),
                false => return None,
            }
        }
        Some(found)
    };
    let each = |(tensor, ty): (usize, &TensorType)| {
        let axes = (0..ty.rank()).map(|place| axis(tensor, place)).collect::<Option<Vec<Axis>>>();
        let found = axes.map(|axes| Types { dtype: ty.dtype, axes });
        let every = || probes.iter().chain(all);
        let follows = |types: &Types| every().all(|(sizes, all)| all.get(tensor) == Some(&types.of(sizes)));
        found.filter(follows).ok_or_else(|| {
            let seen: Vec<String> = every().filter_map(|(_, all)| all.get(tensor)).map(TensorType::to_string).collect();
            let why =
                format!("an extent of tensor {tensor} is not a multiple of one of the sizes: {}", seen.join(", "));
            Error::Extent { extent: extents.iter().map(Extent::name).collect::<Vec<&str>>().join("`, `"), why }
        })
    };
    last.iter().enumerate().map(each).collect()
}

/// Returns the sizes of which tensors of these types are, if there are such sizes.
pub(super) fn sizes(extents: &[Extent], own: &[Types], types: &[TensorType]) -> Option<Vec<usize>> {
    // Those that no tensor has are of one size.
    let mut sizes: Vec<Option<usize>> = vec![None; extents.len()];
    for (own, ty) in own.iter().zip(types) {
        for (axis, extent) in own.axes.iter().zip(&ty.shape) {
            if let Axis::Of(at, times) = axis {
                sizes.get_mut(*at)?.get_or_insert(extent / (*times).max(1));
            }
        }
    }
    let first = |(size, extent): (Option<usize>, &Extent)| size.or(extent.buckets().first().copied());
    let sizes = sizes.into_iter().zip(extents).map(first).collect::<Option<Vec<usize>>>()?;
    let fits = own.len() == types.len() && own.iter().zip(types).all(|(own, ty)| own.of(&sizes) == *ty);
    fits.then_some(sizes)
}

impl Encode for Types {
    fn encode(&self, out: &mut Vec<u8>) {
        self.dtype.name().to_owned().encode(out);
        (self.axes.len() as u64).encode(out);
        for axis in &self.axes {
            // No extent has the number 0.
            let (at, times) = match axis {
                Axis::Fixed(extent) => (0, *extent),
                Axis::Of(at, times) => (at + 1, *times),
            };
            (at as u64).encode(out);
            (times as u64).encode(out);
        }
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let dtype = Scalar::from_name(&from.read::<String>()?)?;
        let axis = |from: &mut Reader| {
            let (at, times) = (from.read::<u64>()?, from.read::<u64>()?);
            let (at, times) = (usize::try_from(at).ok()?, usize::try_from(times).ok()?);
            Some(at.checked_sub(1).map_or(Axis::Fixed(times), |at| Axis::Of(at, times)))
        };
        let axes = (0..from.read::<u64>()?).map(|_| axis(from)).collect::<Option<Vec<Axis>>>()?;
        Some(Types { dtype, axes })
    }
}
