//! Which constants a value may be, to find those that may be -0.0 or -1.0.
//!
//! Of a choice between -0.0 and -1.0 in `f32` ptxas (13.0) makes a conversion of the integer 0 or -1, so that -0.0 becomes
//! 0.0. NVRTC computes such choices of others: of `-(c as f32)`, of `-x` where `x` was 0.0 and became 1.0 in a branch, of
//! a loop's index that was negated before a `break`. No other pair of constants, and no other type, was seen to be wrong.
//!
//! So where a value may be one of the two, what computes -0.0 does not know its operands: `hidet_hide` stands around them.
//! Not followed are constants through shuffles, and integers of which only bits are known.

use crate::ir::{Block, BufferId, Function, Op, SecondaryMap, Stmt, ValueId, VarId, eval};
use crate::passes::Exact;
use crate::types::{Const, Scalar};

/// NVRTC may write out loops with this many iterations, after which an index is one of as many constants.
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
    Of(Vec<Const>),
    /// More than [`MOST`].
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
        let all: Vec<Const> = a.iter().chain(more).copied().collect();
        if all.len() > MOST { Few::Many } else { Few::Of(all) }
    }

    fn has(&self, constant: Const) -> bool {
        matches!(self, Few::Of(constants) if constants.contains(&constant))
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
                    self.note(&all);
                    self.vars[*var] = all;
                }
                // NVRTC knows what was stored just before.
                Stmt::Store { buffer, value, .. } => {
                    let all = self.buffers[*buffer].or(&self.values[*value]);
                    self.settled &= all == self.buffers[*buffer];
                    self.note(&all);
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
        self.note(&few);
        if few.has(NEGATIVE_ZERO) {
            match op {
                Op::Const(_) => self.hidden[value] = true,
                Op::Read(_) | Op::Load { .. } | Op::Vector(_) | Op::Extract(..) | Op::Select(..) => {}
                op => op.each_operand(&mut |operand| {
                    self.hidden[operand] |= matches!(&self.values[operand], Few::Of(constants) if constants.len() > 1);
                }),
            }
        }
        self.values[value] = few;
    }

    /// Returns the results of an operation on each combination of its operands.
    fn computed(&self, value: ValueId, op: &Op) -> Few {
        let ty = self.function.ty(value);
        let mut combinations: Option<Vec<Vec<Const>>> = Some(vec![Vec::new()]);
        op.each_operand(&mut |operand| {
            combinations = match (&self.values[operand], combinations.take()) {
                (Few::Of(constants), Some(before)) if before.len() * constants.len() <= MOST * MOST => Some(
                    before
                        .iter()
                        .flat_map(|row| constants.iter().map(|last| [row.as_slice(), &[*last]].concat()))
                        .collect(),
                ),
                _ => None,
            };
        });
        let Some(combinations) = combinations else { return Few::Many };
        Few::of(combinations.iter().filter_map(|operands| eval::fold(op, ty.scalar, operands)))
    }

    /// Returns the indices of a loop with constant limits that makes few iterations.
    fn indices(&self, start: ValueId, end: ValueId, inclusive: bool, step: ValueId) -> Few {
        let constant = |value: ValueId| match &self.values[value] {
            Few::Of(constants) if constants.len() == 1 => constants[0].as_int(),
            _ => None,
        };
        let (Some(start_at), Some(end), Some(step)) = (constant(start), constant(end), constant(step)) else {
            return Few::default();
        };
        let scalar = self.function.ty(start).scalar;
        let end = i128::from(end) + i128::from(inclusive);
        let indices = (i128::from(start_at)..end).step_by(usize::try_from(step).unwrap_or(0).max(1));
        Few::of(indices.take(MOST + 1).map(|index| Const::int(scalar, index as i64)))
    }

    /// Adds 0 and 1 to what a `bool` may be, and an integer that is converted by a choice of those.
    fn or_bit(&self, value: ValueId, few: Few) -> Few {
        let scalar = self.function.ty(value).scalar;
        let bit = scalar == Scalar::Bool || self.proved.bits[value];
        if bit { few.or(&Few::of([0, 1].map(|bits| Const { scalar, bits }).into_iter())) } else { few }
    }

    fn note(&mut self, few: &Few) {
        self.chosen |= few.has(NEGATIVE_ZERO) && few.has(MINUS_ONE);
    }
}
