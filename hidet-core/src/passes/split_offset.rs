//! Splits offsets in global memory into the part of short loops and constants, and the rest.
//!
//! Precondition: every buffer has one axis. Postcondition: an offset whose sum contains counters of short loops, or
//! constants, is a sum of two parts: the part that does not depend on them, summed from the outermost loop inwards, and
//! the part that does. Its value is the same, because integers wrap. Offsets in shared memory are unchanged: they are
//! short, and the device's compiler turns sums of powers of two, which are common there, into `or`s that no longer end
//! in a constant.
//!
//! A load instruction takes a register and a constant offset. When it unrolls
//! `for i in 0 .. 4 { load @x[row + (lane + i * 32)] }`, the device's compiler uses one register for the four loads
//! only if it sees one common sum. So the offset becomes `(row + lane) + i * 32`: the simplifier then computes the
//! first part before the loop, and the code generator adds it to the pointer separately.

use super::LoweringOptions;
use super::fold::int;
use crate::error::Result;
use crate::ir::emit::Emitter;
use crate::ir::{BinaryOp, Block, Function, Op, Scope, Span, Stmt, StmtId, Unroll, ValueId};
use crate::types::{Const, Scalar};
use std::collections::HashMap;

/// Loops with a larger trip count are not unrolled by the device's compiler on its own.
const MAX_TRIP_COUNT: i64 = 16;

/// Maximum end of a counter. Four counters, each with the largest factor, plus the largest constant are less than 2^31.
const LARGEST_COUNTER: i64 = 256;
const LARGEST_FACTOR: i64 = 1 << 20;
const LARGEST_CONSTANT: i64 = 1 << 29;

/// Maximum number of terms of a sum that is split.
const MOST_TERMS: usize = 8;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    let mut known = Known::default();
    known.block(function, &function.body, 0);
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        let mut stmt = std::mem::replace(&mut function.stmts[id], Stmt::Return);
        stmt.each_index_mut(&mut |buffer, index| {
            let scope = function.buffers[buffer].scope;
            if let (Some(offset), Scope::Global) = (index.last_mut(), scope)
                && let Some(sum) = known.sum(function, out, span, *offset)
            {
                *offset = sum;
            }
        });
        function.stmts[id] = stmt;
        out.push(id);
        Ok(())
    })
}

/// The sums of values.
#[derive(Default)]
struct Known {
    constants: HashMap<ValueId, i64>,
    /// The loop depth at which each value is computed.
    depth: HashMap<ValueId, usize>,
    /// The sums that have a rest.
    sums: HashMap<ValueId, Parts>,
}

/// A sum of values with factors, in two parts: the base, and the rest with the constant.
#[derive(Clone, Default)]
struct Parts {
    base: Vec<(ValueId, i64)>,
    /// The counters of short loops.
    rest: Vec<(ValueId, i64)>,
    /// The constant of the rest, at least 0.
    constant: i64,
    /// It is already computed as the sum of the two parts.
    done: bool,
}

impl Parts {
    fn whole(value: ValueId) -> Parts {
        Parts { base: vec![(value, 1)], ..Parts::default() }
    }

    /// Returns the sum that is a constant or a counter.
    fn counted(rest: Vec<(ValueId, i64)>, constant: i64) -> Parts {
        Parts { rest, constant, ..Parts::default() }
    }

    /// Returns true if there is a rest that is never negative, cannot wrap, and is small enough to be worth it.
    fn is_split(&self) -> bool {
        (!self.rest.is_empty() || self.constant > 0)
            && (0..=LARGEST_CONSTANT).contains(&self.constant)
            && self.rest.iter().all(|(_, factor)| (1..=LARGEST_FACTOR).contains(factor))
            && self.rest.len() <= 4
            && self.base.len() <= MOST_TERMS
    }

    fn plus(mut self, other: Parts) -> Option<Parts> {
        self.done = self.rest.is_empty() && self.constant == 0 && other.base.is_empty();
        self.rest.extend(other.rest);
        self.base.extend(other.base);
        self.constant = self.constant.checked_add(other.constant)?;
        Some(self)
    }

