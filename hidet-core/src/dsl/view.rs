//! Views: tensor parameters, shared tiles, register arrays and slices of them, as seen by a kernel.
//!
//! There are four kinds of views. *Memory*: elements of a buffer, accessible to asynchronous copies and vector loads.
//! *Peer*: shared memory of another block of the cluster, accessed element by element and by operations of its own.
//! *Remapped*: elements of another view at computed coordinates, with a known length of contiguous runs. *Computed*:
//! values of a function, as in a fused prologue or epilogue. A kernel need not know the kind; a template may query it.

use super::access::{Base, Guard, ViewData, problem};
use super::address::Address;
use super::builder::{Caller, Serial, here, with};
use super::expr::{DeviceType, Expr, IntoExpr};
use super::index::{IndexTuple, IndexValue};
use super::reach;
use super::vector::Vector;
use crate::types::{Element, Type};
use std::fmt;
use std::marker::PhantomData;

/// Marks a read-only view.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Marks a view that is written; elements must not be read before they are written.
#[derive(Clone, Copy, Debug)]
pub struct Write;
/// Marks a view that is read and written.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite;

/// A tensor of `T` with `R` axes, as a kernel sees it.
pub struct View<T, const R: usize, A = ReadWrite> {
    kernel: Serial,
    id: u32,
    of: PhantomData<(fn() -> (T, A), *const ())>,
}

/// A tensor parameter that is read. The tensor of a launch may be a part of a larger one: see
/// [`Tensor::slice`](crate::device::Tensor::slice).
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

/// Views whose elements may be updated in place.
#[diagnostic::on_unimplemented(
    message = "this tensor cannot be changed in place: only an `InOut<..>` is both read and written",
    label = "read and written here",
    note = "declare the parameter as `InOut<..>`; into an `Out<..>` write what was summed in a `let mut`"
)]
pub trait Updatable: Writable {}
#[diagnostic::do_not_recommend]
impl Updatable for ReadWrite {}

/// Adds a view to the kernel being built.
pub(crate) fn add<T, const R: usize, A>(data: ViewData) -> View<T, R, A> {
    UntypedView::add(data).retyped()
}

/// A view without its type and rank.
type UntypedView = View<(), 0, ()>;

// rustc compiles a generic function for each type, in each crate that calls it, so these do the work for all types.
impl UntypedView {
    fn add(data: ViewData) -> UntypedView {
        with(|builder| {
            builder.views.push(data);
            View { kernel: builder.serial(), id: builder.views.len() as u32 - 1, of: PhantomData }
        })
        .unwrap_or_else(View::dead)
    }

