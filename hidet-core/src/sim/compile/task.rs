//! Loops over the tasks of a mapping, directly from its definition: tasks are counted, and each coordinate is computed
//! from the number of the task and the worker.

use super::index::Emit;
use super::operation::Scalars;
use super::{Compiler, Result, TypedSrc};
use crate::ir::{Block, CompareOp, LoopId, Mapping, MappingAtom, MappingExtent, ValueId};
use crate::sim::bytecode::{Inst, Src};
use crate::types::{Scalar, Type};
use hidet_mapping::Arith;

/// A factor of a mapping in registers.
struct Factor<'m> {
    atom: &'m MappingAtom,
    shape: Vec<Src>,
    workers: Src,
    /// The number of tasks per worker.
    tasks: Src,
}

impl Factor<'_> {
    /// Returns true if the axis is projected away: extent 1, coordinate 0.
    fn is_projected(&self, axis: usize) -> bool {
        match self.atom {
            MappingAtom::Spatial { projected, .. } | MappingAtom::Repeat { projected, .. } => {
                projected.get(axis) == Some(&true)
            }
            MappingAtom::Custom { .. } => false,
        }
    }
}

impl<'a> Compiler<'a> {
    fn extent(&mut self, extent: &MappingExtent) -> Result<Src> {
        Ok(match extent {
            MappingExtent::Const(number) => self.constant(*number as u64),
            MappingExtent::Value(value) => self.value(*value)?.src,
        })
    }

