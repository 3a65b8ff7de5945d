//! The rule for reductions of few terms that lie apart, such as pooling and depthwise convolutions: a thread computes
//! adjacent results, and of these several columns, for which it loads what does not depend on the column once.

use super::partial::Partial;
use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, unflattened};
use crate::expr::{ExprNode, ScalarExpr};
use crate::fuse::{FusedTask, Reduction};
use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Num;
use std::collections::HashMap;

/// Terms of which a thread adds those of several results.
const FEW_TERMS: usize = 16;

/// Threads that are enough to add more terms.
const ENOUGH_FOR_MANY_TERMS: usize = 4096;

/// The rule.
pub(super) struct Windows;

/// The most terms of a result, which are computed without a loop.
const MOST_TERMS: usize = 64;

/// The most terms of the columns of a thread.
const MOST_OF_COLUMNS: usize = 100;

/// Threads of a block.
const THREADS: i32 = 128;

/// With fewer threads, blocks are half as large, so that more multiprocessors have one.
const MANY_THREADS: i32 = 132 * 256;

/// Threads for which results are not computed one by one: a warp per multiprocessor if the columns that a thread computes
/// together have weights in common, which it loads once; that saves more than further warps would
/// (`benches/results/h200/operators.csv`, `depthwise`).
const ENOUGH_THREADS: usize = 132 * 32;

/// What a thread computes.
#[derive(Clone, Copy, Debug)]
struct Tile {
    /// Results next to each other along the axis before the last one.
    cols: usize,
    /// Results next to each other along the last axis.
    lanes: usize,
}

impl Tile {
    fn of(fused: &FusedTask, parameters: &Parameters, terms: usize, given: &Given) -> Tile {
        let (extents, rank) = (parameters.extents(), parameters.rank());
        let most = match given.contiguous {
            true => Body::lanes(parameters, rank - 1, Some(fused.output.dtype), given.align) as usize,
            false => 1,
        };
        let is_adjacent = |lanes: &usize| *lanes == 1 || parameters.are_adjacent(fused, rank - 1, *lanes);
        let results: usize = extents[..rank].iter().product();
        // A thread adds many terms one after the other: few results, such as means of small images, need a thread each.
        let is_quick = |lanes: &usize| terms <= FEW_TERMS || results / lanes >= ENOUGH_FOR_MANY_TERMS;
        let lanes =
            [8, 4, 2].into_iter().filter(|lanes| *lanes <= most && is_quick(lanes)).find(is_adjacent).unwrap_or(1);
        let columns = if rank >= 2 { extents[rank - 2] } else { 1 };
        // Weights of the terms, unlike a bias, which is read once for each result.
        let is_weight =
            |axes: Vec<usize>| rank >= 2 && !axes.contains(&(rank - 2)) && axes.iter().any(|axis| *axis >= rank);
        let is_shared = |number| parameters.axes(number).is_some_and(is_weight);
        let enough = match (0..parameters.len()).any(is_shared) {
            true => ENOUGH_THREADS,
            false => MANY_THREADS as usize,
        };
        let is_good = |cols: &usize| {
            columns.is_multiple_of(*cols) && cols * terms <= MOST_OF_COLUMNS && results / lanes / cols >= enough
        };
        Tile { cols: [8, 7, 4, 2].into_iter().find(is_good).unwrap_or(1), lanes }
    }
}

