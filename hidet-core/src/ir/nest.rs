//! From a mapping to a loop nest: the formulas that the lowering pass emits.
//!
//! A task is a sum: a part that depends on the worker alone (the *base*), plus index times stride for each loop. So a
//! mapping becomes a base, computed once, and a nest of loops that only add.
//!
//! Example: `repeat([4, 1]) * spatial([16, 8])` for worker `w` has the base `[w / 8, w % 8]` and one loop with trip
//! count 4 that adds 16 along axis 0. The worker must be known to be smaller than the number of workers: the outermost
//! `%` is omitted.

use super::function::ValueId;
use super::stmt::{Mapping, MappingAtom, MappingExtent, Unroll};
use hidet_mapping::{Arith, IndexExpr};

/// Partially known coordinates of a task; `None` is 0.
pub type Partial<I> = Vec<Option<I>>;

/// The tasks of one worker as a loop nest.
#[derive(Clone, Debug)]
pub struct Nest<I> {
    /// The part that depends on the worker alone.
    pub base: Partial<I>,
    /// The loops, outermost first. Loops with trip count 1 are omitted.
    pub loops: Vec<NestLoop<I>>,
}

/// A loop of a [`Nest`].
#[derive(Clone, Debug)]
pub struct NestLoop<I> {
    /// The trip count.
    pub extent: I,
    /// How the loop is unrolled.
    pub unroll: Unroll,
    /// The contribution of an iteration.
    pub step: NestStep<I>,
}

/// The contribution of an iteration to the coordinates.
#[derive(Clone, Debug)]
pub enum NestStep<I> {
    /// Nothing: the axis is projected away.
    Nothing,
    /// The index times the stride, along an axis.
    Along {
        /// The axis.
        axis: usize,
        /// The stride; `None` is 1.
        stride: Option<I>,
    },
    /// The item selected by the index: the tasks of a custom function.
    Choice(Vec<Partial<I>>),
}

/// A product of extents with its constant part folded.
#[derive(Clone)]
struct Product<I> {
    known: i64,
    rest: Option<I>,
}

impl<I: Clone> Product<I> {
    fn one() -> Self {
        Product { known: 1, rest: None }
    }

    fn is_one(&self) -> bool {
        self.known == 1 && self.rest.is_none()
    }

    fn times<A: Arith<Int = I>>(&self, arith: &mut A, by: &Size<I>) -> Self {
        match (by, &self.rest) {
            (Size::Known(by), rest) => Product { known: self.known * i64::from(*by), rest: rest.clone() },
            (Size::Value(by), None) => Product { known: self.known, rest: Some(by.clone()) },
            (Size::Value(by), Some(rest)) => Product { known: self.known, rest: Some(arith.mul(rest, by)) },
        }
    }

    fn value<A: Arith<Int = I>>(&self, arith: &mut A) -> I {
        match &self.rest {
            None => arith.constant(self.known),
            Some(rest) if self.known == 1 => rest.clone(),
            Some(rest) => {
                let known = arith.constant(self.known);
                arith.mul(rest, &known)
            }
        }
    }

    /// `value * self`
    fn scale<A: Arith<Int = I>>(&self, arith: &mut A, value: I) -> I {
        if self.is_one() {
            return value;
        }
        let by = self.value(arith);
        arith.mul(&value, &by)
    }

    /// `value / self`
    fn divide<A: Arith<Int = I>>(&self, arith: &mut A, value: &I) -> I {
        if self.is_one() {
            return value.clone();
        }
        let by = self.value(arith);
        arith.div(value, &by)
    }
}

/// An extent in the current arithmetic.
enum Size<I> {
    Known(u32),
    Value(I),
}

impl<I: Clone> Size<I> {
    fn value<A: Arith<Int = I>>(&self, arith: &mut A) -> I {
        match self {
            Size::Known(extent) => arith.constant(i64::from(*extent)),
            Size::Value(extent) => extent.clone(),
        }
    }
}

/// Arithmetic in which symbol 0 is the worker of a custom function.
struct WithWorker<'a, A: Arith> {
    arith: &'a mut A,
    worker: A::Int,
}

macro_rules! delegate {
    ($($name:ident)*) => {$(
        fn $name(&mut self, a: &A::Int, b: &A::Int) -> A::Int {
            self.arith.$name(a, b)
        }
    )*};
}

impl<A: Arith> Arith for WithWorker<'_, A> {
    type Int = A::Int;
    fn constant(&mut self, value: i64) -> A::Int {
        self.arith.constant(value)
    }
    fn symbol(&mut self, _: u32) -> A::Int {
        self.worker.clone()
    }
    delegate!(add sub mul div rem xor and min max);
}

/// `sum + value`, at one coordinate.
fn add_to<A: Arith>(arith: &mut A, sum: &mut Option<A::Int>, value: A::Int) {
    *sum = Some(match sum {
        None => value,
        Some(sum) => arith.add(sum, &value),
    });
}

impl Mapping {
    /// Emits the number of workers; `extent` gives the value of an extent.
    pub fn workers_value<A: Arith>(&self, arith: &mut A, extent: &mut impl FnMut(&mut A, ValueId) -> A::Int) -> A::Int {
        let mut total = Product::one();
        for factor in self.workers() {
            let factor = size(arith, &factor, extent);
            total = total.times(arith, &factor);
        }
        total.value(arith)
    }

