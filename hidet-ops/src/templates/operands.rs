//! How the operands of products on tensor cores are in memory, and the views of them that kernels take. Operands whose rows are
//! not multiples of 16 bytes, which neither TMA nor copies of 16 bytes read, are copied into rows that are.

use super::product::Product;
use crate::error::TensorType;
use crate::expr::{ExprNode, Precision, ScalarExpr};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Plan, Space, stored, viewed};
use hidet::dsl::{AnyView, Binding, Signature};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Returns the type in which tensor cores add products of a type, if they multiply it.
pub(super) fn sums_of(dtype: Scalar) -> Option<Scalar> {
    match dtype {
        Scalar::F16 | Scalar::BF16 | Scalar::TF32 | Scalar::E4M3 | Scalar::E5M2 => Some(Scalar::F32),
        Scalar::I8 | Scalar::U8 => Some(Scalar::I32),
        _ => None,
    }
}

/// Bytes of a line of L2.
const LINE: usize = 128;

/// How both operands are in memory.
pub(super) struct Operands {
    /// The kernel's coordinates that are the axes of each.
    pub(super) axes: [Vec<usize>; 2],
    /// True if columns of b are contiguous, false if k is.
    pub(super) along_rows: bool,
    /// True if rows of one of them are not multiples of [`LINE`].
    pub(super) straddles: bool,
    /// True if one of them is a copy.
    pub(super) is_copied: bool,
}

impl Operands {
    /// Returns how the operands of a product are in memory, after copies of those that cannot be read. a may have a `prologue`
    /// if the kernel takes one.
    pub(super) fn of(
        product: &mut Product,
        fused: &FusedTask,
        given: &Given,
        plan: &mut Plan,
        prologue: bool,
    ) -> Result<Operands, String> {
        let rank = product.rank;
        let (row, col, along) = (rank - 2, rank - 1, rank);
        let axes = |last: [usize; 2]| (0..rank - 2).chain(last).collect::<Vec<usize>>();
        let [by_rows, of_a] = [axes([along, col]), axes([row, along])];
        let of_b = axes([col, along]);
        // a may have a prologue, of which one operand is the matrix.
        let matrix = product.factors[0]
            .reads()
            .into_iter()
            .find(|read| product.memory_axes(read).is_some_and(|own| own.len() == rank));
        let matrix = matrix.cloned().ok_or("a is not a matrix in memory")?;
        let dtype = product.factors[0].dtype();
        let is_whole = matrix.identity() == product.factors[0].identity();
        if matrix.dtype() != dtype || !is_whole && (dtype.bytes() != 2 || !prologue) {
            return Err(format!("a is computed of {}", matrix.dtype()));
        }
        let own = product.memory_axes(&matrix).unwrap_or_default();
        let readable = given.contiguous && given.align >= 16;
        let rows_fit = |extent: usize| (extent * dtype.bytes()).is_multiple_of(16) && readable;
        let straddle = |extent: usize| !(extent * dtype.bytes()).is_multiple_of(LINE);
        let mut straddles = straddle(product.shape[2]);
        if own != of_a || !rows_fit(product.shape[2]) {
            if !is_whole {
                return Err("a has a prologue, and rows that TMA cannot read".to_owned());
            }
            straddles = straddle(product.copy(&matrix, &of_a, fused, plan)?);
        }
        let b = product.factors[1].clone();
        let own = product.memory_axes(&b).ok_or("b is not a matrix in memory")?;
        // Only elements of 16 bits are read by columns.
        let along_rows = own == by_rows && dtype.bytes() == 2;
        if !along_rows && own != of_b && own != by_rows {
            return Err("b is not a matrix in memory".to_owned());
        }
        let wanted = if along_rows { by_rows } else { of_b };
        let mut row = if along_rows { product.shape[1] } else { product.shape[2] };
        if own != wanted || !rows_fit(row) {
            row = product.copy(&b, &wanted, fused, plan)?;
        }
        straddles |= straddle(row);
        Ok(Operands { axes: [of_a, wanted], along_rows, straddles, is_copied: !plan.steps.is_empty() })
    }