impl Implementation for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        if fused.reductions.is_empty() {
            return Err("it has no reduction".to_owned());
        }
        let parameters = Parameters::of(fused, given.contiguous).aligned(given.align);
        let (extents, rank) = (parameters.extents(), parameters.rank());
        if rank == 0 || parameters.over().iter().any(|axis| *axis < rank) {
            return Err("its reductions are of rows of the result".to_owned());
        }
        let terms: usize = extents[rank..].iter().product();
        if !(1..=MOST_TERMS).contains(&terms) {
            return Err("a result has too many terms".to_owned());
        }
        if !parameters.lie_apart() {
            return Err("its terms are next to each other".to_owned());
        }
        let results: usize = extents[..rank].iter().product();
        let results = i32::try_from(results).map_err(|_| "there must be less than 2^31 results")?;
        let tile = Tile::of(fused, &parameters, terms, given);
        // Weights of which a thread needs those of all terms: they are next to each other.
        let of_terms: Vec<usize> =
            std::iter::once(rank - 1).chain((rank..extents.len()).filter(|axis| extents[*axis] != 1)).collect();
        let mut parameters = parameters.clone();
        let may_be_flat = tile.lanes > 1 && of_terms.len() > 1;
        let flat: Vec<usize> =
            (0..parameters.len()).filter(|number| may_be_flat && parameters.flatten(*number, &of_terms)).collect();
        let (own, all) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let dims: Vec<IndexExpr> = all.extents().iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let views = all.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            let threads = results / (tile.cols * tile.lanes) as i32;
            let per_block = if threads < MANY_THREADS { THREADS / 2 } else { THREADS };
            let blocks = IndexExpr::Const(threads.into()).div_ceil(i64::from(per_block));
            signature.launch([blocks, 1.into(), 1.into()], [per_block.into(), 1, 1], [1, 1, 1], 0);
            let flat = flat.iter().map(|number| (*number, views[*number])).collect();
            let body = Body::new(all.clone(), views, own.inputs.len());
            compute(&Kernel { tile, fused: &own, parameters: &all, body, threads, per_block, flat }, y);
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// What a kernel is made of.
struct Kernel<'a> {
    tile: Tile,
    fused: &'a FusedTask,
    parameters: &'a Parameters,
    body: Body,
    threads: i32,
    per_block: i32,
    /// Parameters of which a thread reads those of all terms at once.
    flat: Vec<(usize, AnyView)>,
}

impl Kernel<'_> {
    /// Returns the coordinates of the first result of a thread.
    fn first(&self, number: Expr<i32>) -> Vec<Expr<i32>> {
        let (rank, Tile { cols, lanes }) = (self.parameters.rank(), self.tile);
        let each = |axis: usize| match rank - axis {
            1 => lanes as i32,
            2 => cols as i32,
            _ => 1,
        };
        let extents = self.parameters.extents()[..rank].iter().enumerate();
        let extents: Vec<Expr<i32>> = extents.map(|(axis, extent)| (*extent as i32 / each(axis)).into_expr()).collect();
        let own = unflattened(number, &extents).into_iter().enumerate();
        own.map(|(axis, at)| if each(axis) == 1 { at } else { at * each(axis) }).collect()
    }

    /// Returns a place for each column, of the results themselves or of one of their terms.
    fn places(&self, first: &[Expr<i32>], term: Option<usize>) -> Vec<Place> {
        let (rank, extents) = (self.parameters.rank(), self.parameters.extents());
        let further = crate::task::coordinates(term.unwrap_or(0), &extents[rank..]);
        let place = |col: usize| {
            let mut all = first.to_vec();
            if col > 0 {
                all[rank - 2] = all[rank - 2] + col as i32;
            }
            all.extend(further.iter().map(|at| (*at as i32).into_expr()));
            Place::new(all, Some(rank - 1), self.tile.lanes as u8, false)
        };
        (0..self.tile.cols).map(place).collect()
    }
}

/// Reads at indices that are sums of coordinates times numbers: how they move with columns and terms.
struct Shifts {
    /// The read, and for each of its axes the factors of the coordinates of the column and of the terms.
    reads: Vec<(usize, Vec<(i64, Vec<i64>)>)>,
}

impl Shifts {
    fn of(kernel: &Kernel, term: &ScalarExpr) -> Shifts {
        let (rank, all) = (kernel.parameters.rank(), kernel.parameters.extents().len());
        let shift = |read: &ScalarExpr| {
            let ExprNode::Read { input, index } = read.node() else { return None };
            let parameter = kernel.parameters.position(*input, index)?;
            let is_computed = kernel.parameters.axes(parameter).is_none();
            let factors = |index: &ScalarExpr| {
                let (factors, _) = index.affine()?;
                let own = |axis: usize| factors.get(&axis).copied().unwrap_or(0);
                Some((rank.checked_sub(2).map_or(0, own), (rank..all).map(own).collect()))
            };
            let index: Option<Vec<(i64, Vec<i64>)>> = index.iter().map(factors).collect();
            Some((read.identity(), index.filter(|_| is_computed)?))
        };
        Shifts { reads: term.reads().into_iter().filter_map(shift).collect() }
    }

