//! Which accesses are proved to lie within their buffer.

use super::{Facts, formula, leaves};
use crate::intrinsics::{Meaning, Operand};
use crate::ir::{Arg, Block, BufferId, Function, Op, Stmt, StmtId, ValueId};
use std::collections::{HashMap, HashSet};

/// An access of a statement: which operand of a call it is, 0 for a load or store.
pub(crate) type Access = (StmtId, usize);

/// What is proved of the accesses of a function.
#[derive(Default)]
pub(crate) struct Proofs {
    /// Every access that has an index, with the number of elements where that is known, in order.
    pub all: Vec<Access>,
    /// Those proved to lie within their buffer.
    pub inside: HashSet<Access>,
}

impl Proofs {
    /// Proves what can be proved.
    pub fn of(function: &Function) -> Proofs {
        let mut prover = Prover { function, facts: Facts::of(function), proofs: Proofs::default() };
        prover.block(&function.body);
        prover.proofs
    }
}

struct Prover<'a> {
    function: &'a Function,
    facts: Facts,
    proofs: Proofs,
}

impl Prover<'_> {
    fn block(&mut self, block: &Block) {
        let mark = self.facts.mark();
        for id in &block.0 {
            self.stmt(*id);
        }
        self.facts.forget(mark);
    }

    fn stmt(&mut self, id: StmtId) {
        let function = self.function;
        match &function.stmts[id] {
            Stmt::Let { value, op } => {
                if let Op::Load { buffer, index, .. } = op {
                    self.access((id, 0), *buffer, index, Some(u32::from(function.ty(*value).lanes)));
                }
                self.facts.define(function, *value, op);
            }
            Stmt::Store { buffer, index, value, .. } => {
                self.access((id, 0), *buffer, index, Some(u32::from(function.ty(*value).lanes)));
            }
            Stmt::Call { intrinsic, args, .. } => {
                let row = intrinsic.row();
                for (position, arg) in args.iter().enumerate() {
                    let (Arg::Address { buffer, index }, Some(Operand::Address { count, .. })) =
                        (arg, row.operands.get(position))
                    else {
                        continue;
                    };
                    let elements = elements(function, row.meaning, position, *count, *buffer);
                    self.access((id, position), *buffer, index, elements);
                }
            }
            Stmt::If { cond, then, otherwise } => {
                let mark = self.facts.mark();
                self.facts.assume(function, *cond, true);
                self.block(then);
                self.facts.forget(mark);
                self.facts.assume(function, *cond, false);
                self.block(otherwise);
                self.facts.forget(mark);
                if leaves(function, then) {
                    self.facts.assume(function, *cond, false);
                } else if leaves(function, otherwise) {
                    self.facts.assume(function, *cond, true);
                }
            }
            Stmt::For { index, start, end, step, body, .. } => {
                self.facts.count(*index, *start, *end, *step);
                self.block(body);
            }
            Stmt::Loop { body, .. } | Stmt::Group { body, .. } | Stmt::ForTask { body, .. } => self.block(body),
            Stmt::Assert { cond, .. } => self.facts.assume(function, *cond, true),
            _ => {}
        }
    }

    fn access(&mut self, access: Access, buffer: BufferId, index: &[ValueId], elements: Option<u32>) {
        self.proofs.all.push(access);
        let shape = &self.function.buffers[buffer].shape;
        let Some(elements) = elements else { return };
        let last = shape.len().saturating_sub(1);
        let inside = shape.len() == index.len()
            && index.iter().zip(shape).enumerate().all(|(axis, (value, extent))| {
                let Some(extent) = formula(extent) else { return false };
                let index = self.facts.linear(self.function, *value);
                let beyond = if axis == last { i128::from(elements) } else { 1 };
                self.facts.nonnegative(self.function, &index)
                    && extent
                        .minus(&index)
                        .is_some_and(|gap| self.facts.nonnegative(self.function, &gap.offset(-beyond)))
            });
        if inside {
            self.proofs.inside.insert(access);
        }
    }
}

/// How many elements of a buffer an intrinsic uses at an address; none where that depends on a value.
pub(crate) fn elements(
    function: &Function,
    meaning: Meaning,
    position: usize,
    count: u32,
    buffer: BufferId,
) -> Option<u32> {
    match (count, meaning, position) {
        (1.., ..) => Some(count),
        // All bytes of the destination are written; how many of the source are read is a value.
        (0, Meaning::CpAsync { bytes }, 0) => Some((bytes / function.buffers[buffer].elem.bytes() as u32).max(1)),
        _ => None,
    }
}

/// The statements all of whose accesses are proved.
pub(crate) fn proved_statements(proofs: &Proofs) -> HashSet<StmtId> {
    let mut all: HashMap<StmtId, bool> = HashMap::new();
    for access in &proofs.all {
        *all.entry(access.0).or_insert(true) &= proofs.inside.contains(access);
    }
    all.into_iter().filter(|(_, proved)| *proved).map(|(id, _)| id).collect()
}
