//! The rule for reductions: the elements of a row are combined by a thread, a warp, a block or a column of threads, and what
//! follows is computed of the results, for the row or for each of its elements. What a thread has read of a row stays in
//! registers while it is asked for again, if that is not too much.

use super::partial::{Partial, Sum, Team, combine};
use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, unflattened};
use crate::expr::ScalarExpr;
use crate::fuse::{FusedTask, Reduction};
use crate::task::ReduceOp;

use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Num;

/// The rule.
pub(super) struct Rows;

/// The most elements of a row that a thread has in registers, for each input.
const MOST_ELEMENTS: i64 = 32;

/// Threads that are enough for a device.
const ENOUGH_THREADS: i64 = 132 * 1024;

/// Which threads of a block compute which elements.
#[derive(Clone, Copy, Debug)]
struct Layout {
    team: Team,
    /// Rows of a block.
    rows: i64,
    /// Adjacent elements of a row that a thread reads at a time.
    lanes: i64,
    /// How often a thread reads elements, if that is done without a loop.
    unrolled: Option<i64>,
}

impl Layout {
    /// Elements of a row are read by adjacent threads if they are next to each other in memory, in the largest tensor that is read at
    /// coordinates, or in the result if that is larger, as where the rows are looked up in a table; else adjacent threads read
    /// elements of adjacent rows.
    fn of(parameters: &Parameters, [rows, cols]: [i64; 2], given: &Given) -> Layout {
        let last = parameters.over().last().copied();
        let ends_in = |parameter: usize| parameters.axes(parameter).and_then(|axes| axes.last().copied());
        let elements = |parameter: &usize| {
            let axes = parameters.axes(*parameter).unwrap_or_default();
            axes.iter().map(|axis| parameters.extents()[*axis]).product::<usize>()
        };
        let result = parameters.result().iter().product::<usize>();
        let largest = (0..parameters.len()).max_by_key(elements).filter(|largest| elements(largest) >= result);
        let ends = largest.map_or(parameters.rank().checked_sub(1), ends_in);
        let across = last.is_some() && ends == last;
        let lanes = match last {
            Some(last) if across && given.contiguous => Body::lanes(parameters, last, None, given.align),
            _ => 1,
        };
        let team = match across {
            true if cols <= 4 * lanes && rows * 4 >= ENOUGH_THREADS => Team::Thread,
            true if cols <= 128 * lanes && (rows * 32 * 4 >= ENOUGH_THREADS || cols <= 32 * lanes) => Team::Warp,
            true => Team::Block(((cols / (4 * lanes)).max(1) as u64).next_power_of_two().clamp(128, 1024) as i64 / 32),
            false if rows >= ENOUGH_THREADS || cols <= 8 => Team::Thread,
            false => Team::Column(((cols / 4).max(1) as u64).next_power_of_two().clamp(8, 32) as i64),
        };
        let rows = match team {
            Team::Thread => 128,
            Team::Warp => 4,
            Team::Block(_) => 1,
            Team::Column(_) => 32,
        };
        let layout = Layout { team, rows, lanes, unrolled: None };
        let steps = (cols as u64).div_ceil((layout.parts() * lanes) as u64) as i64;
        Layout { unrolled: Some(steps).filter(|steps| steps * lanes <= MOST_ELEMENTS), ..layout }
    }

    /// Returns how many threads share a row.
    fn parts(&self) -> i64 {
        match self.team {
            Team::Thread => 1,
            Team::Warp => 32,
            Team::Block(warps) => warps * 32,
            Team::Column(threads) => threads,
        }
    }

    fn block(&self) -> [i64; 3] {
        match self.team {
            Team::Thread => [self.rows, 1, 1],
            Team::Warp => [32, self.rows, 1],
            Team::Block(_) => [self.parts(), 1, 1],
            Team::Column(threads) => [32, threads, 1],
        }
    }

