//! Lists every handle a statement or an operation mentions, in the order of its text. Uses, definitions, renumbering
//! and replacement all follow from this list. Nested blocks are not entered.

use super::function::{BufferId, DimId, LoopId, MapId, ValueId, VarId};
use super::op::Op;
use super::stmt::{Arg, AsmOperand, Block, Mapping, MappingAtom, MappingExtent, PrintPiece, Stmt};

/// A handle that a statement mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mention {
    /// A value the statement defines; a loop's is visible in its body only.
    Define(ValueId),
    /// A value it uses.
    Use(ValueId),
    /// A variable.
    Var(VarId),
    /// A buffer.
    Buffer(BufferId),
    /// A loop: its own, or the target of a jump.
    Loop(LoopId),
    /// A symbolic extent.
    Dim(DimId),
    /// A tensor map.
    Map(MapId),
}

/// A handle that a statement mentions, to be replaced.
#[derive(Debug)]
pub enum MentionMut<'a> {
    /// A value the statement defines.
    Define(&'a mut ValueId),
    /// A value it uses.
    Use(&'a mut ValueId),
    /// A variable.
    Var(&'a mut VarId),
    /// A buffer.
    Buffer(&'a mut BufferId),
    /// A loop.
    Loop(&'a mut LoopId),
    /// A symbolic extent.
    Dim(&'a mut DimId),
    /// A tensor map.
    Map(&'a mut MapId),
}

/// Generates the same walk for shared and for mutable access: `$wrap` makes a mention of a reference to a handle.
macro_rules! walks {
    ($op:ident, $stmt:ident, $mapping:ident, $address:ident, $Mention:ty, $M:ident, $each:ident, [$($m:tt)*], $wrap:ident) => {
        fn $address(buffer: & $($m)* BufferId, index: & $($m)* [ValueId], f: &mut dyn FnMut($Mention)) {
            f($M::Buffer($wrap!(buffer)));
            for value in index.$each() {
                f($M::Use($wrap!(value)));
            }
        }

        pub(super) fn $op(op: & $($m)* Op, f: &mut dyn FnMut($Mention)) {
            match op {
                Op::Const(_) | Op::Special(_) => {}
                Op::Dim(dim) => f($M::Dim($wrap!(dim))),
                Op::Read(var) => f($M::Var($wrap!(var))),
                Op::Load { buffer, index, guard: _ } => $address(buffer, index, f),
                Op::Vector(values) => {
                    for value in values.$each() {
                        f($M::Use($wrap!(value)));
                    }
                }
                Op::Unary(_, a) | Op::Cast(a) | Op::Bitcast(a) | Op::Extract(a, _) => f($M::Use($wrap!(a))),
                Op::Binary(_, a, b) | Op::Compare(_, a, b) => {
                    f($M::Use($wrap!(a)));
                    f($M::Use($wrap!(b)));
                }
                Op::Select(a, b, c) | Op::Fma(a, b, c) => {
                    f($M::Use($wrap!(a)));
                    f($M::Use($wrap!(b)));
                    f($M::Use($wrap!(c)));
                }
            }
        }

        fn $mapping(mapping: & $($m)* Mapping, f: &mut dyn FnMut($Mention)) {
            for atom in mapping.atoms.$each() {
                match atom {
                    MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } => {
                        for extent in shape.$each() {
                            if let MappingExtent::Value(value) = extent {
                                f($M::Use($wrap!(value)));
                            }
                        }
                    }
                    MappingAtom::Custom { .. } => {}
                }
            }
        }

        pub(super) fn $stmt(stmt: & $($m)* Stmt, f: &mut dyn FnMut($Mention)) {
            match stmt {
                Stmt::Let { value, op } => {
                    f($M::Define($wrap!(value)));
                    $op(op, f);
                }
                Stmt::Declare { var, init } => {
                    f($M::Var($wrap!(var)));
                    if let Some(value) = init {
                        f($M::Use($wrap!(value)));
                    }
                }
                Stmt::Assign { var, value } => {
                    f($M::Var($wrap!(var)));
                    f($M::Use($wrap!(value)));
                }
                Stmt::Store { buffer, index, value, guard: _ } => {
                    $address(buffer, index, f);
                    f($M::Use($wrap!(value)));
                }
                Stmt::If { cond, then: _, otherwise: _ } => f($M::Use($wrap!(cond))),
                Stmt::For { label, index, start, end, inclusive: _, step, unroll: _, body: _ } => {
                    f($M::Loop($wrap!(label)));
                    f($M::Define($wrap!(index)));
                    f($M::Use($wrap!(start)));
                    f($M::Use($wrap!(end)));
                    f($M::Use($wrap!(step)));
                }
                Stmt::ForTask { label, mapping, worker, task, body: _ } => {
                    f($M::Loop($wrap!(label)));
                    for value in task.$each() {
                        f($M::Define($wrap!(value)));
                    }
                    $mapping(mapping, f);
                    f($M::Use($wrap!(worker)));
                }
                Stmt::Loop { label, body: _ } => f($M::Loop($wrap!(label))),
                Stmt::Break(label) | Stmt::Continue(label) => f($M::Loop($wrap!(label))),
                Stmt::Return | Stmt::Group { .. } => {}
                Stmt::Call { intrinsic: _, args, result } => {
                    if let Some(value) = result {
                        f($M::Define($wrap!(value)));
                    }
                    for arg in args.$each() {
                        match arg {
                            Arg::Value(value) => f($M::Use($wrap!(value))),
                            Arg::Address { buffer, index } => $address(buffer, index, f),
                            Arg::Imm(_) => {}
                            Arg::Map(map) => f($M::Map($wrap!(map))),
                        }
                    }
                }
                Stmt::Check { buffer, index, tile: _, shape: _, rows } => {
                    $address(buffer, index, f);
                    if let Some(value) = rows {
                        f($M::Use($wrap!(value)));
                    }
                }
                Stmt::Align { buffer, index, bytes: _ } => $address(buffer, index, f),
                Stmt::Assert { cond, message: _ } => f($M::Use($wrap!(cond))),
                Stmt::Print { pieces } => {
                    for piece in pieces.$each() {
                        if let PrintPiece::Value { value, format: _ } = piece {
                            f($M::Use($wrap!(value)));
                        }
                    }
                }
                Stmt::Asm { template: _, operands } => {
                    for operand in operands.$each() {
                        match operand {
                            AsmOperand::In(value) => f($M::Use($wrap!(value))),
                            AsmOperand::Out(value) => f($M::Define($wrap!(value))),
                            AsmOperand::Address { buffer, index } => $address(buffer, index, f),
                        }
                    }
                }
            }
        }
    };
}

macro_rules! copied {
    ($handle:expr) => {
        *$handle
    };
}
macro_rules! borrowed {
    ($handle:expr) => {
        $handle
    };
}
walks!(op, stmt, mapping, address, Mention, Mention, iter, [], copied);
walks!(op_mut, stmt_mut, mapping_mut, address_mut, MentionMut<'_>, MentionMut, iter_mut, [mut], borrowed);

impl Op {
    /// Calls `f` for every handle the operation mentions.
    pub fn each_mention(&self, f: &mut dyn FnMut(Mention)) {
        op(self, f);
    }

    /// Calls `f` for every handle the operation mentions, to replace it.
    pub fn each_mention_mut(&mut self, f: &mut dyn FnMut(MentionMut<'_>)) {
        op_mut(self, f);
    }

    /// Calls `f` for each value the operation uses.
    pub fn each_operand(&self, f: &mut impl FnMut(ValueId)) {
        self.each_mention(&mut |mention| {
            if let Mention::Use(value) = mention {
                f(value);
            }
        });
    }

    /// Calls `f` for each value the operation uses, to replace it.
    pub fn each_operand_mut(&mut self, f: &mut impl FnMut(&mut ValueId)) {
        self.each_mention_mut(&mut |mention| {
            if let MentionMut::Use(value) = mention {
                f(value);
            }
        });
    }
}

impl Stmt {
    /// Calls `f` for every handle the statement mentions, excluding its nested blocks.
    pub fn each_mention(&self, f: &mut dyn FnMut(Mention)) {
        stmt(self, f);
    }

    /// Calls `f` for every handle the statement mentions, to replace it.
    pub fn each_mention_mut(&mut self, f: &mut dyn FnMut(MentionMut<'_>)) {
        stmt_mut(self, f);
    }

    /// Calls `f` for every value the statement uses.
    pub fn each_use(&self, f: &mut impl FnMut(ValueId)) {
        self.each_mention(&mut |mention| {
            if let Mention::Use(value) = mention {
                f(value);
            }
        });
    }

    /// Calls `f` for every value the statement uses, to replace it.
    pub fn each_use_mut(&mut self, f: &mut impl FnMut(&mut ValueId)) {
        self.each_mention_mut(&mut |mention| {
            if let MentionMut::Use(value) = mention {
                f(value);
            }
        });
    }

    /// Calls `f` for every value the statement defines: in its own block, or a loop's in the loop's body.
    pub fn each_definition(&self, f: &mut impl FnMut(ValueId)) {
        self.each_mention(&mut |mention| {
            if let Mention::Define(value) = mention {
                f(value);
            }
        });
    }

    /// Returns the blocks nested in the statement.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let blocks = match self {
            Stmt::If { then, otherwise, .. } => [Some(then), Some(otherwise)],
            Stmt::For { body, .. }
            | Stmt::ForTask { body, .. }
            | Stmt::Loop { body, .. }
            | Stmt::Group { body, .. } => [Some(body), None],
            _ => [None, None],
        };
        blocks.into_iter().flatten()
    }

    /// Returns the blocks nested in the statement, mutably.
    pub fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        let blocks = match self {
            Stmt::If { then, otherwise, .. } => [Some(then), Some(otherwise)],
            Stmt::For { body, .. }
            | Stmt::ForTask { body, .. }
            | Stmt::Loop { body, .. }
            | Stmt::Group { body, .. } => [Some(body), None],
            _ => [None, None],
        };
        blocks.into_iter().flatten()
    }

    /// Returns the label if the statement is a loop.
    pub fn loop_label(&self) -> Option<super::LoopId> {
        match self {
            Stmt::For { label, .. } | Stmt::ForTask { label, .. } | Stmt::Loop { label, .. } => Some(*label),
            _ => None,
        }
    }
}