    fn untyped_data(self, at: Caller) -> Option<ViewData> {
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

    fn set_untyped_name(self, name: &str) {
        with(|builder| {
            if self.kernel == builder.serial() {
                if let Some(Base::Memory(buffer)) = builder.views.get(self.id as usize).map(|data| data.base.clone()) {
                    builder.function.buffers[buffer].name = name.to_owned();
                }
            }
        });
    }

    /// Loads an element.
    #[track_caller]
    fn load_untyped(self, index: &[Expr<i32>], guard: Guard) -> Expr<()> {
        // Not a closure, which would lose the caller's location.
        match self.untyped_data(here()) {
            Some(data) => {
                if guard == Guard::No {
                    reach::access(&data, index, 1, here());
                }
                data.load(index, guard, here())
            }
            None => Expr::dead(),
        }
    }

    /// Loads a vector.
    #[track_caller]
    fn load_untyped_lanes(self, index: &[Expr<i32>], ty: Type, lanes: usize) -> Expr<()> {
        match self.untyped_data(here()) {
            Some(data) if lanes_exist(lanes, here()) => {
                reach::access(&data, index, lanes as u32, here());
                data.load_lanes(index, ty, Guard::No, here())
            }
            _ => Expr::dead(),
        }
    }

    #[track_caller]
    fn untyped_address(self, index: &[Expr<i32>]) -> Address<()> {
        let at = here();
        let mut rank = None;
        let data = self.untyped_data(at);
        if let Some(data) = &data {
            reach::access(data, index, 1, at);
        }
        let place = data.and_then(|data| match data.base {
            Base::Memory(buffer) => Some((buffer, data.place(index))),
            Base::Peer(buffer, of) => {
                rank = Some(of);
                Some((buffer, data.place(index)))
            }
            _ => {
                problem("this tensor is computed, so its elements have no address; ask `is_memory()` first", at);
                None
            }
        });
        Address { place, rank, of: PhantomData, transposed: false }
    }

    /// Stores an element.
    #[track_caller]
    fn store_untyped(self, index: &[Expr<i32>], value: Expr<()>, guard: Guard) {
        if let Some(data) = self.untyped_data(here()) {
            if guard == Guard::No {
                reach::access(&data, index, 1, here());
            }
            data.store(index, value, guard, here());
        }
    }

    /// Stores a vector.
    #[track_caller]
    fn store_untyped_lanes(self, index: &[Expr<i32>], value: Expr<()>, ty: Type, lanes: usize) {
        let at = here();
        if let Some(data) = self.untyped_data(at).filter(|_| lanes_exist(lanes, at)) {
            reach::access(&data, index, lanes as u32, at);
            data.store_lanes(index, value, ty, Guard::No, at);
        }
    }
}

impl<T, const R: usize, A> View<T, R, A> {
    /// Returns a handle that names no view.
    pub(crate) fn dead() -> Self {
        View { kernel: Serial::NONE, id: 0, of: PhantomData }
    }

    /// Returns the description of the view.
    pub(crate) fn data(self, at: Caller) -> Option<ViewData> {
        self.untyped().untyped_data(at)
    }

    fn untyped(self) -> UntypedView {
        self.retyped()
    }

    /// Returns the same handle with other types.
    pub(super) fn retyped<U, const Q: usize, B>(self) -> View<U, Q, B> {
        View { kernel: self.kernel, id: self.id, of: PhantomData }
    }

    /// Names the buffer, if the view is one.
    pub(crate) fn set_name(self, name: &str) {
        self.untyped().set_untyped_name(name);
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns the element at an index: `x[[i, j]]`.
    #[track_caller]
    pub fn read(&self, index: impl IndexTuple<R>) -> Expr<T> {
        self.untyped().load_untyped(&index.coordinates(), Guard::No).assume()
    }

    /// Returns the element at an index, or zero outside of the tensor.
    #[track_caller]
    pub fn get(&self, index: impl IndexTuple<R>) -> Expr<T> {
        self.untyped().load_untyped(&index.coordinates(), Guard::Yes).assume()
    }

    /// Loads `N` elements along the last axis, starting at an index that is a multiple of `N`.
    #[track_caller]
    pub fn load<const N: usize>(&self, index: impl IndexTuple<R>) -> Expr<Vector<T, N>> {
        let ty = <Vector<T, N> as DeviceType>::TYPE;
        self.untyped().load_untyped_lanes(&index.coordinates(), ty, N).assume()
    }

    /// Returns the address of an element, for intrinsics: `&x[[i, j]]`.
    #[track_caller]
    pub fn address(&self, index: impl IndexTuple<R>) -> Address<T> {
        self.untyped().untyped_address(&index.coordinates()).retyped()
    }

    /// Returns the reason why no [`tensor_map`](View::tensor_map) can be taken of this view, if there is one. The extents
    /// of the box are checked by `tensor_map` itself, and what depends on the extents of the parameters by the launcher.
    ///
    /// A map can be taken of a parameter, of parts, slices and permutations of it whose last axis is contiguous, and of
    /// remapped views whose coordinates are sums of their own ones times numbers and extents: with padding, in steps, or
    /// with axes split and merged.
    #[track_caller]
    pub fn can_tensor_map(&self) -> Result<(), String> {
        let at = here();
        self.data(at).ok_or("this tensor belongs to another kernel")?.can_tensor_map(at)
    }

    /// Returns true if the elements are in memory of this block or the device, so that they have an
    /// [`address`](View::address): whole tensors and parts of them. For tensor maps, query
    /// [`can_tensor_map`](View::can_tensor_map).
    #[track_caller]
    pub fn is_memory(&self) -> bool {
        self.data(here()).is_some_and(|data| matches!(data.base, Base::Memory(_)))
    }

    /// Returns the number of elements along the last axis, starting at a multiple of that number, that are known to be
    /// contiguous in memory: `u32::MAX` for memory (all of them), the run of a remapped view, 1 for computed values.
    #[track_caller]
    pub fn contiguous_run(&self) -> u32 {
        self.data(here()).map_or(1, |data| match data.base {
            Base::Memory(_) if data.last_axis_is_contiguous() => u32::MAX,
            Base::Remapped { run, .. } if data.last_axis_is_contiguous() => run,
            _ => 1,
        })
    }

    /// Returns the extent along an axis.
    #[track_caller]
    pub fn extent(&self, axis: usize) -> Expr<i32> {
        let at = here();
        match self.data(at).and_then(|data| data.shape.get(axis).cloned()) {
            Some(size) => size.expr(),
            None => {
                problem(&format!("a tensor with {R} axes has no axis {axis}"), at);
                Expr::dead()
            }
        }
    }

    /// Returns a part of the tensor with extents `shape`, starting at `start`. Protected accesses are still bounded by
    /// the tensor.
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
        reach::part(&data, here());
        add(data)
    }