    /// Returns the row of a thread in its block, and which part of the row it has.
    fn place(&self) -> [Expr<i32>; 2] {
        let (x, y, none) = (thread_idx().x, thread_idx().y, 0.into_expr());
        match self.team {
            Team::Thread => [x, none],
            Team::Warp => [y, x],
            Team::Block(_) => [none, x],
            Team::Column(_) => [x, y],
        }
    }
}

impl Implementation for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        if fused.reductions.is_empty() {
            return Err("it has no reduction".to_owned());
        }
        let parameters = Parameters::of(fused, given.contiguous).aligned(given.align);
        let extents = parameters.extents();
        let is_over = |axis: &usize| parameters.over().contains(axis);
        let count = |over: bool| (0..extents.len()).filter(move |axis| is_over(axis) == over).map(|axis| extents[axis]);
        let too_many = "rows, and elements of a row, must be less than 2^31";
        let rows = i32::try_from(count(false).product::<usize>()).map_err(|_| too_many)?;
        let cols = i32::try_from(count(true).product::<usize>()).map_err(|_| too_many)?;
        let layout = Layout::of(&parameters, [rows.into(), cols.into()], given);
        let (own, given) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let dims: Vec<IndexExpr> = given.extents().iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims[..given.rank()], Access::Out);
            let blocks = IndexExpr::Const(i64::from(rows)).div_ceil(layout.rows);
            signature.launch([blocks, 1.into(), 1.into()], layout.block(), [1, 1, 1], 0);
            let body = Body::new(given.clone(), views, own.inputs.len());
            compute(&Row { layout, fused: &own, parameters: &given, body, rows, cols }, y);
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// What a kernel of rows is made of.
struct Row<'a> {
    layout: Layout,
    fused: &'a FusedTask,
    parameters: &'a Parameters,
    body: Body,
    rows: i32,
    cols: i32,
}

impl Row<'_> {
    /// Returns elements from a number in a row on.
    fn elements(&self, row: Expr<i32>, first: Expr<i32>, lanes: i64, guarded: bool) -> Place {
        let extents = self.parameters.extents();
        let over = self.parameters.over();
        let (along, outer): (Vec<usize>, Vec<usize>) = (0..extents.len()).partition(|axis| over.contains(axis));
        let mut coordinates = vec![first; extents.len()];
        for (axes, number) in [(&outer, row), (&along, first)] {
            let own: Vec<Expr<i32>> = axes.iter().map(|axis| (extents[*axis] as i32).into_expr()).collect();
            for (axis, coordinate) in axes.iter().zip(unflattened(number, &own)) {
                coordinates[*axis] = coordinate;
            }
        }
        Place::new(coordinates, over.last().copied(), lanes as u8, guarded)
    }

    /// Returns the terms of a reduction at a place.
    fn terms<T: Num>(
        &self,
        (op, term): (ReduceOp, &ScalarExpr),
        (place, first): (&Place, Expr<i32>),
        results: &[AnyExpr],
    ) -> Partial<T> {
        let values = self.body.values(term, place, results).into_iter().enumerate();
        let one = |(lane, value): (usize, AnyExpr)| Partial::term(op, value.typed::<T>(), || first + lane as i32);
        values.map(one).reduce(|all, one| all.and(op, one)).unwrap_or_else(|| Partial::none(op))
    }

    /// Stores elements of the result, which are next to each other only along its last axis.
    fn store(&self, value: &ScalarExpr, place: &Place, results: &[AnyExpr], y: AnyView) {
        let (values, rank) = (self.body.values(value, place, results), self.parameters.rank());
        if place.lanes == 1 || place.along == rank.checked_sub(1) {
            y.store(&place.coordinates[..rank], AnyExpr::vector(&values));
            return;
        }
        for (lane, value) in values.into_iter().enumerate() {
            let index: Vec<Expr<i32>> = (0..rank).map(|axis| place.coordinate(axis, lane as u8)).collect();
            y.store(&index, value);
        }
    }

    /// Returns true if the result has an element for each element of a row.
    fn is_whole(&self) -> bool {
        self.parameters.over().iter().all(|axis| *axis < self.parameters.rank())
    }
}

