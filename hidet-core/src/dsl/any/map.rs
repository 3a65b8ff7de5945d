//! Computed views of untyped ones: prologues, epilogues and broadcasts, with any number of operands.

use super::expr::AnyExpr;
use super::view::AnyView;
use crate::dsl::access::{ViewData, problem};
use crate::dsl::builder::{Caller, here};
use crate::dsl::expr::Expr;
use crate::dsl::mapped::{ElementFn, MapOperand};
use crate::dsl::memory::Extent;
use crate::ir::Access;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;
use std::rc::Rc;

/// An operand of a computed view: a tensor, and for each of its axes the axis of the computed view that it follows. Made
/// by [`AnyView::along`], or from a tensor with the same axes.
#[derive(Clone, Debug)]
pub struct AnyOperand {
    view: AnyView,
    axes: Vec<usize>,
}

impl From<AnyView> for AnyOperand {
    fn from(view: AnyView) -> AnyOperand {
        AnyOperand { view, axes: (0..view.rank()).collect() }
    }
}

impl AnyOperand {
    /// Returns the operand for a computed view with `rank` axes.
    fn of(&self, rank: usize, at: Caller) -> Option<MapOperand> {
        let (view, axes) = (self.view, &self.axes);
        if axes.len() != view.rank() {
            let message = format!("an operand with {} axes along {} axes: {axes:?}", view.rank(), axes.len());
            problem(&message, at);
            return None;
        }
        MapOperand::new(view.data(at)?, axes.clone(), rank, at)
    }
}

impl AnyView {
    /// Returns this tensor as an operand whose axes follow these axes of the computed view, and which is the same along all
    /// others: a bias of the columns of a matrix is `bias.along(&[1])`, one number for all elements is `x.along(&[])`.
    pub fn along(self, axes: &[usize]) -> AnyOperand {
        AnyOperand { view: self, axes: axes.to_vec() }
    }

    /// Returns a view of `f(element, elements of the operands, index)`, with elements of type `elem`: a prologue, as
    /// [`View::map_with`](crate::dsl::View::map_with), with any number of operands.
    #[track_caller]
    pub fn map(
        self,
        elem: Scalar,
        operands: &[AnyOperand],
        f: impl Fn(AnyExpr, &[AnyExpr], &[Expr<i32>]) -> AnyExpr + 'static,
    ) -> AnyView {
        let (at, of) = (here(), self.scalar());
        match (self.data(at), operands_of(operands, self.rank(), at)) {
            (Some(below), Some(given)) => {
                let function = function(of, elem, operands, f, at);
                AnyView::new(below.mapped_by(elem, given, function, false, at), Access::In)
            }
            _ => AnyView::dead(elem, self.rank(), Access::In),
        }
    }

    /// Returns a view with elements of type `elem` that stores `f(value, elements of the operands, index)` when a value is
    /// written: an epilogue, as [`View::map_store_with`](crate::dsl::View::map_store_with), with any number of operands.
    #[track_caller]
    pub fn map_store(
        self,
        elem: Scalar,
        operands: &[AnyOperand],
        f: impl Fn(AnyExpr, &[AnyExpr], &[Expr<i32>]) -> AnyExpr + 'static,
    ) -> AnyView {
        let (at, to) = (here(), self.scalar());
        if self.access() == Access::In {
            problem("this tensor cannot be written: it is an input", at);
            return AnyView::dead(elem, self.rank(), Access::Out);
        }
        match (self.data(at), operands_of(operands, self.rank(), at)) {
            (Some(below), Some(given)) => {
                let function = function(elem, to, operands, f, at);
                AnyView::new(below.mapped_by(elem, given, function, true, at), Access::Out)
            }
            _ => AnyView::dead(elem, self.rank(), Access::Out),
        }
    }

    /// Returns a tensor of this shape whose axis `axes[i]` is axis `i` of this one, and which is the same along all other
    /// axes. The launcher checks that the extents agree.
    #[track_caller]
    pub fn broadcast(self, shape: &[IndexExpr], axes: &[usize]) -> AnyView {
        let at = here();
        let elem = self.scalar();
        let Some(operand) = self.along(axes).of(shape.len(), at) else {
            return AnyView::dead(elem, shape.len(), Access::In);
        };
        let function: ElementFn = Rc::new(|_, operands, _| operands.first().copied().unwrap_or_else(Expr::dead));
        let shape = shape.iter().cloned().map(Extent::size).collect();
        AnyView::new(ViewData::computed(elem, shape, vec![operand], function, at), Access::In)
    }
}

fn operands_of(operands: &[AnyOperand], rank: usize, at: Caller) -> Option<Vec<MapOperand>> {
    operands.iter().map(|operand| operand.of(rank, at)).collect()
}

/// Returns the function of one element from elements of type `from` to those of type `to`, with types.
fn function(
    from: Scalar,
    to: Scalar,
    operands: &[AnyOperand],
    f: impl Fn(AnyExpr, &[AnyExpr], &[Expr<i32>]) -> AnyExpr + 'static,
    at: Caller,
) -> ElementFn {
    let types: Vec<Scalar> = operands.iter().map(|operand| operand.view.scalar()).collect();
    Rc::new(move |value, operands, index| {
        let operands: Vec<AnyExpr> = operands.iter().zip(&types).map(|(value, ty)| AnyExpr::new(*value, *ty)).collect();
        let result = f(AnyExpr::new(value, from), &operands, index);
        if result.ty() != to.into() {
            problem(&format!("the function of this view returns {}; its elements are {to}", result.ty()), at);
        }
        result.erased()
    })
}