    /// Returns the tasks of `worker` as a loop nest; `extent` gives the value of an extent. The worker must be known to
    /// be smaller than the number of workers, so everything computed here belongs behind that guard. The mapping must
    /// be valid.
    pub fn nest<A: Arith>(
        &self,
        arith: &mut A,
        worker: &A::Int,
        extent: &mut impl FnMut(&mut A, ValueId) -> A::Int,
    ) -> Nest<A::Int> {
        let rank = self.rank();
        let mut base: Partial<A::Int> = vec![None; rank];
        let mut loops = Vec::new();
        // For the factors inside of the current one: the number of workers, and the extents of their task domain.
        let mut workers = Product::one();
        let mut scale = vec![Product::one(); rank];
        for (k, atom) in self.atoms.iter().enumerate().rev() {
            // True if the quotient by `workers` may still contain outer factors' workers.
            let more = self.atoms[..k].iter().flat_map(MappingAtom::workers).any(|extent| !extent.is_one());
            match atom {
                MappingAtom::Spatial { shape, ranks, projected } => {
                    let axes: Vec<usize> = fastest_first(ranks).filter(|axis| !shape[*axis].is_one()).collect();
                    for (i, &axis) in axes.iter().enumerate() {
                        let outermost = !more && i + 1 == axes.len();
                        let extent = size(arith, &shape[axis], extent);
                        if !projected[axis] {
                            let mut index = workers.divide(arith, worker);
                            if !outermost {
                                let modulus = extent.value(arith);
                                index = arith.rem(&index, &modulus);
                            }
                            let index = scale[axis].scale(arith, index);
                            add_to(arith, &mut base[axis], index);
                        }
                        workers = workers.times(arith, &extent);
                    }
                }
                MappingAtom::Repeat { shape, ranks, unroll, projected } => {
                    for axis in fastest_first(ranks).filter(|axis| !shape[*axis].is_one()) {
                        let step = if projected[axis] {
                            NestStep::Nothing
                        } else {
                            let stride = &scale[axis];
                            NestStep::Along { axis, stride: (!stride.is_one()).then(|| stride.value(arith)) }
                        };
                        let extent = size(arith, &shape[axis], extent).value(arith);
                        loops.push(NestLoop { extent, unroll: unroll[axis], step });
                    }
                }
                MappingAtom::Custom { workers: count, tasks, .. } => {
                    let mut own = workers.divide(arith, worker);
                    if more {
                        let modulus = arith.constant(i64::from(*count));
                        own = arith.rem(&own, &modulus);
                    }
                    let mut with = WithWorker { arith: &mut *arith, worker: own };
                    let mut choices: Vec<Partial<A::Int>> = Vec::new();
                    for task in tasks {
                        let mut choice = Vec::new();
                        for (axis, formula) in task.iter().enumerate() {
                            choice.push(if *formula == IndexExpr::Const(0) {
                                None
                            } else {
                                let index = formula.emit(&mut with);
                                Some(scale[axis].scale(with.arith, index))
                            });
                        }
                        choices.push(choice);
                    }
                    if let [only] = &choices[..] {
                        for (axis, index) in only.iter().enumerate() {
                            if let Some(index) = index {
                                add_to(arith, &mut base[axis], index.clone());
                            }
                        }
                    } else {
                        let extent = arith.constant(choices.len() as i64);
                        let step = NestStep::Choice(choices);
                        loops.push(NestLoop { extent, unroll: Unroll::Explicit, step });
                    }
                    workers = workers.times(arith, &Size::Known(*count));
                }
            }
            for (axis, scale) in scale.iter_mut().enumerate() {
                let own = atom.extent(axis);
                if !own.is_one() {
                    let own = size(arith, &own, extent);
                    *scale = scale.times(arith, &own);
                }
            }
        }
        loops.reverse();
        Nest { base, loops }
    }
}

fn size<A: Arith>(
    arith: &mut A,
    extent: &MappingExtent,
    value: &mut impl FnMut(&mut A, ValueId) -> A::Int,
) -> Size<A::Int> {
    match extent {
        MappingExtent::Const(extent) => Size::Known(*extent),
        MappingExtent::Value(extent) => Size::Value(value(arith, *extent)),
    }
}

/// Returns the axes in order of descending rank.
fn fastest_first(ranks: &[u8]) -> impl Iterator<Item = usize> {
    let mut axes: Vec<usize> = (0..ranks.len()).collect();
    axes.sort_unstable_by_key(|axis| (std::cmp::Reverse(ranks[*axis]), *axis));
    axes.into_iter()
}

impl<I: Clone> NestLoop<I> {
    /// Returns the coordinates inside of the loop, from those outside and the index. `choose(index, items)` selects the
    /// item with that number.
    pub fn enter<A: Arith<Int = I>>(
        &self,
        arith: &mut A,
        outside: &[Option<I>],
        index: &I,
        choose: &mut impl FnMut(&mut A, &I, Vec<I>) -> I,
    ) -> Partial<I> {
        let mut inside = outside.to_vec();
        match &self.step {
            NestStep::Nothing => {}
            NestStep::Along { axis, stride } => {
                let part = stride.as_ref().map_or_else(|| index.clone(), |stride| arith.mul(index, stride));
                add_to(arith, &mut inside[*axis], part);
            }
            NestStep::Choice(choices) => {
                for (axis, inside) in inside.iter_mut().enumerate() {
                    if choices.iter().all(|choice| choice[axis].is_none()) {
                        continue;
                    }
                    let mut items = Vec::with_capacity(choices.len());
                    for choice in choices {
                        items.push(choice[axis].clone().unwrap_or_else(|| arith.constant(0)));
                    }
                    let part = choose(arith, index, items);
                    add_to(arith, inside, part);
                }
            }
        }
        inside
    }
}