/// Computes the rows of a block.
#[device]
fn compute(kernel: &Row, y: AnyView) {
    let Layout { rows: each, lanes, unrolled, .. } = kernel.layout;
    let [own, part] = kernel.layout.place();
    let number = block_idx().x * each as i32 + own;
    // Threads without a row of their own take part in the last one, as all are needed to combine terms.
    let row = number.min(kernel.rows - 1);
    let step = (kernel.layout.parts() * lanes) as i32;
    let first = part * lanes as i32;
    let partial = |number: i32| (number + 1) * step > kernel.cols;
    let places: Vec<(Place, Expr<i32>, bool)> = (0..unrolled.unwrap_or(0) as i32)
        .map(|number| (first + number * step, partial(number)))
        .map(|(at, partial)| (kernel.elements(row, at, lanes, partial), at, partial))
        .collect();
    #[meta]
    let mut results: Vec<AnyExpr> = Vec::new();
    for reduction in &kernel.fused.reductions {
        results.push(result(kernel, reduction, (row, first, step), &places, &results));
    }
    let value = &kernel.fused.value;
    if !kernel.is_whole() {
        let place = kernel.elements(row, 0.into_expr(), 1, false);
        if part == 0 && number < kernel.rows {
            kernel.store(value, &place, &results, y);
        }
    } else if unrolled.is_some() {
        for (place, at, _) in &places {
            if *at < kernel.cols && number < kernel.rows {
                kernel.store(value, place, &results, y);
            }
        }
    } else {
        for at in (first..kernel.cols).step_by(step) {
            let place = kernel.elements(row, at, lanes, false);
            if number < kernel.rows {
                kernel.store(value, &place, &results, y);
            }
        }
    }
}

/// Returns the result of a reduction of a row.
fn result(
    kernel: &Row,
    reduction: &Reduction,
    steps: (Expr<i32>, Expr<i32>, i32),
    places: &[(Place, Expr<i32>, bool)],
    results: &[AnyExpr],
) -> AnyExpr {
    let result = dispatch!(reduction.term().dtype(); T in [f32, f64, i32, i64, u32, u64] => {
        let all = reduce::<T>(kernel, reduction, steps, places, results);
        combine(reduction.op(), all, kernel.layout.team).result()
    });
    result
        .unwrap_or_else(|why| {
            refuse(&why.to_string());
            AnyExpr::lit(reduction.dtype(), 0)
        })
        .cast(reduction.dtype())
}

/// Combines the terms that a thread has of a row.
#[device]
fn reduce<T: Num>(
    kernel: &Row,
    reduction: &Reduction,
    (row, first, step): (Expr<i32>, Expr<i32>, i32),
    places: &[(Place, Expr<i32>, bool)],
    results: &[AnyExpr],
) -> Partial<T> {
    let (op, term) = (reduction.op(), reduction.term());
    if kernel.layout.unrolled.is_some() {
        let terms = |(place, at, partial): &(Place, Expr<i32>, bool)| {
            let terms = kernel.terms::<T>((op, &term), (place, *at), results);
            if *partial { terms.only_if(op, *at < kernel.cols) } else { terms }
        };
        places.iter().map(terms).reduce(|all, terms| all.and(op, terms)).unwrap_or_else(|| Partial::none(op))
    } else {
        #[meta]
        let mut sum = Sum::<T>::new(op);
        for at in (first..kernel.cols).step_by(step) {
            let place = kernel.elements(row, at, kernel.layout.lanes, false);
            sum.add(op, kernel.terms::<T>((op, &term), (&place, at), results));
        }
        sum.partial()
    }
}
