//! Checks while expanding, for mappings that are written with literals.

use super::Errors;
use super::custom::Function;
use super::literal::{Unknown, evaluate};
use super::parse::{Declared, extent, extents};
use hidet_mapping::{CustomFunction, MappingError, Node, TaskMapping, custom_static};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Expr;

/// Calls a function with the rank as its const parameter. Each rank is compiled by itself; mappings with more axes are rare, and
/// left to const evaluation.
macro_rules! with_rank {
    ($rank:expr, $function:ident($($argument:expr),*)) => {
        match $rank {
            1 => $function::<1>($($argument),*),
            2 => $function::<2>($($argument),*),
            3 => $function::<3>($($argument),*),
            4 => $function::<4>($($argument),*),
            _ => false,
        }
    };
}

/// Checks a composition of that rank. Returns true if it could be evaluated, right or wrong.
pub(super) fn composition(rank: usize, body: &Expr, declared: &Declared, errors: &mut Errors) -> bool {
    with_rank!(rank, ranked_composition(body, declared, errors))
}

fn ranked_composition<const R: usize>(body: &Expr, declared: &Declared, errors: &mut Errors) -> bool {
    match evaluate::<R>(body) {
        Err(Unknown::NotLiteral) => false,
        Err(Unknown::Wrong(error)) => {
            errors.push(error);
            true
        }
        Ok(mapping) => against(mapping, declared, body.to_token_stream(), errors),
    }
}

/// Checks a custom function. Returns true if it could be evaluated, right or wrong.
pub(super) fn custom(function: &Function, tail: TokenStream, declared: &Declared, errors: &mut Errors) -> bool {
    let rank = declared.tasks.as_ref().map_or(0, |tasks| tasks.elems.len());
    with_rank!(rank, ranked_custom(function, tail, declared, errors))
}

fn ranked_custom<const R: usize>(
    function: &Function,
    tail: TokenStream,
    declared: &Declared,
    errors: &mut Errors,
) -> bool {
    let (Some(workers), Some(tasks)) = (&declared.workers, &declared.tasks) else { return false };
    let (Some(workers), Some(tasks), Some(nodes)) = (extent(workers), extents(tasks), function.known_nodes()) else {
        return false;
    };
    let Ok(shape) = <[u32; R]>::try_from(tasks) else { return false };
    // Lives until the compiler ends, because a mapping refers to its function.
    let description = CustomFunction { workers, nodes: leak(nodes), tasks: leak(function.tasks.clone()) };
    let mapping = custom_static(workers, shape, description.nodes, description.tasks);
    against(mapping, declared, tail, errors)
}

fn leak<T>(items: Vec<T>) -> &'static [T] {
    Box::leak(items.into_boxed_slice())
}

/// Checks a mapping against its declaration; errors about the mapping itself point at `body`.
fn against<const R: usize>(
    mapping: TaskMapping<R>,
    declared: &Declared,
    body: TokenStream,
    errors: &mut Errors,
) -> bool {
    if let Err(error) = mapping.check() {
        errors.at(body, error);
        return true;
    }
    let mut known = true;
    if let Some(expr) = &declared.workers {
        match extent(expr) {
            Some(workers) if workers == mapping.workers() => {}
            Some(workers) => {
                let error = MappingError::Workers { declared: workers, found: mapping.workers() };
                errors.at(expr, format!("{error}: write `workers = {}` or change the mapping", mapping.workers()));
            }
            None => known = false,
        }
    }
    if let Some(array) = &declared.tasks {
        match extents(array).map(<[u32; R]>::try_from) {
            Some(Ok(tasks)) if tasks == mapping.shape() => {}
            Some(Ok(tasks)) => {
                // The number of workers is right, so the error is about the shape.
                if let Err(error) = mapping.check_declared(mapping.workers(), tasks, true) {
                    errors.at(array, format!("{error}; write `tasks = {:?}` or change the mapping", mapping.shape()));
                }
            }
            // Another rank, which was reported before.
            Some(Err(_)) => {}
            None => known = false,
        }
    }
    if let Err(error) = mapping.check_cover(declared.overlap) {
        errors.at(body, error);
    }
    known
}

impl Function {
    /// Returns the nodes if all constants are literals.
    fn known_nodes(&self) -> Option<Vec<Node>> {
        self.nodes.iter().map(|node| node.known()).collect()
    }
}
