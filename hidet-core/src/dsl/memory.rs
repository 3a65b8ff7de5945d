//! Shared memory and register arrays.

use super::access::{Base, ViewData, ViewExtent};
use super::builder::{Caller, here, with};
use super::expr::{Expr, IntoExpr};
use super::index::compute;
use super::view::{View, add};
use crate::ir::{Buffer, Scope};
use crate::layout::Layout;
use crate::types::{Element, Scalar};
use hidet_mapping::IndexExpr;

/// An extent: a number, or arithmetic on numbers and extents of parameters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extent",
    label = "an `i32` is needed here",
    note = "an extent is an `i32`, or computed from the extents of the parameters"
)]
pub trait Extent: Clone {
    /// Returns the extent as a formula, or `None` if it is not computed from numbers and extents of parameters.
    fn formula(&self) -> Option<IndexExpr>;
    /// Returns the extent as one of a view, which may be any value.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn size(self) -> ViewExtent;
}

impl Extent for i32 {
    fn formula(&self) -> Option<IndexExpr> {
        Some((*self).into())
    }
    #[allow(private_interfaces)]
    fn size(self) -> ViewExtent {
        ViewExtent::Formula(self.into())
    }
}

impl Extent for IndexExpr {
    fn formula(&self) -> Option<IndexExpr> {
        Some(with(|builder| builder.known(self)).unwrap_or_else(|| self.clone()))
    }
    #[allow(private_interfaces)]
    fn size(self) -> ViewExtent {
        ViewExtent::Formula(self.formula().unwrap_or(self))
    }
}

impl Extent for Expr<i32> {
    fn formula(&self) -> Option<IndexExpr> {
        let at = here();
        with(|builder| {
            let value = self.resolve(builder, at);
            builder.formula(value)
        })
        .flatten()
    }
    #[allow(private_interfaces)]
    fn size(self) -> ViewExtent {
        self.formula().map_or(ViewExtent::Value(self), ViewExtent::Formula)
    }
}

/// The shape of memory: extents `[E; R]`, or a layout.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the shape of a tensor with {R} axes",
    label = "extents `[m, n]` or a layout are needed here"
)]
pub trait MemoryShape<const R: usize> {
    /// Returns the extents, and the layout unless it is row-major, or an error message.
    fn memory(self) -> Result<(Vec<IndexExpr>, Option<Layout>), String>;
}

impl<E: Extent, const R: usize> MemoryShape<R> for [E; R] {
    fn memory(self) -> Result<(Vec<IndexExpr>, Option<Layout>), String> {
        let shape = self.iter().map(Extent::formula).collect::<Option<Vec<_>>>();
        let why =
            "an extent of this memory is not known to the launcher; use numbers and the extents of the parameters";
        shape.map(|shape| (shape, None)).ok_or_else(|| why.to_owned())
    }
}

/// Returns the row-major layout.
pub(crate) fn row_major(shape: &[IndexExpr]) -> Layout {
    let mut strides = vec![IndexExpr::from(1); shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1].clone() * shape[axis + 1].clone();
    }
    Layout::Strided { shape: shape.to_vec(), strides }
}

fn allocate<T: Element, const R: usize>(
    name: &str,
    scope: Scope,
    shape: impl MemoryShape<R>,
    at: Caller,
) -> View<T, R> {
    allocate_untyped(name, scope, T::SCALAR, R, shape.memory(), at).map_or_else(View::dead, add)
}

fn allocate_untyped(
    name: &str,
    scope: Scope,
    elem: Scalar,
    rank: usize,
    shape: Result<(Vec<IndexExpr>, Option<Layout>), String>,
    at: Caller,
) -> Option<ViewData> {
    with(|builder| {
        let (shape, layout) = shape.map_err(|why| builder.problem(why, at)).ok()?;
        if shape.len() != rank {
            builder.problem(format!("the layout has {} axes, the tensor has {rank}", shape.len()), at);
            return None;
        }
        if scope == Scope::Register && shape.iter().any(|extent| extent.as_const().is_none()) {
            builder.problem("the extents of a register array must be numbers", at);
            return None;
        }
        let layout = layout.unwrap_or_else(|| row_major(&shape));
        // The widest accesses to shared memory and registers are vectors of 16 bytes.
        let buffer =
            Buffer { name: name.to_owned(), scope, elem, shape, layout, align: 16, alias: None, entries: None };
        let id = builder.function.buffers.push(buffer);
        Some(ViewData::memory(builder, id))
    })
    .flatten()
}