    fn factor<'m>(&mut self, atom: &'m MappingAtom) -> Result<Factor<'m>> {
        let one = self.constant(1);
        let product = |compiler: &mut Self, shape: &[Src]| {
            let mut emit = Emit { compiler, wide: false, symbols: None };
            shape.iter().fold(one, |product, extent| emit.mul(&product, extent))
        };
        Ok(match atom {
            MappingAtom::Spatial { shape, .. } => {
                let shape = shape.iter().map(|extent| self.extent(extent)).collect::<Result<Vec<_>>>()?;
                let workers = product(self, &shape);
                Factor { atom, shape, workers, tasks: one }
            }
            MappingAtom::Repeat { shape, .. } => {
                let shape = shape.iter().map(|extent| self.extent(extent)).collect::<Result<Vec<_>>>()?;
                let tasks = product(self, &shape);
                Factor { atom, shape, workers: one, tasks }
            }
            MappingAtom::Custom { workers, shape, tasks } => {
                let shape = shape.iter().map(|extent| self.constant(*extent as u64)).collect();
                let (workers, tasks) = (self.constant(*workers as u64), self.constant(tasks.len() as u64));
                Factor { atom, shape, workers, tasks }
            }
        })
    }

    pub(super) fn for_task(
        &mut self,
        label: LoopId,
        mapping: &Mapping,
        worker: ValueId,
        task: &[ValueId],
        body: &'a Block,
    ) -> Result<()> {
        let worker = self.value(worker)?.src;
        let factors = mapping.atoms.iter().map(|atom| self.factor(atom)).collect::<Result<Vec<_>>>()?;
        let one = self.constant(1);
        let mut emit = Emit { compiler: self, wide: false, symbols: None };
        let workers = factors.iter().fold(one, |product, factor| emit.mul(&product, &factor.workers));
        let tasks = factors.iter().fold(one, |product, factor| emit.mul(&product, &factor.tasks));

        let index = Scalar::I32;
        let uniform = worker.is_uniform() && factors.iter().all(|f| f.shape.iter().all(|extent| extent.is_uniform()));
        let coordinates: Vec<TypedSrc> = task.iter().map(|value| self.define(*value, uniform)).collect();
        // Compared as unsigned, so that a negative worker has no tasks either.
        let operands = [(worker, Scalar::U32), (workers, Scalar::U32)];
        let takes_part = self.apply(Scalars::Compare(CompareOp::Lt), &operands, Scalar::Bool);
        self.flush();
        let end = self.label();
        if takes_part.is_uniform() {
            self.emit(Inst::Branch { cond: takes_part, to: end });
        } else {
            self.emit(Inst::Diverge { cond: takes_part, otherwise: end, merge: end });
        }
        let counter = TypedSrc { src: self.temp(true, index, 1), ty: Type::I32 };
        let zero = self.constant(0);
        self.copy(counter.src, zero, index);
        let first = |compiler: &mut Self| {
            let found = compiler.task(&factors, counter.src, worker, task.len())?;
            for (to, from) in coordinates.iter().zip(found) {
                compiler.copy(to.src, from, index);
            }
            Ok(())
        };
        self.counted_loop(label, counter, (tasks, false), one, first, body)?;
        self.bind(end);
        if !takes_part.is_uniform() {
            self.emit(Inst::Merge);
        }
        Ok(())
    }

    /// Returns the coordinates of task `number` of the worker.
    fn task(&mut self, factors: &[Factor], number: Src, worker: Src, rank: usize) -> Result<Vec<Src>> {
        let (zero, one) = (self.constant(0), self.constant(1));
        let mut sums = vec![zero; rank];
        let mut scales = vec![one; rank];
        let (mut number, mut worker) = (number, worker);
        for (position, factor) in factors.iter().enumerate().rev() {
            let mut emit = Emit { compiler: self, wide: false, symbols: None };
            // The outermost factor takes the remaining number, which the condition above bounds.
            let (mine, my_worker) = if position == 0 {
                (number, worker)
            } else {
                (emit.rem(&number, &factor.tasks), emit.rem(&worker, &factor.workers))
            };
            if position > 0 {
                number = emit.div(&number, &factor.tasks);
                worker = emit.div(&worker, &factor.workers);
            }
            let local = match factor.atom {
                MappingAtom::Spatial { ranks, .. } => split(&mut emit, my_worker, &factor.shape, ranks),
                MappingAtom::Repeat { ranks, .. } => split(&mut emit, mine, &factor.shape, ranks),
                MappingAtom::Custom { tasks, .. } => self.custom(tasks, mine, my_worker, rank)?,
            };
            if local.len() != rank || factor.shape.len() != rank {
                return Err(self.refuse("the factors of this mapping have different ranks"));
            }
            let mut emit = Emit { compiler: self, wide: false, symbols: None };
            for axis in 0..rank {
                if factor.is_projected(axis) {
                    continue;
                }
                let scaled = emit.mul(&local[axis], &scales[axis]);
                sums[axis] = emit.add(&sums[axis], &scaled);
                scales[axis] = emit.mul(&scales[axis], &factor.shape[axis]);
            }
        }
        Ok(sums)
    }

    /// Returns the coordinates of a custom mapping: computes all of its tasks, and selects the one with the number.
    fn custom(
        &mut self,
        tasks: &[Vec<hidet_mapping::IndexExpr>],
        number: Src,
        worker: Src,
        rank: usize,
    ) -> Result<Vec<Src>> {
        let zero = self.constant(0);
        let mut chosen = vec![zero; rank];
        for (index, task) in tasks.iter().enumerate() {
            let key = self.constant(index as u64);
            let operands = [(number, Scalar::I32), (key, Scalar::I32)];
            let is_this = self.apply(Scalars::Compare(CompareOp::Eq), &operands, Scalar::Bool);
            for (axis, expr) in task.iter().enumerate().take(rank) {
                let mut emit = Emit { compiler: self, wide: false, symbols: Some(vec![worker]) };
                let coordinate = expr.emit(&mut emit);
                let operands = [(is_this, Scalar::Bool), (coordinate, Scalar::I32), (chosen[axis], Scalar::I32)];
                chosen[axis] = if index == 0 { coordinate } else { self.apply_select(&operands) };
            }
        }
        Ok(chosen)
    }

    fn apply_select(&mut self, [cond, a, b]: &[(Src, Scalar); 3]) -> Src {
        let uniform = [cond, a, b].iter().all(|operand| operand.0.is_uniform());
        let to = self.temp(uniform, Scalar::I32, 1);
        // A selection is defined for every type.
        let _ = self.apply_to(Scalars::Select, &[*cond, *a, *b], to, Scalar::I32);
        to
    }
}

/// Returns the coordinates of number `n` in the shape, where the axis of rank 0 varies slowest.
fn split(emit: &mut Emit, n: Src, shape: &[Src], ranks: &[u8]) -> Vec<Src> {
    let mut result = vec![n; shape.len()];
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_unstable_by_key(|axis| (ranks.get(*axis).copied().unwrap_or(0), *axis));
    let mut rest = n;
    for (position, axis) in order.iter().enumerate().rev() {
        if position == 0 {
            result[*axis] = rest;
        } else {
            result[*axis] = emit.rem(&rest, &shape[*axis]);
            rest = emit.div(&rest, &shape[*axis]);
        }
    }
    result
}
