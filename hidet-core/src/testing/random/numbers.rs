//! Random programs of integers at the edges of their types that flow into indices, conditions and loop bounds: sums,
//! products, quotients, shifts and casts that wrap, clamped into an extent at the very end. If a compiler assumes that
//! this arithmetic does not overflow, another element is accessed and the result differs.
//!
//! Inputs and constants are mostly the ends of their types and their neighbours, so that arithmetic overflows at run
//! time.

use super::builder::{KernelBuilder, KnownExtent};
use super::rng::Rng;
use super::{ArgumentValue, Program, Step};
use crate::ir::{
    Access, BinaryOp, Buffer, BufferId, CompareOp, Dim, DimId, Handle, Op, Param, Scope, Special, Stmt, UnaryOp,
    Unroll, ValueId, VarId,
};
use crate::layout::Layout;
use crate::types::{Const, Scalar, Type};
use hidet_mapping::IndexExpr;

/// The types of the inputs.
const TYPES: [Scalar; 8] = {
    use Scalar::*;
    [I32, I32, I64, U32, U64, I8, I16, U16]
};
/// Elements per thread's row of results, to which computed indices store.
const ROW: i64 = 8;
/// Maximum trip count.
const TURNS: i64 = 6;

pub(super) struct Numbers {
    pub(super) b: KernelBuilder,
    arguments: Vec<ArgumentValue>,
    /// Integers of any type.
    pool: Vec<ValueId>,
    /// A hash of all results.
    acc: VarId,
    thread: ValueId,
    /// The buffer that computed indices read, with its extent.
    read: (BufferId, KnownExtent),
    /// The buffer that they write: one row per thread.
    rows: BufferId,
}

/// Returns the program of a seed.
pub fn numbers_program(seed: u64) -> Program {
    let mut b = KernelBuilder::new(Rng::new(seed ^ 0x6e75_6d62));
    b.f.name = "numbers".to_owned();
    let threads = b.rng.pick(&[32, 64]);
    let extents = vec![threads, b.rng.between(3, 70)];
    b.f.launch.block = [threads as u32, 1, 1];
    for name in ["n", "m"] {
        b.f.dims.push(Dim { name: name.to_owned() });
    }
    let zero = ValueId::new(0);
    let read = (BufferId::new(0), KnownExtent::Const(1));
    let mut numbers = Numbers {
        b,
        arguments: Vec::new(),
        pool: Vec::new(),
        acc: VarId::new(0),
        thread: zero,
        read,
        rows: BufferId::new(0),
    };
    numbers.start(&extents);
    for _ in 0..numbers.b.rng.between(8, 16) {
        numbers.step();
    }
    let y = numbers.tensor("y", Scalar::U32, vec![IndexExpr::Symbol(0)], Access::Out, threads);
    let value = numbers.b.emit(Type::U32, Op::Read(numbers.acc));
    numbers.b.stmt(Stmt::Store { buffer: y, index: vec![numbers.thread], value, guard: false });
    let steps = vec![Step { kernel: 0, arguments: (0..numbers.arguments.len()).collect() }];
    let (kernels, arguments) = (vec![numbers.b.finish()], numbers.arguments);
    Program { kernels, steps, dims: extents, arguments, ..Program::default() }
}

