//! The memory or function behind a view, and how its elements are loaded and stored.

use super::buffer::{align, load_memory, load_peer, store_memory, store_peer};
use super::builder::{Builder, Caller, with};
use super::expr::{Expr, IntoExpr};
use super::index::compute;
use super::mapped::Mapped;
use super::reach;
use crate::ir::{BufferId, Op, Stmt};
use crate::types::{Scalar, Type};
use hidet_mapping::IndexExpr;
use std::rc::Rc;

/// A coordinate of the base of a view: a fixed offset, plus a coordinate of the view, if any.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) offset: Option<Expr<i32>>,
    pub(crate) from: Option<usize>,
}

/// An extent of a view.
#[derive(Clone)]
pub(crate) enum ViewExtent {
    Formula(IndexExpr),
    Value(Expr<i32>),
}

impl ViewExtent {
    #[track_caller]
    pub(super) fn expr(&self) -> Expr<i32> {
        match self {
            ViewExtent::Formula(formula) => compute(formula),
            ViewExtent::Value(value) => *value,
        }
    }
}

/// Returns the coordinates in the base.
pub(crate) type MapFn = Rc<dyn Fn(&[Expr<i32>]) -> Vec<Expr<i32>>>;

/// The memory or function behind a view.
#[derive(Clone)]
pub(crate) enum Base {
    Memory(BufferId),
    /// Shared memory of the block of that rank in the cluster.
    Peer(BufferId, Expr<i32>),
    Remapped {
        view: Rc<ViewData>,
        map: MapFn,
        run: u32,
        /// True for the closures of a fused kernel, whose launcher checks the range of the coordinates.
        fused: bool,
    },
    Mapped(Rc<Mapped>),
}

/// The description of a view.
#[derive(Clone)]
pub(crate) struct ViewData {
    pub(crate) base: Base,
    pub(crate) axes: Vec<Axis>,
    pub(crate) shape: Vec<ViewExtent>,
    /// Extents of the base, for protected access.
    pub(crate) bounds: Vec<ViewExtent>,
    pub(crate) elem: Scalar,
}

/// Protection of an access against indices outside of the extents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    No,
    Yes,
}

impl ViewData {
    /// Returns a view of a whole buffer.
    pub(crate) fn memory(builder: &Builder, buffer: BufferId) -> ViewData {
        let found = &builder.function.buffers[buffer];
        let shape: Vec<ViewExtent> = found.shape.iter().cloned().map(ViewExtent::Formula).collect();
        ViewData { base: Base::Memory(buffer), axes: axes(shape.len()), bounds: shape.clone(), shape, elem: found.elem }
    }

    /// Returns the coordinates in the base.
    #[track_caller]
    pub(super) fn place(&self, index: &[Expr<i32>]) -> Vec<Expr<i32>> {
        let mut place = Vec::new();
        // Not a closure, which would lose the caller's location.
        for axis in &self.axes {
            place.push(match (axis.offset, axis.from.and_then(|from| index.get(from).copied())) {
                (Some(offset), Some(index)) => offset + index,
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => 0i32.into_expr(),
            });
        }
        place
    }

    /// Returns true if its coordinates are those of the base: no part, no slice.
    pub(super) fn is_whole(&self) -> bool {
        self.axes.iter().enumerate().all(|(axis, place)| place.offset.is_none() && place.from == Some(axis))
    }

    /// Returns true if it is memory of an entry of a table with extents of its own, which the shape of the memory does not
    /// know.
    fn has_own_bounds(&self) -> bool {
        matches!(self.base, Base::Memory(_)) && self.bounds.iter().any(|bound| matches!(bound, ViewExtent::Value(_)))
    }

    /// Removes an axis: the view at a coordinate of it.
    #[track_caller]
    pub(super) fn remove_axis(&mut self, axis: usize, index: Expr<i32>) {
        for place in &mut self.axes {
            match place.from {
                Some(from) if from == axis => {
                    *place = Axis { offset: Some(place.offset.map_or(index, |offset| offset + index)), from: None };
                }
                Some(from) if from > axis => place.from = Some(from - 1),
                _ => {}
            }
        }
        self.shape.remove(axis);
    }

    /// Returns true if consecutive coordinates along the last axis are consecutive in the base.
    pub(super) fn last_axis_is_contiguous(&self) -> bool {
        self.axes.last().is_some_and(|axis| axis.from == Some(self.shape.len().wrapping_sub(1)))
    }

