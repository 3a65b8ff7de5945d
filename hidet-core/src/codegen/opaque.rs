//! What the compilers below must not look into, since they get it wrong. Found by running random programs; NVRTC and
//! ptxas 13.0.
//!
//! - *Equality with a constant.* Behind `if (x == 255)` ptxas replaces `x` by 255 and forgets the `not` of `~x & 192`: it
//!   computes 255 & 192. NVRTC makes a `not` of an exclusive or with a constant too, where only bits are used that the
//!   constant flips, and moves it behind the branch; and it makes an equality of `x < 1` without sign. So in kernels that
//!   flip bits, comparisons with a constant are computed by `hidet_equal` and `hidet_less`, of which neither sees the
//!   inside; the instructions are the same. Of a loop's index and of variables it stays open: where NVRTC unrolls a loop
//!   they must become constant.
//! - *Minimum of three.* Of `min(min(a, -b), c)` ptxas makes one instruction, which forgets the sign. It has 32 bits, which
//!   NVRTC and ptxas also take for integers of 8 and 16, and for those of 64 that were extended. NVRTC finds negations in
//!   differences, products and flipped bits, and minima in choices and branches. So where a minimum of minima may contain
//!   a negation, `hidet_hide` stands between the two.
//! - *Extension of what wraps.* NVRTC adds with 64 bits what wraps with 32: of a sign-extended `v + c` it makes the sum of a
//!   sign-extended `v` and `c`, and computes the address of `x[v + c]` as that of `x[v]` and `c` elements more. A position is
//!   not negative and at most [`LARGEST_EXTENT`], so small constants do not make it wrap.
//! - *Leaps.* Where a loop is unrolled and its positions are so far apart that their distance in bytes does not fit in 32 bits,
//!   NVRTC computes the address of one iteration from that of another, with the distance zero-extended, so some GiB off.
//!   Such positions are extended to 64 bits by a function that it does not look into, and so is every other value that
//!   leaps, the index of a loop included.
//! - *Long steps.* Where ptxas unrolls a loop of which a few steps pass the end of the type, the loop may never end. A step
//!   that is not constant here may become so in NVRTC, which counts short loops through.
//! - *Choices between -0.0 and -1.0*: see [`few`].
//! - *Comparison with zero.* NVRTC makes a minimum of `v < 0.0 ? v : 0.0`, which for -0.0 is 0.0.

use super::few;
use crate::ir::{
    BinaryOp, Block, CompareOp, Function, LARGEST_EXTENT, LoopId, Op, SecondaryMap, Special, Stmt, UnaryOp, Unroll,
    ValueId, VarId,
};
use crate::passes::Exact;
use crate::types::{Const, Scalar};

/// ptxas unrolls loops four times, 16-bit and smaller indices as 32-bit ones: steps below this are far from the end of
/// every type.
const LONG_STEP: u64 = 1 << 20;

/// How many iterations of a loop NVRTC may write out, in which the index is its first value and a constant, if it does not
/// know the trip count. Eight were seen.
const MOST_UNROLLED: u64 = 16;

/// Positions this far apart in subsequent iterations, with elements of 16 bytes in a loop that is unrolled 16 times, may be
/// 2^32 bytes apart.
const LEAP: u64 = 1 << 24;

/// What is printed so that the compilers do not look into it.
#[derive(Default)]
pub struct Opaque {
    /// Comparisons of integers with a constant in a kernel that flips bits.
    pub constant: SecondaryMap<ValueId, bool>,
    /// Comparisons of floats with zero, of which a choice would become a minimum or maximum.
    pub zero: SecondaryMap<ValueId, bool>,
    /// Values that the compilers must not see in what uses them: minima and maxima, or what may become one, that go into
    /// another, one of whose operands may be negated; choices of which -0.0 and -1.0 are computed ([`few`]).
    pub hidden: SecondaryMap<ValueId, bool>,
    /// Loops whose step is so long that they must not be unrolled, or may be.
    pub long_steps: SecondaryMap<LoopId, bool>,
    /// Integers of 32 bits that may wrap, or are computed from such.
    pub wraps: SecondaryMap<ValueId, bool>,
    /// Those of them that may wrap though they are the position of an element.
    pub far: SecondaryMap<ValueId, bool>,
    /// Integers of 32 bits that in the next iteration are [`LEAP`] more or less.
    pub leaps: SecondaryMap<ValueId, bool>,
    /// Sums whose first operand is the position of an element that was accessed before, so that it is not negative.
    pub beyond: SecondaryMap<ValueId, bool>,
}

