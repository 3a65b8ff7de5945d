//! Shuffles, votes and reductions of a warp.

use super::super::numbers::Random;
use super::case::Case;
use super::matrix::types;
use super::numbers::{all_bits, bits};
use hidet::intrinsics::{AtomicOp, Meaning, Row, ShuffleKind, VoteKind};
use hidet::types::Scalar;

/// The cases of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    let scalars = types(row, 1);
    match row.meaning {
        Meaning::Shuffle(kind) => scalars.iter().map(|scalar| shuffle(row, *scalar, kind)).collect(),
        Meaning::Vote(kind) => (0..3).map(|fill| vote(row, kind, fill)).collect(),
        Meaning::Redux(op) => scalars.iter().map(|scalar| redux(row, *scalar, op)).collect(),
        Meaning::ActiveMask => vec![active(row)],
        _ => Vec::new(),
    }
}

fn masked(case: &mut Case, mask: u32) {
    case.line(format!("%mask: u32 = const {mask}"));
}

fn shuffle(row: &Row, scalar: Scalar, kind: ShuffleKind) -> Case {
    let mut random = Random::new(3);
    let values: Vec<i64> = (0..32).map(|lane| lane * 3 - if scalar.is_signed_int() { 40 } else { 0 }).collect();
    let choice: Vec<i64> = (0..32).map(|_| i64::from(random.bits() % 32)).collect();
    let source = |lane: i64| {
        let by = choice[lane as usize];
        let source = match kind {
            ShuffleKind::Index => by,
            ShuffleKind::Up => lane - by,
            ShuffleKind::Down => lane + by,
            ShuffleKind::Xor => lane ^ by,
        };
        if (0..32).contains(&source) { source } else { lane }
    };
    let expected: Vec<i64> = (0..32).map(|lane| values[source(lane) as usize]).collect();
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.input("x", scalar, all_bits(scalar, &values));
    case.input("by", Scalar::I32, all_bits(Scalar::I32, &choice));
    case.output("y", scalar, all_bits(scalar, &expected));
    masked(&mut case, u32::MAX);
    case.line(format!("%x: {scalar} = load @x[%t]"));
    case.line("%by: i32 = load @by[%t]");
    case.line(format!("%y: {scalar} = call {}(%mask, %x, %by)", row.name));
    case.line("store @y[%t] = %y");
    case
}

fn vote(row: &Row, kind: VoteKind, fill: u64) -> Case {
    let mut random = Random::new(fill);
    let values: Vec<i64> = (0..32)
        .map(|_| match fill {
            0 => 0,
            1 => 1,
            _ => i64::from(random.bits() % 2),
        })
        .collect();
    let ballot: u64 = (0..32).map(|lane| (values[lane] as u64) << lane).sum();
    let result = match kind {
        VoteKind::All => u64::from(ballot == u64::from(u32::MAX)),
        VoteKind::Any => u64::from(ballot != 0),
        VoteKind::Ballot => ballot,
    };
    let mut case = Case::new(&row.name, format!("{ballot:#x}"), 32);
    case.input("x", Scalar::I32, all_bits(Scalar::I32, &values));
    case.output("y", Scalar::U32, vec![result; 32]);
    masked(&mut case, u32::MAX);
    case.line("%x: i32 = load @x[%t]");
    case.line("%on: bool = ne %x, %z");
    let ty = if kind == VoteKind::Ballot { "u32" } else { "bool" };
    case.line(format!("%v: {ty} = call {}(%mask, %on)", row.name));
    case.line("%y: u32 = cast %v");
    case.line("store @y[%t] = %y");
    case
}

/// Over the lanes of a part of the warp; only these call it.
fn redux(row: &Row, scalar: Scalar, op: AtomicOp) -> Case {
    let mut random = Random::new(5);
    let values: Vec<u32> = (0..32).map(|_| random.bits()).collect();
    let (first, mask) = (11, u32::MAX << 11);
    let fold = |f: fn(u32, u32) -> u32| values[first..].iter().copied().reduce(f).unwrap_or(0);
    let signed = scalar == Scalar::I32;
    let result = match op {
        AtomicOp::Add => fold(u32::wrapping_add),
        AtomicOp::Min if signed => fold(|a, b| (a as i32).min(b as i32) as u32),
        AtomicOp::Max if signed => fold(|a, b| (a as i32).max(b as i32) as u32),
        AtomicOp::Min => fold(u32::min),
        AtomicOp::Max => fold(u32::max),
        AtomicOp::And => fold(|a, b| a & b),
        AtomicOp::Or => fold(|a, b| a | b),
        _ => fold(|a, b| a ^ b),
    };
    let expected = (0..32).map(|lane| if lane < first { 0 } else { u64::from(result) }).collect();
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.input("x", scalar, values.iter().map(|value| u64::from(*value)).collect());
    case.output("y", scalar, expected);
    masked(&mut case, mask);
    let first = case.int(first as i64);
    case.line(format!("%on: bool = ge %t, {first}"));
    case.line("if %on {");
    case.line(format!("  %x: {scalar} = load @x[%t]"));
    case.line(format!("  %y: {scalar} = call {}(%mask, %x)", row.name));
    case.line("  store @y[%t] = %y");
    case.line("}");
    case
}

fn active(row: &Row) -> Case {
    let mut case = Case::new(&row.name, "", 32);
    case.output("y", Scalar::U32, vec![bits(Scalar::U32, i64::from(u32::MAX)); 32]);
    case.line(format!("%y: u32 = call {}()", row.name));
    case.line("store @y[%t] = %y");
    case
}
