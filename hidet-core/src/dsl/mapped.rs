//! Computed views taken apart: the view below, further operands, and the function of their elements.
//!
//! The function is of one element, so the parts can be accessed in another way than element by element: a vector of a
//! computed view is a vector of the view below, and of every operand that follows its last axis.

use super::access::{Base, Guard, ViewData, ViewExtent, extract, join, moved, problem};
use super::builder::{Caller, here, with};
use super::expr::Expr;
use super::reach;
use super::view::View;
use crate::types::{Element, Scalar, Type};
use std::ops::Range;
use std::rc::Rc;

/// Returns an element from the element below, those of the operands, and the coordinates.
pub(crate) type ElementFn = Rc<dyn Fn(Expr<()>, &[Expr<()>], &[Expr<i32>]) -> Expr<()>>;

/// The parts of a computed view.
#[derive(Clone)]
pub(crate) struct Mapped {
    /// The view that is read or written below. It has the same coordinates, and its extents protect both.
    pub below: Option<ViewData>,
    /// The operands.
    pub operands: Vec<MapOperand>,
    /// What is stored below from what is written, or what is read from what is loaded below.
    pub function: ElementFn,
    /// True if it is applied to what is written, false if to what is read.
    pub stores: bool,
    /// Exclusive upper bounds of the coordinates, where they are known.
    pub limits: Vec<Option<ViewExtent>>,
    /// True for the closures of a fused kernel, whose launcher checks the range of the coordinates.
    pub fused: bool,
}

/// A further tensor of which the function takes one element.
#[derive(Clone)]
pub(crate) struct MapOperand {
    pub view: ViewData,
    /// For each axis of the operand, the axis of the computed view whose coordinate it has.
    pub axes: Vec<usize>,
    pub range: OperandRange,
    /// Its elements for so many consecutive ones of the computed view, if they are not loaded.
    pub given: Option<(Expr<()>, u8)>,
}

/// How accesses to an operand stay inside of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperandRange {
    /// Those of closures of a fused kernel are checked by the launcher, others are the author's.
    Checked,
    /// Instead of elements outside, its last elements are read.
    Clamped,
    /// It is memory of the kernel, whose author knows what is accessed.
    Own,
}

/// A tensor whose axes follow given axes of another: see [`View::along`].
#[derive(Clone, Copy, Debug)]
pub struct Along<T, const Q: usize, A> {
    view: View<T, Q, A>,
    axes: [usize; Q],
}

/// A tensor that can be an operand of a computed view with `R` axes: one with the same axes, or one
/// [`along`](View::along) some of them.
#[diagnostic::on_unimplemented(
    message = "this is not an operand of a tensor with {R} axes",
    note = "an operand is a tensor with as many axes, or `bias.along([1])`, whose only axis follows axis 1"
)]
pub trait OperandView<const R: usize> {
    /// Type of its elements.
    type Element: Element;
    /// Returns the operand.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn operand(self, at: Caller) -> Option<MapOperand>;
}

impl<T: Element, const R: usize, A> OperandView<R> for View<T, R, A> {
    type Element = T;
    #[allow(private_interfaces)]
    fn operand(self, at: Caller) -> Option<MapOperand> {
        Some(MapOperand { view: self.data(at)?, axes: (0..R).collect(), range: OperandRange::Checked, given: None })
    }
}

impl<T: Element, const Q: usize, const R: usize, A> OperandView<R> for Along<T, Q, A> {
    type Element = T;
    #[allow(private_interfaces)]
    fn operand(self, at: Caller) -> Option<MapOperand> {
        MapOperand::new(self.view.data(at)?, self.axes.to_vec(), R, at)
    }
}

/// MapOperands of a computed view with `R` axes: a tuple of none to four.
pub trait MapOperands<const R: usize>: 'static {
    /// One element of each.
    type Elements;
    /// Returns the operands.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn operands(self, at: Caller) -> Option<Vec<MapOperand>>;
    /// Returns the elements with their types.
    #[doc(hidden)]
    fn elements(values: &[Expr<()>]) -> Self::Elements;
}

