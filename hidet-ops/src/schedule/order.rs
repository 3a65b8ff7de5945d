//! The rule for orders: a block sorts a chunk of a line by exchanges of pairs (Batcher, "Sorting networks and their
//! applications", 1968): in registers of a thread, between those of a warp, and through shared memory. Of few that are wanted, each chunk keeps as many; else chunks are merged.
//!
//! A term becomes an integer in whose order it is, above its number if both have 64 bits together. Between kernels both are a
//! tensor of `u64`, `[parts, lines, places]`: one part, or keys and numbers.

mod block;

use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, Source, unflattened};
use crate::error::TensorType;
use crate::expr::ScalarExpr;
use crate::fuse::{FusedTask, Line, LineOp};
use block::{Block, key};
use hidet::dsl::{AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// The rule.
pub(super) struct Order;

/// The most places of a chunk: 48 KiB of shared memory.
const MOST_PLACES: usize = 4096;

/// What a kernel does with the chunks of lines.
#[derive(Clone, Copy, Debug)]
struct Sort {
    /// Places of a chunk, a power of two.
    places: usize,
    chunks: usize,
    /// Terms of a line, of what the kernel reads.
    len: usize,
    /// Runs of that many places are merged, whose halves are sorted; else chunks are sorted.
    run: Option<usize>,
    /// How many of each chunk are kept, the first ones.
    keep: usize,
    /// True if every second chunk falls, so that two are merged next.
    in_turn: bool,
    /// True if terms are larger than 32 bits.
    wide: bool,
    descending: bool,
}

impl Sort {
    fn parts(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    /// Returns the type of what a kernel leaves to the next one.
    fn between(&self, lines: usize) -> TensorType {
        TensorType::new(Scalar::U64, &[self.parts(), lines, self.chunks * self.keep])
    }
}

impl Implementation for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let Some(Line { axis, op: LineOp::Order { descending } }) = fused.line else {
            return Err("it is not an order".to_owned());
        };
        let (len, count) = (fused.extents[axis], fused.output.shape[axis]);
        let lines = fused.output.len().checked_div(count).unwrap_or(0);
        if lines * len.next_power_of_two() > i32::MAX as usize {
            return Err(format!("{lines} lines of {len} terms: places must be less than 2^31"));
        }
        let wide = fused.value.dtype().bytes() == 8;
        let places = len.next_power_of_two().clamp(64, MOST_PLACES);
        let mut sort = Sort {
            places,
            chunks: len.div_ceil(places),
            len,
            run: None,
            keep: count,
            in_turn: false,
            wide,
            descending,
        };
        let mut plan = Plan::default();
        let all: Vec<Source> = (0..fused.inputs.len()).map(Source::Input).collect();
        if sort.chunks == 1 {
            plan.kernel(terms(fused, given, (axis, sort), true), all, fused.output.clone());
            return Ok(plan);
        }
        let few = count * 4 <= places;
        if few {
            // Of small chunks more are left out early.
            sort.places = (count * 8).next_power_of_two().clamp(256, MOST_PLACES);
            sort.chunks = len.div_ceil(sort.places);
        } else {
            sort.chunks = len.next_power_of_two() / places;
            (sort.keep, sort.in_turn) = (places, true);
        }
        plan.kernel(terms(fused, given, (axis, sort), false), all, sort.between(lines));
        let rest = if few { first_of_chunks } else { merged };
        rest(fused, lines, (axis, sort), &mut plan);
        Ok(plan)
    }
}

/// Sorts what chunks have kept, again and again until it is one chunk.
fn first_of_chunks(fused: &FusedTask, lines: usize, (axis, mut sort): (usize, Sort), plan: &mut Plan) {
    loop {
        let len = sort.chunks * sort.keep;
        // The last ones are sorted at once.
        let places = if len <= MOST_PLACES { len.next_power_of_two().max(64) } else { sort.places };
        sort = Sort { places, chunks: len.div_ceil(places), len, ..sort };
        let (input, is_last) = (vec![plan.last()], sort.chunks == 1);
        let output = if is_last { fused.output.clone() } else { sort.between(lines) };
        plan.kernel(again(fused, lines, (axis, sort), is_last), input, output);
        if is_last {
            return;
        }
    }
}

/// Merges chunks, whose runs rise and fall in turn, to runs of twice as many places until it is one.
fn merged(fused: &FusedTask, lines: usize, (axis, sort): (usize, Sort), plan: &mut Plan) {
    let (places, padded) = (sort.places, sort.chunks * sort.places);
    for run in (1..).map(|bit| places << bit).take_while(|run| *run <= padded) {
        for apart in (0..).map(|bit| run >> 1 >> bit).take_while(|apart| *apart >= places) {
            let input = vec![plan.last()];
            plan.fused(exchanged(&sort.between(lines), (run, apart)), input);
        }
        let (input, is_last) = (vec![plan.last()], run == padded);
        let keep = if is_last { fused.output.shape[axis] } else { places };
        let output = if is_last { fused.output.clone() } else { sort.between(lines) };
        let merge = Sort { run: Some(run), len: padded, keep, ..sort };
        plan.kernel(again(fused, lines, (axis, merge), is_last), input, output);
    }
}

