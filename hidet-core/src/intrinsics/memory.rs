//! Loads and stores that order other accesses.

use super::{Effect, Meaning, Operand, Order, ResultRule, Row, Space, TypeRule, row};
use crate::types::Scalar;

pub(super) fn rows() -> Vec<Row> {
    use Scalar::*;
    const WORDS: TypeRule = TypeRule::OneOf(&[I32, U32, I64, U64, F32, F64]);
    let load = |name: &str, order, doc: &str| {
        let cuda = format!("hidet_{}($0)", name.replace('.', "_"));
        row(name, cuda, Meaning::AtomicLoad(order), doc)
            .address(Space::GlobalOrShared, Effect::Atomic, WORDS, 1)
            .gives(ResultRule::SameAs(0))
    };
    let store = |name: &str, order, doc: &str| {
        let cuda = format!("hidet_{}($0, $1);", name.replace('.', "_"));
        row(name, cuda, Meaning::AtomicStore(order), doc)
            .address(Space::GlobalOrShared, Effect::Atomic, WORDS, 1)
            .operand(Operand::Value(TypeRule::SameAs(0)))
    };
    vec![
        load(
            "load.relaxed",
            Order::Relaxed,
            "Loads a value that threads may store concurrently, without ordering other accesses.",
        ),
        load("load.acquire", Order::Acquire, "Loads; later accesses happen after the release it reads from."),
        store(
            "store.relaxed",
            Order::Relaxed,
            "Stores a value that threads may load concurrently, without ordering other accesses.",
        ),
        store("store.release", Order::Release, "Stores; earlier accesses happen before an acquire that reads it."),
    ]
}