macro_rules! operands {
    ($($name:ident)*) => {
        impl<const R: usize, $($name: OperandView<R> + 'static),*> MapOperands<R> for ($($name,)*) {
            type Elements = ($(Expr<$name::Element>,)*);
            #[allow(private_interfaces, non_snake_case, unused_variables)]
            fn operands(self, at: Caller) -> Option<Vec<MapOperand>> {
                let ($($name,)*) = self;
                Some(vec![$($name.operand(at)?),*])
            }
            #[allow(unused_variables, unused_mut, clippy::unused_unit)]
            fn elements(values: &[Expr<()>]) -> Self::Elements {
                let mut values = values.iter();
                ($(values.next().map_or_else(Expr::<$name::Element>::dead, |value| value.assume()),)*)
            }
        }
    };
}
operands! {}
operands! { A }
operands! { A B }
operands! { A B C }
operands! { A B C D }

impl<T: Element, const Q: usize, A> View<T, Q, A> {
    /// Returns this tensor as an operand of [`map_with`](View::map_with) whose axes follow these axes of the other
    /// tensor, and which is the same along all others: a bias of the columns of a matrix is `bias.along([1])`.
    pub fn along(self, axes: [usize; Q]) -> Along<T, Q, A> {
        Along { view: self, axes }
    }
}

impl ViewData {
    /// Takes a view apart whose functions are applied to what is written if `stores`, else to what is read: returns them,
    /// the outermost first, and the view below. Their operands are read inside of their extents only.
    pub fn taken_apart(mut self, stores: bool) -> (Vec<Mapped>, ViewData) {
        let mut functions = Vec::new();
        while let Base::Mapped(mapped) = &self.base
            && let Some(below) = &mapped.below
            && mapped.stores == stores
            && self.is_whole()
        {
            let (mut function, below) = (Mapped::clone(mapped), below.clone());
            function.operands.iter_mut().for_each(|operand| operand.range = OperandRange::Clamped);
            functions.push(function);
            self = below;
        }
        (functions, self)
    }

    /// Reports a problem if the elements are not of that type; `of` is what the view lies below.
    pub fn expect(&self, elem: Scalar, of: &str, at: Caller) {
        if self.elem != elem {
            problem(&format!("the tensor below this {of} is of {}, not of {elem}", self.elem), at);
        }
    }
}

impl MapOperand {
    /// Returns a tensor as an operand of a view with `rank` axes. Its axes follow those; an axis that does not exist is a
    /// problem of the kernel.
    pub fn new(view: ViewData, axes: Vec<usize>, rank: usize, at: Caller) -> Option<MapOperand> {
        if let Some(axis) = axes.iter().find(|axis| **axis >= rank) {
            problem(&format!("an operand along axis {axis} of a tensor with {rank} axes"), at);
            return None;
        }
        Some(MapOperand { view, axes, range: OperandRange::Checked, given: None })
    }

    /// Returns true if its last axes are these of the computed view, and it has no others or all.
    pub fn ends_with(&self, last: Range<usize>) -> bool {
        self.axes.iter().copied().eq(last.clone()) || self.axes.iter().copied().eq(0..last.end)
    }

    /// Reads it from `tile`, a part of it that the kernel has copied, whose axes follow those of the computed view from
    /// `first` on, and which begins at `start` along them.
    pub fn read_from(&mut self, mut tile: ViewData, first: usize, start: &[Expr<i32>]) {
        for axis in &mut tile.axes {
            let Some(first) = axis.from.and_then(|from| start.get(from)) else { continue };
            axis.offset = Some(axis.offset.map_or(-*first, |offset| offset - *first));
        }
        self.axes = (first..first + tile.shape.len()).collect();
        (self.view, self.range) = (tile, OperandRange::Own);
    }

