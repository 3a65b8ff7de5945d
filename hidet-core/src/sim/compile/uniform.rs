//! Uniform values, which are equal in all lanes that run together, and divergent branches and loops.
//!
//! A variable stays uniform only if every assignment to it happens under no more divergent control than its
//! declaration; a loop that lanes may leave at different times counts as divergent control for its whole body. The body
//! is walked until nothing changes; everything starts as uniform and only becomes divergent.

use crate::ir::{
    AsmOperand, Block, Function, Handle, LoopId, MappingAtom, MappingExtent, Op, Scope, Special, Stmt, ValueId, VarId,
};

/// How the lanes of a loop can diverge.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct LoopShape {
    /// True if lanes may leave at different times.
    pub exits: bool,
    /// True if lanes may start the next iteration at different times.
    pub continues: bool,
}

/// The result of the analysis.
pub struct Uniformity {
    values: Vec<bool>,
    vars: Vec<bool>,
    loops: Vec<LoopShape>,
}

impl Uniformity {
    pub fn of(function: &Function, block: [u32; 3]) -> Uniformity {
        let mut walk = Walk {
            function,
            block,
            result: Uniformity {
                values: vec![true; function.values.len()],
                vars: vec![true; function.vars.len()],
                loops: vec![LoopShape::default(); function.loops.len()],
            },
            declared: vec![0; function.vars.len()],
            targets: Vec::new(),
            depth: 0,
            changed: true,
        };
        while walk.changed {
            walk.changed = false;
            walk.block(&function.body);
        }
        walk.result
    }

    pub fn value(&self, value: ValueId) -> bool {
        self.values[value.index()]
    }

    pub fn var(&self, var: VarId) -> bool {
        self.vars[var.index()]
    }

    pub fn shape(&self, label: LoopId) -> LoopShape {
        self.loops[label.index()]
    }
}

struct Walk<'a> {
    function: &'a Function,
    block: [u32; 3],
    result: Uniformity,
    /// By variable: the depth of divergent control at its declaration.
    declared: Vec<u32>,
    /// The loops around, with the depth of divergent control in their bodies.
    targets: Vec<(LoopId, u32)>,
    depth: u32,
    changed: bool,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block) {
        for stmt in &block.0 {
            self.stmt(&self.function.stmts[*stmt]);
        }
    }

    fn define(&mut self, value: ValueId, uniform: bool) {
        let old = &mut self.result.values[value.index()];
        self.changed |= *old && !uniform;
        *old &= uniform;
    }

    fn all(&self, values: &[ValueId]) -> bool {
        values.iter().all(|value| self.result.value(*value))
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { value, op } => {
                let uniform = self.op(op);
                self.define(*value, uniform);
            }
            Stmt::Declare { var, init } => {
                self.declared[var.index()] = self.depth;
                self.assign(*var, init.is_none_or(|init| self.result.value(init)));
            }
            Stmt::Assign { var, value } => self.assign(*var, self.result.value(*value)),
            Stmt::If { cond, then, otherwise } => {
                let step = !self.result.value(*cond) as u32;
                self.depth += step;
                self.block(then);
                self.block(otherwise);
                self.depth -= step;
            }
            Stmt::For { label, index, start, end, step, body, .. } => {
                // The counter is uniform if start and step are: every iteration begins with the lanes together.
                let uniform = self.all(&[*start, *step]);
                self.define(*index, uniform);
                if !uniform || !self.result.value(*end) {
                    self.leave(*label);
                }
                self.repeat(*label, body);
            }
            Stmt::ForTask { label, mapping, worker, task, body } => {
                let mut uniform = self.result.value(*worker);
                let mut extents = true;
                for atom in &mapping.atoms {
                    let shape = match atom {
                        MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } => shape,
                        MappingAtom::Custom { .. } => continue,
                    };
                    for extent in shape {
                        if let MappingExtent::Value(value) = extent {
                            extents &= self.result.value(*value);
                        }
                    }
                }
                uniform &= extents;
                for value in task {
                    self.define(*value, uniform);
                }
                if !extents {
                    self.leave(*label);
                }
                // Workers outside of the mapping have no tasks.
                let guarded = !uniform as u32;
                self.depth += guarded;
                self.repeat(*label, body);
                self.depth -= guarded;
            }
            Stmt::Loop { label, body } => self.repeat(*label, body),
            Stmt::Break(label) => self.jump(*label, true),
            Stmt::Continue(label) => self.jump(*label, false),
            Stmt::Group { body, .. } => self.block(body),
            Stmt::Call { result, .. } => {
                // The result of a vote is equal only in the lanes of its mask, which need not be all lanes that run.
                if let Some(result) = result {
                    self.define(*result, false);
                }
            }
            Stmt::Asm { operands, .. } => {
                for operand in operands {
                    if let AsmOperand::Out(value) = operand {
                        self.define(*value, false);
                    }
                }
            }
            Stmt::Store { .. }
            | Stmt::Return
            | Stmt::Check { .. }
            | Stmt::Align { .. }
            | Stmt::Assert { .. }
            | Stmt::Print { .. } => {}
        }
    }

    fn assign(&mut self, var: VarId, uniform: bool) {
        let uniform = uniform && self.depth <= self.declared[var.index()];
        let old = &mut self.result.vars[var.index()];
        self.changed |= *old && !uniform;
        *old &= uniform;
    }

    fn leave(&mut self, label: LoopId) {
        let shape = &mut self.result.loops[label.index()];
        self.changed |= !shape.exits;
        shape.exits = true;
    }

    fn repeat(&mut self, label: LoopId, body: &Block) {
        let shape = self.result.loops[label.index()];
        let step = (shape.exits || shape.continues) as u32;
        self.depth += step;
        self.targets.push((label, self.depth));
        self.block(body);
        self.targets.pop();
        self.depth -= step;
    }

    /// Handles a `break` or `continue`: under divergent control inside of the loop it makes the lanes of every loop
    /// that it leaves diverge.
    fn jump(&mut self, label: LoopId, exits: bool) {
        for position in (0..self.targets.len()).rev() {
            let (target, inside) = self.targets[position];
            if self.depth > inside {
                let shape = &mut self.result.loops[target.index()];
                let last = target == label;
                let mut new = *shape;
                new.exits |= exits || !last;
                new.continues |= last && !exits;
                self.changed |= *shape != new;
                *shape = new;
            }
            if target == label {
                return;
            }
        }
    }

    fn op(&self, op: &Op) -> bool {
        match op {
            Op::Special(special) => match special {
                Special::Thread | Special::Lane | Special::ThreadX => false,
                Special::ThreadY => self.block[0].is_multiple_of(32),
                Special::ThreadZ => (self.block[0] * self.block[1]).is_multiple_of(32),
                _ => true,
            },
            Op::Read(var) => self.result.var(*var),
            Op::Load { buffer, index, .. } => {
                self.function.buffers[*buffer].scope != Scope::Register && self.all(index)
            }
            _ => {
                let mut uniform = true;
                op.each_operand(&mut |value| uniform &= self.result.value(value));
                uniform
            }
        }
    }
}
