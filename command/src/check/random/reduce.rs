//! Reduces programs by one edit at a time, coarse edits first. The verifier and the checkers decide if the result is
//! valid.

use hidet::ir::{Block, Function, MentionMut, Op, Stmt, StmtId, ValueId, VarId};
use hidet::testing::random::{ArgumentValue, Program};
use hidet::types::Const;
use std::collections::HashSet;

/// An edit of a program.
pub type Edit = Box<dyn Fn(&Program) -> Option<Program> + Send + Sync>;

/// A block of a function: the body of the function itself, or a block of a statement.
type Place = Option<(StmtId, usize)>;

/// Returns all edits of a program, grouped by kind.
pub fn edits(program: &Program) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    edits.extend((0..program.steps.len()).map(|at| -> Edit { Box::new(move |program| without_step(program, at)) }));
    for (number, kernel) in program.kernels.iter().enumerate() {
        let mut add = |edit: Box<dyn Fn(&mut Function) -> Option<()> + Send + Sync>| {
            edits.push(Box::new(move |program| edited(program, number, &*edit)));
        };
        add(Box::new(sweep));
        let places = places(kernel);
        for parts in [1, 2, 4, 8, 16, usize::MAX] {
            for &place in &places {
                let length = block(kernel, place).map_or(0, |block| block.0.len());
                let size = length.div_ceil(parts).max(1);
                if parts > 1 && size == length.div_ceil(parts / 2).max(1) {
                    continue;
                }
                for first in (0..length).step_by(size).rev() {
                    add(Box::new(move |function| remove(function, place, first, size)));
                }
            }
        }
        for &place in &places {
            for at in 0..block(kernel, place).map_or(0, |block| block.0.len()) {
                for choice in 0..2 {
                    add(Box::new(move |function| unwrap(function, place, at, choice)));
                }
            }
        }
        add(Box::new(|function| smaller_block(function, 32)));
        add(Box::new(|function| smaller_block(function, function.launch.threads() / 2)));
        for axis in 0..3 {
            add(Box::new(move |function| set(&mut function.launch.grid[axis], 1.into())));
        }
        add(Box::new(|function| set(&mut function.launch.cooperative, false)));
        add(Box::new(|function| set(&mut function.launch.cluster, [1; 3])));
        let ids: Vec<StmtId> = kernel.stmts.handles().collect();
        for &id in &ids {
            for choice in 0..4 {
                add(Box::new(move |function| simpler(function, id, choice)));
            }
        }
        edits.extend(
            (0..kernel.params.len()).map(|at| -> Edit { Box::new(move |program| without_param(program, number, at)) }),
        );
    }
    edits.extend((0..program.arguments.len()).map(|at| -> Edit { Box::new(move |program| zeroed(program, at)) }));
    edits
}

fn set<T: PartialEq>(slot: &mut T, value: T) -> Option<()> {
    (*slot != value).then(|| *slot = value)
}

fn edited(program: &Program, number: usize, edit: &dyn Fn(&mut Function) -> Option<()>) -> Option<Program> {
    let mut program = program.clone();
    let kernel = program.kernels.get_mut(number)?;
    edit(kernel)?;
    kernel.compact();
    Some(program)
}

fn without_step(program: &Program, at: usize) -> Option<Program> {
    let mut program = program.clone();
    (program.steps.len() > 1).then(|| program.steps.remove(at))?;
    let used: HashSet<usize> = program.steps.iter().map(|step| step.kernel).collect();
    let kept: Vec<usize> = (0..program.kernels.len()).filter(|kernel| used.contains(kernel)).collect();
    for step in &mut program.steps {
        step.kernel = kept.iter().position(|kernel| *kernel == step.kernel)?;
    }
    program.kernels = kept.iter().map(|kernel| program.kernels[*kernel].clone()).collect();
    Some(program)
}

