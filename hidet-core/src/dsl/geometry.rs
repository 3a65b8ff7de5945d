//! The geometry of a view in memory: the axes of a tensor map of it.
//!
//! Memory has the axes of its layout, and a part, slice or permutation of it changes only the coordinates of a copy. The
//! coordinates below a remapped view must be sums of its own ones times numbers and extents. Then each axis of it is one
//! below, in steps and with padding, or several split or merged. TMA fills what is outside of an axis with zeros, so
//! elements are zero exactly where a protected access to the view is.

use super::access::{Base, ViewData};
use super::builder::{Builder, Caller, with};
use super::expr::{Expr, IntoExpr};
use super::index::compute;
use super::index_sum::{INDEX, IndexSum, Term};
use crate::ir::{BufferId, MAX_STEP, MapAxis, Scope, Swizzle, TensorMap};
use hidet_mapping::IndexExpr;

/// What the launcher must check: what is at most what, and the message.
pub(super) type Rule = (IndexExpr, IndexExpr, String);

/// The memory of a tensor.
pub(super) struct Geometry {
    pub buffer: BufferId,
    /// The offset of the element at coordinates 0 of all axes, in elements.
    pub offset: IndexExpr,
    pub axes: Vec<MemoryAxis>,
    pub rules: Vec<Rule>,
}

/// An axis in memory. The coordinate `i` of the tensor is `i * step + shift` in memory.
#[derive(Clone)]
pub(super) struct MemoryAxis {
    pub extent: IndexExpr,
    pub stride: IndexExpr,
    pub step: u32,
    /// The number of coordinates of the tensor before the memory begins, negative.
    pub shift: IndexExpr,
}

/// A coordinate of a copy through a tensor map, computed from those of the view.
#[derive(Clone)]
pub(crate) struct MapCoordinate {
    pub from: Option<usize>,
    pub offset: Option<Expr<i32>>,
    pub step: u32,
    pub shift: IndexExpr,
}

impl MemoryAxis {
    fn dense(extent: IndexExpr, stride: IndexExpr) -> MemoryAxis {
        MemoryAxis { extent, stride, step: 1, shift: 0.into() }
    }
}

impl Geometry {
    /// Returns the formulas that must be multiples of 16 bytes.
    fn aligned(&self) -> impl Iterator<Item = &IndexExpr> {
        let rows = self.axes.iter().rev().skip(1).map(|axis| &axis.stride);
        rows.chain([&self.offset])
    }

    /// Returns the reason why TMA cannot copy rows that begin where these do, if that is known now.
    pub(super) fn unaligned(&self, builder: &mut Builder) -> Option<String> {
        let buffer = &builder.function.buffers[self.buffer];
        let elements = 16 / buffer.elem.bytes() as i64;
        let known = self.aligned().filter_map(IndexExpr::as_const).find(|number| number % elements != 0)?;
        let name = &buffer.name;
        Some(format!("{}, but they are {known} elements apart, which is not aligned", reason(name)))
    }

    /// Makes the launcher check what TMA requires of the memory.
    pub(super) fn require(&self, builder: &mut Builder) {
        let buffer = &mut builder.function.buffers[self.buffer];
        buffer.align = buffer.align.max(16);
        let (elements, reason) = (16 / buffer.elem.bytes() as i64, reason(&buffer.name));
        for formula in self.aligned().filter(|formula| formula.as_const().is_none()) {
            builder.require_multiple(formula.clone(), elements, reason.clone());
        }
        builder.check(self.rules.clone());
    }

    /// Returns the tensor map for boxes of which the last extents and steps are those of the axes of the view.
    pub(super) fn map(&self, tile: &[u32], steps: &[u32], swizzle: Swizzle) -> TensorMap {
        let slices = self.axes.len() - tile.len();
        let all = |own: &[u32]| std::iter::repeat_n(1, slices).chain(own.iter().copied()).collect::<Vec<u32>>();
        let axes = self.axes.iter().zip(all(steps)).map(|(axis, step)| MapAxis {
            extent: axis.extent.clone(),
            stride: axis.stride.clone(),
            step: axis.step.saturating_mul(step),
        });
        let (axes, tile) = (axes.collect(), all(tile));
        TensorMap { buffer: self.buffer, offset: self.offset.clone(), axes, tile, im2col: None, swizzle }
    }
}

/// Returns the reason why rows are multiples of 16 bytes.
pub(super) fn reason(name: &str) -> String {
    format!("TMA copies words of 16 bytes of rows of `{name}`")
}

impl MapCoordinate {
    /// Returns true if it is a coordinate of the view.
    pub fn is_plain(&self) -> bool {
        self.from.is_some() && self.offset.is_none() && self.step == 1 && self.shift == 0.into()
    }

