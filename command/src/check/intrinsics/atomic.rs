//! Atomic read-modify-write, and loads and stores that order others: one element per thread, and one for all threads.

use super::case::Case;
use super::matrix::types;
use super::numbers::{all_bits, bits};
use hidet::intrinsics::{AtomicOp, Meaning, Row};
use hidet::types::Scalar;

/// The cases of a row: each type, in global and in shared memory.
pub fn cases(row: &Row) -> Vec<Case> {
    let mut cases = Vec::new();
    for scalar in types(row, 0) {
        for shared in [false, true].into_iter().filter(|shared| *shared || !at_peer(row)) {
            match row.meaning {
                Meaning::Atomic(op, ..) => {
                    cases.push(atomic(row, scalar, op, shared));
                    if op == AtomicOp::Add {
                        cases.push(contended(row, scalar, shared));
                    }
                    if row.name == "atomic.add" && scalar == Scalar::F32 {
                        cases.push(subnormal(row, shared));
                    }
                }
                Meaning::AtomicLoad(..) => cases.push(load(row, scalar, shared)),
                Meaning::AtomicStore(..) => cases.push(store(row, scalar, shared)),
                _ => {}
            }
        }
    }
    cases
}

/// Returns true if the row works on the shared memory of a block of the cluster, by its rank: here the only block.
fn at_peer(row: &Row) -> bool {
    row.name.starts_with("cluster.")
}

fn start(row: &Row, scalar: Scalar, shared: bool) -> (Case, &'static str) {
    let place = if shared { "shared" } else { "global" };
    let mut case = Case::new(&row.name, format!("{scalar} {place}"), 32);
    if shared {
        case.memory(format!("shared @s: {scalar}[32]"));
    }
    (case, if shared { "s" } else { "p" })
}

fn olds(scalar: Scalar) -> Vec<i64> {
    let lowest = if scalar.is_float() || scalar.is_signed_int() { -20 } else { 0 };
    (0..32).map(|at| at * 5 % 40 + lowest).collect()
}

fn news(scalar: Scalar) -> Vec<i64> {
    let lowest = if scalar.is_float() || scalar.is_signed_int() { -20 } else { 0 };
    (0..32).map(|at| at * 11 % 40 + lowest).collect()
}

fn atomic(row: &Row, scalar: Scalar, op: AtomicOp, shared: bool) -> Case {
    let (old, new) = (olds(scalar), news(scalar));
    let compute = |(at, (old, new)): (usize, (&i64, &i64))| match op {
        AtomicOp::Add => old + new,
        AtomicOp::Min => *old.min(new),
        AtomicOp::Max => *old.max(new),
        AtomicOp::And => old & new,
        AtomicOp::Or => old | new,
        AtomicOp::Xor => old ^ new,
        AtomicOp::Exchange => *new,
        // Every other lane compares with the value in memory.
        AtomicOp::CompareExchange => {
            if at % 2 == 0 {
                *new
            } else {
                *old
            }
        }
    };
    let result: Vec<i64> = old.iter().zip(&new).enumerate().map(compute).collect();
    let (mut case, memory) = start(row, scalar, shared);
    case.inout("p", scalar, all_bits(scalar, &old), all_bits(scalar, &result));
    case.input("x", scalar, all_bits(scalar, &new));
    case.output("y", scalar, all_bits(scalar, &old));
    let mut operands = "%x".to_owned();
    if op == AtomicOp::CompareExchange {
        let compared: Vec<i64> = old.iter().enumerate().map(|(at, old)| old + at as i64 % 2).collect();
        case.input("c", scalar, all_bits(scalar, &compared));
        case.line(format!("%c: {scalar} = load @c[%t]"));
        operands = "%c, %x".to_owned();
    }
    operands += if at_peer(row) { ", %z" } else { "" };
    if shared {
        case.copy("p", "s", scalar, 1);
    }
    case.line(format!("%x: {scalar} = load @x[%t]"));
    case.line(format!("%y: {scalar} = call {}(@{memory}[%t], {operands})", row.name));
    case.line("store @y[%t] = %y");
    if shared {
        case.line("call sync.threads()");
        case.copy("s", "p", scalar, 1);
    }
    case
}

/// Sums of subnormals, which global memory flushes to zero (PTX ISA, `atom`).
fn subnormal(row: &Row, shared: bool) -> Case {
    const LEAST: u64 = 1 << 23;
    const HALF: u64 = LEAST / 2;
    const MINUS: u64 = 1 << 31;
    // The value in memory, the value added, the sum in global and in shared memory.
    let sums = [
        [0, HALF, 0, HALF],
        [HALF, LEAST, LEAST, LEAST + HALF],
        [LEAST, MINUS + HALF, LEAST, HALF],
        [MINUS + HALF, MINUS, MINUS, MINUS + HALF],
        [LEAST + HALF, MINUS + LEAST, 0, HALF],
    ];
    let column = |column: usize| sums.iter().cycle().take(32).map(|sum| sum[column]).collect::<Vec<u64>>();
    let (mut case, memory) = start(row, Scalar::F32, shared);
    case.detail += ", subnormal";
    case.inout("p", Scalar::F32, column(0), column(if shared { 3 } else { 2 }));
    case.input("x", Scalar::F32, column(1));
    if shared {
        case.copy("p", "s", Scalar::F32, 1);
    }
    case.line("%x: f32 = load @x[%t]");
    case.line(format!("%y: f32 = call {}(@{memory}[%t], %x)", row.name));
    if shared {
        case.copy("s", "p", Scalar::F32, 1);
    }
    case
}

/// All threads add to one element.
fn contended(row: &Row, scalar: Scalar, shared: bool) -> Case {
    let new = news(scalar);
    let sum = bits(scalar, new.iter().sum());
    let (mut case, memory) = start(row, scalar, shared);
    case.detail += ", all to one";
    case.inout("p", scalar, vec![0; 32], (0..32).map(|at| if at == 0 { sum } else { 0 }).collect());
    case.input("x", scalar, all_bits(scalar, &new));
    if shared {
        case.copy("p", "s", scalar, 1);
    }
    case.line("call sync.threads()");
    case.line(format!("%x: {scalar} = load @x[%t]"));
    let rank = if at_peer(row) { ", %z" } else { "" };
    case.line(format!("%y: {scalar} = call {}(@{memory}[%z], %x{rank})", row.name));
    case.line("call sync.threads()");
    if shared {
        case.copy("s", "p", scalar, 1);
    }
    case
}

fn load(row: &Row, scalar: Scalar, shared: bool) -> Case {
    let (mut case, memory) = start(row, scalar, shared);
    let values = all_bits(scalar, &olds(scalar));
    case.inout("p", scalar, values.clone(), values.clone());
    case.output("y", scalar, values);
    if shared {
        case.copy("p", "s", scalar, 1);
    }
    case.line(format!("%y: {scalar} = call {}(@{memory}[%t])", row.name));
    case.line("store @y[%t] = %y");
    case
}

fn store(row: &Row, scalar: Scalar, shared: bool) -> Case {
    let (mut case, memory) = start(row, scalar, shared);
    let values = all_bits(scalar, &news(scalar));
    case.inout("p", scalar, vec![0; 32], values.clone());
    case.input("x", scalar, values);
    case.line(format!("%x: {scalar} = load @x[%t]"));
    case.line(format!("call {}(@{memory}[%t], %x)", row.name));
    if shared {
        case.copy("s", "p", scalar, 1);
    }
    case
}