    /// Emits the condition that an index is inside of the extents of the base.
    #[track_caller]
    fn inside(&self, place: &[Expr<i32>]) -> Expr<bool> {
        use super::expr::compare;
        use crate::ir::CompareOp::{Ge, Lt};
        let mut all: Expr<bool> = true.into_expr();
        for (coordinate, size) in place.iter().zip(&self.bounds) {
            all = all & compare(Ge, *coordinate, 0i32.into_expr()) & compare(Lt, *coordinate, size.expr());
        }
        all
    }

    /// Loads one element.
    #[track_caller]
    pub(crate) fn load(&self, index: &[Expr<i32>], guard: Guard, at: Caller) -> Expr<()> {
        if guard == Guard::Yes && self.has_own_bounds() {
            return self.load_inside(index, at);
        }
        let place = self.place(index);
        match (&self.base, guard) {
            (Base::Memory(buffer), _) => load_memory(*buffer, &place, self.elem.into(), guard, at),
            (Base::Peer(buffer, rank), Guard::No) => load_peer(*buffer, *rank, &place, self.elem, at),
            (Base::Remapped { view, .. }, Guard::No) => {
                let (below, guard) = self.below(&place, 1, at);
                view.load(&below, guard, at)
            }
            (Base::Mapped(mapped), _) if mapped.stores => {
                problem("this output is computed by an epilogue: it can be written, not read", at);
                Expr::dead()
            }
            (Base::Mapped(mapped), Guard::No) => mapped.load(&place, at),
            (_, Guard::Yes) => self.load_inside(index, at),
        }
    }

