//! Exchange within a warp: shuffles, votes, reductions.

use super::{AtomicOp, Meaning, Operand, ResultRule, Row, ShuffleKind, Together, TypeRule, VoteKind, row};
use crate::types::{Scalar, Type};

fn shuffle(name: &str, cuda: &str, kind: ShuffleKind, doc: &str) -> Row {
    row(name, cuda, Meaning::Shuffle(kind), doc)
        .value(Type::U32)
        .operand(Operand::Value(TypeRule::OneOf(&Scalar::ALL)))
        .value(Type::I32)
        .gives(ResultRule::SameAs(1))
        .together(Together::Lanes)
}

fn vote(name: &str, cuda: &str, kind: VoteKind, result: Type, doc: &str) -> Row {
    row(name, cuda, Meaning::Vote(kind), doc)
        .value(Type::U32)
        .value(Type::BOOL)
        .gives(ResultRule::Is(result))
        .together(Together::Lanes)
}

fn redux(name: &str, op: AtomicOp, types: &'static [Scalar], doc: &str) -> Row {
    row(format!("redux.{name}"), format!("__reduce_{name}_sync($0, $1)"), Meaning::Redux(op), doc)
        .value(Type::U32)
        .operand(Operand::Value(TypeRule::OneOf(types)))
        .gives(ResultRule::SameAs(1))
        .together(Together::Lanes)
        .since(80, false)
}

pub(super) fn rows() -> Vec<Row> {
    const INTS: &[Scalar] = &[Scalar::I32, Scalar::U32];
    vec![
        shuffle(
            "shfl.index",
            "hidet_shfl($0, $1, $2)",
            ShuffleKind::Index,
            "Returns the value of the lane with the given number, modulo 32.",
        ),
        shuffle(
            "shfl.up",
            "hidet_shfl_up($0, $1, $2)",
            ShuffleKind::Up,
            "Returns the value of the lane that is the last operand below this one (the delta is taken modulo 32), or the lane's own value if there is none.",
        ),
        shuffle(
            "shfl.down",
            "hidet_shfl_down($0, $1, $2)",
            ShuffleKind::Down,
            "Returns the value of the lane that is the last operand above this one (the delta is taken modulo 32), or the lane's own value if there is none.",
        ),
        shuffle(
            "shfl.xor",
            "hidet_shfl_xor($0, $1, $2)",
            ShuffleKind::Xor,
            "Returns the value of the lane whose number is this lane's XOR the five lowest bits of the operand.",
        ),
        vote(
            "vote.all",
            "(__all_sync($0, $1) != 0)",
            VoteKind::All,
            Type::BOOL,
            "Returns true if the condition is true in all lanes of the mask.",
        ),
        vote(
            "vote.any",
            "(__any_sync($0, $1) != 0)",
            VoteKind::Any,
            Type::BOOL,
            "Returns true if the condition is true in any lane of the mask.",
        ),
        vote(
            "vote.ballot",
            "__ballot_sync($0, $1)",
            VoteKind::Ballot,
            Type::U32,
            "Returns the set of lanes of the mask in which the condition is true, one bit per lane.",
        ),
        row(
            "active.mask",
            "__activemask()",
            Meaning::ActiveMask,
            "Returns the set of currently active lanes, one bit per lane.",
        )
        .gives(ResultRule::Is(Type::U32)),
        redux("add", AtomicOp::Add, INTS, "Returns the sum over the lanes of the mask."),
        redux("min", AtomicOp::Min, INTS, "Returns the minimum over the lanes of the mask."),
        redux("max", AtomicOp::Max, INTS, "Returns the maximum over the lanes of the mask."),
        redux("and", AtomicOp::And, INTS, "Returns the bitwise and over the lanes of the mask."),
        redux("or", AtomicOp::Or, INTS, "Returns the bitwise or over the lanes of the mask."),
        redux("xor", AtomicOp::Xor, INTS, "Returns the bitwise exclusive or over the lanes of the mask."),
    ]
}
