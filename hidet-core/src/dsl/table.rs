//! Tables of tensors as parameters: every entry is a tensor with an address of its own.

use super::access::{Base, Guard, ViewData, ViewExtent, problem};
use super::argument::Mode;
use super::buffer::load_memory;
use super::builder::{Caller, here, with};
use super::expr::Expr;
use super::index::IndexValue;
use super::signature::Signature;
use super::view::{Read, ReadWrite, View, Write, add};
use crate::ir::{Access, Buffer, Entries, Param, Scope};
use crate::layout::Layout;
use crate::types::{Element, Scalar};
use hidet_mapping::IndexExpr;
use std::fmt;

/// A table of tensors of `T` with `R` axes each, as a kernel sees it: the parameter of a grouped product, whose groups have
/// tensors of their own.
///
/// The first extent is the number of entries, the others are those of an entry. Entries may differ in their first extent, if
/// its name begins with `_`: `a: InTable<f16, [groups, _m, k]>`. As a value, and in the launch, `_m` is the largest one; the
/// entry's own is [`extent(0)`](View::extent) of [`at`](Table::at). Entries of the same number agree in it, in all tables that
/// name it. An extent `_` has no name. The other extents are the same for all entries, and named as those of other
/// parameters.
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     /// Sums up each of several vectors.
///     #[launch(grid = groups, block = 32)]
///     fn sums(x: InTable<f32, [groups, _]>, y: Out<f32, [groups]>) {
///         let own = x.at(block_idx().x);
///         let mut sum = 0.0;
///         for i in (lane_id()..own.extent(0)).step_by(32) { sum += own[[i]]; }
///         let sum = warp_sum(sum);
///         if lane_id() == 0 { y[[block_idx().x]] = sum; }
///     }
/// }
///
/// let device = Device::sim();
/// let (a, b) = (device.tensor(&[1.0, 2.0, 3.0], [3])?, device.tensor(&[5.0; 40], [40])?);
/// let mut y = device.empty([2])?;
/// sums().compile(&device)?.launch(&device.table([&a, &b])?, &mut y)?;
/// assert_eq!(y.to_vec()?, [6.0, 200.0]);
/// # Ok::<(), hidet::Error>(())
/// ```
///
/// An entry is a view as every other tensor in memory, and accesses of it are checked in the same way. It has no tensor map,
/// and its address can only be an operand of `cp.async` and of atomics. Entries are contiguous tensors. An entry of a table
/// that is written overlaps no other entry or argument; the launcher checks it.
pub struct Table<T, const R: usize, A = ReadWrite> {
    /// All entries, with one axis more.
    view: View<T, R, A>,
}

/// A table of tensors that are read.
pub type InTable<T, const R: usize> = Table<T, R, Read>;
/// A table of tensors that are written.
pub type OutTable<T, const R: usize> = Table<T, R, Write>;
/// A table of tensors that are read and written.
pub type InOutTable<T, const R: usize> = Table<T, R, ReadWrite>;

impl<T, const R: usize, A> Copy for Table<T, R, A> {}
impl<T, const R: usize, A> Clone for Table<T, R, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const R: usize, A> fmt::Debug for Table<T, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table of {:?}", self.view)
    }
}

impl<T: Element, const R: usize, A> Table<T, R, A> {
    /// Returns the entry of that number.
    #[track_caller]
    pub fn at(&self, entry: impl IndexValue) -> View<T, R, A> {
        let (entry, at) = (entry.coordinate(), here());
        self.view.data(at).and_then(|data| data.entry(entry, at)).map_or_else(View::dead, add)
    }

    /// Returns the number of entries.
    #[track_caller]
    pub fn count(&self) -> Expr<i32> {
        self.view.extent(0)
    }
}

impl Signature {
    /// Declares a table of tensors as a parameter: the number of entries, and the extents of an entry, of which the first
    /// is the largest one if `differ` says that entries have one of their own.
    #[track_caller]
    pub fn table<T: Element, const R: usize, A: Mode>(
        &mut self,
        name: &str,
        shape: &[IndexExpr],
        differ: bool,
    ) -> Table<T, R, A> {
        let view = self.table_of(name, T::SCALAR, (shape, differ), A::ACCESS);
        Table { view: view.map_or_else(View::dead, add) }
    }

    /// Declares a table whose type is a value. Returns all its entries, with one axis more.
    #[track_caller]
    fn table_of(
        &mut self,
        name: &str,
        elem: Scalar,
        (shape, differ): (&[IndexExpr], bool),
        access: Access,
    ) -> Option<ViewData> {
        let at = here();
        if self.is_bound() {
            problem(&format!("the parameter `{name}` is a table of tensors, which only a launch can give"), at);
            return None;
        }
        with(|builder| {
            let [entries, entry @ ..] = shape else { return None };
            let global = |name: String, elem: Scalar, shape: Vec<IndexExpr>, layout, entries| {
                let align = elem.bytes() as u32;
                Buffer { name, scope: Scope::Global, elem, shape, layout, align, alias: None, entries }
            };
            let rows = differ.then(|| {
                let layout = Layout::strided([entries.clone()], [Entries::ROWS_STRIDE]);
                let rows = global(format!("{name}_rows"), Scalar::I32, vec![entries.clone()], layout, None);
                builder.function.buffers.push(rows)
            });
            let Layout::Strided { strides, .. } = Layout::row_major(entry) else { return None };
            let layout = Layout::strided(shape, [&[0.into()], &strides[..]].concat());
            let table = global(name.to_owned(), elem, shape.to_vec(), layout, Some(Entries { rows }));
            let buffer = builder.function.buffers.push(table);
            builder.function.params.push(Param::Tensor { buffer, access });
            Some(ViewData::memory(builder, buffer))
        })
        .flatten()
    }
}

impl ViewData {
    /// Returns the entry of a table.
    #[track_caller]
    fn entry(mut self, entry: Expr<i32>, at: Caller) -> Option<ViewData> {
        let Base::Memory(buffer) = self.base else { return None };
        let rows = with(|builder| builder.function.buffers[buffer].entries.and_then(|entries| entries.rows)).flatten();
        self.remove_axis(0, entry);
        if let Some(rows) = rows {
            let rows: Expr<i32> = load_memory(rows, &[entry], Scalar::I32.into(), Guard::No, at).assume();
            self.shape[0] = ViewExtent::Value(rows);
            self.bounds[1] = ViewExtent::Value(rows);
        }
        Some(self)
    }
}
