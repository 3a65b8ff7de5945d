//! Views: what a tensor parameter, a shared tile, a register array or a slice of one is to the kernel.
//!
//! A view is one of three things. *Memory*: elements of a buffer, which asynchronous copies and vector loads can reach.
//! *Remapped*: elements of another view at computed coordinates, with a known length of contiguous runs. *Computed*:
//! values made by a function, as in a fused prologue or epilogue. A kernel need not know; a template may ask.

use super::builder::{Builder, Place, Serial, here, with};
use super::expr::{DeviceType, Expr, IntoExpr};
use super::index::{IndexTuple, IndexValue, compute};
use super::vector::Vector;
use crate::ir::{Arg, BufferId, Constraint, Op, Relation, Scope, Stmt};
use crate::layout::Layout;
use crate::types::{Element, Scalar, Type};
use hidet_mapping::IndexExpr;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

/// Marks a view that is only read.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Marks a view that is written; what it has not written it must not read.
#[derive(Clone, Copy, Debug)]
pub struct Write;
/// Marks a view that is read and written.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite;

/// A tensor of `T` with `R` dimensions, as a kernel sees it.
pub struct View<T, const R: usize, A = ReadWrite> {
    kernel: Serial,
    id: u32,
    of: PhantomData<(fn() -> (T, A), *const ())>,
}

/// A tensor parameter that is read.
pub type In<T, const R: usize> = View<T, R, Read>;
/// A tensor parameter that is written.
pub type Out<T, const R: usize> = View<T, R, Write>;
/// A tensor parameter that is read and written.
pub type InOut<T, const R: usize> = View<T, R, ReadWrite>;

impl<T, const R: usize, A> Copy for View<T, R, A> {}
impl<T, const R: usize, A> Clone for View<T, R, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const R: usize, A> fmt::Debug for View<T, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "view {} of kernel #{}", self.id, self.kernel.0)
    }
}

/// Views that may be written.
#[diagnostic::on_unimplemented(
    message = "this tensor cannot be written: it is an input",
    label = "an input is read only",
    note = "declare the parameter as `Out<..>` or `InOut<..>`"
)]
pub trait Writable {}
#[diagnostic::do_not_recommend]
impl Writable for Write {}
#[diagnostic::do_not_recommend]
impl Writable for ReadWrite {}

/// A coordinate of what lies under a view: a fixed offset, plus a coordinate of the view where it has one.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) offset: Option<Expr<i32>>,
    pub(crate) from: Option<usize>,
}

/// An extent of a view.
#[derive(Clone)]
pub(crate) enum Size {
    Formula(IndexExpr),
    Value(Expr<i32>),
}

impl Size {
    #[track_caller]
    fn expr(&self) -> Expr<i32> {
        match self {
            Size::Formula(formula) => compute(formula),
            Size::Value(value) => *value,
        }
    }
}

/// Computes the element at some coordinates.
pub(crate) type LoadFn = Rc<dyn Fn(&[Expr<i32>]) -> Expr<()>>;
/// Takes the element for some coordinates.
pub(crate) type StoreFn = Rc<dyn Fn(&[Expr<i32>], Expr<()>)>;
/// Finds the coordinates of the base.
pub(crate) type MapFn = Rc<dyn Fn(&[Expr<i32>]) -> Vec<Expr<i32>>>;

/// What lies under a view.
#[derive(Clone)]
pub(crate) enum Base {
    Memory(BufferId),
    Remapped { view: Rc<ViewData>, map: MapFn, run: u32 },
    Computed { load: Option<LoadFn>, store: Option<StoreFn> },
}

/// All that is known of a view.
#[derive(Clone)]
pub(crate) struct ViewData {
    pub(crate) base: Base,
    pub(crate) axes: Vec<Axis>,
    pub(crate) shape: Vec<Size>,
    /// Extents of the base, for protected access.
    pub(crate) bounds: Vec<Size>,
    pub(crate) elem: Scalar,
}