/// Returns the exchange of places that are `apart`, in the order of their runs.
fn exchanged(ty: &TensorType, (run, apart): (usize, usize)) -> FusedTask {
    let [part, line, at] = [0, 1, 2].map(ScalarExpr::axis);
    let has = |bit: usize| (&at & bit as i64).differs(0i64);
    let partner = has(apart).select(&(&at - apart as i64), &(&at + apart as i64));
    let read =
        |part: ScalarExpr, at: &ScalarExpr| ScalarExpr::read(0, Scalar::U64, vec![part, &line + 0i64, at + 0i64]);
    let number = |number: i64| part.same(number as f64) + 0i64;
    let less = |a: &ScalarExpr, b: &ScalarExpr| {
        let keys = [a, b].map(|at| read(number(0), at));
        let less = keys[0].lt(&keys[1]);
        match ty.shape[0] {
            1 => less,
            _ => less | keys[0].equals(&keys[1]) & read(number(1), a).lt(read(number(1), b)),
        }
    };
    // The first place of a pair gets the smaller one where the run ascends, as every second does.
    let keeps_first = has(run).select(&has(apart), &has(apart).unary(hidet::ir::UnaryOp::Not));
    let exchange = keeps_first.select(&less(&partner, &at), &less(&at, &partner));
    let value = exchange.select(&read(part.clone(), &partner), &read(part.clone(), &at));
    FusedTask::each(format!("exchange_{apart}_of_{run}"), vec![ty.clone()], ty.clone(), value)
}

/// Returns the kernel that sorts chunks of the terms of a task, and stores numbers if it is `last`.
fn terms(fused: &FusedTask, given: &Given, (axis, sort): (usize, Sort), last: bool) -> KernelPlan {
    let parameters = Parameters::of(fused, given.contiguous);
    let (own, all, extents) = (fused.clone(), parameters.clone(), fused.extents.clone());
    let lines = fused.output.len() / fused.output.shape[axis].max(1);
    let template = Template::new(&format!("{}{}", fused.name, if last { "" } else { "_chunks" }), move |signature| {
        let dims: Vec<IndexExpr> = extents.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
        let views = all.declare(signature, &dims);
        let y = declared(signature, (&own, lines), &sort, last);
        let body = Body::new(all.clone(), views, own.inputs.len());
        let block = Block::new(sort);
        block.load(|line, at| {
            let place = Place::new(along(line, at, (&extents, axis)), None, 1, false);
            let value = body.values(&own.value, &place, &[]);
            (key(value[0], sort.descending), at)
        });
        block.sort();
        block.store(y, (&extents, axis), last);
    });
    let shape = if last { fused.output.shape.clone() } else { sort.between(lines).shape };
    KernelPlan::new(template, parameters).with_result(&shape)
}

/// Returns the kernel that sorts or merges chunks of what another has stored.
fn again(fused: &FusedTask, lines: usize, (axis, sort): (usize, Sort), last: bool) -> KernelPlan {
    let ty = TensorType::new(Scalar::U64, &[sort.parts(), lines, sort.len]);
    let read = ScalarExpr::read(0, Scalar::U64, (0..3).map(ScalarExpr::axis).collect());
    let copy = FusedTask::each(String::new(), vec![ty.clone()], ty.clone(), read);
    let parameters = Parameters::of(&copy, false);
    let (own, all, extents) = (fused.clone(), parameters.clone(), fused.extents.clone());
    let name = if last { fused.name.clone() } else { format!("{}_chunks", fused.name) };
    let template = Template::new(&name, move |signature| {
        let dims: Vec<IndexExpr> = ty.shape.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
        let x = all.declare(signature, &dims)[0];
        let y = declared(signature, (&own, lines), &sort, last);
        let block = Block::new(sort);
        block.load(|line, at| {
            let own = |part: i32| x.read(&[part.into_expr(), line, at]).typed::<u64>();
            if sort.wide { (own(0), own(1).to::<i32>()) } else { (own(0) >> 32, own(0).to::<i32>()) }
        });
        block.sort();
        block.store(y, (&extents, axis), last);
    });
    let shape = if last { fused.output.shape.clone() } else { sort.between(lines).shape };
    KernelPlan::new(template, parameters).with_result(&shape)
}

/// Declares the result and the launch: a block for each chunk.
fn declared(
    signature: &mut hidet::dsl::Signature,
    (fused, lines): (&FusedTask, usize),
    sort: &Sort,
    last: bool,
) -> AnyView {
    let TensorType { dtype, shape } = if last { fused.output.clone() } else { sort.between(lines) };
    let shape: Vec<IndexExpr> = shape.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
    let y = signature.param("y", dtype, &shape, Access::Out);
    let blocks = IndexExpr::Const((lines * sort.chunks) as i64);
    signature.launch([blocks, 1.into(), 1.into()], [threads(sort).into(), 1, 1], [1, 1, 1], 0);
    y
}

/// Returns the threads of a block.
fn threads(sort: &Sort) -> i32 {
    (sort.places / 8).max(32) as i32
}

/// Returns the coordinates of a place of a line.
fn along(line: Expr<i32>, at: Expr<i32>, (extents, axis): (&[usize], usize)) -> Vec<Expr<i32>> {
    let others = extents.iter().enumerate().filter(|(own, _)| *own != axis);
    let others: Vec<Expr<i32>> = others.map(|(_, extent)| (*extent as i32).into_expr()).collect();
    let own = unflattened(line, &others);
    [&own[..axis], &[at], &own[axis..]].concat()
}
