//! What the compilers below must not look into, since they get it wrong. Found by running random programs; NVRTC and
//! ptxas 13.0.
//!
//! - *Equality with a constant.* Behind `if (x == 255)` ptxas replaces `x` by 255 and forgets the `not` of `~x & 192`: it
//!   computes 255 & 192. NVRTC makes a `not` of an exclusive or with a constant too, where only bits are used that the
//!   constant flips, and moves it behind the branch. So in kernels that flip bits, such a comparison is computed by
//!   `hidet_equal`, of which neither sees the inside; the instructions are the same. Of a loop's index and of variables it
//!   stays open: where NVRTC unrolls a loop it must become constant.
//! - *Extension of what wraps.* NVRTC adds with 64 bits what wraps with 32: of a sign-extended `v + c` it makes the sum of a
//!   sign-extended `v` and `c`, and computes the address of `x[v + c]` as that of `x[v]` and `c` elements more. A position is
//!   not negative and at most [`LARGEST_EXTENT`], so small constants do not make it wrap.
//! - *Long steps.* Where ptxas unrolls a loop of which a few steps pass the end of the type, the loop may never end.
//! - *Comparison with zero.* NVRTC makes a minimum of `v < 0.0 ? v : 0.0`, which for -0.0 is 0.0.

use crate::ir::{
    BinaryOp, Block, CompareOp, Function, LARGEST_EXTENT, LoopId, Op, SecondaryMap, Stmt, UnaryOp, ValueId, VarId,
};
use crate::passes::Exact;
use crate::types::{Const, Scalar};

/// ptxas unrolls loops four times, 16-bit and smaller indices as 32-bit ones: steps below this are far from the end of
/// every type.
const LONG_STEP: u64 = 1 << 20;

/// How many iterations of a loop NVRTC may write out, in which the index is its first value and a constant.
const MOST_UNROLLED: u64 = 64;

/// What is printed so that the compilers do not look into it.
#[derive(Default)]
pub struct Opaque {
    /// Comparisons of integers for equality with a constant.
    pub equality: SecondaryMap<ValueId, bool>,
    /// Comparisons of floats with zero, of which a choice would become a minimum or maximum.
    pub zero: SecondaryMap<ValueId, bool>,
    /// Loops whose step is so long that they must not be unrolled.
    pub long_steps: SecondaryMap<LoopId, bool>,
    /// Integers of 32 bits that may wrap, or are computed from such.
    pub wraps: SecondaryMap<ValueId, bool>,
    /// Those of them that may wrap though they are the position of an element.
    pub far: SecondaryMap<ValueId, bool>,
}

/// Finds what must be opaque in a function.
pub fn analyse(function: &Function, proved: &Exact) -> Opaque {
    let mut search = Search {
        function,
        proved,
        flips: false,
        constants: SecondaryMap::new(),
        varies: SecondaryMap::new(),
        added: SecondaryMap::new(),
        vars: SecondaryMap::new(),
        settled: false,
    };
    let mut found = Opaque::default();
    // A variable that is assigned late in a loop is read early in the next iteration.
    while !std::mem::replace(&mut search.settled, true) {
        search.walk(&function.body, &mut found);
    }
    if !search.flips {
        found.equality = SecondaryMap::new();
    }
    found
}

struct Search<'a> {
    function: &'a Function,
    proved: &'a Exact,
    /// True if some bits are flipped, or may be by what NVRTC makes of a difference.
    flips: bool,
    constants: SecondaryMap<ValueId, Option<Const>>,
    /// Values that may differ from iteration to iteration.
    varies: SecondaryMap<ValueId, bool>,
    /// How much constants add to a value, which NVRTC may add elsewhere.
    added: SecondaryMap<ValueId, u64>,
    /// Variables that hold a value that wraps.
    vars: SecondaryMap<VarId, bool>,
    /// True if no variable was added in this walk.
    settled: bool,
}