impl Numbers {
    fn start(&mut self, extents: &[i64]) {
        let thread = self.b.emit(Type::I32, Op::Special(Special::Thread));
        self.thread = thread;
        for (number, scalar) in TYPES.into_iter().enumerate() {
            let name = format!("v{number}");
            let buffer = self.tensor(&name, scalar, vec![IndexExpr::Symbol(0)], Access::In, extents[0]);
            let value = self.b.emit(scalar, Op::Load { buffer, index: vec![thread], guard: false });
            self.pool.push(value);
        }
        // A value that is the same for all threads.
        let value = self.b.f.new_value(Scalar::I32, "k");
        self.b.f.params.push(Param::Scalar { name: "k".to_owned(), value });
        let bits = self.edge(Scalar::I32);
        self.arguments.push(ArgumentValue::Scalar(Const { scalar: Scalar::I32, bits }));
        self.pool.push(value);
        let m = extents[1];
        let (extent, shape) = match self.b.rng.percent(50) {
            true => (KnownExtent::Dim(DimId::new(1), m), IndexExpr::Symbol(1)),
            false => (KnownExtent::Const(m), IndexExpr::Const(m)),
        };
        // Its extent determines the value of the dim.
        self.tensor("w", Scalar::U8, vec![IndexExpr::Symbol(1)], Access::In, m);
        self.read = (self.tensor("x", Scalar::U32, vec![shape], Access::In, m), extent);
        self.rows =
            self.tensor("z", Scalar::U32, vec![IndexExpr::Symbol(0), ROW.into()], Access::Out, extents[0] * ROW);
        let zero = self.b.constant(Scalar::U32, 7);
        self.acc = self.b.declare(Type::U32, Some(zero));
        for column in 0..ROW {
            let column = self.b.int(column);
            let index = vec![thread, column];
            self.b.stmt(Stmt::Store { buffer: self.rows, index, value: zero, guard: false });
        }
    }

    fn tensor(&mut self, name: &str, elem: Scalar, shape: Vec<IndexExpr>, access: Access, elements: i64) -> BufferId {
        let mut strides = vec![IndexExpr::Const(1); shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = &shape[axis] * &strides[axis];
        }
        let layout = Layout::Strided { shape: shape.clone(), strides };
        let (name, align) = (name.to_owned(), elem.bytes() as u32);
        let buffer = self.b.f.buffers.push(Buffer {
            name,
            scope: Scope::Global,
            elem,
            shape,
            layout,
            align,
            alias: None,
            entries: None,
        });
        self.b.f.params.push(Param::Tensor { buffer, access });
        let mut bytes = Vec::new();
        for _ in 0..elements {
            let bits = self.edge(elem);
            bytes.extend_from_slice(&bits.to_le_bytes()[..elem.bytes()]);
        }
        self.arguments.push(ArgumentValue::Tensor(bytes));
        buffer
    }

    /// Returns the bits of a number, mostly an edge of the type.
    fn edge(&mut self, scalar: Scalar) -> u64 {
        let width = 8 * scalar.bytes() as u32;
        let (least, most) = match scalar.is_signed_int() {
            true => (1u64 << (width - 1), (1u64 << (width - 1)) - 1),
            false => (0, u64::MAX >> (64 - width)),
        };
        let near = self.b.rng.between(0, 3) as u64;
        let power = 1u64 << self.b.rng.below(width as usize);
        let bits = match self.b.rng.below(10) {
            0 | 1 => most.wrapping_sub(near),
            2 | 3 => least.wrapping_add(near),
            4 => near.wrapping_neg(),
            5 => power.wrapping_add(near).wrapping_sub(1),
            6 => most / 256,
            7 => self.b.rng.next(),
            _ => near + 1,
        };
        bits & u64::MAX >> (64 - width)
    }

    fn edge_value(&mut self, scalar: Scalar) -> ValueId {
        let bits = self.edge(scalar);
        self.b.constant(scalar, bits)
    }

    pub(super) fn with(&mut self, op: BinaryOp, a: ValueId, number: i64) -> ValueId {
        let scalar = self.b.f.ty(a).scalar;
        let number = self.b.constant(scalar, number as u64);
        self.b.binary(op, a, number)
    }

    fn cast(&mut self, value: ValueId, to: Scalar) -> ValueId {
        if self.b.f.ty(value) == to.into() { value } else { self.b.emit(to, Op::Cast(value)) }
    }

    pub(super) fn compare(&mut self, op: CompareOp, a: ValueId, b: ValueId) -> ValueId {
        self.b.emit(Type::BOOL, Op::Compare(op, a, b))
    }

    fn fold(&mut self, value: ValueId) {
        let word = self.cast(value, Scalar::U32);
        let old = self.b.emit(Type::U32, Op::Read(self.acc));
        let scaled = self.with(BinaryOp::Mul, old, 0x0100_0193);
        let value = self.b.binary(BinaryOp::Xor, scaled, word);
        self.b.stmt(Stmt::Assign { var: self.acc, value });
    }