    /// Returns the tensor without `axis`, at the coordinate `index`.
    #[track_caller]
    fn without<const Q: usize>(&self, axis: usize, index: Expr<i32>) -> View<T, Q, A> {
        let Some(mut data) = self.data(here()) else { return View::dead() };
        data.remove_axis(axis, index);
        reach::part(&data, here());
        add(data)
    }

    /// Returns a read-only view of the same elements.
    pub fn as_input(&self) -> In<T, R> {
        self.retyped()
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
        self.untyped().store_untyped(&index, value.assume(), Guard::No);
    }

    /// Writes the element at an index; does nothing outside of the tensor.
    #[track_caller]
    pub fn set(&self, index: impl IndexTuple<R>, value: impl IntoExpr<T>)
    where
        A: Writable,
    {
        let (index, value) = (index.coordinates(), value.into_expr());
        self.untyped().store_untyped(&index, value.assume(), Guard::Yes);
    }

    /// Writes `N` elements along the last axis, starting at an index that is a multiple of `N`.
    #[track_caller]
    pub fn store<const N: usize>(&self, index: impl IndexTuple<R>, value: Expr<Vector<T, N>>)
    where
        A: Writable,
    {
        let ty = <Vector<T, N> as DeviceType>::TYPE;
        self.untyped().store_untyped_lanes(&index.coordinates(), value.assume(), ty, N);
    }
}

/// Returns true if a vector can have that many elements; otherwise it is a problem of the kernel.
pub(super) fn lanes_exist(lanes: usize, at: Caller) -> bool {
    let exist = matches!(lanes, 1 | 2 | 4 | 8 | 16);
    if !exist {
        problem(&format!("{lanes} elements at once: a vector has 1, 2, 4, 8 or 16"), at);
    }
    exist
}

macro_rules! slices {
    ($($rank:literal $less:literal;)*) => {$(
        impl<T: Element, A> View<T, $rank, A> {
            /// Returns the part at one coordinate of the first axis, with one dimension less.
            #[track_caller]
            pub fn slice(&self, index: impl IndexValue) -> View<T, $less, A> {
                self.without(0, index.coordinate())
            }
        }
    )*};
}
slices! { 2 1; 3 2; 4 3; 5 4; 6 5; }

impl<T: Element, A> View<T, 2, A> {
    /// Returns a row.
    #[track_caller]
    pub fn row(&self, index: impl IndexValue) -> View<T, 1, A> {
        self.without(0, index.coordinate())
    }

    /// Returns a column.
    #[track_caller]
    pub fn column(&self, index: impl IndexValue) -> View<T, 1, A> {
        self.without(1, index.coordinate())
    }
}
