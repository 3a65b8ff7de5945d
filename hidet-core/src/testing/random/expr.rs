//! Random expressions of a given type.

use super::builder::{KernelBuilder, KnownExtent, ReadableBuffer};
use crate::ir::{BinaryOp, CompareOp, Op, Special, UnaryOp, ValueId, eval};
use crate::types::{Scalar, Type};

/// The types of expressions, the common ones several times.
pub(super) const NUMBERS: [Scalar; 16] = {
    use Scalar::*;
    [I32, I32, I32, I32, F32, F32, F32, F32, F64, F16, BF16, U32, I64, U64, I8, U16]
};

fn asks(op: UnaryOp) -> bool {
    matches!(op, UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite)
}

/// Returns true if every device computes the correctly rounded result.
fn is_exact(op: UnaryOp) -> bool {
    use UnaryOp::{Abs, Ceil, Floor, Neg, Not, Round, Sqrt, Trunc};
    matches!(op, Neg | Not | Abs | Floor | Ceil | Round | Trunc | Sqrt)
}

impl KernelBuilder {
    /// Returns a new or an existing value of a type.
    pub fn expr(&mut self, scalar: Scalar, depth: u32) -> ValueId {
        if depth == 0 || self.budget <= 0 || self.rng.percent(15) {
            return self.leaf(scalar);
        }
        let depth = depth - 1;
        if scalar == Scalar::Bool {
            return self.condition(depth);
        }
        match self.rng.below(12) {
            0 | 1 => {
                let ops: Vec<UnaryOp> = UnaryOp::ALL
                    .iter()
                    .copied()
                    .filter(|op| !asks(*op) && eval::unary(*op, scalar).is_some())
                    .filter(|op| !self.exact || is_exact(*op))
                    .collect();
                let a = self.expr(scalar, depth);
                if ops.is_empty() {
                    return a;
                }
                let op = self.rng.pick(&ops);
                self.emit(scalar, Op::Unary(op, a))
            }
            2..=5 => {
                let a = self.expr(scalar, depth);
                let b = self.expr(scalar, depth);
                self.safe_binary(scalar, a, b)
            }
            6 => {
                let condition = self.expr(Scalar::Bool, depth);
                let (a, b) = (self.expr(scalar, depth), self.expr(scalar, depth));
                self.emit(scalar, Op::Select(condition, a, b))
            }
            7 if eval::fma(scalar).is_some() => {
                let (a, b, c) = (self.expr(scalar, depth), self.expr(scalar, depth), self.expr(scalar, depth));
                self.emit(scalar, Op::Fma(a, b, c))
            }
            7 | 8 => {
                let from = self.rng.pick(&NUMBERS);
                let mut a = self.expr(from, depth);
                if from.is_float() && self.rng.percent(20) {
                    // A round trip through a storage format.
                    let storage = self.rng.pick(&[Scalar::E4M3, Scalar::E5M2, Scalar::TF32]);
                    let stored = self.emit(storage, Op::Cast(a));
                    a = self.emit(from, Op::Cast(stored));
                }
                self.emit(scalar, Op::Cast(a))
            }
            9 if scalar == Scalar::F32 => self.vector_expr(depth),
            _ => self.load_expr(scalar, depth),
        }
    }

    /// Returns a value of a type by at most one new statement.
    fn leaf(&mut self, scalar: Scalar) -> ValueId {
        let known: Vec<ValueId> =
            self.values.iter().copied().filter(|value| self.f.ty(*value) == Type::from(scalar)).collect();
        if !known.is_empty() && self.rng.percent(70) {
            return self.rng.pick(&known);
        }
        let vars: Vec<_> = self.vars.iter().copied().filter(|var| self.f.vars[*var].ty == Type::from(scalar)).collect();
        if !vars.is_empty() && self.rng.percent(60) {
            let var = self.rng.pick(&vars);
            return self.emit(scalar, Op::Read(var));
        }
        if scalar == Scalar::I32 && self.rng.percent(30) {
            let specials = [
                Special::ThreadX,
                Special::ThreadY,
                Special::BlockX,
                Special::BlockDimX,
                Special::GridX,
                Special::Lane,
                Special::Warp,
            ];
            let special = self.rng.pick(&specials);
            return self.emit(scalar, Op::Special(special));
        }
        let bits = self.some_bits(scalar);
        self.constant(scalar, bits)
    }

