//! The types of statements.

use super::Checker;
use crate::ir::{PrintPiece, Stmt, ValueId, VarId};
use crate::types::Type;

pub(super) fn check(c: &mut Checker<'_>, stmt: &Stmt) {
    let f = c.f;
    match stmt {
        Stmt::Declare { var, init: Some(value) } | Stmt::Assign { var, value } => assignment(c, *var, *value),
        Stmt::If { cond, .. } => condition(c, "if", *cond),
        Stmt::Assert { cond, .. } => condition(c, "assert", *cond),
        Stmt::For { index, start, end, step, .. } => {
            let ty = f.ty(*index);
            let fine = ty.lanes == 1 && ty.scalar.is_int();
            c.require(fine, || format!("the index of a loop is {ty}; it must be an integer"));
            let others = [("start", start), ("end", end), ("step", step)];
            for (what, value) in others {
                let other = f.ty(*value);
                c.require(other == ty, || format!("the {what} of a loop is {other}, but its index {ty}"));
            }
            if let Some(step) = c.constant(*step) {
                c.require(step > 0, || format!("the step of a loop is {step}; it must be positive"));
            }
        }
        Stmt::Print { pieces } => {
            for piece in pieces {
                if let PrintPiece::Value { value, format } = piece {
                    let (ty, name) = (f.ty(*value), c.value(*value));
                    c.require(format.fits(ty.scalar), || {
                        format!("{name} is {ty}, which cannot be printed as `{format}`")
                    });
                }
            }
        }
        _ => {}
    }
}

fn assignment(c: &mut Checker<'_>, var: VarId, value: ValueId) {
    let (ty, given) = (c.f.vars[var].ty, c.f.ty(value));
    let (var, value) = (c.var(var), c.value(value));
    c.require(ty == given, || format!("{var} is {ty}, but {value} is {given}"));
}

fn condition(c: &mut Checker<'_>, what: &str, value: ValueId) {
    let ty = c.f.ty(value);
    c.require(ty == Type::BOOL, || format!("the condition of `{what}` is {ty}, not bool"));
}