    /// Returns its coordinates for `lanes` consecutive elements of the computed view.
    fn place(&self, index: &[Expr<i32>], lanes: u8, at: Caller) -> Vec<Expr<i32>> {
        let mut place = Vec::new();
        // Not a closure, which would lose the caller's location.
        for (axis, extent) in self.axes.iter().zip(&self.view.shape) {
            let coordinate = index.get(*axis).copied().unwrap_or_else(Expr::dead);
            let width = if *axis + 1 == index.len() { i32::from(lanes) } else { 1 };
            place.push(match self.range {
                OperandRange::Clamped => {
                    self.require_vectors(extent, width, at);
                    coordinate.min(extent.expr() - width)
                }
                OperandRange::Checked | OperandRange::Own => coordinate,
            });
        }
        if self.range == OperandRange::Checked {
            reach::access(&self.view, &place, lanes.into(), at);
        }
        place
    }

    /// Requires that an axis ends with a whole vector: of the last elements of another, a clamped vector would be others.
    fn require_vectors(&self, extent: &ViewExtent, width: i32, at: Caller) {
        if width == 1 {
            return;
        }
        with(|builder| {
            let name = builder.name_of(&self.view);
            match extent.formula(builder, at) {
                Some(left) => {
                    let message = format!("{name} is read in vectors of {width} elements");
                    builder.require_multiple(left, width.into(), message);
                }
                None => builder.problem(format!("the extents of the operand {name} are not known to the launcher"), at),
            }
        });
    }

    fn load(&self, index: &[Expr<i32>], at: Caller) -> Expr<()> {
        self.view.load(&self.place(index, 1, at), Guard::No, at)
    }

    /// Returns its elements for consecutive ones of the computed view: one for all, or a vector; `None` if they must be
    /// loaded one by one.
    fn load_lanes(&self, index: &[Expr<i32>], lanes: u8, at: Caller) -> Option<LaneValues> {
        if let Some((elements, given)) = self.given {
            if given != lanes {
                problem(&format!("an operand is given {given} elements for {lanes} of the output"), at);
            }
            return Some(LaneValues::Vector(elements, self.view.elem));
        }
        let last = index.len().wrapping_sub(1);
        match self.axes.split_last() {
            Some((axis, rest)) if *axis == last && !rest.contains(&last) => {
                Some(LaneValues::load(&self.view, &self.place(index, lanes, at), lanes, at))
            }
            _ if !self.axes.contains(&last) => Some(LaneValues::Same(self.load(index, at))),
            _ => None,
        }
    }

    /// Requires that its extents are those of the axes of the computed view that it follows.
    pub fn relate(&self, shape: &[ViewExtent], at: Caller) {
        with(|builder| {
            let name = builder.name_of(&self.view);
            for (number, (extent, axis)) in self.view.shape.iter().zip(&self.axes).enumerate() {
                let Some(other) = shape.get(*axis) else { continue };
                let formulas = (extent.formula(builder, at), other.formula(builder, at));
                let (Some(left), Some(right)) = formulas else { continue };
                let message = format!("axis {number} of the operand {name} follows axis {axis}");
                builder.require_equal(left, right, message, at);
            }
        });
    }
}

/// Returns the numbers and the tensors of those operands of functions of a view with `rank` axes that are of type `elem`, follow
/// its last axis alone, and of which a tensor map can be taken.
#[track_caller]
pub(crate) fn row_operands(functions: &[Mapped], rank: usize, elem: Scalar) -> Vec<(usize, ViewData)> {
    let mut rows = Vec::new();
    for (number, operand) in functions.iter().flat_map(|mapped| &mapped.operands).enumerate() {
        if operand.view.elem == elem && operand.axes == [rank - 1] && operand.view.can_tensor_map(here()).is_ok() {
            rows.push((number, operand.view.clone()));
        }
    }
    rows
}

/// The elements for the lanes of a vector.
enum LaneValues {
    Same(Expr<()>),
    Vector(Expr<()>, Scalar),
}

impl LaneValues {
    fn load(view: &ViewData, index: &[Expr<i32>], lanes: u8, at: Caller) -> LaneValues {
        LaneValues::Vector(view.load_lanes(index, Type::vector(view.elem, lanes), Guard::No, at), view.elem)
    }