    /// Returns the coordinate in memory for those in the view.
    #[track_caller]
    pub fn place(&self, index: &[Expr<i32>]) -> Expr<i32> {
        let from = self.from.and_then(|from| index.get(from).copied());
        let mut place = match (from, self.offset) {
            (Some(index), Some(offset)) => offset + index,
            (Some(value), None) | (None, Some(value)) => value,
            (None, None) => 0i32.into_expr(),
        };
        if self.step != 1 {
            place = place * self.step as i32;
        }
        if self.shift == 0.into() { place } else { place + compute(&self.shift) }
    }
}

impl ViewData {
    /// Returns why no tensor map can be taken of the view: see [`View::can_tensor_map`](super::view::View::can_tensor_map).
    pub(super) fn can_tensor_map(&self, at: Caller) -> Result<(), String> {
        let (geometry, _) = self.geometry(at)?;
        with(|builder| geometry.unaligned(builder)).flatten().map_or(Ok(()), Err)
    }

    /// Returns the axes of a tensor map of the view, slowest first as in shared memory, with the coordinates of a copy,
    /// or an error if it has none.
    pub(super) fn geometry(&self, at: Caller) -> Result<(Geometry, Vec<MapCoordinate>), String> {
        let mut whole = self.base_geometry(at)?;
        let mut found: Vec<(MemoryAxis, MapCoordinate)> = Vec::new();
        // Coordinates of a slice first, then those of the view in its order.
        for wanted in std::iter::once(None).chain((0..self.shape.len()).map(Some)) {
            for (axis, place) in whole.axes.iter().zip(&self.axes).filter(|(_, place)| place.from == wanted) {
                let (step, shift) = (axis.step, axis.shift.clone());
                let coordinate = MapCoordinate { from: wanted, offset: place.offset, step, shift };
                found.push((axis.clone(), coordinate));
            }
        }
        let (axes, coordinates): (Vec<MemoryAxis>, Vec<MapCoordinate>) = found.into_iter().unzip();
        let each_once = coordinates.iter().filter_map(|coordinate| coordinate.from).eq(0..self.shape.len());
        if !each_once {
            return Err("a tensor map is for a tensor of which every axis is one in memory".to_owned());
        }
        if !(1..=5).contains(&axes.len()) {
            return Err(format!("a tensor map has 1 to 5 axes, this tensor {} in memory", axes.len()));
        }
        if let Some(last) = axes.last().filter(|last| last.stride.as_const() != Some(1) || last.step != 1) {
            let by = if last.stride.as_const() == Some(1) { last.step.into() } else { last.stride.clone() };
            return Err(format!(
                "a tensor map is for a tensor whose last axis is contiguous in memory; consecutive elements of this one are \
                 {} apart",
                with(|builder| builder.named(&by)).unwrap_or_default()
            ));
        }
        whole.axes = axes;
        Ok((whole, coordinates))
    }

    /// Returns the geometry of the tensor of which this is a part.
    fn base_geometry(&self, at: Caller) -> Result<Geometry, String> {
        match &self.base {
            Base::Memory(buffer) => with(|builder| of_memory(builder, *buffer)).unwrap_or_else(|| Err(String::new())),
            Base::Peer(..) => Err("a tensor map is for a parameter, not for memory of a block or thread".to_owned()),
            Base::Mapped(_) => Err("a tensor map is for a parameter in memory, not for a computed tensor".to_owned()),
            Base::Remapped { view, .. } => {
                let below = view.base_geometry(at)?;
                let places = self.places(view, at)?;
                let extents: Option<Vec<IndexExpr>> =
                    self.bounds.iter().map(|extent| with(|builder| extent.formula(builder, at)).flatten()).collect();
                let extents = extents.ok_or("the extents of this remapped tensor are not known to the launcher")?;
                with(|builder| {
                    let name = builder.name_of(self);
                    remapped(below, &places, &extents, &name)
                })
                .unwrap_or_else(|| Err(String::new()))
            }
        }
    }

    /// Returns the coordinates below a remapped view as sums over its own coordinates.
    fn places(&self, view: &ViewData, at: Caller) -> Result<Vec<IndexSum>, String> {
        // What the function emits is dropped; only the formulas are wanted.
        let Some((depth, index)) = with(|builder| {
            let depth = builder.depth();
            builder.open();
            (depth, self.bounds.iter().map(|_| builder.value(crate::types::Scalar::I32)).collect::<Vec<_>>())
        }) else {
            return Err(String::new());
        };
        let handles = with(|builder| index.iter().map(|value| Expr::new(builder, *value)).collect::<Vec<_>>());
        let below = view.place(&self.mapped(&handles.unwrap_or_default(), at));
        with(|builder| {
            let places = below.iter().enumerate().map(|(axis, coordinate)| {
                let value = coordinate.resolve(builder, at);
                let formula = builder.formula_of(value, &|value| {
                    let axis = index.iter().position(|known| *known == value)?;
                    Some(IndexExpr::Symbol(INDEX + axis as u32))
                });
                formula.as_ref().and_then(IndexSum::of).ok_or_else(|| {
                    format!(
                        "coordinate {axis} below this remapped tensor is not known to the launcher as a sum of its own \
                         coordinates times numbers and extents"
                    )
                })
            });
            let places = places.collect();
            builder.close(depth);
            places
        })
        .unwrap_or_else(|| Err(String::new()))
    }
}

