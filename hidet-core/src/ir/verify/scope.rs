//! Visibility of definitions, assignment of variables before reads, and labels.

use super::Checker;
use crate::ir::{Block, Handle, LoopId, Mention, Op, Param, Stmt, ValueId, VarId};

pub(super) fn check(c: &mut Checker<'_>) {
    for (id, value) in c.f.values.iter() {
        let name = c.value(id);
        c.require(lanes_exist(value.ty.lanes), || {
            format!("{name} has {} lanes; 1, 2, 4, 8 and 16 are possible", value.ty.lanes)
        });
    }
    for (id, var) in c.f.vars.iter() {
        let name = c.var(id);
        c.require(lanes_exist(var.ty.lanes), || {
            format!("{name} has {} lanes; 1, 2, 4, 8 and 16 are possible", var.ty.lanes)
        });
    }
    let mut scope = Scope {
        defined: vec![false; c.f.values.len()],
        visible: vec![false; c.f.values.len()],
        declared: vec![false; c.f.vars.len()],
        in_scope: vec![false; c.f.vars.len()],
        loops: Vec::new(),
        labels: vec![false; c.f.loops.len()],
    };
    for param in &c.f.params {
        if let Param::Scalar { value, .. } = param {
            scope.defined[value.index()] = true;
            scope.visible[value.index()] = true;
        }
    }
    let mut assigned = Some(vec![false; c.f.vars.len()]);
    scope.block(c, &c.f.body, &mut assigned);
    c.span = Default::default();
}

fn lanes_exist(lanes: u8) -> bool {
    matches!(lanes, 1 | 2 | 4 | 8 | 16)
}

/// The variables that are assigned here; `None` in unreachable code.
type Assigned = Option<Vec<bool>>;

/// Merges two control flow paths: the variables assigned on both.
fn join(a: Assigned, b: &Assigned) -> Assigned {
    match (a, b) {
        (None, b) => b.clone(),
        (a, None) => a,
        (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| *a && *b).collect()),
    }
}

struct Scope {
    /// Values defined so far.
    defined: Vec<bool>,
    /// Values whose definition is visible at the statement.
    visible: Vec<bool>,
    declared: Vec<bool>,
    in_scope: Vec<bool>,
    /// The enclosing loops, each with the variables assigned at its breaks.
    loops: Vec<(LoopId, Assigned)>,
    /// The labels that belong to a loop.
    labels: Vec<bool>,
}

impl Scope {
    /// Checks a block; updates `assigned` to the state at its end.
    fn block(&mut self, c: &mut Checker<'_>, block: &Block, assigned: &mut Assigned) {
        let mut values = Vec::new();
        let mut vars = Vec::new();
        let f = c.f;
        for &id in &block.0 {
            c.span = f.spans[id];
            let stmt = &f.stmts[id];
            stmt.each_mention(&mut |mention| match mention {
                Mention::Use(value) => self.use_value(c, value),
                // A declaration brings its variable into scope itself, below.
                Mention::Var(var) if !matches!(stmt, Stmt::Declare { .. }) && !self.in_scope[var.index()] => {
                    let name = c.var(var);
                    c.problem(format!("{name} is used outside of the block that declares it, or before that"));
                }
                _ => {}
            });
            self.flow(c, stmt, assigned, &mut vars);
            // The index of a loop is visible in its body only; any other definition, from here on.
            if stmt.loop_label().is_none() {
                stmt.each_definition(&mut |value| self.define(c, value, &mut values));
            }
        }
        values.into_iter().for_each(|value: ValueId| self.visible[value.index()] = false);
        for var in vars {
            self.in_scope[var.index()] = false;
            if let Some(assigned) = assigned {
                assigned[var.index()] = false;
            }
        }
    }

    fn use_value(&self, c: &mut Checker<'_>, value: ValueId) {
        if !self.visible[value.index()] {
            let name = c.value(value);
            c.problem(format!("{name} is used where its definition does not reach"));
        }
    }

