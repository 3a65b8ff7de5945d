//! A lower bound of the registers that a thread needs, from what must be in registers at the same time:
//!
//! - what one iteration of a loop leaves to the next: variables of floats and elements of register arrays that the body
//!   reads before it writes them. Loops that compilers may unroll do not count, because the copies can be reordered;
//! - the registers of one instruction of tensor cores;
//! - a vector that one instruction loads.
//!
//! Indices, addresses, `bool`s and variables of integers do not count: compilers derive them from others, or keep them
//! in uniform registers or predicates. Works at every stage of lowering. Before register arrays are promoted to
//! variables, an array that is indexed by values counts as a whole.

use super::promote_registers::constants;
use crate::intrinsics::{Effect, Operand, Row};
use crate::ir::{Arg, Block, BufferId, Function, Op, Scope, Stmt, Unroll, ValueId, VarId};
use crate::types::Scalar;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The trip count from which on no compiler unrolls a loop completely by its own choice.
const MAX_UNROLLED: i64 = 512;

/// Returns the number of 32-bit registers that a thread needs at least, if it keeps nothing in local memory.
pub fn registers_at_least(function: &Function) -> u32 {
    let mut walk = Walk { function, constants: constants(function), most: 1 };
    walk.block(&function.body);
    walk.most.min(u64::from(u32::MAX)) as u32
}

/// Elements of register arrays; an array maps to `None` if all of its elements are meant.
#[derive(Default)]
struct Elements(BTreeMap<BufferId, Option<BTreeSet<i64>>>);

impl Elements {
    fn add(&mut self, buffer: BufferId, elements: Option<std::ops::Range<i64>>) {
        let known = self.0.entry(buffer).or_insert_with(|| Some(BTreeSet::new()));
        match (known, elements) {
            (Some(set), Some(elements)) => set.extend(elements),
            (known, _) => *known = None,
        }
    }

    /// Returns true if it may have one of these elements.
    fn meets(&self, buffer: BufferId, elements: &Option<std::ops::Range<i64>>) -> bool {
        match (self.0.get(&buffer), elements) {
            (None, _) => false,
            (Some(Some(set)), Some(elements)) => set.range(elements.clone()).next().is_some(),
            _ => true,
        }
    }

    /// Returns the elements that are in both.
    fn and(&self, other: &Elements) -> Elements {
        let both = self.0.iter().filter_map(|(buffer, own)| {
            let both = match (own, other.0.get(buffer)?) {
                (Some(own), Some(other)) => Some(own & other),
                (Some(set), None) | (None, Some(set)) => Some(set.clone()),
                (None, None) => None,
            };
            Some((*buffer, both))
        });
        Elements(both.collect())
    }
}

/// The accesses of the body of a loop, in the order of its text.
#[derive(Default)]
struct Carried {
    /// Read before they are written.
    exposed: Elements,
    written: Elements,
    exposed_vars: BTreeSet<VarId>,
    written_vars: HashSet<VarId>,
}

