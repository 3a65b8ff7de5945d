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

/// A call with its literals: of a function, or of a method on a mapping. What is parsed here does not depend on the rank as a
/// type, so that it is compiled once and not for each rank.
enum Call {
    Spatial(Vec<u32>),
    Repeat(Vec<u32>),
    ColSpatial(Vec<u32>),
    ColRepeat(Vec<u32>),
    AutoMap { shape: Vec<u32>, workers: u32, ranks: Option<Vec<u32>>, predicated: bool },
    Ranks(Vec<u32>),
    Attrs(String),
    Project(Vec<usize>),
}

/// Evaluates `spatial([32, 8])` and similar.
fn factor<const R: usize>(call: &ExprCall) -> Evaluated<R> {
    Ok(match function(call, R)? {
        Call::Spatial(shape) => mapping::spatial(array(&shape)),
        Call::Repeat(shape) => mapping::repeat(array(&shape)),
        Call::ColSpatial(shape) => mapping::col_spatial(array(&shape)),
        Call::ColRepeat(shape) => mapping::col_repeat(array(&shape)),
        Call::AutoMap { shape, workers, ranks, predicated } => match (ranks, predicated) {
            (None, false) => mapping::auto_map(array(&shape), workers),
            (None, true) => mapping::predicated_auto_map(array(&shape), workers),
            (Some(ranks), false) => mapping::auto_map_ranked(array(&shape), workers, bytes(&ranks)),
            (Some(ranks), true) => mapping::predicated_auto_map_ranked(array(&shape), workers, bytes(&ranks)),
        },
        Call::Ranks(_) | Call::Attrs(_) | Call::Project(_) => return Err(Unknown::NotLiteral),
    })
}

fn function(call: &ExprCall, rank: usize) -> Result<Call, Unknown> {
    let Expr::Path(path) = &*call.func else { return Err(Unknown::NotLiteral) };
    let Some(name) = path.path.segments.last().map(|last| last.ident.to_string()) else {
        return Err(Unknown::NotLiteral);
    };
    let arguments: Vec<&Expr> = call.args.iter().collect();
    match (name.as_str(), &arguments[..]) {
        ("auto_map" | "predicated_auto_map", [shape, workers]) => Ok(Call::AutoMap {
            shape: numbers(shape, rank)?,
            workers: number(workers)?,
            ranks: None,
            predicated: name.starts_with('p'),
        }),
        ("auto_map_ranked" | "predicated_auto_map_ranked", [shape, workers, ranks]) => Ok(Call::AutoMap {
            shape: numbers(shape, rank)?,
            workers: number(workers)?,
            ranks: Some(numbers(ranks, rank)?),
            predicated: name.starts_with('p'),
        }),
        (name, [shape]) => shaped(name, shape, rank),
        _ => Err(Unknown::NotLiteral),
    }
}

/// Evaluates the calls that functions and methods have in common.
fn shaped(name: &str, shape: &Expr, rank: usize) -> Result<Call, Unknown> {
    match name {
        "spatial" => Ok(Call::Spatial(numbers(shape, rank)?)),
        "repeat" => Ok(Call::Repeat(numbers(shape, rank)?)),
        "col_spatial" => Ok(Call::ColSpatial(numbers(shape, rank)?)),
        "col_repeat" => Ok(Call::ColRepeat(numbers(shape, rank)?)),
        _ => Err(Unknown::NotLiteral),
    }
}

/// Evaluates `outer.spatial([32, 8])`, `.ranks([1, 0])` and similar.
fn method<const R: usize>(call: &ExprMethodCall) -> Evaluated<R> {
    let outer = evaluate::<R>(&call.receiver)?;
    if let (true, Some(inner)) = (call.method == "then" && call.args.len() == 1, call.args.first()) {
        return Ok(outer.then(evaluate(inner)?));
    }
    Ok(match chained(call, R)? {
        Call::Spatial(shape) => outer.spatial(array(&shape)),
        Call::Repeat(shape) => outer.repeat(array(&shape)),
        Call::ColSpatial(shape) => outer.col_spatial(array(&shape)),
        Call::ColRepeat(shape) => outer.col_repeat(array(&shape)),
        Call::Ranks(ranks) => outer.ranks(bytes(&ranks)),
        Call::Attrs(attrs) => outer.attrs(&attrs),
        Call::Project(axes) => axes.into_iter().fold(outer, |mapping, axis| mapping.project([axis])),
        Call::AutoMap { .. } => return Err(Unknown::NotLiteral),
    })
}

fn chained(call: &ExprMethodCall, rank: usize) -> Result<Call, Unknown> {
    let arguments: Vec<&Expr> = call.args.iter().collect();
    match (call.method.to_string().as_str(), &arguments[..]) {
        ("ranks", [ranks]) => Ok(Call::Ranks(numbers(ranks, rank)?)),
        ("attrs", [Expr::Lit(attrs)]) => match &attrs.lit {
            Lit::Str(attrs) => Ok(Call::Attrs(attrs.value())),
            _ => Err(Unknown::NotLiteral),
        },
        ("project", [Expr::Array(axes)]) => {
            let axis = |axis: &Expr| Ok(number(axis)? as usize);
            Ok(Call::Project(axes.elems.iter().map(axis).collect::<Result<_, _>>()?))
        }
        (name, [shape]) => shaped(name, shape, rank),
        _ => Err(Unknown::NotLiteral),
    }
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
fn numbers(expr: &Expr, rank: usize) -> Result<Vec<u32>, Unknown> {
    let Expr::Array(array) = expr else { return Err(Unknown::NotLiteral) };
    let numbers = match extents(array) {
        Some(numbers) => numbers,
        // Reports which number is wrong, if one is.
        None => array.elems.iter().map(number).collect::<Result<_, _>>()?,
    };
    if numbers.len() == rank {
        return Ok(numbers);
    }
    let here = count(numbers.len(), "number");
    wrong(array, format!("the mapping has {}, but this list has {here}: write one per axis", count(rank, "axis")))
}

/// Returns the numbers of all axes as an array.
fn array<const R: usize>(numbers: &[u32]) -> [u32; R] {
    std::array::from_fn(|axis| numbers[axis])
}

/// The same for ranks. One that does not fit in a byte is too large for every mapping.
fn bytes<const R: usize>(numbers: &[u32]) -> [u8; R] {
    std::array::from_fn(|axis| u8::try_from(numbers[axis]).unwrap_or(u8::MAX))
}
