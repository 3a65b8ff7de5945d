//! Marks loops whose index selects a register for explicit unrolling.
//!
//! Precondition: no `ForTask`, constants are folded. Postcondition: a loop of a known, small trip count whose
//! unrolling is left to the device's compiler, and whose index takes part in the index of a register buffer, is marked
//! `Unroll::Explicit`. Nothing else changes.
//!
//! A register has no address: `for i in 0 .. 4 { store @acc[i] }` is fast only if every `i` is a constant. The next
//! pass unrolls marked loops, and then the array becomes variables. Loops that would grow too much are not marked.

use super::LoweringOptions;
use super::fold::int;
use super::unroll_explicit::MAX_TRIP_COUNT;
use crate::error::Result;
use crate::ir::{Block, Function, Op, Scope, Stmt, StmtId, Unroll, ValueId};
use crate::types::Const;
use std::collections::{HashMap, HashSet};

/// Maximum number of statements of all copies of a loop.
const MAX_STATEMENTS: i128 = 8192;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    let mut constants = HashMap::new();
    function.each_stmt(&mut |_, stmt| {
        if let Stmt::Let { value, op: Op::Const(constant) } = stmt {
            constants.insert(*value, *constant);
        }
    });
    let mut marked = Vec::new();
    size(function, &function.body, &constants, &mut marked);
    for id in marked {
        if let Stmt::For { unroll, .. } = &mut function.stmts[id] {
            *unroll = Unroll::Explicit;
        }
    }
    Ok(())
}

/// Returns the number of statements of a block after unrolling, and collects the loops to be marked.
fn size(function: &Function, block: &Block, constants: &HashMap<ValueId, Const>, marked: &mut Vec<StmtId>) -> i128 {
    let mut total = 0;
    for id in &block.0 {
        let stmt = &function.stmts[*id];
        let inner: i128 = stmt.blocks().map(|block| size(function, block, constants, marked)).sum();
        let mut copies = 1;
        if let Stmt::For { index, start, end, inclusive, step, unroll, body, .. } = stmt {
            let number = |value: &ValueId| constants.get(value).copied().and_then(int);
            let trip_count = match (number(start), number(end), number(step)) {
                (Some(start), Some(end), Some(step)) if step > 0 => {
                    Some(((end + i128::from(*inclusive) - start).max(0) + step - 1) / step)
                }
                _ => None,
            };
            let ours = match unroll {
                Unroll::Explicit => true,
                Unroll::Auto | Unroll::Full => {
                    trip_count
                        .is_some_and(|trip_count| trip_count <= MAX_TRIP_COUNT && trip_count * inner <= MAX_STATEMENTS)
                        && chooses_register(function, body, *index)
                }
                Unroll::Never | Unroll::By(_) => false,
            };
            if ours {
                copies = trip_count.unwrap_or(1);
                marked.push(*id);
            }
        }
        total += 1 + inner * copies;
    }
    total
}

/// Returns true if an index of a register buffer depends on a value.
fn chooses_register(function: &Function, body: &Block, value: ValueId) -> bool {
    let mut dependent = HashSet::from([value]);
    let mut found = false;
    function.each_stmt_in(body, &mut |_, stmt| {
        stmt.each_index(&mut |buffer, index| {
            let register = function.buffers[buffer].scope == Scope::Register;
            found |= register && index.iter().any(|value| dependent.contains(value));
        });
        let mut uses = false;
        stmt.each_use(&mut |value| uses |= dependent.contains(&value));
        if let Stmt::Let { value, .. } = stmt
            && uses
        {
            dependent.insert(*value);
        }
    });
    found
}
