//! Signs: flags in memory by which threads signal their progress, and bounded waits for them.

use super::board::address;
use super::cell::{Order, TalkScope};
use super::kernel::{Talk, Unit};
use crate::ir::{Access, Arg, BinaryOp, BufferId, CompareOp, Op, Scope, Stmt, ValueId, VarId};
use crate::types::{Scalar, Type};

/// Maximum number of times that a thread polls a sign, and the sleep in between in nanoseconds.
const LOOKS: i64 = 1 << 20;
const PAUSE: u32 = 100;

/// Which threads wait for which.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    /// Each thread and the one whose number differs in these bits wait for each other.
    Pair(i64),
    /// Each thread increments a counter and waits for the total.
    Count,
    /// The first thread waits for the signs of all, and all wait for the sign of the first.
    Leader,
    /// One thread counts for each block, or for each warp if there is only one block.
    Elected,
}

/// The signs of all units of a kernel.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    buffer: BufferId,
    elem: Scalar,
    order: Order,
    unit: Unit,
    pub scheme: Scheme,
    /// Index of the first leader's word.
    leaders: i64,
    shared: bool,
    /// The number of times that the threads have synchronized.
    met: VarId,
}

impl Talk {
    pub fn signs(&mut self, order: Order, unit: Unit, near: bool) -> Signs {
        let elem = self.b.rng.pick(&[Scalar::I32, Scalar::U32, Scalar::U64, Scalar::I32]);
        let shared = unit.size <= self.size.threads && self.b.rng.percent(60);
        let leaders = if shared { self.size.threads } else { self.size.all() };
        let reach = if near { unit.size.min(self.size.threads) } else { unit.size };
        let flip = self.b.rng.between(1, reach - 1);
        let mut scheme = self.b.rng.pick(&[Scheme::Pair(flip), Scheme::Count, Scheme::Leader, Scheme::Elected]);
        if matches!(scheme, Scheme::Elected) && unit.size == 32 {
            scheme = Scheme::Count;
        } else if matches!(scheme, Scheme::Count) && unit.size > 64 {
            // Many threads that poll one word are slow.
            scheme = Scheme::Elected;
        }
        let buffer = if shared {
            let buffer = self.memory("signs", Scope::Shared, elem, vec![(2 * leaders).into()]);
            self.clear(buffer, elem, 2 * leaders);
            buffer
        } else {
            self.zeros("signs", elem, 2 * leaders)
        };
        let zero = self.b.constant(elem, 0);
        let met = self.b.declare(elem.into(), Some(zero));
        Signs { buffer, elem, order, unit, scheme, leaders, shared, met }
    }

    /// Adds a parameter filled with zeros.
    fn zeros(&mut self, name: &str, elem: Scalar, elements: i64) -> BufferId {
        let buffer = self.tensor(name, elem, &[elements], Access::InOut, None);
        let zeros = crate::testing::random::ArgumentValue::Tensor(vec![0; elements as usize * elem.bytes()]);
        if let Some(last) = self.arguments.last_mut() {
            *last = zeros;
        }
        buffer
    }

    /// Sets shared memory to zero, without a barrier afterwards.
    fn clear(&mut self, buffer: BufferId, elem: Scalar, elements: i64) {
        for part in 0..elements / self.size.threads {
            let at = self.with(BinaryOp::Add, self.thread, part * self.size.threads);
            let value = self.b.constant(elem, 0);
            self.b.stmt(Stmt::Store { buffer, index: vec![at], value, guard: false });
        }
        self.must_meet = true;
    }

    /// Synchronizes the threads of the unit, or those that wait for each other.
    pub fn meet_by_signs(&mut self, signs: &Signs) {
        let Unit { me, size, .. } = signs.unit;
        let met = self.b.emit(signs.elem, Op::Read(signs.met));
        let met = self.with(BinaryOp::Add, met, 1);
        self.b.stmt(Stmt::Assign { var: signs.met, value: met });
        let zero = self.int(0);
        match signs.scheme {
            Scheme::Pair(flip) => {
                let other = self.with(BinaryOp::Xor, me, flip);
                self.raise(signs, me, 0, met);
                self.wait_for(signs, other, 0, met);
            }
            Scheme::Count => {
                self.count(signs, zero);
                let all = self.with(BinaryOp::Mul, met, size);
                self.wait_for(signs, zero, 0, all);
            }
            Scheme::Leader => {
                self.raise(signs, me, 0, met);
                let first = self.compare(CompareOp::Eq, me, zero);
                self.when(first, |talk| {
                    let (start, end, step) = (talk.int(1), talk.int(size), talk.int(1));
                    let label = talk.b.new_loop();
                    let index = talk.b.f.new_value(Type::I32, "other");
                    let mark = talk.b.enter();
                    talk.wait_for(signs, index, 0, met);
                    let body = talk.b.leave(mark);
                    let unroll = talk.b.rng.pick(&[crate::ir::Unroll::Auto, crate::ir::Unroll::Never]);
                    talk.b.stmt(Stmt::For { label, index, start, end, inclusive: false, step, unroll, body });
                    talk.raise(signs, zero, signs.leaders, met);
                });
                self.wait_for(signs, zero, signs.leaders, met);
            }
            Scheme::Elected => {
                let alone = size == self.size.threads;
                let group = if alone { 32 } else { self.size.threads };
                self.meet_in(if alone { TalkScope::Warp } else { TalkScope::Block });
                let of_group = self.with(BinaryOp::And, me, group - 1);
                let first = self.compare(CompareOp::Eq, of_group, zero);
                self.when(first, |talk| {
                    talk.count(signs, zero);
                    let all = talk.with(BinaryOp::Mul, met, size / group);
                    talk.wait_for(signs, zero, 0, all);
                });
                self.meet_in(if alone { TalkScope::Warp } else { TalkScope::Block });
            }
        }
    }