    /// Returns the bits of a constant: mostly small numbers, sometimes edges of the type.
    pub fn some_bits(&mut self, scalar: Scalar) -> u64 {
        let small = self.rng.between(-4, 9);
        match scalar {
            Scalar::Bool => self.rng.next() & 1,
            _ if scalar.is_float() => {
                let value = match self.rng.below(40) {
                    0 => f64::INFINITY,
                    1 => -0.0,
                    2 => 65504.0,
                    _ => small as f64 / 4.0,
                };
                eval::from_f64(scalar, value)
            }
            _ => match self.rng.below(20) {
                0 => u64::MAX >> 1,
                1 => 1 << (8 * scalar.bytes() - 1),
                2 => u64::MAX,
                _ => small as u64,
            },
        }
    }

    fn condition(&mut self, depth: u32) -> ValueId {
        match self.rng.below(6) {
            0 => {
                let (a, b) = (self.expr(Scalar::Bool, depth), self.expr(Scalar::Bool, depth));
                let op = self.rng.pick(&[BinaryOp::And, BinaryOp::Or, BinaryOp::Xor]);
                self.emit(Type::BOOL, Op::Binary(op, a, b))
            }
            1 => {
                let a = self.expr(Scalar::Bool, depth);
                self.emit(Type::BOOL, Op::Unary(UnaryOp::Not, a))
            }
            2 => {
                let scalar = self.rng.pick(&[Scalar::F32, Scalar::F64, Scalar::F16]);
                let a = self.expr(scalar, depth);
                let op = self.rng.pick(&[UnaryOp::IsNan, UnaryOp::IsInf, UnaryOp::IsFinite]);
                self.emit(Type::BOOL, Op::Unary(op, a))
            }
            _ => {
                let scalar = self.rng.pick(&NUMBERS);
                let (a, b) = (self.expr(scalar, depth), self.expr(scalar, depth));
                let op = self.rng.pick(CompareOp::ALL);
                self.emit(Type::BOOL, Op::Compare(op, a, b))
            }
        }
    }

    /// Emits a binary operation with a second operand that cannot make it a fault.
    fn safe_binary(&mut self, scalar: Scalar, a: ValueId, b: ValueId) -> ValueId {
        let is_rounded = |op| !matches!(op, BinaryOp::Pow | BinaryOp::Atan2);
        let ops: Vec<BinaryOp> = BinaryOp::ALL
            .iter()
            .copied()
            .filter(|op| eval::binary(*op, scalar).is_some() && (!self.exact || is_rounded(*op)))
            .collect();
        let op = self.rng.pick(&ops);
        let mut b = b;
        if scalar.is_int() && matches!(op, BinaryOp::Div | BinaryOp::Rem) {
            let seven = self.constant(scalar, 7);
            b = self.binary(BinaryOp::And, b, seven);
            let one = self.constant(scalar, 1);
            b = self.binary(BinaryOp::Or, b, one);
        }
        if matches!(op, BinaryOp::Shl | BinaryOp::Shr) {
            let most = self.constant(scalar, 8 * scalar.bytes() as u64 - 1);
            b = self.binary(BinaryOp::And, b, most);
        }
        self.binary(op, a, b)
    }

    /// Returns one lane of a vector expression, sometimes through a format that GPUs convert to in pairs.
    fn vector_expr(&mut self, depth: u32) -> ValueId {
        let a = self.vector(depth);
        let lane = self.rng.below(4) as u8;
        if self.rng.percent(70) {
            return self.emit(Type::F32, Op::Extract(a, lane));
        }
        let storage = self.rng.pick(&[Scalar::F16, Scalar::BF16, Scalar::E4M3, Scalar::E5M2]);
        let whole = Type::vector(storage, 4);
        let converted = if self.rng.percent(50) {
            self.emit(whole, Op::Cast(a))
        } else {
            let mut convert = |lane| {
                let number = self.emit(Type::F32, Op::Extract(a, lane));
                self.emit(storage, Op::Cast(number))
            };
            let lanes = (0..4).map(&mut convert).collect();
            self.emit(whole, Op::Vector(lanes))
        };
        let stored = self.emit(storage, Op::Extract(converted, lane));
        self.emit(Type::F32, Op::Cast(stored))
    }