struct Walk<'a> {
    function: &'a Function,
    constants: HashMap<ValueId, i64>,
    most: u64,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block) {
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            match stmt {
                Stmt::Let { value, op: Op::Load { .. } } => {
                    let ty = self.function.ty(*value);
                    self.need(words(ty.scalar, i64::from(ty.lanes)));
                }
                Stmt::Call { intrinsic, args, .. } => {
                    let mut operands = Elements::default();
                    self.each_register_operand(intrinsic.row(), args, &mut |buffer, elements, _| {
                        operands.add(buffer, elements);
                    });
                    self.need(self.words_of(&operands));
                }
                _ => {}
            }
            if self.is_loop(stmt) {
                stmt.blocks().for_each(|body| self.need(self.carried(body)));
            }
            stmt.blocks().for_each(|nested| self.block(nested));
        }
    }

    fn need(&mut self, registers: u64) {
        self.most = self.most.max(registers);
    }

    /// Returns true for a loop that stays one.
    fn is_loop(&self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Loop { .. } => true,
            Stmt::For { start, end, step, unroll, .. } => {
                let [start, end, step] = [start, end, step].map(|value| self.constants.get(value));
                match (unroll, start, end, step) {
                    (Unroll::Full | Unroll::Explicit, ..) => false,
                    (_, Some(start), Some(end), Some(step)) => {
                        end.saturating_sub(*start) / (*step).max(1) > MAX_UNROLLED
                    }
                    _ => true,
                }
            }
            _ => false,
        }
    }

    /// Returns the registers that hold what one iteration leaves to the next.
    fn carried(&self, body: &Block) -> u64 {
        let mut found = Carried::default();
        self.function.each_stmt_in(body, &mut |_, stmt| match stmt {
            Stmt::Let { value, op: Op::Load { buffer, index, .. } } => {
                let lanes = self.function.ty(*value).lanes;
                self.read(&mut found, *buffer, self.elements(index, i64::from(lanes)));
            }
            Stmt::Let { op: Op::Read(var), .. } if !found.written_vars.contains(var) => {
                found.exposed_vars.insert(*var);
            }
            Stmt::Assign { var, .. } | Stmt::Declare { var, .. } => {
                found.written_vars.insert(*var);
            }
            Stmt::Store { buffer, index, value, .. } => {
                let lanes = self.function.ty(*value).lanes;
                found.written.add(*buffer, self.elements(index, i64::from(lanes)));
            }
            Stmt::Call { intrinsic, args, .. } => {
                self.each_register_operand(intrinsic.row(), args, &mut |buffer, elements, effect| {
                    if effect != Effect::Write {
                        self.read(&mut found, buffer, elements.clone());
                    }
                    if effect != Effect::Read {
                        found.written.add(buffer, elements);
                    }
                });
            }
            _ => {}
        });
        let floats = found.exposed_vars.iter().filter(|var| found.written_vars.contains(var)).map(|var| {
            let ty = self.function.vars[*var].ty;
            if ty.scalar.is_float() { words(ty.scalar, i64::from(ty.lanes)) } else { 0 }
        });
        self.words_of(&found.exposed.and(&found.written)) + floats.sum::<u64>()
    }

    fn read(&self, found: &mut Carried, buffer: BufferId, elements: Option<std::ops::Range<i64>>) {
        if self.function.buffers[buffer].scope == Scope::Register && !found.written.meets(buffer, &elements) {
            found.exposed.add(buffer, elements);
        }
    }

    /// Calls `f` for each operand in registers that is not a plain value, with its elements.
    fn each_register_operand(
        &self,
        row: &Row,
        args: &[Arg],
        f: &mut dyn FnMut(BufferId, Option<std::ops::Range<i64>>, Effect),
    ) {
        for (operand, arg) in row.operands.iter().zip(args) {
            if let (Operand::Address { effect, count, .. }, Arg::Address { buffer, index }) = (operand, arg)
                && self.function.buffers[*buffer].scope == Scope::Register
            {
                f(*buffer, self.elements(index, i64::from((*count).max(1))), *effect);
            }
        }
    }

    /// Returns consecutive elements from an index on, or `None` if they are not known.
    fn elements(&self, index: &[ValueId], count: i64) -> Option<std::ops::Range<i64>> {
        let [index] = index else { return None };
        self.constants.get(index).map(|first| *first..first.saturating_add(count))
    }

    fn words_of(&self, elements: &Elements) -> u64 {
        let of = |(buffer, elements): (&BufferId, &Option<BTreeSet<i64>>)| {
            let buffer = &self.function.buffers[*buffer];
            let count = match elements {
                Some(set) => set.len() as i64,
                None => buffer.layout.size().as_const().unwrap_or(0),
            };
            words(buffer.elem, count)
        };
        elements.0.iter().map(of).sum()
    }
}

/// Returns the number of registers that hold that many elements, packed.
fn words(scalar: Scalar, count: i64) -> u64 {
    if scalar == Scalar::Bool { 0 } else { (count.max(0) as u64 * scalar.bytes() as u64).div_ceil(4) }
}