    /// Returns what binds a kernel, `(a, b, c)`, to views of both operands and of the result with what follows; or of the sums
    /// of parts of k, `[parts, m, n]`.
    pub(super) fn bound(
        &self,
        fused: &FusedTask,
        product: &Product,
        has_parts: bool,
    ) -> impl FnOnce(&mut Signature) -> Vec<Binding> + 'static {
        let (own, parameters, [a, b]) = (fused.clone(), product.parameters.clone(), product.factors.clone());
        let (rank, [axes_a, axes_b], is_copied) = (product.rank, self.axes.clone(), self.is_copied);
        let sums = product.sums;
        move |signature: &mut Signature| {
            // Of a copy, k is a number: it is not the extent of any parameter.
            let dim = |(axis, extent): (usize, &usize)| match axis == rank && is_copied {
                true => IndexExpr::Const(*extent as i64),
                false => signature.dim(&format!("n{axis}")),
            };
            let dims: Vec<IndexExpr> = parameters.extents().iter().enumerate().map(dim).collect();
            let views = parameters.declare(signature, &dims);
            let view = |operand, axes: &[usize]| viewed(operand, &parameters, &views, &Space { axes, dims: &dims });
            let made = view(&a, &axes_a).and_then(|a| Ok([a, view(&b, &axes_b)?])).and_then(|[a, b]| {
                let c = match has_parts {
                    true => {
                        let shape = [signature.dim("parts"), dims[0].clone(), dims[1].clone()];
                        signature.param("y", Scalar::F32, &shape, Access::Out)
                    }
                    false => {
                        let c = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
                        stored(&own, sums, (c, &(0..rank).collect::<Vec<usize>>()), (&parameters, &views))?
                    }
                };
                Ok::<[AnyView; 3], String>([a, b, c])
            });
            match made {
                Ok(all) => all.map(Into::into).into(),
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        }
    }
}

impl Product {
    /// Returns the type that tensor cores multiply.
    pub(super) fn multiplied(&self) -> Scalar {
        match self.precision {
            Precision::Tf32x3 => Scalar::TF32,
            Precision::F32 | Precision::Tf32 => self.factors[0].dtype(),
        }
    }

    /// Makes factors that are elements of inputs converted to a type of as many bits those bits as they are: tensor cores read
    /// of them what they need.
    pub(super) fn read_bits(&mut self, dtype: Scalar) {
        for factor in &mut self.factors {
            let inner = match factor.node() {
                ExprNode::Cast(inner) => inner,
                _ => factor,
            };
            let ExprNode::Read { input, index } = inner.node() else { continue };
            if inner.dtype().bytes() == dtype.bytes()
                && let Some(parameter) = self.parameters.position(*input, index)
            {
                self.parameters.read_bits(parameter, dtype);
                let read = ScalarExpr::read(*input, dtype, index.clone());
                *factor = read;
            }
        }
    }

    /// Copies an operand into rows of a multiple of 16 bytes, and long ones of whole lines of L2, with zeros behind the elements,
    /// along these axes. Returns the number of elements of a row.
    fn copy(&mut self, read: &ScalarExpr, axes: &[usize], fused: &FusedTask, plan: &mut Plan) -> Result<usize, String> {
        let ExprNode::Read { input, index } = read.node() else { return Err("an operand is computed".to_owned()) };
        let parameter = self.parameters.position(*input, index).ok_or("an operand is not a parameter")?;
        let own = self.parameters.axes(parameter).ok_or("an operand is not a matrix")?;
        if self.parameters.is_shared(*input) {
            return Err("a tensor that must be copied is read in several ways".to_owned());
        }
        let source: Vec<usize> = own.iter().map(|axis| self.parameters.extents()[*axis]).collect();
        let mut extents: Vec<usize> = axes.iter().map(|axis| self.parameters.extents()[*axis]).collect();
        let last = extents.last_mut().ok_or("an operand is not a matrix")?;
        let unit = if *last * read.dtype().bytes() < 8 * LINE { 16 } else { LINE };
        *last = last.next_multiple_of(unit / read.dtype().bytes());
        let row = *last;
        // Behind the last element of a row, the index is outside: 0 is read. Where there is nothing behind, matrices are transposed
        // by tiles.
        let place = |axis: &usize| {
            let at = axes.iter().position(|own| own == axis)?;
            let is_longer = at + 1 == axes.len() && row != self.parameters.extents()[*axis];
            Some(if is_longer { ScalarExpr::axis(at) + 0i64 } else { ScalarExpr::axis(at) })
        };
        let index: Option<Vec<ScalarExpr>> = own.iter().map(place).collect();
        let dtype = read.dtype();
        let value = ScalarExpr::read(0, dtype, index.ok_or("an operand has other axes")?);
        let (name, output) = (format!("copy_for_{}", fused.name), TensorType::new(dtype, &extents));
        let copy = FusedTask::each(name, vec![TensorType::new(dtype, &source)], output, value);
        self.parameters.replace(parameter, axes.to_vec(), extents);
        plan.copy(copy, *input, source);
        Ok(row)
    }
}
