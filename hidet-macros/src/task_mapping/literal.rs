//! Compositions written with literals, evaluated while expanding, so that an error points at the wrong factor.

use super::parse::{count, extents, integer};
use hidet_mapping::{self as mapping, TaskMapping};
use syn::{Expr, ExprCall, ExprMethodCall, Lit, Stmt};

/// The reason why an expression has no mapping.
pub(super) enum Unknown {
    /// Something in it is not a literal, or not known to this evaluation: it is left to const evaluation.
    NotLiteral,
    /// It is wrong.
    Wrong(syn::Error),
}

type Evaluated<const R: usize> = Result<TaskMapping<R>, Unknown>;

fn wrong<T>(place: impl quote::ToTokens, message: impl std::fmt::Display) -> Result<T, Unknown> {
    Err(Unknown::Wrong(syn::Error::new_spanned(place, message)))
}

/// Evaluates an expression of literals to a mapping.
pub(super) fn evaluate<const R: usize>(expr: &Expr) -> Evaluated<R> {
    let mapping = match expr {
        Expr::Paren(paren) => return evaluate(&paren.expr),
        Expr::Group(group) => return evaluate(&group.expr),
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => match &block.block.stmts[..] {
            [Stmt::Expr(expr, None)] => return evaluate(expr),
            _ => return Err(Unknown::NotLiteral),
        },
        Expr::Binary(binary) if matches!(binary.op, syn::BinOp::Mul(_)) => {
            evaluate::<R>(&binary.left)? * evaluate::<R>(&binary.right)?
        }
        Expr::Call(call) => factor(call)?,
        Expr::MethodCall(call) => method(call)?,
        _ => return Err(Unknown::NotLiteral),
    };
    match mapping.check() {
        Ok(()) => Ok(mapping),
        Err(error) => wrong(expr, error),
    }
}

/// Evaluates `spatial([32, 8])` and similar.
fn factor<const R: usize>(call: &ExprCall) -> Evaluated<R> {
    let Expr::Path(path) = &*call.func else { return Err(Unknown::NotLiteral) };
    let Some(name) = path.path.segments.last().map(|last| last.ident.to_string()) else {
        return Err(Unknown::NotLiteral);
    };
    let arguments: Vec<&Expr> = call.args.iter().collect();
    let mapping = match (name.as_str(), &arguments[..]) {
        ("spatial", [shape]) => mapping::spatial(numbers(shape)?),
        ("repeat", [shape]) => mapping::repeat(numbers(shape)?),
        ("col_spatial", [shape]) => mapping::col_spatial(numbers(shape)?),
        ("col_repeat", [shape]) => mapping::col_repeat(numbers(shape)?),
        ("auto_map", [shape, workers]) => mapping::auto_map(numbers(shape)?, number(workers)?),
        ("predicated_auto_map", [shape, workers]) => mapping::predicated_auto_map(numbers(shape)?, number(workers)?),
        ("auto_map_ranked", [shape, workers, ranks]) => {
            mapping::auto_map_ranked(numbers(shape)?, number(workers)?, bytes(ranks)?)
        }
        ("predicated_auto_map_ranked", [shape, workers, ranks]) => {
            mapping::predicated_auto_map_ranked(numbers(shape)?, number(workers)?, bytes(ranks)?)
        }
        _ => return Err(Unknown::NotLiteral),
    };
    Ok(mapping)
}

/// Evaluates `outer.spatial([32, 8])`, `.ranks([1, 0])` and similar.
fn method<const R: usize>(call: &ExprMethodCall) -> Evaluated<R> {
    let outer = evaluate::<R>(&call.receiver)?;
    let arguments: Vec<&Expr> = call.args.iter().collect();
    let mapping = match (call.method.to_string().as_str(), &arguments[..]) {
        ("then", [inner]) => outer.then(evaluate(inner)?),
        ("spatial", [shape]) => outer.spatial(numbers(shape)?),
        ("repeat", [shape]) => outer.repeat(numbers(shape)?),
        ("col_spatial", [shape]) => outer.col_spatial(numbers(shape)?),
        ("col_repeat", [shape]) => outer.col_repeat(numbers(shape)?),
        ("ranks", [ranks]) => outer.ranks(bytes(ranks)?),
        ("attrs", [Expr::Lit(attrs)]) => match &attrs.lit {
            Lit::Str(attrs) => outer.attrs(&attrs.value()),
            _ => return Err(Unknown::NotLiteral),
        },
        ("project", [Expr::Array(axes)]) => {
            let mut mapping = outer;
            for axis in &axes.elems {
                mapping = mapping.project([number(axis)? as usize]);
            }
            mapping
        }
        _ => return Err(Unknown::NotLiteral),
    };
    Ok(mapping)
}

fn number(expr: &Expr) -> Result<u32, Unknown> {
    match integer(expr) {
        None => Err(Unknown::NotLiteral),
        Some(value) => match u32::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => wrong(expr, format!("{value} is not a number from 0 to {}", u32::MAX)),
        },
    }
}

/// One number per axis.
fn numbers<const R: usize>(expr: &Expr) -> Result<[u32; R], Unknown> {
    let Expr::Array(array) = expr else { return Err(Unknown::NotLiteral) };
    let numbers = match extents(array) {
        Some(numbers) => numbers,
        // Reports which number is wrong, if one is.
        None => array.elems.iter().map(number).collect::<Result<_, _>>()?,
    };
    let here = count(numbers.len(), "number");
    match numbers.try_into() {
        Ok(numbers) => Ok(numbers),
        Err(_) => {
            wrong(array, format!("the mapping has {}, but this list has {here}: write one per axis", count(R, "axis")))
        }
    }
}

fn bytes<const R: usize>(expr: &Expr) -> Result<[u8; R], Unknown> {
    // A rank that does not fit in a byte is too large for every mapping.
    Ok(numbers::<R>(expr)?.map(|number| u8::try_from(number).unwrap_or(u8::MAX)))
}
