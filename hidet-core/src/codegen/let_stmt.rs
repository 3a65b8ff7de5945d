//! Values: each operation as an expression.

use super::expr::{self, CppExpr};
use super::kernel::Generator;
use super::{literal, types};
use crate::error::Result;
use crate::ir::{BinaryOp, Op, Special, UnaryOp, ValueId};
use crate::types::{Scalar, Type};

impl Generator<'_> {
    /// Defines a value.
    pub(super) fn let_stmt(&mut self, value: ValueId, op: &Op) -> Result<()> {
        if self.uses.count[value] == 0 {
            return Ok(());
        }
        let ty = self.function.ty(value);
        let named = !self.function.values[value].name.is_empty();
        let (expr, always) = match op {
            Op::Const(constant) if ty.lanes == 1 => (CppExpr::atom(literal::constant(*constant)), true),
            Op::Const(constant) => {
                let lane = CppExpr::atom(literal::constant(*constant));
                (expr::vector(ty, &vec![lane; ty.lanes as usize]), false)
            }
            Op::Dim(dim) => {
                let name = self.dims.get(crate::ir::Handle::index(*dim));
                (CppExpr::atom(name.cloned().ok_or_else(|| self.error("unknown extent"))?), true)
            }
            Op::Special(special) => (self.special(*special), !named),
            Op::Read(var) => (CppExpr::atom(self.var(*var)?), false),
            Op::Load { buffer, index, guard } => (self.load(*buffer, index, ty, *guard)?, false),
            Op::Vector(lanes) => {
                let lanes = lanes.iter().map(|lane| self.value(*lane)).collect::<Result<Vec<_>>>()?;
                (expr::vector(ty, &lanes), false)
            }
            Op::Extract(vector, lane) => (CppExpr::atom(format!("{}[{lane}]", self.value(*vector)?.within(0))), false),
            Op::Bitcast(from) => {
                (CppExpr::atom(format!("bitcast<{}>({})", types::name(ty), self.value(*from)?.text)), false)
            }
            Op::Select(c, a, b) => (expr::select(&self.value(*c)?, &self.value(*a)?, &self.value(*b)?), false),
            op => (self.lanewise(value, ty, op)?, false),
        };
        if let Op::Binary(BinaryOp::Add, a, b) = op
            && self.uses.inline[value]
            && self.proved.counts[*b]
        {
            self.sums[value] = Some([self.value(*a)?, self.value(*b)?]);
        }
        if ty == Scalar::BF16.into() && self.is_inline(value, &expr) && !self.opaque.hidden[value] {
            self.widened[value] = match op {
                Op::Cast(a) if self.function.ty(*a) == Scalar::F32.into() => {
                    Some(expr::rounded_to_bf16(&self.value(*a)?))
                }
                Op::Extract(vector, lane) => Some(expr::widened_lane(&self.value(*vector)?, *lane)),
                _ => None,
            };
        }
        let expr = if self.opaque.hidden[value] { expr::hidden(&expr) } else { expr };
        self.define(value, expr, always);
        Ok(())
    }

    /// Returns an operation that works lane by lane.
    fn lanewise(&self, value: ValueId, ty: Type, op: &Op) -> Result<CppExpr> {
        if ty.lanes == 1 {
            return self.scalar_op(value, ty.scalar, op, None);
        }
        if let Some((name, operands)) = self.packed(ty, op) {
            let operands = operands.into_iter().map(|operand| Ok(self.value(operand)?.text));
            return Ok(CppExpr::atom(format!("{name}({})", operands.collect::<Result<Vec<_>>>()?.join(", "))));
        }
        let lanes = (0..ty.lanes).map(|lane| self.scalar_op(value, ty.scalar, op, Some(lane)));
        Ok(expr::vector(ty, &lanes.collect::<Result<Vec<_>>>()?))
    }

    /// Returns the helper that works on all lanes of a vector of floats of 16 and 8 bits, with its operands.
    fn packed(&self, ty: Type, op: &Op) -> Option<(String, Vec<ValueId>)> {
        use BinaryOp::{Add, Max, Min, Mul, Sub};
        if let Op::Cast(a) = op {
            let from = self.function.ty(*a).scalar;
            return from.casts_in_pairs(ty.scalar).then(|| (format!("{from}_to_{}_packed", ty.scalar), vec![*a]));
        }
        let (name, operands) = match op {
            Op::Binary(op @ (Add | Sub | Mul | Min | Max), a, b) => (op.name(), vec![*a, *b]),
            Op::Unary(op @ (UnaryOp::Neg | UnaryOp::Abs), a) => (op.name(), vec![*a]),
            Op::Fma(a, b, c) => ("fma", vec![*a, *b, *c]),
            _ => return None,
        };
        matches!(ty.scalar, Scalar::F16 | Scalar::BF16).then(|| (format!("{}_{name}_packed", ty.scalar), operands))
    }

    fn scalar_op(&self, value: ValueId, to: Scalar, op: &Op, lane: Option<u8>) -> Result<CppExpr> {
        let get = |operand: ValueId| -> Result<CppExpr> {
            let expr = self.value(operand)?;
            Ok(match lane {
                Some(lane) if self.function.ty(operand).lanes > 1 => {
                    CppExpr::atom(format!("{}[{lane}]", expr.within(0)))
                }
                _ => expr,
            })
        };
        let from = |operand: &ValueId| self.function.ty(*operand).scalar;
        let expr = match op {
            Op::Unary(unary, a) => expr::unary(*unary, from(a), &get(*a)?, self.proved.exact[value]),
            Op::Binary(binary, a, b) => expr::binary(*binary, from(a), &get(*a)?, &get(*b)?, self.proved.exact[value]),
            Op::Compare(compare, a, b) if self.opaque.constant[value] || self.opaque.zero[value] => {
                expr::opaque_compare(*compare, from(a), &get(*a)?, &get(*b)?)
            }
            Op::Compare(compare, a, b) => expr::compare(*compare, from(a), &get(*a)?, &get(*b)?),
            Op::Fma(a, b, c) => expr::fma(from(a), &get(*a)?, &get(*b)?, &get(*c)?),
            Op::Cast(a) if (self.opaque.wraps[*a] || self.opaque.leaps[*a]) && to.bytes() == 8 && to.is_int() => {
                Some(expr::opaque_extension(from(a), to, &get(*a)?))
            }
            Op::Cast(a) if to == Scalar::F32 && self.widened[*a].is_some() => self.widened[*a].clone(),
            Op::Cast(a)
                if to == Scalar::F32
                    && from(a) == Scalar::BF16
                    && let Some(lane) = lane
                    && self.function.ty(*a).lanes > 1 =>
            {
                Some(expr::widened_lane(&self.value(*a)?, lane))
            }
            Op::Cast(a) if self.proved.bits[*a] => Some(expr::convert_bit(from(a), to, &get(*a)?)),
            Op::Cast(a) => Some(expr::convert(from(a), to, &get(*a)?)),
            _ => None,
        };
        expr.ok_or_else(|| {
            let name = match op {
                Op::Unary(unary, a) => format!("`{}` of `{}`", unary.name(), from(a)),
                Op::Binary(binary, a, _) => format!("`{}` of `{}`", binary.name(), from(a)),
                Op::Compare(compare, a, _) => format!("`{}` of `{}`", compare.name(), from(a)),
                op => format!("{op:?}"),
            };
            self.error(format!("{name} has no CUDA text; cast the operands to another type"))
        })
    }

    fn special(&self, special: Special) -> CppExpr {
        use Special::*;
        let [x, y, z] = self.function.launch.block;
        let thread = |axis: &str, extent: u32| {
            CppExpr::atom(if extent == 1 { "0".to_owned() } else { format!("int(threadIdx.{axis})") })
        };
        let linear = match (x, y, z) {
            (_, 1, 1) => "threadIdx.x".to_owned(),
            (x, _, 1) => format!("threadIdx.x + threadIdx.y * {x}"),
            (x, y, _) => format!("threadIdx.x + threadIdx.y * {x} + threadIdx.z * {}", x * y),
        };
        let part = |operator: &str| match (x, y, z) {
            (_, 1, 1) => CppExpr::atom(format!("int({linear} {operator})")),
            _ => CppExpr::atom(format!("int(({linear}) {operator})")),
        };
        let clusters = self.function.launch.cluster;
        match special {
            ThreadX => thread("x", x),
            ThreadY => thread("y", y),
            ThreadZ => thread("z", z),
            BlockX => CppExpr::atom("int(blockIdx.x)"),
            BlockY => CppExpr::atom("int(blockIdx.y)"),
            BlockZ => CppExpr::atom("int(blockIdx.z)"),
            BlockDimX => CppExpr::atom(x.to_string()),
            BlockDimY => CppExpr::atom(y.to_string()),
            BlockDimZ => CppExpr::atom(z.to_string()),
            GridX => CppExpr::atom("int(gridDim.x)"),
            GridY => CppExpr::atom("int(gridDim.y)"),
            GridZ => CppExpr::atom("int(gridDim.z)"),
            Thread => CppExpr::atom(format!("int({linear})")),
            Lane => part("% 32"),
            Warp => part("/ 32"),
            ClusterRank if clusters == [1; 3] => CppExpr::atom("0"),
            ClusterRank => CppExpr::atom("hidet_cluster_rank()"),
            ClusterSize => CppExpr::atom(clusters.iter().product::<u32>().to_string()),
        }
    }
}