fn without_param(program: &Program, number: usize, at: usize) -> Option<Program> {
    let mut program = program.clone();
    program.kernels.get_mut(number)?.params.remove(at);
    for step in program.steps.iter_mut().filter(|step| step.kernel == number) {
        step.arguments.remove(at);
    }
    // Arguments that are no longer used are removed too.
    let used: HashSet<usize> = program.steps.iter().flat_map(|step| step.arguments.clone()).collect();
    let kept: Vec<usize> = (0..program.arguments.len()).filter(|argument| used.contains(argument)).collect();
    for argument in program.steps.iter_mut().flat_map(|step| &mut step.arguments) {
        *argument = kept.iter().position(|kept| kept == argument)?;
    }
    program.arguments = kept.iter().map(|argument| program.arguments[*argument].clone()).collect();
    program.kernels[number].compact();
    Some(program)
}

fn zeroed(program: &Program, at: usize) -> Option<Program> {
    let mut program = program.clone();
    match &mut program.arguments[at] {
        ArgumentValue::Tensor(bytes) | ArgumentValue::Table { memory: bytes, .. }
            if bytes.iter().any(|byte| *byte != 0) =>
        {
            bytes.fill(0);
        }
        ArgumentValue::Scalar(value) if value.bits != 0 => value.bits = 0,
        _ => return None,
    }
    Some(program)
}

/// Returns all blocks, outer before inner.
fn places(function: &Function) -> Vec<Place> {
    let mut places = vec![None];
    function.each_stmt(&mut |id, stmt| places.extend((0..stmt.blocks().count()).map(|number| Some((id, number)))));
    places
}

fn block(function: &Function, place: Place) -> Option<&Block> {
    match place {
        None => Some(&function.body),
        Some((id, number)) => function.stmts.get(id)?.blocks().nth(number),
    }
}

fn block_mut(function: &mut Function, place: Place) -> Option<&mut Block> {
    match place {
        None => Some(&mut function.body),
        Some((id, number)) => {
            function.stmts.get(id)?;
            function.stmts[id].blocks_mut().nth(number)
        }
    }
}

/// Replaces some statements by others.
fn splice(function: &mut Function, place: Place, at: usize, count: usize, new: Vec<StmtId>) -> Option<()> {
    let block = block_mut(function, place)?;
    let end = at.checked_add(count)?.min(block.0.len());
    (at < end).then(|| drop(block.0.splice(at..end, new)))
}

/// Returns a statement that makes a value 0, or another small number.
fn constant(function: &mut Function, value: ValueId, bits: u64) -> Option<StmtId> {
    let ty = function.ty(value);
    let op = Op::Const(Const { scalar: ty.scalar, bits });
    (ty.lanes == 1).then(|| function.new_stmt(Stmt::Let { value, op }, Default::default()))
}

/// Removes statements; values that they define and others use become 0.
fn remove(function: &mut Function, place: Place, at: usize, count: usize) -> Option<()> {
    let ids: Vec<StmtId> = block(function, place)?.0.iter().copied().skip(at).take(count).collect();
    let mut defined = Vec::new();
    for id in &ids {
        function.stmts.get(*id)?.each_definition(&mut |value| defined.push(value));
    }
    let before = weight(function);
    splice(function, place, at, count, Vec::new())?;
    let used = used(function);
    let mut new = Vec::new();
    for value in defined.into_iter().filter(|value| used.contains(value)) {
        new.push(constant(function, value, 0)?);
    }
    let block = block_mut(function, place)?;
    block.0.splice(at..at, new);
    // Refused if it only defines values again that were 0 before.
    (weight(function) < before).then_some(())
}

/// Returns the size of a function; constants count less than computations, and 0 least.
fn weight(function: &Function) -> u64 {
    let mut weight = 0;
    function.each_stmt(&mut |_, stmt| {
        weight += match stmt {
            Stmt::Let { op: Op::Const(number), .. } => 1 + u64::from(number.bits != 0),
            _ => 10,
        }
    });
    weight
}

/// Removes all values and variables that are never read.
fn sweep(function: &mut Function) -> Option<()> {
    let mut swept = None;
    loop {
        let (used, read) = (used(function), read(function));
        let is_dead = |stmt: &Stmt| match stmt {
            Stmt::Let { value, .. } => !used.contains(value),
            Stmt::Declare { var, .. } | Stmt::Assign { var, .. } => !read.contains(var),
            _ => false,
        };
        let mut dead = HashSet::new();
        function.each_stmt(&mut |id, stmt| {
            if is_dead(stmt) {
                dead.insert(id);
            }
        });
        if dead.is_empty() {
            return swept;
        }
        for place in places(function) {
            block_mut(function, place)?.0.retain(|id| !dead.contains(id));
        }
        swept = Some(());
    }
}