/// Whether an access is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    No,
    Yes,
}

impl ViewData {
    /// A view of a whole buffer.
    pub(crate) fn memory(builder: &Builder, buffer: BufferId) -> ViewData {
        let found = &builder.function.buffers[buffer];
        let shape: Vec<Size> = found.shape.iter().cloned().map(Size::Formula).collect();
        ViewData { base: Base::Memory(buffer), axes: axes(shape.len()), bounds: shape.clone(), shape, elem: found.elem }
    }

    /// The coordinates in the base.
    #[track_caller]
    fn place(&self, index: &[Expr<i32>]) -> Vec<Expr<i32>> {
        let coordinate = |axis: &Axis| match (axis.offset, axis.from.and_then(|from| index.get(from).copied())) {
            (Some(offset), Some(index)) => offset + index,
            (Some(value), None) | (None, Some(value)) => value,
            (None, None) => 0i32.into_expr(),
        };
        self.axes.iter().map(coordinate).collect()
    }

    /// Whether consecutive coordinates along the last axis are consecutive in the base.
    fn last_axis_is_contiguous(&self) -> bool {
        self.axes.last().is_some_and(|axis| axis.from == Some(self.shape.len().wrapping_sub(1)))
    }

    /// Inside of the extents of the base.
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
    pub(crate) fn load(&self, index: &[Expr<i32>], guard: Guard) -> Expr<()> {
        let at = here();
        let place = self.place(index);
        match &self.base {
            Base::Memory(buffer) => load_memory(*buffer, &place, self.elem.into(), guard, at),
            Base::Remapped { view, map, .. } => match guard {
                Guard::No => view.load(&map(&place), Guard::No),
                Guard::Yes => self.protected(&place, || view.load(&map(&place), Guard::Yes)),
            },
            Base::Computed { load: Some(load), .. } => match guard {
                Guard::No => load(&place),
                Guard::Yes => self.protected(&place, || load(&place)),
            },
            Base::Computed { load: None, .. } => {
                problem("this output is computed by an epilogue: it can be written, not read", at);
                Expr::dead()
            }
        }
    }

