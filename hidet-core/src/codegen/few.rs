//! Which constants a value may be, to find those that may be -0.0 and -1.0.
//!
//! Of a choice between -0.0 and -1.0 in `f32` ptxas (13.0) makes a conversion of the integer 0 or -1, so that -0.0 becomes
//! 0.0. NVRTC computes such choices of others: of `-(c as f32)`, of `-x` where `x` was 0.0 and became 1.0 in a branch, or
//! became a loop's index, where it writes out the loop: 256 iterations were seen. No other pair of 0.0, -0.0, 1.0 and -1.0,
//! and not `f64`, was seen to be wrong.
//!
//! So where a value may be one of the two, what computes -0.0 does not know its operands: `hidet_hide` stands around them.
//! Not followed are constants through shuffles, and integers of which only bits are known.

use crate::ir::{BinaryOp, Block, BufferId, Function, Op, SecondaryMap, Stmt, UnaryOp, ValueId, VarId, eval};
use crate::passes::Exact;
use crate::types::{Const, Scalar};

/// The number of constants that are kept apart. Those beyond are of sums over iterations, which are not constants in a loop,
/// or of the index of a long loop, of which it is only asked how a -0.0 may come to be.
const MOST: usize = 16;

const NEGATIVE_ZERO: Const = Const { scalar: Scalar::F32, bits: 0x8000_0000 };
const MINUS_ONE: Const = Const { scalar: Scalar::F32, bits: 0xbf80_0000 };

/// Returns the values to be hidden in a function.
pub fn hidden(function: &Function, proved: &Exact) -> SecondaryMap<ValueId, bool> {
    let mut search = Search {
        function,
        proved,
        values: SecondaryMap::new(),
        vars: SecondaryMap::new(),
        buffers: SecondaryMap::new(),
        hidden: SecondaryMap::new(),
        chosen: false,
        settled: false,
    };
    // A variable that is assigned late in a loop is read early in the next iteration.
    while !std::mem::replace(&mut search.settled, true) {
        search.walk(&function.body);
    }
    if search.chosen { search.hidden } else { SecondaryMap::new() }
}

/// Constants that something may be, unless it is anything else.
#[derive(Clone, Debug, PartialEq)]
enum Few {
    /// The first [`MOST`] of them.
    Of(Vec<Const>),
    /// The indices of a long loop, and what is computed of them.
    Many,
}

impl Default for Few {
    fn default() -> Few {
        Few::Of(Vec::new())
    }
}

impl Few {
    fn of(constants: impl Iterator<Item = Const>) -> Few {
        constants.fold(Few::default(), |few, constant| few.or(&Few::Of(vec![constant])))
    }

    fn or(&self, other: &Few) -> Few {
        let (Few::Of(a), Few::Of(b)) = (self, other) else { return Few::Many };
        let more = b.iter().filter(|constant| !a.contains(constant));
        Few::Of(a.iter().chain(more).copied().take(MOST).collect())
    }

    /// Returns true if it may be this constant of `f32`.
    fn has(&self, constant: Const, scalar: Scalar) -> bool {
        match self {
            Few::Of(constants) => constants.contains(&constant),
            Few::Many => scalar == Scalar::F32,
        }
    }

    fn is_choice(&self) -> bool {
        !matches!(self, Few::Of(constants) if constants.len() < 2)
    }
}

struct Search<'a> {
    function: &'a Function,
    proved: &'a Exact,
    values: SecondaryMap<ValueId, Few>,
    vars: SecondaryMap<VarId, Few>,
    buffers: SecondaryMap<BufferId, Few>,
    /// What -0.0 is computed from.
    hidden: SecondaryMap<ValueId, bool>,
    /// True if something may be -0.0 and -1.0.
    chosen: bool,
    /// True if nothing was added to a variable or a buffer in this walk.
    settled: bool,
}