impl Search<'_> {
    fn walk(&mut self, block: &Block, found: &mut Opaque) {
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            match stmt {
                Stmt::Let { value, op } => self.value(*value, op, found),
                Stmt::For { label, index, start, step, .. } => {
                    self.varies[*index] = true;
                    let step = self.constants[*step];
                    let steps = step.map_or(0, |step| step.bits.saturating_mul(MOST_UNROLLED));
                    self.added[*index] = self.constant(*start).unwrap_or(0).saturating_add(steps);
                    // Of a step that is not constant ptxas does not unroll the loop.
                    found.long_steps[*label] = step.is_some_and(|step| step.bits >= LONG_STEP);
                }
                Stmt::Declare { var, init: Some(value) } | Stmt::Assign { var, value } if found.wraps[*value] => {
                    self.settled &= self.vars[*var];
                    self.vars[*var] = true;
                }
                _ => {}
            }
            stmt.blocks().for_each(|inner| self.walk(inner, found));
        }
    }

    fn value(&mut self, value: ValueId, op: &Op, found: &mut Opaque) {
        let (mut varies, mut wraps) = match op {
            Op::Read(var) => (true, self.vars[*var]),
            _ => (false, false),
        };
        op.each_operand(&mut |operand| {
            varies |= self.varies[operand];
            wraps |= found.wraps[operand];
        });
        self.varies[value] = varies;
        if let Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, ..) | Op::Unary(UnaryOp::Neg, _) = op {
            wraps |= !self.proved.exact[value];
        }
        found.wraps[value] = wraps && self.function.ty(value).scalar == Scalar::I32;
        self.added[value] = self.added(op);
        found.far[value] =
            found.wraps[value] && self.added[value] > (i64::from(i32::MAX) - LARGEST_EXTENT).unsigned_abs();
        match op {
            Op::Const(constant) => self.constants[value] = Some(*constant),
            Op::Unary(UnaryOp::Not, a) | Op::Binary(BinaryOp::Xor, a, _) => self.flips |= self.is_int(*a),
            Op::Binary(BinaryOp::Sub, a, _) => self.flips |= self.is_int(*a) && self.constants[*a].is_some(),
            Op::Compare(CompareOp::Eq | CompareOp::Ne, a, b) => {
                let one = self.constants[*a].is_some() != self.constants[*b].is_some();
                found.equality[value] = one && !varies && self.is_int(*a) && self.function.ty(*a).lanes == 1;
            }
            Op::Compare(CompareOp::Lt, a, b) | Op::Compare(CompareOp::Gt, b, a) => {
                found.zero[value] = self.is_zero(*a, true) || self.is_zero(*b, false);
            }
            _ => {}
        }
    }

    /// Returns how much the constants in a sum add at most.
    fn added(&self, op: &Op) -> u64 {
        let constant = |value: &ValueId| self.constant(*value);
        match op {
            Op::Binary(BinaryOp::Add | BinaryOp::Sub, a, b) => {
                let part = |value: &ValueId| constant(value).unwrap_or(self.added[*value]);
                part(a).saturating_add(part(b))
            }
            Op::Binary(BinaryOp::Mul, a, b) => {
                let factor = constant(a).or(constant(b)).unwrap_or(1);
                self.added[*a].max(self.added[*b]).saturating_mul(factor)
            }
            Op::Binary(BinaryOp::Shl, a, b) => {
                let bits = constant(b).map_or(0, |bits| bits.min(32));
                self.added[*a].saturating_mul(1 << bits)
            }
            op => {
                let mut most = 0;
                op.each_operand(&mut |operand| most = most.max(self.added[operand]));
                most
            }
        }
    }

    /// Returns the magnitude of an integer constant.
    fn constant(&self, value: ValueId) -> Option<u64> {
        self.constants[value]?.as_int().map(i64::unsigned_abs)
    }

    /// Returns true for the constant 0.0 of a float, or -0.0.
    fn is_zero(&self, value: ValueId, negative: bool) -> bool {
        let sign = |scalar: Scalar| if negative { 1 << (8 * scalar.bytes() - 1) } else { 0 };
        self.constants[value].is_some_and(|zero| zero.scalar.is_float() && zero.bits == sign(zero.scalar))
    }

    fn is_int(&self, value: ValueId) -> bool {
        self.function.ty(value).scalar.is_int()
    }
}