    fn times(mut self, by: i64) -> Option<Parts> {
        for (_, factor) in self.base.iter_mut().chain(&mut self.rest) {
            *factor = factor.checked_mul(by)?;
        }
        self.constant = self.constant.checked_mul(by)?;
        self.done = false;
        Some(self)
    }
}

impl Known {
    fn block(&mut self, function: &Function, block: &Block, depth: usize) {
        for id in &block.0 {
            let stmt = &function.stmts[*id];
            let inside = depth + usize::from(stmt.loop_label().is_some());
            stmt.each_definition(&mut |value| {
                self.depth.insert(value, inside);
            });
            match stmt {
                Stmt::Let { value, op } => self.define(*value, op),
                Stmt::For { index, start, end, inclusive: false, step, unroll, .. } => {
                    let [start, end, step] = [start, end, step].map(|value| self.constants.get(value).copied());
                    if let (Some(start), Some(end), Some(step)) = (start, end, step)
                        && start >= 0
                        && step > 0
                        && end <= LARGEST_COUNTER
                        && end.saturating_sub(start) <= step.saturating_mul(MAX_TRIP_COUNT)
                        && matches!(unroll, Unroll::Auto | Unroll::Full)
                    {
                        self.sums.insert(*index, Parts::counted(vec![(*index, 1)], 0));
                    }
                }
                _ => {}
            }
            stmt.blocks().for_each(|block| self.block(function, block, inside));
        }
    }

    fn define(&mut self, value: ValueId, op: &Op) {
        let parts = match op {
            Op::Const(constant) => {
                let number = int(*constant).and_then(|number| i64::try_from(number).ok());
                self.constants.extend(number.map(|number| (value, number)));
                number.map(|constant| Parts::counted(Vec::new(), constant))
            }
            Op::Binary(BinaryOp::Add, a, b) => self.parts(*a).plus(self.parts(*b)),
            Op::Binary(BinaryOp::Mul, a, b) => self.constants.get(b).and_then(|by| self.parts(*a).times(*by)),
            _ => None,
        };
        self.sums.extend(parts.filter(Parts::is_split).map(|parts| (value, parts)));
    }

    /// Returns a value as a sum. A value without a rest stays whole, so that it is not computed twice.
    fn parts(&self, value: ValueId) -> Parts {
        self.sums.get(&value).cloned().unwrap_or_else(|| Parts::whole(value))
    }

    /// Emits the offset as a sum of two parts, if it has both.
    fn sum(&self, function: &mut Function, out: &mut Vec<StmtId>, span: Span, offset: ValueId) -> Option<ValueId> {
        let Parts { mut base, rest, constant, done } = self.sums.get(&offset)?.clone();
        if base.is_empty() || done {
            return None;
        }
        base.sort_unstable_by_key(|(value, _)| (self.depth.get(value).copied().unwrap_or(0), *value));
        let scalar = function.ty(offset).scalar;
        let mut emit = Emitter::new(function, out, span).with_scalar(scalar);
        let base = total(&mut emit, scalar, &base, 0);
        let rest = total(&mut emit, scalar, &rest, constant);
        Some(emit.emit(scalar, Op::Binary(BinaryOp::Add, base, rest)))
    }
}

/// Emits the sum of values with factors and of a constant.
fn total(emit: &mut Emitter<'_>, scalar: Scalar, terms: &[(ValueId, i64)], constant: i64) -> ValueId {
    let mut sum = None;
    let mut add = |emit: &mut Emitter<'_>, term: ValueId| {
        sum = Some(match sum {
            None => term,
            Some(sum) => emit.emit(scalar, Op::Binary(BinaryOp::Add, sum, term)),
        });
        sum
    };
    for (value, factor) in terms {
        let term = match factor {
            1 => *value,
            factor => {
                let factor = emit.constant_value(Const::int(scalar, *factor));
                emit.emit(scalar, Op::Binary(BinaryOp::Mul, *value, factor))
            }
        };
        add(emit, term);
    }
    if constant != 0 || terms.is_empty() {
        let constant = emit.constant_value(Const::int(scalar, constant));
        add(emit, constant);
    }
    sum.unwrap_or_else(|| emit.constant_value(Const::int(scalar, 0)))
}