fn relaid(data: &ViewData, rank: usize, layout: Layout, at: Caller) -> Option<ViewData> {
    with(|builder| {
        let owner = match data.base {
            Base::Memory(id) if data.is_whole() && builder.function.buffers[id].scope == Scope::Shared => Some(id),
            _ => None,
        };
        let Some(id) = owner else {
            builder.problem("only a whole buffer in shared memory can have another layout", at);
            return None;
        };
        let shape = layout.shape();
        let own = builder.function.buffers[id].clone();
        let sizes = [&own.layout, &layout].map(|layout| layout.size().as_const());
        if shape.len() != rank {
            builder.problem(format!("the layout has {} axes, the tensor has {rank}", shape.len()), at);
            return None;
        }
        let [Some(elements), Some(wanted)] = sizes else {
            builder
                .problem("a buffer that has another layout, and that layout, must have extents that are numbers", at);
            return None;
        };
        if wanted > elements {
            builder.problem(format!("the layout needs {wanted} elements, but the buffer has {elements}"), at);
            return None;
        }
        let alias = own.alias.or(Some(id));
        let id = builder.function.buffers.push(Buffer { shape, layout, alias, ..own });
        Some(ViewData::memory(builder, id))
    })
    .flatten()
}

/// Allocates shared memory of the block: `shared::<f32>([32, 33])`, or with a layout. Extents may be computed from the
/// extents of the parameters; the launcher then computes the size.
#[track_caller]
pub fn shared<T: Element, const R: usize>(shape: impl MemoryShape<R>) -> View<T, R> {
    allocate("shared", Scope::Shared, shape, here())
}

/// Allocates registers of the thread: `registers::<f32>([4, 4])`, or with a layout. Indices into them must become
/// constant: use mappings and `unroll`.
#[track_caller]
pub fn registers<T: Element, const R: usize>(shape: impl MemoryShape<R>) -> View<T, R> {
    allocate("registers", Scope::Register, shape, here())
}

impl<T: Element, const R: usize> View<T, R> {
    /// Returns the memory of a shared buffer, which this must be as a whole, with another layout of as many bytes at most:
    /// the same bytes as other axes.
    ///
    /// Slabs of 64 columns, as TMA writes them, are one matrix to tensor cores that read it transposed:
    ///
    /// ```
    /// use hidet::dsl::intrinsics::matrix_layout;
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = 1, block = 32)]
    ///     fn first(y: Out<bf16, [1]>) {
    ///         let slabs = shared::<bf16, 3>(Layout::tma([2, 16, 64], Swizzle::B128));
    ///         let matrix = slabs.relaid::<2>(matrix_layout::<bf16>([16, 128], Swizzle::B128));
    ///         slabs[[1, 3, thread_id()]] = 1.0;
    ///         sync_threads();
    ///         if thread_id() == 0 { y[[0]] = matrix[[3, 64]]; }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let mut y = device.empty([1])?;
    /// first().compile(&device)?.launch(&mut y)?;
    /// assert_eq!(y.to_vec()?, [bf16::ONE]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn relaid<const Q: usize>(self, layout: Layout) -> View<T, Q> {
        let at = here();
        let Some(data) = self.data(at) else { return View::dead() };
        relaid(&data, Q, layout, at).map_or_else(View::dead, add)
    }

    /// Writes one value to every element of a register array.
    #[track_caller]
    pub fn fill(&self, value: impl IntoExpr<T>) {
        let (value, at) = (value.into_expr(), here());
        let Some(data) = self.data(at) else { return };
        let super::access::Base::Memory(buffer) = data.base else {
            with(|builder| builder.problem("`fill` needs a register array", at));
            return;
        };
        let slots = with(|builder| {
            let buffer = &builder.function.buffers[buffer];
            if buffer.scope == Scope::Register {
                one_index_a_slot(&buffer.shape, &buffer.layout)
            } else {
                builder.problem("`fill` is for register arrays: let the threads share the work with a mapping", at);
                None
            }
        })
        .flatten();
        for index in slots.unwrap_or_default() {
            let index: Vec<Expr<i32>> = index.into_iter().map(|i| compute(&IndexExpr::from(i))).collect();
            data.store(&index, value.assume(), super::access::Guard::No, at);
        }
    }
}

/// Returns, for each element that a layout stores, the first coordinates with its offset.
fn one_index_a_slot(shape: &[IndexExpr], layout: &Layout) -> Option<Vec<Vec<i64>>> {
    let extents = shape.iter().map(IndexExpr::as_const).collect::<Option<Vec<_>>>()?;
    let mut seen = std::collections::HashSet::new();
    let mut index = vec![0; extents.len()];
    let mut found = Vec::new();
    if extents.contains(&0) {
        return Some(found);
    }
    loop {
        if seen.insert(layout.offset_at(&index, &[]).ok()?) {
            found.push(index.clone());
        }
        let mut axis = extents.len();
        loop {
            if axis == 0 {
                return Some(found);
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < extents[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
