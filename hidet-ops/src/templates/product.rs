//! [`Product`]: a fused task as a product of matrices, found by its structure.

use crate::expr::{ExprNode, Precision, ScalarExpr};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Parameters};
use hidet::device::Device;
use hidet::dsl::AnyView;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// A sum of products of an element of a, `[.., m, k]`, and one of b, `[.., k, n]`, with what is fused into it.
pub(super) struct Product {
    /// The factors, of elements of inputs, before they are converted to the type in which terms are added.
    pub(super) factors: [ScalarExpr; 2],
    /// How factors of `f32` are multiplied.
    pub(super) precision: Precision,
    /// The type in which terms are added.
    pub(super) sums: Scalar,
    /// The parameters of the kernel; the last two coordinates of the result are rows and columns, the one behind is k.
    pub(super) parameters: Parameters,
    /// The number of the result's coordinates.
    pub(super) rank: usize,
    /// These coordinates: those that number the matrices, and behind them rows and columns.
    pub(super) order: Vec<usize>,
    /// The number of matrices.
    pub(super) batch: usize,
    /// The extents of the matrices.
    pub(super) shape: [usize; 3],
}

impl Product {
    /// Returns a fused task as a product whose operands are whole tensors and whose last coordinates are rows and columns, or an
    /// error if it is not one.
    pub(super) fn of(fused: &FusedTask, given: &Given) -> Result<Product, String> {
        Product::with(fused, Parameters::of(fused, given.contiguous), |rank, _| Some((0..rank).collect()))
    }

    /// Returns a fused task as a product whose operands may be parts of tensors, and any two of whose coordinates are rows and
    /// columns: those of a alone and of b alone.
    pub(super) fn in_any_order(fused: &FusedTask, given: &Given) -> Result<Product, String> {
        let whole = Parameters::of(fused, given.contiguous);
        let parameters = if whole.all_at_coordinates().is_ok() { whole } else { Parameters::of_parts(fused) };
        Product::with(fused, parameters, |rank, [of_a, of_b]| {
            let last = |of: &[usize], other: &[usize]| {
                (0..rank).filter(|axis| !other.contains(axis)).max_by_key(|axis| (of.contains(axis), *axis))
            };
            let (row, col) = (last(of_a, of_b)?, last(of_b, of_a)?);
            (row != col).then(|| (0..rank).filter(|axis| ![row, col].contains(axis)).chain([row, col]).collect())
        })
    }

    /// Returns the product with these parameters. `order` is given the number of the result's coordinates, and those that a and
    /// b have.
    fn with(
        fused: &FusedTask,
        parameters: Parameters,
        order: impl Fn(usize, [&[usize]; 2]) -> Option<Vec<usize>>,
    ) -> Result<Product, String> {
        let [product] = fused.reductions.as_slice() else { return Err("it is not one sum".to_owned()) };
        let (factors, precision) =
            product.factors().ok_or("its terms are not products of an element of a and one of b")?;
        if factors.iter().any(|factor| factor.reads().is_empty()) {
            return Err("a factor is a number".to_owned());
        }
        parameters.all_at_coordinates()?;
        let (extents, rank) = (parameters.extents(), parameters.rank());
        if rank < 2 {
            return Err("rows and columns of the result are one axis".to_owned());
        }
        if parameters.over() != [rank] {
            return Err("the sum is along several axes".to_owned());
        }
        let [of_a, of_b] = [0, 1].map(|factor| parameters.axes_read(&factors[factor]));
        let order = order(rank, [&of_a, &of_b]).ok_or("a and b have the same axes of the result")?;
        let [front @ .., row, col] = order.as_slice() else { return Err("it has no rows and columns".to_owned()) };
        let batch = front.iter().map(|axis| extents[*axis]).product();
        if batch > 65535 {
            return Err(format!("a batch of {batch} matrices: a grid has at most 65535 blocks along z"));
        }
        let shape = [extents[*row], extents[*col], extents[rank]];
        if shape[2] == 0 {
            // TMA has no boxes of nothing.
            return Err("it adds nothing".to_owned());
        }
        let sums = product.term().dtype();
        let own = Product { factors, precision, sums, parameters, rank, order, batch, shape };
        let [axes_a, axes_b] = own.axes();
        let within = |of: &[usize], axes: &[usize]| of.iter().all(|axis| axes.contains(axis));
        match within(&of_a, &axes_a) && within(&of_b, &axes_b) {
            true => Ok(own),
            false => Err("its operands have not the axes of matrices [m, k] and [k, n]".to_owned()),
        }
    }

    /// Returns the kernel's coordinates that are the axes of a and of b.
    pub(super) fn axes(&self) -> [Vec<usize>; 2] {
        let (front, last) = self.order.split_at(self.rank - 2);
        [[last[0], self.rank], [self.rank, last[1]]].map(|last| front.iter().copied().chain(last).collect())
    }

    /// Returns the axes of the tensor that a factor is, if it is one as it is in memory.
    pub(super) fn memory_axes(&self, factor: &ScalarExpr) -> Option<Vec<usize>> {
        let ExprNode::Read { input, index } = factor.node() else { return None };
        self.parameters.axes(self.parameters.position(*input, index)?)
    }
}

/// Returns the multiprocessors of a device; the simulated device stands for an H200.
pub(super) fn multiprocessors(device: &Device) -> usize {
    device.as_cuda().map_or(132, |context| context.properties.multiprocessors as usize)
}

/// Returns a view with three axes of one with two axes or more: those in front of the last two are one.
pub(super) fn batched(view: AnyView) -> AnyView {
    let shape = view.shape();
    let (front, [rows, cols]) = (&shape[..shape.len() - 2], [0, 1].map(|at| shape[shape.len() - 2 + at].clone()));
    if front.len() == 1 {
        return view;
    }
    let batch = front.iter().cloned().fold(IndexExpr::Const(1), |product, extent| product * extent);
    let extents: Vec<Expr<i32>> = (0..front.len()).map(|axis| view.extent(axis)).collect();
    view.remap(&[batch, rows, cols], 16, move |index| {
        let mut at = crate::schedule::unflattened(index[0], &extents);
        at.extend([index[1], index[2]]);
        at
    })
}