    fn lane(&self, lane: u8, at: Caller) -> Expr<()> {
        match self {
            LaneValues::Same(value) => *value,
            LaneValues::Vector(vector, elem) => extract(*vector, *elem, lane, at),
        }
    }
}

impl Mapped {
    /// Returns the function of an element below at these coordinates.
    fn apply(&self, below: Expr<()>, index: &[Expr<i32>], at: Caller) -> Expr<()> {
        self.within(index, at, || {
            let operands: Vec<_> = self.operands.iter().map(|operand| operand.load(index, at)).collect();
            (self.function)(below, &operands, index)
        })
    }

    /// Returns the function of each lane of a vector that begins at these coordinates.
    fn apply_lanes(&self, below: Option<LaneValues>, index: &[Expr<i32>], to: Type, at: Caller) -> Expr<()> {
        let lanes = to.lanes;
        let operands: Vec<Option<LaneValues>> = self
            .within(index, at, || self.operands.iter().map(|operand| operand.load_lanes(index, lanes, at)).collect());
        let values = (0..lanes).map(|lane| {
            let below = below.as_ref().map_or_else(Expr::dead, |below| below.lane(lane, at));
            let index = moved(index, lane.into());
            self.within(&index, at, || {
                let each = self.operands.iter().zip(&operands).map(|(operand, loaded)| match loaded {
                    Some(values) => values.lane(lane, at),
                    None => operand.load(&index, at),
                });
                (self.function)(below, &each.collect::<Vec<_>>(), &index)
            })
        });
        join(&values.collect::<Vec<_>>(), to, at)
    }

    /// Runs the function, or the accesses to the operands, as a closure that is given these coordinates.
    fn within<R>(&self, index: &[Expr<i32>], at: Caller, f: impl FnOnce() -> R) -> R {
        reach::closure(self.fused, index, &self.limits, at, f)
    }

    /// Returns the element at these coordinates.
    pub fn load(&self, index: &[Expr<i32>], at: Caller) -> Expr<()> {
        let below = self.below.as_ref().map_or_else(Expr::dead, |below| below.load(index, Guard::No, at));
        self.apply(below, index, at)
    }

    /// Returns a vector of elements that begins at these coordinates.
    pub fn load_lanes(&self, index: &[Expr<i32>], ty: Type, at: Caller) -> Expr<()> {
        let below = self.below.as_ref();
        let below = below.map(|below| LaneValues::load(below, index, ty.lanes, at));
        self.apply_lanes(below, index, ty, at)
    }

    /// Writes an element.
    pub fn store(&self, index: &[Expr<i32>], value: Expr<()>, at: Caller) {
        let value = self.apply(value, index, at);
        if let Some(below) = &self.below {
            below.store(index, value, Guard::No, at);
        }
    }

    /// Returns the vector that is stored below for one that is written.
    pub fn stored(&self, index: &[Expr<i32>], value: Expr<()>, ty: Type, at: Caller) -> Expr<()> {
        let elem = self.below.as_ref().map_or(ty.scalar, |below| below.elem);
        let value = LaneValues::Vector(value, ty.scalar);
        self.apply_lanes(Some(value), index, Type::vector(elem, ty.lanes), at)
    }

    /// Returns the vector that is read for one of elements `from` that was loaded below.
    pub fn loaded(&self, index: &[Expr<i32>], value: Expr<()>, from: Scalar, to: Type, at: Caller) -> Expr<()> {
        self.apply_lanes(Some(LaneValues::Vector(value, from)), index, to, at)
    }

    /// Writes a vector that begins at these coordinates.
    pub fn store_lanes(&self, index: &[Expr<i32>], value: Expr<()>, ty: Type, at: Caller) {
        let Some(below) = &self.below else { return };
        let value = self.stored(index, value, ty, at);
        below.store_lanes(index, value, Type::vector(below.elem, ty.lanes), Guard::No, at);
    }
}
