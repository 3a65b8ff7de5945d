//! Index formulas emitted as instructions: layouts and mappings computed by the simulated device itself.

use super::operation::Scalars;
use super::{Compiler, Result};
use crate::ir::{BinaryOp, BufferId};
use crate::layout::Layout;
use crate::sim::bytecode::Src;
use crate::types::Scalar;
use hidet_mapping::{Arith, HostArith};

/// [`Arith`] on registers of type `i32`, or `i64` if `wide`. Symbols are the symbolic extents of the launch.
pub(super) struct Emit<'c, 'a> {
    pub compiler: &'c mut Compiler<'a>,
    pub wide: bool,
    /// The values of the symbols; if `None`, the symbolic extents.
    pub symbols: Option<Vec<Src>>,
}

impl Emit<'_, '_> {
    fn scalar(&self) -> Scalar {
        if self.wide { Scalar::I64 } else { Scalar::I32 }
    }

    fn op(&mut self, op: BinaryOp, a: Src, b: Src) -> Src {
        let scalar = self.scalar();
        let zero = self.compiler.constant(0);
        let one = self.compiler.constant(1);
        match op {
            BinaryOp::Add if a == zero => b,
            BinaryOp::Add | BinaryOp::Sub if b == zero => a,
            BinaryOp::Mul | BinaryOp::Div if b == one => a,
            BinaryOp::Mul if a == one => b,
            BinaryOp::Rem if b == one => zero,
            _ => self.compiler.apply(Scalars::Binary(op), &[(a, scalar), (b, scalar)], scalar),
        }
    }
}

impl Arith for Emit<'_, '_> {
    type Int = Src;

    fn constant(&mut self, value: i64) -> Src {
        let bits = if self.wide { value as u64 } else { value as u32 as u64 };
        self.compiler.constant(bits)
    }
    fn symbol(&mut self, symbol: u32) -> Src {
        match &self.symbols {
            Some(symbols) => symbols.get(symbol as usize).copied().unwrap_or(Src::NONE),
            None => {
                let extent = self.compiler.fixed.dims.get(symbol as usize).copied().unwrap_or(0);
                self.constant(extent)
            }
        }
    }
    fn add(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Add, *a, *b)
    }
    fn sub(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Sub, *a, *b)
    }
    fn mul(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Mul, *a, *b)
    }
    fn div(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Div, *a, *b)
    }
    fn rem(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Rem, *a, *b)
    }
    fn xor(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Xor, *a, *b)
    }
    fn and(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::And, *a, *b)
    }
    fn min(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Min, *a, *b)
    }
    fn max(&mut self, a: &Src, b: &Src) -> Src {
        self.op(BinaryOp::Max, *a, *b)
    }
}

/// Returns the number of elements that a layout spans, or an error message.
pub(in crate::sim) fn layout_size(layout: &Layout, dims: &[i64]) -> std::result::Result<i64, &'static str> {
    let mut arith = HostArith::new(dims);
    let size = super::layout::size(layout, &mut arith);
    arith.fault.map_or(Ok(size), Err)
}

impl Compiler<'_> {
    pub(super) fn layout_size(&self, buffer: BufferId) -> Result<u64> {
        let size = layout_size(&self.function.buffers[buffer].layout, self.fixed.dims);
        let size =
            size.map_err(|why| self.refuse(format!("size of `{}`: {why}", self.function.buffers[buffer].name)))?;
        Ok(size.max(0) as u64)
    }

    /// Returns true if the offset is the coordinate itself: one axis without gaps.
    pub(super) fn is_flat(&self, layout: &Layout) -> bool {
        match layout {
            Layout::Strided { shape, strides } => shape.len() == 1 && strides[0].as_const() == Some(1),
            _ => false,
        }
    }
}