    fn step(&mut self) {
        match self.b.rng.below(10) {
            0..=3 => {
                let value = self.number();
                self.pool.push(value);
            }
            4 | 5 => self.look(),
            6 => self.leave(),
            7 | 8 => self.decide(),
            _ => self.turns(),
        }
    }

    fn old(&mut self) -> ValueId {
        let at = self.b.rng.below(self.pool.len());
        self.pool[at]
    }

    pub(super) fn old_of(&mut self, scalar: Scalar) -> ValueId {
        let old = self.old();
        self.cast(old, scalar)
    }

    /// Returns a new number, computed by wrapping operations.
    fn number(&mut self) -> ValueId {
        let a = self.old();
        let scalar = self.b.f.ty(a).scalar;
        let b = if self.b.rng.percent(50) { self.edge_value(scalar) } else { self.old_of(scalar) };
        match self.b.rng.below(13) {
            12 => self.extremum(a, b),
            0 => self.b.binary(BinaryOp::Add, a, b),
            1 => self.b.binary(BinaryOp::Sub, a, b),
            2 => self.b.binary(BinaryOp::Mul, a, b),
            3 | 4 => {
                // A quotient or remainder of a product, which does not cancel if the product wraps.
                let factor = self.b.rng.pick(&[2, 3, 7, 64, 100, 127]);
                let inner = self.b.rng.pick(&[BinaryOp::Mul, BinaryOp::Mul, BinaryOp::Add, BinaryOp::Div]);
                let outer = self.b.rng.pick(&[BinaryOp::Div, BinaryOp::Div, BinaryOp::Rem, BinaryOp::Mul]);
                let scaled = self.with(inner, a, factor);
                self.with(outer, scaled, factor)
            }
            5 => {
                let up = self.with(BinaryOp::Add, a, 1);
                self.b.binary(BinaryOp::Max, up, a)
            }
            6 => {
                let op = self.b.rng.pick(&[BinaryOp::Min, BinaryOp::Max]);
                self.b.binary(op, a, b)
            }
            7 => {
                let width = 8 * scalar.bytes() as i64;
                let count = self.with(BinaryOp::And, b, width - 1);
                let op = self.b.rng.pick(&[BinaryOp::Shl, BinaryOp::Shr]);
                self.b.binary(op, a, count)
            }
            8 => {
                let through = self.b.rng.pick(&TYPES);
                let narrow = self.cast(a, through);
                self.cast(narrow, scalar)
            }
            9 => {
                let to = self.b.rng.pick(&TYPES);
                self.cast(a, to)
            }
            10 if scalar.is_signed_int() => {
                let op = self.b.rng.pick(&[UnaryOp::Neg, UnaryOp::Abs]);
                self.b.emit(scalar, Op::Unary(op, a))
            }
            10 => self.b.emit(scalar, Op::Unary(UnaryOp::Not, a)),
            _ => {
                let odd = self.with(BinaryOp::Or, b, 1);
                // The quotient of the smallest number and -1 differs between devices.
                let odd = if scalar.is_signed_int() { self.with(BinaryOp::And, odd, 0x7f) } else { odd };
                let op = self.b.rng.pick(&[BinaryOp::Div, BinaryOp::Rem]);
                self.b.binary(op, a, odd)
            }
        }
    }

    /// Clamps a number into an extent, as the last step.
    fn index(&mut self, value: ValueId, extent: KnownExtent) -> ValueId {
        let scalar = if self.b.rng.percent(70) { Scalar::I32 } else { Scalar::I64 };
        let end = self.b.extent(extent);
        let end = self.cast(end, scalar);
        let last = self.with(BinaryOp::Sub, end, 1);
        let value = self.cast(value, scalar);
        if self.b.rng.percent(50) {
            let above = self.with(BinaryOp::Max, value, 0);
            return self.b.binary(BinaryOp::Min, above, last);
        }
        let below = self.b.binary(BinaryOp::Min, value, last);
        self.with(BinaryOp::Max, below, 0)
    }