/// Finds what must be opaque in a function.
pub fn analyse(function: &Function, proved: &Exact) -> Opaque {
    let mut search = Search {
        function,
        proved,
        flips: false,
        constants: SecondaryMap::new(),
        threads: SecondaryMap::new(),
        pace: SecondaryMap::new(),
        added: SecondaryMap::new(),
        negated: SecondaryMap::new(),
        extrema: SecondaryMap::new(),
        vars: SecondaryMap::new(),
        accessed: SecondaryMap::new(),
        branches: 0,
        settled: false,
    };
    let mut found = Opaque { hidden: few::hidden(function, proved), ..Opaque::default() };
    // A variable that is assigned late in a loop is read early in the next iteration.
    while !std::mem::replace(&mut search.settled, true) {
        search.walk(&function.body, &mut found);
    }
    if !search.flips {
        found.constant = SecondaryMap::new();
    }
    found
}

struct Search<'a> {
    function: &'a Function,
    proved: &'a Exact,
    /// True if some bits are flipped, or may be by what NVRTC makes of a difference.
    flips: bool,
    constants: SecondaryMap<ValueId, Option<Const>>,
    /// Indices of threads.
    threads: SecondaryMap<ValueId, bool>,
    /// How much constants make a value differ from iteration to iteration, at least 1 if it may differ at all.
    pace: SecondaryMap<ValueId, u64>,
    /// How much constants add to a value, which NVRTC may add elsewhere.
    added: SecondaryMap<ValueId, u64>,
    /// Values that NVRTC may find to be a negation, or computed from one.
    negated: SecondaryMap<ValueId, bool>,
    /// Which of minima and maxima a value may be.
    extrema: SecondaryMap<ValueId, Extrema>,
    vars: SecondaryMap<VarId, Held>,
    /// Positions of elements that were accessed by the time that control gets here, and how many times.
    accessed: SecondaryMap<ValueId, u32>,
    /// How many branches are around the statement.
    branches: usize,
    /// True if nothing was added to a variable in this walk.
    settled: bool,
}

/// What is known of the values that a variable holds.
#[derive(Clone, Copy, Default, PartialEq)]
struct Held {
    /// One of them may wrap.
    wraps: bool,
    negated: bool,
    extrema: Extrema,
}

/// A set of minimum and maximum.
#[derive(Clone, Copy, Default, PartialEq)]
struct Extrema {
    min: bool,
    max: bool,
}

impl Extrema {
    const BOTH: Extrema = Extrema { min: true, max: true };

    fn or(self, other: Extrema) -> Extrema {
        Extrema { min: self.min || other.min, max: self.max || other.max }
    }

    fn meets(self, other: Extrema) -> bool {
        self.min && other.min || self.max && other.max
    }
}

