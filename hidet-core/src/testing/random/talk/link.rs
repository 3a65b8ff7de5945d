//! Synchronization points: accesses of threads before one happen before their accesses after it.

use super::board::address;
use super::cell::{Order, TalkScope};
use super::kernel::{Talk, Unit};
use super::sign::{Scheme, Signs};
use crate::ir::{Arg, BinaryOp, BufferId, CompareOp, Op, Scope, Stmt, ValueId, VarId};
use crate::types::{Scalar, Type};

/// How the threads of a unit synchronize.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub order: Order,
    /// The threads that synchronize.
    pub unit: Unit,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    /// An intrinsic, without further state.
    Itself,
    /// A named barrier for the unit's threads.
    Named(ValueId),
    /// Two named barriers for the whole block; warps before this one wait at the first, the others at the second.
    Halves(i64, i64),
    Signs(Signs),
    /// An mbarrier with the parity of its phase.
    Mbarrier {
        buffer: BufferId,
        parity: VarId,
        patient: bool,
    },
}

impl Link {
    /// If a thread only synchronizes with one other thread, returns the bits in which their numbers differ.
    pub fn partner(&self) -> Option<i64> {
        match &self.by {
            By::Signs(Signs { scheme: Scheme::Pair(flip), .. }) => Some(*flip),
            _ => None,
        }
    }
}

impl Talk {
    /// Chooses how threads synchronize. `near`: threads of the same block must be among them.
    pub fn link(&mut self, order: Order, span: TalkScope, near: bool) -> Link {
        let mut unit = self.unit(span);
        let by = match order {
            Order::BarSync => {
                let first = self.b.rng.between(1, 14);
                let mut barrier = self.int(first);
                if self.size.threads > 32 && self.b.rng.percent(50) {
                    (unit, barrier) = self.half(barrier);
                }
                By::Named(barrier)
            }
            Order::BarArrive => {
                let first = self.b.rng.between(1, 14);
                By::Halves(first, 32 * self.b.rng.between(1, self.size.threads / 32 - 1))
            }
            Order::Mbarrier | Order::ClusterMbarrier => self.mbarrier(unit),
            _ if order.has_signs() => By::Signs(self.signs(order, unit, near)),
            _ => By::Itself,
        };
        Link { order, unit, by }
    }

    /// Returns the half of the block that contains the thread, with a barrier for each half.
    fn half(&mut self, barrier: ValueId) -> (Unit, ValueId) {
        let size = self.size.threads / 2;
        let me = self.with(BinaryOp::And, self.thread, size - 1);
        let in_block = self.with(BinaryOp::And, self.thread, size);
        let in_grid = self.binary(BinaryOp::Sub, self.number, me);
        let number = self.with(BinaryOp::Shr, in_block, size.ilog2().into());
        let barrier = self.binary(BinaryOp::Add, barrier, number);
        (Unit { me, in_block, in_grid, size }, barrier)
    }

    fn mbarrier(&mut self, unit: Unit) -> By {
        let buffer = self.memory("bar", Scope::Shared, Scalar::U64, vec![1.into()]);
        let (zero, count) = (self.int(0), self.int(unit.size));
        let first = self.compare(CompareOp::Eq, self.thread, zero);
        let clustered = unit.size > self.size.threads;
        self.when(first, |talk| {
            talk.call("mbarrier.init", vec![address(buffer, vec![zero]), Arg::Value(count)], None);
            if clustered {
                talk.call("mbarrier.init.fence", Vec::new(), None);
            }
        });
        self.must_meet = true;
        let parity = self.b.declare(Type::I32, Some(zero));
        By::Mbarrier { buffer, parity, patient: self.b.rng.percent(50) }
    }

    /// Synchronizes the threads of the block or of the warp.
    pub fn meet_in(&mut self, span: TalkScope) {
        match span {
            TalkScope::Warp => {
                let all = self.word(u32::MAX);
                self.call("sync.warp", vec![Arg::Value(all)], None);
            }
            TalkScope::Cluster => {
                self.call("cluster.sync", Vec::new(), None);
            }
            TalkScope::Block | TalkScope::Grid => {
                self.call("sync.threads", Vec::new(), None);
            }
        }
    }

    /// Synchronizes the threads of the unit.
    pub fn meet(&mut self, link: &Link) {
        match &link.by {
            By::Itself => match link.order {
                Order::SyncWarp => self.meet_in(TalkScope::Warp),
                Order::ClusterSync => self.meet_in(TalkScope::Cluster),
                Order::ClusterArrive => {
                    self.call("cluster.arrive", Vec::new(), None);
                    // A private value.
                    let word = self.word(9);
                    self.fold(word);
                    self.call("cluster.wait", Vec::new(), None);
                }
                Order::GridSync => {
                    self.call("grid.sync", Vec::new(), None);
                }
                _ => self.meet_in(TalkScope::Block),
            },
            By::Named(barrier) => {
                self.call("bar.sync", vec![Arg::Value(*barrier), Arg::Imm(link.unit.size)], None);
            }
            By::Halves(first, border) => self.meet_by_halves(*first, *border),
            By::Signs(signs) => self.meet_by_signs(signs),
            By::Mbarrier { buffer, parity, patient } => self.meet_at_mbarrier(link, *buffer, *parity, *patient),
        }
    }

    fn meet_by_halves(&mut self, first: i64, border: i64) {
        let threads = self.size.threads;
        let call = |talk: &mut Talk, name: &str, barrier: i64| {
            let barrier = talk.int(barrier);
            talk.call(name, vec![Arg::Value(barrier), Arg::Imm(threads)], None);
        };
        let mark = self.b.enter();
        call(self, "bar.sync", first);
        call(self, "bar.arrive", first + 1);
        let before = self.b.leave(mark);
        let mark = self.b.enter();
        call(self, "bar.arrive", first);
        call(self, "bar.sync", first + 1);
        let after = self.b.leave(mark);
        if self.b.rng.percent(50) {
            let (border, rest) = (border as u32, (threads - border) as u32);
            self.b.stmt(Stmt::Group { first: 0, threads: border, body: before });
            self.b.stmt(Stmt::Group { first: border, threads: rest, body: after });
        } else {
            let border = self.int(border);
            let cond = self.compare(CompareOp::Lt, self.thread, border);
            self.b.stmt(Stmt::If { cond, then: before, otherwise: after });
        }
    }

    fn meet_at_mbarrier(&mut self, link: &Link, buffer: BufferId, parity: VarId, patient: bool) {
        let zero = self.int(0);
        if link.order == Order::ClusterMbarrier {
            for rank in 0..self.size.cluster {
                let rank = self.int(rank);
                self.call("cluster.mbarrier.arrive", vec![address(buffer, vec![zero]), Arg::Value(rank)], None);
            }
        } else {
            self.call("mbarrier.arrive", vec![address(buffer, vec![zero])], None);
        }
        let now = self.b.emit(Type::I32, Op::Read(parity));
        let args = vec![address(buffer, vec![zero]), Arg::Value(now)];
        if patient {
            self.call("mbarrier.wait", args, None);
        } else {
            self.look(|talk| talk.call("mbarrier.test", args, Some(Type::BOOL)));
        }
        let next = self.with(BinaryOp::Xor, now, 1);
        self.b.stmt(Stmt::Assign { var: parity, value: next });
    }
}