    /// Reads at a computed index.
    fn look(&mut self) {
        let value = if self.b.rng.percent(60) { self.number() } else { self.old() };
        let (buffer, extent) = self.read;
        let guard = self.b.rng.percent(25);
        let index = if guard {
            let scalar = self.b.rng.pick(&[Scalar::I32, Scalar::I32, Scalar::I64]);
            self.cast(value, scalar)
        } else {
            self.index(value, extent)
        };
        let found = self.b.emit(Type::U32, Op::Load { buffer, index: vec![index], guard });
        self.fold(found);
    }

    /// Writes at a computed index of the thread's own row.
    fn leave(&mut self) {
        let number = self.number();
        let column = self.index(number, KnownExtent::Const(ROW));
        let value = self.b.emit(Type::U32, Op::Read(self.acc));
        let index = vec![self.thread, column];
        self.b.stmt(Stmt::Store { buffer: self.rows, index, value, guard: false });
    }

    /// Branches on a comparison of numbers that may have wrapped.
    fn decide(&mut self) {
        let a = self.old();
        let scalar = self.b.f.ty(a).scalar;
        let by = self.b.rng.pick(&[1, 1, 2, 100]);
        let op = self.b.rng.pick(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul]);
        let moved = self.with(op, a, by);
        let other = match self.b.rng.below(3) {
            0 => a,
            1 => {
                let other = self.old_of(scalar);
                self.with(op, other, by)
            }
            _ => self.edge_value(scalar),
        };
        let op = self.b.rng.pick(CompareOp::ALL);
        let cond = self.compare(op, moved, other);
        let mark = self.b.enter();
        let known = self.pool.len();
        if self.b.rng.percent(30) {
            // Where the number is known, compilers put it in place.
            let flipped = self.b.emit(scalar, Op::Unary(UnaryOp::Not, moved));
            let mask = self.edge_value(scalar);
            let bits = self.b.binary(BinaryOp::And, flipped, mask);
            self.fold(bits);
        }
        self.fold(moved);
        self.look();
        self.pool.truncate(known);
        let then = self.b.leave(mark);
        let mark = self.b.enter();
        self.leave();
        self.pool.truncate(known);
        let otherwise = self.b.leave(mark);
        self.b.stmt(Stmt::If { cond, then, otherwise });
    }

    /// Emits a loop with bounds at the edges and a small trip count, or none.
    fn turns(&mut self) {
        let scalar = self.b.rng.pick(&[Scalar::I32, Scalar::I32, Scalar::I64]);
        let old = self.old_of(scalar);
        let (step, span) = (self.b.rng.between(1, 3), self.b.rng.between(0, TURNS));
        let most = if scalar == Scalar::I32 { i64::from(i32::MAX) } else { i64::MAX };
        // So that neither the end nor the index after the last one overflows.
        let start = self.with(BinaryOp::Min, old, most - span * step - step);
        let short = self.b.rng.between(0, step - 1).min(span);
        let end = self.with(BinaryOp::Add, start, span * step - short);
        let step = self.b.constant(scalar, step as u64);
        let unroll = self.b.rng.pick(&[Unroll::Auto, Unroll::Never, Unroll::By(2)]);
        let label = self.b.new_loop();
        let index = self.b.f.new_value(scalar, "i");
        let mark = self.b.enter();
        let known = self.pool.len();
        self.pool.push(index);
        self.fold(index);
        let from_start = self.b.binary(BinaryOp::Sub, index, start);
        self.pool.push(from_start);
        self.look();
        let next = self.with(BinaryOp::Add, index, 1);
        let at = self.index(next, self.read.1);
        let found = self.b.emit(Type::U32, Op::Load { buffer: self.read.0, index: vec![at], guard: false });
        self.fold(found);
        self.pool.truncate(known);
        let body = self.b.leave(mark);
        self.b.stmt(Stmt::For { label, index, start, end, inclusive: false, step, unroll, body });
    }
}