    /// Returns where the reads of a term of a column lie beside those of the first one of column 0.
    fn keys(&self, col: usize, term: &[usize]) -> Vec<(usize, Vec<i64>)> {
        let place = |(own, further): &(i64, Vec<i64>)| {
            own * col as i64 + further.iter().zip(term).map(|(factor, at)| factor * *at as i64).sum::<i64>()
        };
        self.reads.iter().map(|(read, axes)| (*read, axes.iter().map(place).collect())).collect()
    }
}

/// Computes the results of a thread.
#[device]
fn compute(kernel: &Kernel, y: AnyView) {
    let number = block_idx().x * kernel.per_block + thread_idx().x;
    if number < kernel.threads {
        let (rank, first) = (kernel.parameters.rank(), kernel.first(number));
        // For each column those of all reductions.
        #[meta]
        let mut results: Vec<Vec<AnyExpr>> = vec![Vec::new(); kernel.tile.cols];
        for reduction in &kernel.fused.reductions {
            let all = results_of(kernel, reduction, &first, &results);
            for (own, result) in results.iter_mut().zip(all) {
                own.push(result);
            }
        }
        let places = kernel.places(&first, None);
        for (place, results) in places.iter().zip(&results) {
            let values = kernel.body.values(&kernel.fused.value, place, results);
            y.store(&place.coordinates[..rank], AnyExpr::vector(&values));
        }
    }
}

/// Returns the results of a reduction for each column: a vector of those next to each other.
fn results_of(kernel: &Kernel, reduction: &Reduction, first: &[Expr<i32>], results: &[Vec<AnyExpr>]) -> Vec<AnyExpr> {
    let all = dispatch!(reduction.term().dtype(); T in [f32, f64, i32, i64, u32, u64] => {
        reduced::<T>(kernel, reduction, first, results)
    });
    all.unwrap_or_else(|why| {
        refuse(&why.to_string());
        Vec::new()
    })
}

fn reduced<T: Num>(
    kernel: &Kernel,
    reduction: &Reduction,
    first: &[Expr<i32>],
    results: &[Vec<AnyExpr>],
) -> Vec<AnyExpr> {
    let (op, term, rank) = (reduction.op(), reduction.term(), kernel.parameters.rank());
    let terms: usize = kernel.parameters.extents()[rank..].iter().product();
    let none = || vec![Partial::<T>::none(op); kernel.tile.lanes];
    let shifts = Shifts::of(kernel, &term);
    let lanes = kernel.tile.lanes;
    // The elements of a result and its terms, in vectors as they are in memory.
    let load = |(number, view): &(usize, AnyView)| {
        let start = first[rank - 1] * terms as i32;
        let vector = |at: usize| view.load(&[start + (at * lanes) as i32], lanes as u8);
        (*number, (0..terms).map(vector).collect())
    };
    let flat: Vec<(usize, Vec<AnyExpr>)> = kernel.flat.iter().map(load).collect();
    // What columns have in common: an element of an input that lies at the same place.
    let mut known: HashMap<(usize, Vec<i64>), AnyExpr> = HashMap::new();
    let mut sums: Vec<Vec<Partial<T>>> = (0..kernel.tile.cols).map(|_| none()).collect();
    for number in 0..terms {
        let places = kernel.places(first, Some(number));
        for (col, (place, sums)) in places.iter().zip(&mut sums).enumerate() {
            if col > 0 {
                kernel.body.share(&places[0], place, rank - 2);
            }
            let keys = shifts.keys(col, &crate::task::coordinates(number, &kernel.parameters.extents()[rank..]));
            for (read, key) in &keys {
                if let Some(elements) = known.get(&(*read, key.clone())) {
                    place.give(*read, *elements);
                }
            }
            for (parameter, vectors) in &flat {
                let element = |lane: usize| {
                    let at = lane * terms + number;
                    vectors[at / lanes].lane((at % lanes) as u8)
                };
                place.provide(*parameter, AnyExpr::vector(&(0..lanes).map(element).collect::<Vec<_>>()));
            }
            let values = kernel.body.values(&term, place, &results[col]);
            for (read, key) in keys {
                if let Some(elements) = place.given(read) {
                    known.insert((read, key), elements);
                }
            }
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.and(op, Partial::term(op, value.typed::<T>(), || (number as i32).into_expr()));
            }
        }
    }
    let vector = |lanes: Vec<Partial<T>>| {
        AnyExpr::vector(&lanes.into_iter().map(|lane| lane.result().cast(reduction.dtype())).collect::<Vec<_>>())
    };
    sums.into_iter().map(vector).collect()
}