    fn define(&mut self, c: &mut Checker<'_>, value: ValueId, local: &mut Vec<ValueId>) {
        if std::mem::replace(&mut self.defined[value.index()], true) {
            let name = c.value(value);
            c.problem(format!("{name} is defined more than once"));
        }
        self.visible[value.index()] = true;
        local.push(value);
    }

    fn flow(&mut self, c: &mut Checker<'_>, stmt: &Stmt, assigned: &mut Assigned, vars: &mut Vec<VarId>) {
        match stmt {
            Stmt::Let { op: Op::Read(var), .. } => {
                if self.in_scope[var.index()] && assigned.as_ref().is_some_and(|assigned| !assigned[var.index()]) {
                    let name = c.var(*var);
                    c.problem(format!("{name} is read before it is assigned on every path"));
                }
            }
            Stmt::Declare { var, init } => {
                if std::mem::replace(&mut self.declared[var.index()], true) {
                    let name = c.var(*var);
                    c.problem(format!("{name} is declared more than once"));
                }
                self.in_scope[var.index()] = true;
                vars.push(*var);
                if let Some(assigned) = assigned {
                    assigned[var.index()] = init.is_some();
                }
            }
            Stmt::Assign { var, .. } => {
                if let Some(assigned) = assigned {
                    assigned[var.index()] = true;
                }
            }
            Stmt::If { then, otherwise, .. } => {
                let mut other = assigned.clone();
                self.block(c, then, assigned);
                self.block(c, otherwise, &mut other);
                *assigned = join(assigned.take(), &other);
            }
            // A variable assigned before a loop stays assigned, and one declared in the body ends with it: the state
            // before the first iteration holds before every iteration, and after a loop that may have none.
            Stmt::For { label, body, .. } | Stmt::ForTask { label, body, .. } => {
                let mut inside = assigned.clone();
                self.repeat(c, stmt, *label, body, &mut inside);
            }
            Stmt::Loop { label, body } => {
                let mut inside = assigned.take();
                *assigned = self.repeat(c, stmt, *label, body, &mut inside);
            }
            Stmt::Group { body, .. } => {
                let mut inside = assigned.clone();
                self.block(c, body, &mut inside);
            }
            Stmt::Break(label) => {
                match self.loops.iter_mut().find(|(open, _)| open == label) {
                    Some((_, at_break)) => *at_break = join(at_break.take(), assigned),
                    None => no_loop(c, "break", *label),
                }
                *assigned = None;
            }
            Stmt::Continue(label) => {
                if !self.loops.iter().any(|(open, _)| open == label) {
                    no_loop(c, "continue", *label);
                }
                *assigned = None;
            }
            Stmt::Return => *assigned = None,
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::Call { .. }
            | Stmt::Check { .. }
            | Stmt::Align { .. }
            | Stmt::Assert { .. }
            | Stmt::Print { .. }
            | Stmt::Asm { .. } => {}
        }
    }

    /// Checks the body of a loop and returns the variables assigned at its breaks.
    fn repeat(
        &mut self,
        c: &mut Checker<'_>,
        stmt: &Stmt,
        label: LoopId,
        body: &Block,
        inside: &mut Assigned,
    ) -> Assigned {
        if std::mem::replace(&mut self.labels[label.index()], true) {
            c.problem("a label belongs to two loops");
        }
        let mut values = Vec::new();
        stmt.each_definition(&mut |value| self.define(c, value, &mut values));
        self.loops.push((label, None));
        self.block(c, body, inside);
        values.into_iter().for_each(|value| self.visible[value.index()] = false);
        self.loops.pop().and_then(|(_, at_break)| at_break)
    }
}

fn no_loop(c: &mut Checker<'_>, jump: &str, label: LoopId) {
    let name = match c.f.loops[label].name.as_str() {
        "" => label.to_string(),
        name => format!("'{name}"),
    };
    c.problem(format!("`{jump} {name}` is outside of the loop {name}"));
}