    /// Loads the element if it is inside of the extents, else zero.
    #[track_caller]
    fn load_inside(&self, index: &[Expr<i32>], at: Caller) -> Expr<()> {
        let ty = Type::from(self.elem);
        let Some(var) = with(|builder| {
            let zero = builder.constant(crate::types::Const { scalar: self.elem, bits: 0 }, at);
            builder.declare("", ty, Some(zero), builder.depth(), at)
        }) else {
            return Expr::dead();
        };
        self.where_inside(index, at, &mut || {
            let value = self.load(index, Guard::No, at);
            with(|builder| {
                let value = value.raw(builder, at);
                builder.push(Stmt::Assign { var, value }, at);
            });
        });
        with(|builder| {
            let value = builder.emit(Op::Read(var), ty, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }

    /// Stores one element.
    #[track_caller]
    pub(crate) fn store(&self, index: &[Expr<i32>], value: Expr<()>, guard: Guard, at: Caller) {
        if guard == Guard::Yes && self.has_own_bounds() {
            return self.where_inside(index, at, &mut || self.store(index, value, Guard::No, at));
        }
        let place = self.place(index);
        match (&self.base, guard) {
            (Base::Memory(buffer), _) => store_memory(*buffer, &place, value, guard, at),
            (Base::Peer(buffer, rank), Guard::No) => store_peer(*buffer, *rank, &place, value, at),
            (Base::Remapped { view, .. }, Guard::No) => {
                let (below, guard) = self.below(&place, 1, at);
                view.store(&below, value, guard, at)
            }
            (Base::Mapped(mapped), _) if !mapped.stores => {
                problem("this input is computed by a prologue: it can be read, not written", at)
            }
            (Base::Mapped(mapped), Guard::No) => mapped.store(&place, value, at),
            (_, Guard::Yes) => self.where_inside(index, at, &mut || self.store(index, value, Guard::No, at)),
        }
    }

    /// Emits `body` under the condition that the index is inside of the extents of every view below, down to the
    /// memory.
    #[track_caller]
    fn where_inside(&self, index: &[Expr<i32>], at: Caller, body: &mut dyn FnMut()) {
        let place = self.place(index);
        if let Base::Mapped(mapped) = &self.base
            && let Some(below) = &mapped.below
        {
            return below.where_inside(&place, at, body);
        }
        let inside = self.inside(&place);
        with(Builder::open);
        match &self.base {
            Base::Remapped { view, .. } => view.where_inside(&self.mapped(&place, at), at, body),
            _ => reach::protected(body),
        }
        with(|builder| {
            let then = builder.close(builder.depth() - 1).block;
            let cond = inside.resolve(builder, at);
            builder.push(Stmt::If { cond, then, otherwise: Default::default() }, at);
        });
    }

    /// Loads `lanes` elements along the last axis, as a vector if they are contiguous. A protected vector of a view that is
    /// not memory is loaded lane by lane.
    #[track_caller]
    pub(super) fn load_lanes(&self, index: &[Expr<i32>], ty: Type, guard: Guard, at: Caller) -> Expr<()> {
        let lanes = ty.lanes as i32;
        if self.last_axis_is_contiguous() {
            let place = self.place(index);
            match &self.base {
                Base::Memory(buffer) if guard == Guard::No || !self.has_own_bounds() => {
                    align(*buffer, ty, at);
                    return load_memory(*buffer, &place, ty, guard, at);
                }
                Base::Remapped { view, run, .. } if guard == Guard::No && *run % lanes as u32 == 0 => {
                    let (below, guard) = self.below(&place, lanes as u32, at);
                    if guard == Guard::No {
                        return view.load_lanes(&below, ty, guard, at);
                    }
                }
                Base::Mapped(mapped) if guard == Guard::No && !mapped.stores => {
                    return mapped.load_lanes(&place, ty, at);
                }
                _ => {}
            }
        }
        let values: Vec<Expr<()>> = (0..lanes).map(|lane| self.load(&moved(index, lane), guard, at)).collect();
        join(&values, ty, at)
    }

    /// Stores the lanes of a vector along the last axis, as a vector if they are contiguous. A protected vector of a view
    /// that is not memory is stored lane by lane.
    #[track_caller]
    pub(super) fn store_lanes(&self, index: &[Expr<i32>], value: Expr<()>, ty: Type, guard: Guard, at: Caller) {
        let lanes = ty.lanes as i32;
        if self.last_axis_is_contiguous() {
            let place = self.place(index);
            match &self.base {
                Base::Memory(buffer) if guard == Guard::No || !self.has_own_bounds() => {
                    align(*buffer, ty, at);
                    return store_memory(*buffer, &place, value, guard, at);
                }
                Base::Remapped { view, run, .. } if guard == Guard::No && *run % lanes as u32 == 0 => {
                    let (below, guard) = self.below(&place, lanes as u32, at);
                    if guard == Guard::No {
                        return view.store_lanes(&below, value, ty, guard, at);
                    }
                }
                Base::Mapped(mapped) if guard == Guard::No && mapped.stores => {
                    return mapped.store_lanes(&place, value, ty, at);
                }
                _ => {}
            }
        }
        for lane in 0..lanes {
            let one = extract(value, self.elem, lane as u8, at);
            self.store(&moved(index, lane), one, guard, at);
        }
    }
}

/// Returns the axes of the identity view.
pub(crate) fn axes(rank: usize) -> Vec<Axis> {
    (0..rank).map(|axis| Axis { offset: None, from: Some(axis) }).collect()
}

/// Returns one lane of a vector, or the value itself if there is only one.
pub(super) fn extract(vector: Expr<()>, elem: Scalar, lane: u8, at: Caller) -> Expr<()> {
    with(|builder| {
        let value = vector.raw(builder, at);
        if builder.function.ty(value).lanes == 1 {
            return vector;
        }
        let value = builder.emit(Op::Extract(value, lane), elem, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

/// Returns a vector of these lanes, or the only one itself.
pub(super) fn join(lanes: &[Expr<()>], ty: Type, at: Caller) -> Expr<()> {
    if let [lane] = lanes {
        return *lane;
    }
    with(|builder| {
        let values = lanes.iter().map(|value| value.raw(builder, at)).collect();
        let value = builder.emit(Op::Vector(values), ty, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

/// Returns the coordinates of a lane of a vector.
#[track_caller]
pub(super) fn moved(index: &[Expr<i32>], by: i32) -> Vec<Expr<i32>> {
    let mut index = index.to_vec();
    if let (Some(last), true) = (index.last_mut(), by != 0) {
        *last = *last + by;
    }
    index
}

pub(super) fn problem(message: &str, at: Caller) {
    with(|builder| builder.problem(message, at));
}

impl Expr<()> {
    /// Returns the value of a handle whose type was erased.
    pub(crate) fn raw(self, builder: &mut Builder, at: Caller) -> crate::ir::ValueId {
        self.assume::<bool>().resolve(builder, at)
    }
}