    /// Returns a vector of four floats.
    pub fn vector(&mut self, depth: u32) -> ValueId {
        let ty = Type::vector(Scalar::F32, 4);
        let sources: Vec<ReadableBuffer> = self.sources.iter().filter(|source| source.vectors).cloned().collect();
        if self.budget <= 0 || sources.is_empty() || self.rng.percent(40) {
            let lanes: Vec<ValueId> = (0..4).map(|_| self.expr(Scalar::F32, depth.min(1))).collect();
            return self.emit(ty, Op::Vector(lanes));
        }
        let source = sources[self.rng.below(sources.len())].clone();
        let mut index = self.indices(&source.extents[..source.extents.len() - 1], depth);
        let last = source.extents.last().map_or(4, |extent| extent.at_launch());
        let at = self.rng.below(last as usize / 4) as i64 * 4;
        index.push(self.int(at));
        let guard = self.rng.percent(20);
        let a = self.emit(ty, Op::Load { buffer: source.buffer, index, guard });
        if depth == 0 || self.rng.percent(30) {
            return a;
        }
        let b = self.vector(depth - 1);
        if self.rng.percent(20) {
            let op = self.rng.pick(&[UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Floor, UnaryOp::Sqrt]);
            return self.emit(ty, Op::Unary(op, b));
        }
        let op = self.rng.pick(&[BinaryOp::Add, BinaryOp::Mul, BinaryOp::Sub, BinaryOp::Max, BinaryOp::Min]);
        self.emit(ty, Op::Binary(op, a, b))
    }

    /// Returns an element of some memory, cast to the type if necessary.
    fn load_expr(&mut self, scalar: Scalar, depth: u32) -> ValueId {
        let mut sources: Vec<ReadableBuffer> = self.sources.iter().chain(&self.registers).cloned().collect();
        if sources.iter().any(|source| source.elem == scalar) && self.rng.percent(80) {
            sources.retain(|source| source.elem == scalar);
        }
        if sources.is_empty() {
            return self.leaf(scalar);
        }
        let source = sources[self.rng.below(sources.len())].clone();
        let loaded = self.load(&source, depth);
        if source.elem == scalar { loaded } else { self.emit(scalar, Op::Cast(loaded)) }
    }

    pub fn load(&mut self, source: &ReadableBuffer, depth: u32) -> ValueId {
        let guard = self.rng.percent(15);
        let index = match guard {
            true => source.extents.iter().map(|_| self.anywhere(depth)).collect(),
            false => self.indices(&source.extents, depth),
        };
        self.emit(source.elem, Op::Load { buffer: source.buffer, index, guard })
    }

    /// Returns the index of a protected access, which is often outside on either side. The arithmetic of an index must
    /// not overflow; that of the number it is derived from may.
    fn anywhere(&mut self, depth: u32) -> ValueId {
        let any = self.expr(Scalar::I32, depth.min(1));
        let limit = self.int(50);
        self.binary(BinaryOp::Rem, any, limit)
    }

    pub fn indices(&mut self, extents: &[KnownExtent], depth: u32) -> Vec<ValueId> {
        extents.iter().map(|extent| self.index(*extent, depth)).collect()
    }

    /// Returns a value from 0 to below an extent.
    pub fn index(&mut self, extent: KnownExtent, depth: u32) -> ValueId {
        let end = extent.at_launch();
        let known: Vec<ValueId> =
            self.bounded.iter().filter(|(_, limit)| *limit <= end).map(|(value, _)| *value).collect();
        let index = if !known.is_empty() && self.rng.percent(50) {
            self.rng.pick(&known)
        } else if self.rng.percent(20) {
            let at = self.rng.between(0, end - 1);
            self.int(at)
        } else {
            self.wrapped(extent, depth)
        };
        if self.rng.percent(10) { self.emit(Scalar::I64, Op::Cast(index)) } else { index }
    }

    /// Returns an arbitrary number, wrapped into an extent.
    fn wrapped(&mut self, extent: KnownExtent, depth: u32) -> ValueId {
        let any = self.expr(Scalar::I32, depth.min(1));
        match extent {
            KnownExtent::Const(end) if end & (end - 1) == 0 => {
                let mask = self.int(end - 1);
                self.binary(BinaryOp::And, any, mask)
            }
            _ => {
                let end = self.extent(extent);
                let rest = self.binary(BinaryOp::Rem, any, end);
                let positive = self.binary(BinaryOp::Add, rest, end);
                self.binary(BinaryOp::Rem, positive, end)
            }
        }
    }
}
