//! The rule for sums of all terms up to an element. Terms of a line that are next to each other are added by a block, some
//! adjacent ones per thread; of lines that lie beside each other each thread adds one.

use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, unflattened};
use crate::expr::ScalarExpr;
use crate::fuse::{FusedTask, Line, LineOp};

use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::{Access, BinaryOp};
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Num;

/// The rule.
pub(super) struct Scan;

/// Lines that are enough for a device, one per thread.
const ENOUGH_LINES: usize = 132 * 1024;

/// Which threads add which terms.
#[derive(Clone, Copy, Debug)]
enum Team {
    /// Each thread of 128 has a line.
    Thread,
    /// A block of so many threads has a line, of which each adds so many adjacent terms at a time.
    Block { threads: i32, lanes: i32 },
}

impl Team {
    fn of(parameters: &Parameters, (axis, lines): (usize, usize), fused: &FusedTask, given: &Given) -> Team {
        let len = fused.output.shape[axis];
        let is_last = axis + 1 == fused.output.rank();
        if len <= 32 || !is_last && lines >= ENOUGH_LINES {
            return Team::Thread;
        }
        let fits = |lanes: &i64| parameters.are_adjacent(fused, axis, *lanes as usize);
        let most = if is_last && given.contiguous {
            Body::lanes(parameters, axis, Some(fused.output.dtype), given.align)
        } else {
            1
        };
        let lanes = [8, 4, 2, 1].into_iter().filter(|lanes| *lanes <= most).find(fits).unwrap_or(1);
        let threads = len.div_ceil(lanes as usize).next_power_of_two().clamp(32, 1024);
        Team::Block { threads: threads as i32, lanes: lanes as i32 }
    }
}

impl Implementation for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let axis = match fused.line {
            Some(Line { axis, op: LineOp::Sums }) => axis,
            _ => return Err("it is not a sum of the terms up to each element".to_owned()),
        };
        let parameters = Parameters::of(fused, given.contiguous).aligned(given.align);
        let extents = parameters.extents().to_vec();
        let lines = extents.iter().enumerate().filter(|(at, _)| *at != axis);
        let lines = lines.map(|(_, extent)| *extent).product::<usize>();
        let team = Team::of(&parameters, (axis, lines), fused, given);
        let lines = i32::try_from(lines).map_err(|_| format!("{lines} lines: there may be less than 2^31"))?;
        let (own, given) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let dims: Vec<IndexExpr> = extents.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect();
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let (blocks, threads) = match team {
                Team::Thread => (IndexExpr::Const(lines.into()).div_ceil(128), 128),
                Team::Block { threads, .. } => (lines.into(), threads.into()),
            };
            signature.launch([blocks, 1.into(), 1.into()], [threads, 1, 1], [1, 1, 1], 0);
            let line = Lines { body: Body::new(given.clone(), views, own.inputs.len()), extents: &extents, axis };
            let added = dispatch!(own.value.dtype(); T in [f32, f64, i32, i64, u32, u64] => match team {
                Team::Thread => line.by_thread::<T>(&own.value, lines, y),
                Team::Block { threads, lanes } => line.by_block::<T>(&own.value, (threads, lanes), y),
            });
            if let Err(why) = added {
                refuse(&why.to_string());
            }
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// Returns the sums of values up to each.
fn up_to_each<T: Num>(values: &[AnyExpr]) -> Vec<Expr<T>> {
    let mut sums: Vec<AnyExpr> = Vec::new();
    for value in values {
        sums.push(sums.last().map_or(*value, |sum| sum.binary(BinaryOp::Add, *value)));
    }
    sums.into_iter().map(AnyExpr::typed).collect()
}

/// The lines along an axis.
struct Lines<'a> {
    body: Body,
    extents: &'a [usize],
    axis: usize,
}

impl Lines<'_> {
    /// Returns the coordinates of an element of a line.
    fn coordinates(&self, line: Expr<i32>, at: Expr<i32>) -> Vec<Expr<i32>> {
        let front = self.extents.iter().enumerate().filter(|(own, _)| *own != self.axis);
        let front: Vec<Expr<i32>> = front.map(|(_, extent)| (*extent as i32).into_expr()).collect();
        let others = unflattened(line, &front);
        [&others[..self.axis], &[at], &others[self.axis..]].concat()
    }

    /// Adds the terms of the line of a thread, one behind the other.
    #[device]
    fn by_thread<T: Num>(&self, term: &ScalarExpr, lines: i32, y: AnyView) {
        let line = block_idx().x * 128 + thread_idx().x;
        if line < lines {
            let mut sum: T = lit(0);
            for at in 0..self.extents[self.axis] as i32 {
                let coordinates = self.coordinates(line, at);
                let place = Place::new(coordinates.clone(), None, 1, false);
                for value in self.body.values(term, &place, &[]) {
                    sum += value.typed::<T>();
                }
                y.write(&coordinates, AnyExpr::from(sum).cast(y.scalar()));
            }
        }
    }

    /// Adds the terms of the line of a block, as many at a time as its threads have.
    #[device]
    fn by_block<T: Num>(&self, term: &ScalarExpr, (threads, lanes): (i32, i32), y: AnyView) {
        let (len, step) = (self.extents[self.axis] as i32, threads * lanes);
        let warps = shared::<T>([threads / 32]);
        let mut before: T = lit(0);
        for begin in (0..len).step_by(step) {
            let at = begin + thread_idx().x * lanes;
            let coordinates = self.coordinates(block_idx().x, at);
            // What is behind the line is added to nothing that is stored.
            let place = Place::new(coordinates.clone(), Some(self.axis), lanes as u8, len % step != 0);
            let values = self.body.values(term, &place, &[]);
            let own = up_to_each::<T>(&values);
            let mut sum = own[own.len() - 1];
            for apart in unroll([1, 2, 4, 8, 16]) {
                let below = shuffle_up(sum, apart);
                if lane_id() >= apart {
                    sum += below;
                }
            }
            if lane_id() == 31 {
                warps[[warp_id()]] = sum;
            }
            // The sum up to this thread's terms: of those before it in the warp, of warps before, and of earlier steps.
            let mut first = shuffle_up(sum, 1);
            if lane_id() == 0 {
                first = lit(0);
            }
            sync_threads();
            let mut all: T = lit(0);
            let mut offset: T = lit(0);
            for warp in unroll(0..threads / 32) {
                if warp == warp_id() {
                    offset = all;
                }
                all += warps[[warp]];
            }
            // The sums of warps are read before those of the next step are stored.
            sync_threads();
            let first = before + offset + first;
            let sums: Vec<AnyExpr> = own.iter().map(|sum| AnyExpr::from(first + *sum).cast(y.scalar())).collect();
            y.store_inside(&coordinates, AnyExpr::vector(&sums));
            before += all;
        }
    }
}