impl Search<'_> {
    fn walk(&mut self, block: &Block, found: &mut Opaque) {
        let mut accessed: Vec<ValueId> = Vec::new();
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            match stmt {
                Stmt::Let { value, op } => self.value(*value, op, found),
                Stmt::For { label, index, start, end, step, unroll, .. } => {
                    let step = self.constants[*step];
                    self.pace[*index] = step.map_or(1, |step| step.bits);
                    found.leaps[*index] = self.leaps(*index);
                    let most = match unroll {
                        Unroll::By(count) => MOST_UNROLLED.max(u64::from(*count)),
                        _ => MOST_UNROLLED,
                    };
                    let (first, last) = (self.constant(*start), self.constant(*end));
                    let added = step.map_or(0, |step| step.bits.saturating_mul(most));
                    self.added[*index] = match (first, last) {
                        (Some(first), Some(last)) => first.max(last),
                        _ => first.unwrap_or(0).saturating_add(added),
                    };
                    found.long_steps[*label] = step.is_none_or(|step| step.bits >= LONG_STEP);
                }
                Stmt::Declare { var, init: Some(value) } | Stmt::Assign { var, value } => {
                    self.assign(*var, *value, found)
                }
                _ => {}
            }
            let branch = usize::from(matches!(stmt, Stmt::If { .. }));
            self.branches += branch;
            stmt.blocks().for_each(|inner| self.walk(inner, found));
            self.branches -= branch;
            if let Stmt::Let { op: Op::Load { index, guard: false, .. }, .. }
            | Stmt::Store { index, guard: false, .. } = stmt
            {
                index.iter().for_each(|position| self.accessed[*position] += 1);
                accessed.extend(index);
            }
        }
        accessed.into_iter().for_each(|position| self.accessed[position] -= 1);
    }

    fn assign(&mut self, var: VarId, value: ValueId, found: &Opaque) {
        let old = self.vars[var];
        // Of `if x < m { m = x; }` NVRTC makes a minimum.
        let extrema = if self.branches > 0 { Extrema::BOTH } else { self.extrema[value] };
        let held = Held {
            wraps: old.wraps || found.wraps[value],
            negated: old.negated || self.negated[value],
            extrema: old.extrema.or(extrema),
        };
        self.settled &= held == old;
        self.vars[var] = held;
    }

    fn value(&mut self, value: ValueId, op: &Op, found: &mut Opaque) {
        let mut wraps = matches!(op, Op::Read(var) if self.vars[*var].wraps);
        op.each_operand(&mut |operand| wraps |= found.wraps[operand]);
        self.pace[value] = self.pace(op);
        if let Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, ..) | Op::Unary(UnaryOp::Neg, _) = op {
            wraps |= !self.proved.exact[value];
        }
        found.wraps[value] = wraps && self.function.ty(value).scalar == Scalar::I32;
        found.leaps[value] = self.leaps(value);
        self.added[value] = self.added(op);
        found.far[value] =
            found.wraps[value] && self.added[value] > (i64::from(i32::MAX) - LARGEST_EXTENT).unsigned_abs();
        match op {
            Op::Unary(UnaryOp::Not, a) | Op::Binary(BinaryOp::Xor, a, _) => self.flips |= self.is_int(*a),
            Op::Binary(BinaryOp::Sub, a, _) => self.flips |= self.is_int(*a) && self.constants[*a].is_some(),
            Op::Const(constant) => self.constants[value] = Some(*constant),
            Op::Binary(BinaryOp::Add, a, _) => found.beyond[value] = self.accessed[*a] > 0,
            Op::Special(Special::Thread | Special::ThreadX) => self.threads[value] = true,
            Op::Compare(compare, a, b) if self.is_int(*a) => {
                let one = self.constants[*a].is_some() != self.constants[*b].is_some();
                let scalar = self.function.ty(*a).lanes == 1;
                found.constant[value] =
                    one && scalar && self.pace[value] == 0 && !self.is_warp_border(*compare, *a, *b);
            }
            Op::Compare(CompareOp::Lt, a, b) | Op::Compare(CompareOp::Gt, b, a) => {
                found.zero[value] = self.is_zero(*a, true) || self.is_zero(*b, false);
            }
            _ => {}
        }
        self.extremum(value, op, found);
    }

    /// Notes whether the value is negated or a minimum, and which of its operands must be hidden.
    fn extremum(&mut self, value: ValueId, op: &Op, found: &mut Opaque) {
        let (mut negated, mut below) = (false, Extrema::default());
        op.each_operand(&mut |operand| {
            negated |= self.negated[operand];
            below = below.or(self.extrema[operand]);
        });
        let own = match op {
            Op::Binary(BinaryOp::Min, ..) => Extrema { min: true, max: false },
            Op::Binary(BinaryOp::Max, ..) => Extrema { min: false, max: true },
            Op::Select(..) | Op::Compare(..) => Extrema::BOTH,
            _ => Extrema::default(),
        };
        if negated && own.meets(below) {
            op.each_operand(&mut |operand| {
                if self.is_int(operand) && own.meets(self.extrema[operand]) {
                    found.hidden[operand] = true;
                }
            });
        }
        use BinaryOp::{Div, Mul, Sub, Xor};
        (self.negated[value], self.extrema[value]) = match op {
            Op::Load { .. } | Op::Compare(..) => Default::default(),
            Op::Read(var) => (self.vars[*var].negated, self.vars[*var].extrema),
            Op::Unary(UnaryOp::Neg | UnaryOp::Not, _) | Op::Binary(Sub | Mul | Div | Xor, ..) => {
                (true, Extrema::default())
            }
            Op::Binary(BinaryOp::Min | BinaryOp::Max, ..) | Op::Select(..) => (negated, below.or(own)),
            Op::Vector(_) | Op::Extract(..) | Op::Bitcast(_) | Op::Cast(_) => (negated, below),
            _ => (negated, Extrema::default()),
        };
    }

    /// Returns true if a value of 32 bits differs so much from iteration to iteration that NVRTC may extend it wrongly.
    fn leaps(&self, value: ValueId) -> bool {
        matches!(self.function.ty(value).scalar, Scalar::I32 | Scalar::U32) && self.pace[value] >= LEAP
    }

    /// Returns how much constants make a result differ from iteration to iteration.
    fn pace(&self, op: &Op) -> u64 {
        match op {
            Op::Read(_) => 1,
            Op::Binary(BinaryOp::Add | BinaryOp::Sub, a, b) => self.pace[*a].saturating_add(self.pace[*b]),
            Op::Binary(BinaryOp::Mul, a, b) => {
                let factor = self.constant(*a).or(self.constant(*b)).unwrap_or(1).max(1);
                self.pace[*a].max(self.pace[*b]).saturating_mul(factor)
            }
            Op::Binary(BinaryOp::Shl, a, b) => {
                let bits = self.constant(*b).map_or(0, |bits| bits.min(32));
                self.pace[*a].max(self.pace[*b]).saturating_mul(1 << bits)
            }
            op => {
                let mut most = 0;
                op.each_operand(&mut |operand| most = most.max(self.pace[operand]));
                most
            }
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

    /// Returns true if a thread's index is compared with the first of a warp, of which no equality can be made: 32 indices
    /// or more lie between two such borders. ptxas needs to see that all threads of a warp agree.
    fn is_warp_border(&self, op: CompareOp, a: ValueId, b: ValueId) -> bool {
        matches!(op, CompareOp::Lt | CompareOp::Ge)
            && self.threads[a]
            && self.constant(b).is_some_and(|border| border.is_multiple_of(32))
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