    fn sign(&mut self, signs: &Signs, of: ValueId, first: i64) -> Arg {
        let base = if signs.shared { signs.unit.in_block } else { signs.unit.in_grid };
        let mut at = self.binary(BinaryOp::Add, base, of);
        if first > 0 {
            at = self.with(BinaryOp::Add, at, first);
        }
        address(signs.buffer, vec![at])
    }

    /// Emits the fence by which relaxed accesses order other accesses.
    fn fence(&mut self, signs: &Signs) {
        let name = match signs.order {
            Order::FenceBlock => self.b.rng.pick(&["fence.block", "fence.block", "fence.device"]),
            Order::FenceDevice => self.b.rng.pick(&["fence.device", "fence.device", "fence.system"]),
            _ => return,
        };
        self.call(name, Vec::new(), None);
    }

    /// Signals how often the thread has synchronized.
    fn raise(&mut self, signs: &Signs, of: ValueId, first: i64, met: ValueId) {
        self.fence(signs);
        let sign = self.sign(signs, of, first);
        let atomic = ["exchange.release", "exchange.acq_rel", "max.release", "cas.release", "add.acq_rel", "store"];
        let name = match signs.order {
            Order::AtomicBlock | Order::AtomicDevice => self.b.rng.pick(&atomic),
            Order::FenceBlock | Order::FenceDevice => "store.relaxed",
            _ => "store.release",
        };
        let (values, result) = match name {
            "store" | "store.release" | "store.relaxed" => {
                let name = if name == "store" { "store.release" } else { name };
                self.call(name, vec![sign, Arg::Value(met)], None);
                return;
            }
            // Replaces the previous number.
            "cas.release" => (vec![self.with(BinaryOp::Sub, met, 1), met], signs.elem),
            "add.acq_rel" => (vec![self.b.constant(signs.elem, 1)], signs.elem),
            _ => (vec![met], signs.elem),
        };
        let args = std::iter::once(sign).chain(values.into_iter().map(Arg::Value)).collect();
        self.call(&format!("atomic.{name}"), args, Some(result.into()));
    }

    /// Increments the counter.
    fn count(&mut self, signs: &Signs, of: ValueId) {
        self.fence(signs);
        let sign = self.sign(signs, of, 0);
        let one = self.b.constant(signs.elem, 1);
        let name = match signs.order {
            Order::FenceBlock | Order::FenceDevice => "atomic.add",
            Order::ReleaseBlock | Order::ReleaseDevice => "atomic.add.release",
            _ => self.b.rng.pick(&["atomic.add.release", "atomic.add.acq_rel"]),
        };
        self.call(name, vec![sign, Arg::Value(one)], Some(signs.elem.into()));
    }

    /// Waits until a sign is at least `least`; after too many polls, continues with a wrong word.
    fn wait_for(&mut self, signs: &Signs, of: ValueId, first: i64, least: ValueId) {
        let atomic = ["or.acquire", "add.acquire", "or.acq_rel", "cas.acquire", "load", "load"];
        let name = match signs.order {
            Order::AtomicBlock | Order::AtomicDevice => self.b.rng.pick(&atomic),
            Order::FenceBlock | Order::FenceDevice => "load.relaxed",
            _ => "load.acquire",
        };
        let elem = signs.elem;
        let sign = self.sign(signs, of, first);
        self.look(|talk| {
            let value = match name {
                "load.relaxed" | "load.acquire" => talk.call(name, vec![sign], Some(elem.into())),
                "load" => talk.call("load.acquire", vec![sign], Some(elem.into())),
                name => {
                    let zero = talk.b.constant(elem, 0);
                    let count = if name == "cas.acquire" { 2 } else { 1 };
                    let args = std::iter::once(sign).chain(vec![Arg::Value(zero); count]).collect();
                    talk.call(&format!("atomic.{name}"), args, Some(elem.into()))
                }
            };
            talk.compare(CompareOp::Ge, value, least)
        });
        self.fence(signs);
    }

    /// Polls until a condition holds.
    pub fn look(&mut self, found: impl FnOnce(&mut Talk) -> ValueId) {
        let zero = self.int(0);
        let looks = self.b.declare(Type::I32, Some(zero));
        let label = self.b.new_loop();
        let mark = self.b.enter();
        let found = found(self);
        self.when(found, |talk| talk.b.stmt(Stmt::Break(label)));
        let now = self.b.emit(Type::I32, Op::Read(looks));
        let next = self.with(BinaryOp::Add, now, 1);
        self.b.stmt(Stmt::Assign { var: looks, value: next });
        let most = self.int(LOOKS);
        let vain = self.compare(CompareOp::Gt, next, most);
        self.when(vain, |talk| {
            let wrong = talk.word(0xdead_beef);
            talk.fold(wrong);
            talk.b.stmt(Stmt::Break(label));
        });
        let part = self.with(BinaryOp::And, next, 15);
        let tired = self.compare(CompareOp::Eq, part, zero);
        self.when(tired, |talk| {
            let pause = talk.word(PAUSE);
            talk.call("nanosleep", vec![Arg::Value(pause)], None);
        });
        let body = self.b.leave(mark);
        self.b.stmt(Stmt::Loop { label, body });
    }
}