impl Search<'_> {
    fn walk(&mut self, block: &Block) {
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            match stmt {
                Stmt::Let { value, op } => self.value(*value, op),
                Stmt::For { index, start, end, inclusive, step, .. } => {
                    let few = self.indices(*start, *end, *inclusive, *step);
                    self.values[*index] = self.or_bit(*index, few);
                }
                Stmt::Declare { var, init: Some(value) } | Stmt::Assign { var, value } => {
                    let all = self.vars[*var].or(&self.values[*value]);
                    self.settled &= all == self.vars[*var];
                    self.note(&all, self.function.ty(*value).scalar);
                    self.vars[*var] = all;
                }
                // NVRTC knows what was stored just before.
                Stmt::Store { buffer, value, .. } => {
                    let all = self.buffers[*buffer].or(&self.values[*value]);
                    self.settled &= all == self.buffers[*buffer];
                    self.note(&all, self.function.ty(*value).scalar);
                    self.buffers[*buffer] = all;
                }
                _ => {}
            }
            stmt.blocks().for_each(|inner| self.walk(inner));
        }
    }

    fn value(&mut self, value: ValueId, op: &Op) {
        let few = match op {
            Op::Read(var) => self.vars[*var].clone(),
            Op::Load { buffer, .. } => self.buffers[*buffer].clone(),
            Op::Vector(lanes) => lanes.iter().fold(Few::default(), |all, lane| all.or(&self.values[*lane])),
            Op::Extract(vector, _) => self.values[*vector].clone(),
            op => self.computed(value, op),
        };
        let few = self.or_bit(value, few);
        let scalar = self.function.ty(value).scalar;
        self.note(&few, scalar);
        if few.has(NEGATIVE_ZERO, scalar) {
            match op {
                Op::Const(_) => self.hidden[value] = true,
                op if self.makes_negative_zero(op) => {
                    op.each_operand(&mut |operand| self.hidden[operand] |= self.values[operand].is_choice());
                }
                _ => {}
            }
        }
        self.values[value] = few;
    }

    /// Returns true if an operation may be -0.0 though no operand is.
    fn makes_negative_zero(&self, op: &Op) -> bool {
        use BinaryOp::{Add, Div, Max, Min, Mul, Sub};
        let is_positive = |value: &ValueId| {
            let positive = |constant: &Const| eval::to_f64(constant.scalar, constant.bits) > 0.0;
            matches!(&self.values[*value], Few::Of(constants) if !constants.is_empty() && constants.iter().all(positive))
        };
        match op {
            Op::Read(_) | Op::Load { .. } | Op::Vector(_) | Op::Extract(..) | Op::Select(..) => false,
            Op::Binary(Add | Sub | Min | Max, ..) | Op::Unary(UnaryOp::Abs, _) => false,
            Op::Binary(Mul | Div, a, b) => !is_positive(a) && !is_positive(b),
            Op::Cast(from) => self.function.ty(*from).scalar.is_float(),
            _ => true,
        }
    }

    /// Returns the results of an operation on each combination of its operands.
    fn computed(&self, value: ValueId, op: &Op) -> Few {
        let ty = self.function.ty(value);
        let (mut combinations, mut many, mut known) = (vec![Vec::new()], false, true);
        op.each_operand(&mut |operand| match &self.values[operand] {
            Few::Many => many = true,
            Few::Of(constants) => {
                known &= !constants.is_empty();
                let longer = |row: &Vec<Const>| {
                    let row = row.clone();
                    constants.iter().map(move |last| [row.as_slice(), &[*last]].concat())
                };
                combinations = combinations.iter().flat_map(longer).take(MOST * MOST).collect();
            }
        });
        match (known, many) {
            (false, _) => Few::default(),
            (true, true) => Few::Many,
            _ => Few::of(combinations.iter().filter_map(|operands| eval::fold(op, ty.scalar, operands))),
        }
    }

    /// Returns the indices of a loop, which are constants if its first one is.
    fn indices(&self, start: ValueId, end: ValueId, inclusive: bool, step: ValueId) -> Few {
        let constant = |value: ValueId| match &self.values[value] {
            Few::Of(constants) if constants.len() == 1 => constants[0].as_int(),
            _ => None,
        };
        let (Some(first), Some(end), Some(step)) = (constant(start), constant(end), constant(step)) else {
            return if self.values[start] == Few::default() { Few::default() } else { Few::Many };
        };
        let scalar = self.function.ty(start).scalar;
        let end = i128::from(end) + i128::from(inclusive);
        let indices = (i128::from(first)..end).step_by(usize::try_from(step).unwrap_or(0).max(1)).take(MOST + 1);
        let indices: Vec<Const> = indices.map(|index| Const::int(scalar, index as i64)).collect();
        if indices.len() > MOST { Few::Many } else { Few::Of(indices) }
    }

    /// Adds 0 and 1 to what a `bool` may be, and an integer that is converted by a choice of those.
    fn or_bit(&self, value: ValueId, few: Few) -> Few {
        let scalar = self.function.ty(value).scalar;
        let bit = scalar == Scalar::Bool || self.proved.bits[value];
        if bit { few.or(&Few::of([0, 1].map(|bits| Const { scalar, bits }).into_iter())) } else { few }
    }

    fn note(&mut self, few: &Few, scalar: Scalar) {
        self.chosen |= few.has(NEGATIVE_ZERO, scalar) && few.has(MINUS_ONE, scalar);
    }
}