fn of_memory(builder: &Builder, id: BufferId) -> Result<Geometry, String> {
    let buffer = &builder.function.buffers[id];
    if buffer.scope != Scope::Global {
        return Err("a tensor map is for a parameter, not for memory of a block or thread".to_owned());
    }
    if buffer.entries.is_some() {
        return Err("a tensor map is for a parameter, not for an entry of a table of tensors".to_owned());
    }
    let axes = TensorMap::axes(&buffer.layout).ok_or("a tensor map is for a parameter whose layout has strides")?;
    let axes = axes.into_iter().map(|axis| MemoryAxis::dense(axis.extent, axis.stride)).collect();
    Ok(Geometry { buffer: id, offset: 0.into(), axes, rules: Vec::new() })
}

/// Returns the geometry of a tensor of these extents whose elements are at these coordinates of the one below.
fn remapped(below: Geometry, places: &[IndexSum], extents: &[IndexExpr], name: &str) -> Result<Geometry, String> {
    if below.axes.iter().any(|axis| axis.step != 1 || axis.shift != 0.into()) {
        return Err("a tensor map is for a tensor that is remapped in steps or with padding only once".to_owned());
    }
    let Geometry { buffer, mut offset, axes: memory, mut rules } = below;
    let mut axes: Vec<Option<MemoryAxis>> = vec![None; extents.len()];
    let uses = |axis: usize| places.iter().filter(|place| place.mentions(axis)).count();
    let mut together = IndexSum::default();
    for (number, (place, axis)) in places.iter().zip(&memory).enumerate() {
        match place.terms.as_slice() {
            [(Term::Axis(from), IndexExpr::Const(step))]
                if (1..=i64::from(MAX_STEP)).contains(step) && uses(*from) == 1 =>
            {
                let (origin, own) = clipped(axis, *step as u32, &place.rest, &extents[*from]);
                offset = offset + origin * axis.stride.clone();
                axes[*from] = Some(own);
            }
            terms => {
                let negative = |formula: &IndexExpr| formula.as_const().is_some_and(|number| number < 0);
                if negative(&place.rest) || terms.iter().any(|(_, by)| negative(by)) {
                    return Err(format!("coordinate {number} below this remapped tensor may be negative"));
                }
                let end = place.largest(extents) + 1;
                rules.push((end, axis.extent.clone(), format!("axis {number} of {name} is accessed up to there")));
                if place.rest.as_const().is_none() {
                    rules.push((
                        0.into(),
                        place.rest.clone(),
                        format!("axis {number} of {name} is accessed from there"),
                    ));
                }
                together = together.plus(place.times(&axis.stride));
            }
        }
    }
    let together = together.merged().ok_or("this remapped tensor merges axes that are not contiguous in memory")?;
    offset = offset + together.rest;
    for (term, stride) in together.terms {
        let Term::Axis(from) = term else {
            return Err("this remapped tensor merges axes that are not contiguous in memory".to_owned());
        };
        axes[from] = Some(MemoryAxis::dense(extents[from].clone(), stride));
    }
    let own = axes.into_iter().zip(extents).enumerate().map(|(number, (axis, extent))| match axis {
        Some(axis) => Ok(axis),
        // The stride of an axis of one element does not matter, but must be aligned.
        None if extent.as_const() == Some(1) => Ok(MemoryAxis::dense(1.into(), 16.into())),
        None => Err(format!("axis {number} of this remapped tensor repeats the same elements")),
    });
    Ok(Geometry { buffer, offset, axes: own.collect::<Result<_, String>>()?, rules })
}

/// Returns where an axis in memory begins, and the rest of it, for a tensor of an extent whose coordinate `i` is
/// `i * step + start` of that axis. Nothing outside of either is part of it.
fn clipped(axis: &MemoryAxis, step: u32, start: &IndexExpr, extent: &IndexExpr) -> (IndexExpr, MemoryAxis) {
    if *extent == axis.extent && step == 1 && *start == 0.into() {
        return (0.into(), axis.clone());
    }
    let origin = start.max(0);
    let end = (extent.clone() - 1) * i64::from(step) + start.clone() + 1;
    let extent = axis.extent.min(end) - origin.clone();
    (origin, MemoryAxis { extent, stride: axis.stride.clone(), step, shift: start.min(0) })
}
