//! [`Partial`]: what a thread has of a reduction, and how threads combine it.

use crate::task::ReduceOp;
use hidet::dsl::AnyExpr;
use hidet::ir::{CompareOp, eval};
use hidet::prelude::*;
use hidet::types::{Num, Scalar};

/// The combination of some terms of a reduction; of an arg-reduction with the number of the term.
#[derive(Clone, Copy)]
pub(super) struct Partial<T> {
    value: Expr<T>,
    number: Option<Expr<i32>>,
}

/// The number of no term.
const NONE: i32 = i32::MAX;

impl<T: Num> Partial<T> {
    /// Returns the combination of no terms.
    #[track_caller]
    pub(super) fn none(op: ReduceOp) -> Partial<T> {
        let identity = op.identity(T::SCALAR);
        let value = T::from_number(eval::number(identity.scalar, identity.bits)).into_expr();
        Partial { value, number: op.is_arg().then(|| NONE.into_expr()) }
    }

    /// Returns one term, whose number is asked for by arg-reductions.
    #[track_caller]
    pub(super) fn term(op: ReduceOp, value: Expr<T>, number: impl FnOnce() -> Expr<i32>) -> Partial<T> {
        Partial { value, number: op.is_arg().then(number) }
    }

    /// Combines two: the better one, and of equal ones the first.
    #[track_caller]
    pub(super) fn and(self, op: ReduceOp, other: Partial<T>) -> Partial<T> {
        let (Some(number), Some(others)) = (self.number, other.number) else {
            let value = AnyExpr::from(self.value).binary(op.op(), other.value.into()).typed::<T>();
            return Partial { value, number: None };
        };
        let better = if op == ReduceOp::ArgMax { CompareOp::Gt } else { CompareOp::Lt };
        let compare = |op, a: AnyExpr, b: AnyExpr| a.compare(op, b).typed::<bool>();
        let values = |op| compare(op, other.value.into(), self.value.into());
        let first = values(CompareOp::Eq) & compare(CompareOp::Lt, others.into(), number.into());
        let other_wins = values(better) | first;
        Partial { value: other_wins.select(other.value, self.value), number: Some(other_wins.select(others, number)) }
    }

    /// Returns the terms if a condition holds, else none.
    #[track_caller]
    pub(super) fn only_if(self, op: ReduceOp, condition: Expr<bool>) -> Partial<T> {
        let none = Partial::<T>::none(op);
        Partial {
            value: condition.select(self.value, none.value),
            number: self.number.zip(none.number).map(|(number, none)| condition.select(number, none)),
        }
    }

    /// Returns the result: the value, or the number of the term.
    #[track_caller]
    pub(super) fn result(self) -> AnyExpr {
        match self.number {
            None => self.value.into(),
            Some(number) => {
                let none = AnyExpr::from(number).compare(CompareOp::Eq, AnyExpr::lit(Scalar::I32, NONE));
                none.select(AnyExpr::lit(Scalar::I32, 0), number.into())
            }
        }
    }
}

/// Which threads of a block have terms of the same row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Team {
    /// Each thread has rows of its own.
    Thread,
    /// A warp.
    Warp,
    /// That many warps, which are the block.
    Block(i64),
    /// That many threads below each other: those with the same coordinate along x. There are 32 along x.
    Column(i64),
}

/// A partial result in variables, for loops.
pub(super) struct Sum<T> {
    value: Var<T>,
    number: Option<Var<i32>>,
}

impl<T: Num> Sum<T> {
    /// Declares the variables, for no terms.
    #[track_caller]
    pub(super) fn new(op: ReduceOp) -> Sum<T> {
        let none = Partial::<T>::none(op);
        Sum { value: Var::new("sum", none.value), number: none.number.map(|number| Var::new("number", number)) }
    }

    /// Adds terms.
    #[track_caller]
    pub(super) fn add(&mut self, op: ReduceOp, terms: Partial<T>) {
        let all = self.partial().and(op, terms);
        self.value.set(all.value);
        if let (Some(own), Some(number)) = (&mut self.number, all.number) {
            own.set(number);
        }
    }

    /// Returns what has been added.
    #[track_caller]
    pub(super) fn partial(&self) -> Partial<T> {
        Partial { value: self.value.read(), number: self.number.as_ref().map(Var::read) }
    }
}

/// Combines the terms of a team. All threads of the block must call it; each gets the result of its own row.
#[device]
pub(super) fn combine<T: Num>(op: ReduceOp, own: Partial<T>, team: Team) -> Partial<T> {
    match team {
        Team::Thread => own,
        Team::Warp => combine_warp(op, own),
        Team::Block(warps) => {
            let own = combine_warp(op, own);
            let parts = Parts::<T>::new(op, warps, 1);
            if lane_id() == 0 {
                parts.write(warp_id(), 0.into_expr(), own);
            }
            sync_threads();
            parts.all(op, warps, 0.into_expr())
        }
        Team::Column(rows) => {
            let parts = Parts::<T>::new(op, rows, 32);
            parts.write(thread_idx().y, thread_idx().x, own);
            sync_threads();
            parts.all(op, rows, thread_idx().x)
        }
    }
}

fn combine_warp<T: Num>(op: ReduceOp, own: Partial<T>) -> Partial<T> {
    [16, 8, 4, 2, 1].into_iter().fold(own, |own, step| {
        let other =
            Partial { value: shuffle_xor(own.value, step), number: own.number.map(|number| shuffle_xor(number, step)) };
        own.and(op, other)
    })
}

/// Partial results in shared memory.
struct Parts<T> {
    values: View<T, 2>,
    numbers: Option<View<i32, 2>>,
}

impl<T: Num> Parts<T> {
    fn new(op: ReduceOp, rows: i64, cols: i64) -> Parts<T> {
        let shape = [rows as i32, cols as i32];
        Parts { values: shared::<T, 2>(shape), numbers: op.is_arg().then(|| shared::<i32, 2>(shape)) }
    }

    fn write(&self, row: Expr<i32>, col: Expr<i32>, part: Partial<T>) {
        self.values.write((row, col), part.value);
        if let (Some(numbers), Some(number)) = (self.numbers, part.number) {
            numbers.write((row, col), number);
        }
    }

    fn all(&self, op: ReduceOp, rows: i64, col: Expr<i32>) -> Partial<T> {
        let part = |row: i64| Partial {
            value: self.values.read((row as i32, col)),
            number: self.numbers.map(|numbers| numbers.read((row as i32, col))),
        };
        (1..rows).fold(part(0), |all, row| all.and(op, part(row)))
    }
}