fn read(function: &Function) -> HashSet<VarId> {
    let mut read = HashSet::new();
    function.each_stmt(&mut |_, stmt| {
        if let Stmt::Let { op: Op::Read(var), .. } = stmt {
            read.insert(*var);
        }
    });
    read
}

fn used(function: &Function) -> HashSet<ValueId> {
    let mut used = HashSet::new();
    function.each_stmt(&mut |_, stmt| {
        stmt.each_use(&mut |value| {
            used.insert(value);
        });
    });
    used
}

/// Replaces every use of a value by another. Returns true if there was any.
fn replace(function: &mut Function, old: ValueId, new: ValueId) -> bool {
    let mut replaced = false;
    for id in function.stmts.handles() {
        function.stmts[id].each_mention_mut(&mut |mention| {
            if let MentionMut::Use(value) = mention {
                if *value == old {
                    (*value, replaced) = (new, true);
                }
            }
        });
    }
    replaced
}

/// Replaces a statement by one of its blocks, run once.
fn unwrap(function: &mut Function, place: Place, at: usize, choice: usize) -> Option<()> {
    let id = *block(function, place)?.0.get(at)?;
    let mut before = Vec::new();
    let body = match function.stmts[id].clone() {
        Stmt::If { then, otherwise, .. } => [then, otherwise].into_iter().nth(choice)?,
        _ if choice > 0 => return None,
        Stmt::For { index, start, body, .. } => {
            replace(function, index, start);
            body
        }
        Stmt::ForTask { task, body, .. } => {
            for coordinate in task {
                before.push(constant(function, coordinate, 0)?);
            }
            body
        }
        Stmt::Loop { body, .. } | Stmt::Group { body, .. } => body,
        _ => return None,
    };
    before.extend(body.0);
    splice(function, place, at, 1, before)
}

/// Replaces a value by a number, or by one of its own operands.
fn simpler(function: &mut Function, id: StmtId, choice: usize) -> Option<()> {
    let Stmt::Let { value, op } = function.stmts.get(id)?.clone() else { return None };
    let ty = function.ty(value);
    if matches!(op, Op::Const(_)) {
        return None;
    }
    if choice == 0 {
        let op = Op::Const(Const { scalar: ty.scalar, bits: 0 });
        return (ty.lanes == 1).then(|| function.stmts[id] = Stmt::Let { value, op });
    }
    let mut operands = Vec::new();
    op.each_operand(&mut |operand| operands.push(operand));
    let operand = operands.into_iter().filter(|operand| function.ty(*operand) == ty).nth(choice - 1)?;
    replace(function, value, operand).then_some(())
}

fn smaller_block(function: &mut Function, threads: u32) -> Option<()> {
    (threads > 0 && threads < function.launch.threads()).then(|| function.launch.block = [threads, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::ir::{text, verify};
    use hidet::testing::random::exact_kernel;

    #[test]
    fn edits_give_smaller_valid_programs() {
        let program = Program::from(exact_kernel(3));
        let smaller: Vec<Program> = edits(&program).iter().filter_map(|edit| edit(&program)).collect();
        let valid = |program: &&Program| program.kernels.iter().all(|kernel| verify::verify(kernel).is_ok());
        let valid: Vec<&Program> = smaller.iter().filter(valid).collect();
        assert!(valid.len() * 3 > smaller.len() && valid.len() > 100, "{} of {} are valid", valid.len(), smaller.len());
        let before = text::print(&program.kernels[0]);
        assert!(valid.iter().all(|smaller| {
            text::print(&smaller.kernels[0]) != before
                || smaller.arguments.len() < program.arguments.len()
                || format!("{:?}", smaller.arguments) != format!("{:?}", program.arguments)
        }));
    }
}