    /// The value inside of the extents, zero outside.
    #[track_caller]
    fn protected(&self, place: &[Expr<i32>], load: impl FnOnce() -> Expr<()>) -> Expr<()> {
        let at = here();
        let inside = self.inside(place);
        let ty = Type::from(self.elem);
        let Some(var) = with(|builder| {
            let zero = builder.constant(crate::types::Const { scalar: self.elem, bits: 0 }, at);
            let depth = builder.depth();
            let var = builder.declare("", ty, Some(zero), depth, at);
            builder.open();
            var
        }) else {
            return Expr::dead();
        };
        let value = load();
        with(|builder| {
            let value = value.raw(builder, at);
            builder.push(Stmt::Assign { var, value }, at);
            let then = builder.close(builder.depth() - 1).block;
            let cond = inside.resolve(builder, at);
            builder.push(Stmt::If { cond, then, otherwise: Default::default() }, at);
            let value = builder.emit(Op::Read(var), ty, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }

    /// Stores one element.
    #[track_caller]
    pub(crate) fn store(&self, index: &[Expr<i32>], value: Expr<()>, guard: Guard) {
        let at = here();
        let place = self.place(index);
        match &self.base {
            Base::Memory(buffer) => store_memory(*buffer, &place, value, guard, at),
            Base::Remapped { view, map, .. } => match guard {
                Guard::No => view.store(&map(&place), value, Guard::No),
                Guard::Yes => self.where_inside(&place, at, || view.store(&map(&place), value, Guard::Yes)),
            },
            Base::Computed { store: Some(store), .. } => match guard {
                Guard::No => store(&place, value),
                Guard::Yes => self.where_inside(&place, at, || store(&place, value)),
            },
            Base::Computed { store: None, .. } => {
                problem("this input is computed by a prologue: it can be read, not written", at)
            }
        }
    }

    /// Does something inside of the extents only.
    fn where_inside(&self, place: &[Expr<i32>], at: Place, body: impl FnOnce()) {
        let inside = self.inside(place);
        with(Builder::open);
        body();
        with(|builder| {
            let then = builder.close(builder.depth() - 1).block;
            let cond = inside.resolve(builder, at);
            builder.push(Stmt::If { cond, then, otherwise: Default::default() }, at);
        });
    }

    /// Loads `lanes` elements along the last axis, at once where they are contiguous.
    #[track_caller]
    fn load_lanes(&self, index: &[Expr<i32>], ty: Type) -> Expr<()> {
        let at = here();
        let lanes = ty.lanes as i32;
        if self.last_axis_is_contiguous() {
            let place = self.place(index);
            match &self.base {
                Base::Memory(buffer) => {
                    align(*buffer, ty, at);
                    return load_memory(*buffer, &place, ty, Guard::No, at);
                }
                Base::Remapped { view, map, run } if *run % lanes as u32 == 0 => {
                    return view.load_lanes(&map(&place), ty);
                }
                _ => {}
            }
        }
        let values: Vec<Expr<()>> = (0..lanes).map(|lane| self.load(&moved(index, lane), Guard::No)).collect();
        with(|builder| {
            let values = values.iter().map(|value| value.raw(builder, at)).collect();
            let value = builder.emit(Op::Vector(values), ty, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }

    /// Stores the lanes of a vector along the last axis, at once where they are contiguous.
    #[track_caller]
    fn store_lanes(&self, index: &[Expr<i32>], value: Expr<()>, ty: Type) {
        let at = here();
        let lanes = ty.lanes as i32;
        if self.last_axis_is_contiguous() {
            let place = self.place(index);
            match &self.base {
                Base::Memory(buffer) => {
                    align(*buffer, ty, at);
                    return store_memory(*buffer, &place, value, Guard::No, at);
                }
                Base::Remapped { view, map, run } if *run % lanes as u32 == 0 => {
                    return view.store_lanes(&map(&place), value, ty);
                }
                _ => {}
            }
        }
        for lane in 0..lanes {
            let one = with(|builder| {
                let value = value.raw(builder, at);
                let value = builder.emit(Op::Extract(value, lane as u8), self.elem, at);
                Expr::new(builder, value)
            })
            .unwrap_or_else(Expr::dead);
            self.store(&moved(index, lane), one, Guard::No);
        }
    }
}

/// The axes of a view of everything.
pub(crate) fn axes(rank: usize) -> Vec<Axis> {
    (0..rank).map(|axis| Axis { offset: None, from: Some(axis) }).collect()
}

#[track_caller]
fn moved(index: &[Expr<i32>], by: i32) -> Vec<Expr<i32>> {
    let mut index = index.to_vec();
    if let (Some(last), true) = (index.last_mut(), by != 0) {
        *last = *last + by;
    }
    index
}

fn problem(message: &str, at: Place) {
    with(|builder| builder.problem(message, at));
}

fn load_memory(buffer: BufferId, place: &[Expr<i32>], ty: Type, guard: Guard, at: Place) -> Expr<()> {
    with(|builder| {
        let index = place.iter().map(|coordinate| coordinate.resolve(builder, at)).collect();
        let value = builder.emit(Op::Load { buffer, index, guard: guard == Guard::Yes }, ty, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

fn store_memory(buffer: BufferId, place: &[Expr<i32>], value: Expr<()>, guard: Guard, at: Place) {
    with(|builder| {
        let index = place.iter().map(|coordinate| coordinate.resolve(builder, at)).collect();
        let value = value.raw(builder, at);
        builder.push(Stmt::Store { buffer, index, value, guard: guard == Guard::Yes }, at);
    });
}

/// Asks for what a vector access needs: the alignment of the memory, and rows that keep it.
fn align(buffer: BufferId, ty: Type, at: Place) {
    with(|builder| {
        let found = &mut builder.function.buffers[buffer];
        found.align = found.align.max(ty.bytes() as u32);
        let lanes = i64::from(ty.lanes);
        let (name, scope) = (found.name.clone(), found.scope);
        let Layout::Strided { strides, .. } = &found.layout else { return };
        let rows: Vec<IndexExpr> = strides.iter().rev().skip(1).cloned().collect();
        for stride in rows {
            match stride.as_const() {
                Some(stride) if stride % lanes == 0 => {}
                Some(stride) => builder.problem(
                    format!("a vector of {lanes} elements of `{name}`, whose rows are {stride} elements apart, is not aligned"),
                    at,
                ),
                None if scope == Scope::Global => {
                    let message = format!("rows of `{name}` are read in vectors of {lanes} elements");
                    let rule = Constraint { left: stride, relation: Relation::MultipleOf, right: lanes.into(), message };
                    if !builder.function.constraints.contains(&rule) {
                        builder.function.constraints.push(rule);
                    }
                }
                None => {}
            }
        }
    });
}

/// A new view of the kernel being built.
pub(crate) fn add<T, const R: usize, A>(data: ViewData) -> View<T, R, A> {
    with(|builder| {
        builder.views.push(data);
        View { kernel: builder.serial(), id: builder.views.len() as u32 - 1, of: PhantomData }
    })
    .unwrap_or_else(View::dead)
}

impl<T, const R: usize, A> View<T, R, A> {
    /// A handle that names no view.
    pub(crate) fn dead() -> Self {
        View { kernel: Serial::NONE, id: 0, of: PhantomData }
    }

    /// What names the view.
    pub(crate) fn key(self) -> (u32, u32) {
        (self.kernel.0, self.id)
    }

    /// The view of that name.
    pub(crate) fn of_key(kernel: u32, id: u32) -> Self {
        View { kernel: Serial(kernel), id, of: PhantomData }
    }

    /// Gives a buffer its name, where the view is one.
    pub(crate) fn set_name(self, name: &str) {
        with(|builder| {
            if self.kernel == builder.serial() {
                if let Some(Base::Memory(buffer)) = builder.views.get(self.id as usize).map(|data| data.base.clone()) {
                    builder.function.buffers[buffer].name = name.to_owned();
                }
            }
        });
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// What is known of the view.
    pub(crate) fn data(self, at: Place) -> Option<ViewData> {
        with(|builder| {
            if self.kernel == builder.serial() {
                builder.views.get(self.id as usize).cloned()
            } else {
                builder.problem("a tensor of another kernel is used here", at);
                None
            }
        })
        .flatten()
    }

    /// The element at an index: `x[[i, j]]`.
    #[track_caller]
    pub fn read(&self, index: impl IndexTuple<R>) -> Expr<T> {
        let index = index.coordinates();
        // No closure here: it would not know the caller's place.
        match self.data(here()) {
            Some(data) => data.load(&index, Guard::No).assume(),
            None => Expr::dead(),
        }
    }

    /// The element at an index, zero outside of the tensor.
    #[track_caller]
    pub fn get(&self, index: impl IndexTuple<R>) -> Expr<T> {
        let index = index.coordinates();
        // No closure here: it would not know the caller's place.
        match self.data(here()) {
            Some(data) => data.load(&index, Guard::Yes).assume(),
            None => Expr::dead(),
        }
    }

    /// `N` elements along the last axis, from an index that is a multiple of `N`.
    #[track_caller]
    pub fn load<const N: usize>(&self, index: impl IndexTuple<R>) -> Expr<Vector<T, N>> {
        let index = index.coordinates();
        let ty = <Vector<T, N> as DeviceType>::TYPE;
        // No closure here: it would not know the caller's place.
        match self.data(here()) {
            Some(data) => data.load_lanes(&index, ty).assume(),
            None => Expr::dead(),
        }
    }

    /// The address of an element, for intrinsics: `&x[[i, j]]`.
    #[track_caller]
    pub fn address(&self, index: impl IndexTuple<R>) -> Address<T> {
        let (index, at) = (index.coordinates(), here());
        let place = self.data(at).and_then(|data| match data.base {
            Base::Memory(buffer) => Some((buffer, data.place(&index))),
            _ => {
                problem("this tensor is computed, so its elements have no address; ask `is_memory()` first", at);
                None
            }
        });
        Address { place, of: PhantomData }
    }

    /// The buffer, where the view is all of one.
    pub(crate) fn whole_buffer(&self, at: Place) -> Option<BufferId> {
        let data = self.data(at)?;
        let whole =
            data.axes.iter().enumerate().all(|(axis, place)| place.offset.is_none() && place.from == Some(axis));
        match data.base {
            Base::Memory(buffer) if whole => Some(buffer),
            _ => {
                problem("this needs a tensor parameter as a whole, not a part of one or a computed one", at);
                None
            }
        }
    }

    /// Whether the elements lie in memory, so that they have addresses.
    #[track_caller]
    pub fn is_memory(&self) -> bool {
        self.data(here()).is_some_and(|data| matches!(data.base, Base::Memory(_)))
    }

    /// How many elements along the last axis are known to be contiguous in memory, from a multiple of that number:
    /// all of them (`u32::MAX`) for memory, the run of a remapped view, 1 for computed values.
    #[track_caller]
    pub fn contiguous_run(&self) -> u32 {
        self.data(here()).map_or(1, |data| match data.base {
            Base::Memory(_) if data.last_axis_is_contiguous() => u32::MAX,
            Base::Remapped { run, .. } if data.last_axis_is_contiguous() => run,
            _ => 1,
        })
    }

    /// An extent.
    #[track_caller]
    pub fn extent(&self, axis: usize) -> Expr<i32> {
        let at = here();
        match self.data(at).and_then(|data| data.shape.get(axis).cloned()) {
            Some(size) => size.expr(),
            None => {
                problem(&format!("a tensor of {R} dimensions has no axis {axis}"), at);
                Expr::dead()
            }
        }
    }

    /// A part of the tensor: extents `shape` from `start`. Protected access still ends where the tensor ends.
    #[track_caller]
    pub fn tile<S: IndexValue, E: super::Extent>(&self, start: [S; R], shape: [E; R]) -> View<T, R, A> {
        let Some(mut data) = self.data(here()) else { return *self };
        let start: Vec<Expr<i32>> = start.into_iter().map(IndexValue::coordinate).collect();
        for axis in &mut data.axes {
            if let Some(from) = axis.from {
                axis.offset = Some(axis.offset.map_or(start[from], |offset| offset + start[from]));
            }
        }
        data.shape = shape.into_iter().map(super::Extent::size).collect();
        add(data)
    }

    /// The tensor without `axis`, whose coordinate is `index`.
    #[track_caller]
    fn without<const Q: usize>(&self, axis: usize, index: Expr<i32>) -> View<T, Q, A> {
        let Some(mut data) = self.data(here()) else { return View::dead() };
        for place in &mut data.axes {
            match place.from {
                Some(from) if from == axis => {
                    *place = Axis { offset: Some(place.offset.map_or(index, |offset| offset + index)), from: None };
                }
                Some(from) if from > axis => place.from = Some(from - 1),
                _ => {}
            }
        }
        data.shape.remove(axis);
        add(data)
    }

    /// A read-only view of the same elements.
    pub fn as_input(&self) -> In<T, R> {
        View { kernel: self.kernel, id: self.id, of: PhantomData }
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Writes the element at an index: `x[[i, j]] = value`.
    #[track_caller]
    pub fn write(&self, index: impl IndexTuple<R>, value: impl IntoExpr<T>)
    where
        A: Writable,
    {
        let (index, value) = (index.coordinates(), value.into_expr());
        if let Some(data) = self.data(here()) {
            data.store(&index, value.assume(), Guard::No);
        }
    }

    /// Writes the element at an index, nothing outside of the tensor.
    #[track_caller]
    pub fn set(&self, index: impl IndexTuple<R>, value: impl IntoExpr<T>)
    where
        A: Writable,
    {
        let (index, value) = (index.coordinates(), value.into_expr());
        if let Some(data) = self.data(here()) {
            data.store(&index, value.assume(), Guard::Yes);
        }
    }

    /// Writes `N` elements along the last axis, from an index that is a multiple of `N`.
    #[track_caller]
    pub fn store<const N: usize>(&self, index: impl IndexTuple<R>, value: Expr<Vector<T, N>>)
    where
        A: Writable,
    {
        let index = index.coordinates();
        if let Some(data) = self.data(here()) {
            data.store_lanes(&index, value.assume(), <Vector<T, N> as DeviceType>::TYPE);
        }
    }
}

/// What single brackets could take, were there any: nothing. It makes rustc say how elements are named.
#[diagnostic::on_unimplemented(
    message = "elements of a tensor are indexed with double brackets: `x[[i, j]]`",
    label = "write `[[..]]`"
)]
pub trait DoubleBrackets {}

impl<T, const R: usize, A, I: DoubleBrackets> std::ops::Index<I> for View<T, R, A> {
    type Output = ();
    fn index(&self, _: I) -> &() {
        &()
    }
}

macro_rules! slices {
    ($($rank:literal $less:literal;)*) => {$(
        impl<T: Element, A> View<T, $rank, A> {
            /// The part at one coordinate of the first axis, with one dimension less.
            #[track_caller]
            pub fn slice(&self, index: impl IndexValue) -> View<T, $less, A> {
                self.without(0, index.coordinate())
            }
        }
    )*};
}
slices! { 2 1; 3 2; 4 3; 5 4; 6 5; }

impl<T: Element, A> View<T, 2, A> {
    /// A row.
    #[track_caller]
    pub fn row(&self, index: impl IndexValue) -> View<T, 1, A> {
        self.without(0, index.coordinate())
    }

    /// A column.
    #[track_caller]
    pub fn column(&self, index: impl IndexValue) -> View<T, 1, A> {
        self.without(1, index.coordinate())
    }
}

/// The address of an element, for intrinsics.
#[derive(Clone, Debug)]
pub struct Address<T> {
    place: Option<(BufferId, Vec<Expr<i32>>)>,
    of: PhantomData<fn() -> T>,
}

impl<T: Element> Address<T> {
    /// The type of the element.
    pub(crate) fn scalar(&self) -> Scalar {
        T::SCALAR
    }

    /// Whether it lies in registers.
    pub(crate) fn is_register(&self, builder: &Builder) -> bool {
        self.place.as_ref().is_some_and(|(buffer, _)| builder.function.buffers[*buffer].scope == Scope::Register)
    }

    /// Asks for what an access of that type needs.
    pub(crate) fn align(&self, ty: Type, at: Place) {
        if let Some((buffer, _)) = &self.place {
            align(*buffer, ty, at);
        }
    }

    /// The address as an operand of a call.
    pub(crate) fn arg(&self, builder: &mut Builder, at: Place) -> Option<Arg> {
        let (buffer, index) = self.place.as_ref()?;
        let index = index.iter().map(|coordinate| coordinate.resolve(builder, at)).collect();
        Some(Arg::Address { buffer: *buffer, index })
    }
}

impl Expr<()> {
    /// The value of a handle whose type was forgotten.
    pub(crate) fn raw(self, builder: &mut Builder, at: Place) -> crate::ir::ValueId {
        self.assume::<bool>().resolve(builder, at)
    }
}
