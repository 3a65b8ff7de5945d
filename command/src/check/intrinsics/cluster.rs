//! The shared memory of other blocks, between two blocks of a cluster: each gives values to the other, which stores
//! them in `y`.

use super::case::Case;
use super::matrix::types;
use super::numbers::{all_bits, bits};
use hidet::intrinsics::{AtomicOp, Meaning, Row};
use hidet::types::Scalar;

/// The cases of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    let one = |before: &str, exchange: &str, after: &str| vec![case(row, Scalar::I32, before, exchange, after)];
    let each = |before: &str, exchange: &str| {
        let scalars = types(row, 0).into_iter().filter(|scalar| *scalar != Scalar::Bool);
        scalars.map(|scalar| case(row, scalar, before, exchange, SYNC)).collect()
    };
    match row.name.as_str() {
        "cluster.sync" => one("", &format!("store @s[%t] = %x\n{SYNC}\n{LOAD}"), SYNC),
        "cluster.arrive" | "cluster.wait" => one("", &format!("store @s[%t] = %x\n{MEET}\n{LOAD}"), MEET),
        "cluster.arrive.relaxed" => one("", &format!("store @s[%t] = %x\n{SYNC}\n{LOAD}\n{MEET_RELAXED}"), SYNC),
        "cluster.load" => each("", &format!("store @s[%t] = %x\n{SYNC}\n{LOAD}")),
        "cluster.store" => each(SYNC, &format!("call cluster.store(@s[%t], %x, %next)\n{SYNC}\n%v: T = load @s[%t]")),
        "cluster.mbarrier.arrive" => one(READY, &format!("{STORE}\n{ARRIVE}\n%v: T = load @s[%t]"), SYNC),
        "cluster.mbarrier.arrive.relaxed" => {
            let arrive = ARRIVE.replace("arrive(", "arrive.relaxed(");
            one(READY, &format!("store @s[%t] = %x\n{SYNC}\n{LOAD}\n{arrive}"), SYNC)
        }
        "cluster.mbarrier.arrive.expect" => one(
            EMPTY,
            &format!("if %first {{\ncall {}(@full[%z], %bytes, %next)\n}}\n{SYNC}\n{PUSH}\n{PUSHED}", row.name),
            SYNC,
        ),
        "cluster.store.async" => each(EXPECTING, &format!("{PUSH}\n{PUSHED}")),
        "cluster.bulk.copy" => each(
            &format!("store @from[%t] = %x\ncall fence.proxy.async()\n{EXPECTING}"),
            &format!("if %first {{\ncall {}(@s[%z], @from[%z], %bytes, @full[%z], %next)\n}}\n{PUSHED}", row.name),
        ),
        "mapa" => vec![mapa(row)],
        _ => match row.meaning {
            Meaning::PushReduce(op) => types(row, 0).into_iter().map(|scalar| reduce(row, scalar, op)).collect(),
            _ => Vec::new(),
        },
    }
}

const SYNC: &str = "call cluster.sync()";
const MEET: &str = "call cluster.arrive()\ncall cluster.wait()";
const MEET_RELAXED: &str = "call cluster.arrive.relaxed()\ncall cluster.wait()";
const LOAD: &str = "%v: T = call cluster.load(@s[%t], %next)";
const STORE: &str = "call cluster.store(@s[%t], %x, %next)";
const ARRIVE: &str = "call cluster.mbarrier.arrive(@full[%z], %next)\ncall mbarrier.wait(@full[%z], %z)";
/// A barrier for the lanes of the other block.
const READY: &str = "if %first {
call mbarrier.init(@full[%z], %width)
call mbarrier.init.fence()
}
call cluster.sync()";
/// A barrier that expects nothing yet.
const EMPTY: &str = "if %first {
call mbarrier.init(@full[%z], %one)
call mbarrier.init.fence()
}
call cluster.sync()";
/// A barrier for the bytes of the other block.
const EXPECTING: &str = "if %first {
call mbarrier.init(@full[%z], %one)
call mbarrier.init.fence()
call mbarrier.arrive.expect(@full[%z], %bytes)
}
call cluster.sync()";
const PUSH: &str = "call cluster.store.async(@s[%t], %x, @full[%z], %next)";
const PUSHED: &str = "call mbarrier.wait(@full[%z], %z)\n%v: T = load @s[%t]";

fn values(scalar: Scalar) -> Vec<i64> {
    let lowest = if scalar.is_float() || scalar.is_signed_int() { -8 } else { 0 };
    (0..64).map(|at| at * 7 % 16 + lowest).collect()
}

/// Returns the values of the other block.
fn exchanged<T: Copy>(values: &[T]) -> Vec<T> {
    [&values[32..], &values[..32]].concat()
}

/// Two blocks of a warp: `x` of this thread and, in the end, `v` for it.
fn case(row: &Row, scalar: Scalar, before: &str, exchange: &str, after: &str) -> Case {
    let mut case = start(row, scalar);
    let x = all_bits(scalar, &values(scalar));
    case.output("y", scalar, exchanged(&x));
    case.input("x", scalar, x);
    let named = |text: &str| text.replace(": T =", &format!(": {scalar} ="));
    case.lines(&format!("%x: {scalar} = load @x[%i]"));
    [before, exchange, "store @y[%i] = %v", after].iter().for_each(|text| case.lines(&named(text)));
    case
}

fn start(row: &Row, scalar: Scalar) -> Case {
    let mut case = Case::new(&row.name, scalar.name(), 32);
    case.grid(2, "cluster (2, 1, 1)");
    case.memory(format!("shared @s: {scalar}[32] align 128"));
    case.memory(format!("shared @from: {scalar}[32] align 128"));
    case.memory("shared @full: u64[1]");
    case.lines("%rank: i32 = cluster_rank\n%next: i32 = sub %one, %rank\n%first: bool = eq %t, %z");
    case.lines(&format!("%width: i32 = const 32\n%bytes: i32 = const {}", 32 * scalar.bytes()));
    case.lines("%base: i32 = mul %rank, %width\n%i: i32 = add %base, %t");
    case
}

/// A reduction into the memory of the other block.
fn reduce(row: &Row, scalar: Scalar, op: AtomicOp) -> Case {
    let (old, new) = (values(scalar), exchanged(&values(scalar)).into_iter().rev().collect::<Vec<i64>>());
    let combine = |(old, new): (&i64, i64)| match op {
        AtomicOp::Add => old + new,
        AtomicOp::Min => new.min(*old),
        AtomicOp::Max => new.max(*old),
        AtomicOp::And => old & new,
        AtomicOp::Or => old | new,
        _ => old ^ new,
    };
    let result: Vec<i64> = old.iter().zip(exchanged(&new)).map(combine).collect();
    let mut case = start(row, scalar);
    case.input("old", scalar, all_bits(scalar, &old));
    case.input("x", scalar, all_bits(scalar, &new));
    case.output("y", scalar, result.iter().map(|value| bits(scalar, *value)).collect());
    case.lines(&format!("%old: {scalar} = load @old[%i]\nstore @s[%t] = %old\n%x: {scalar} = load @x[%i]"));
    case.lines("call fence.proxy.async()");
    case.lines(EXPECTING);
    case.lines(&format!("call {}(@s[%t], %x, @full[%z], %next)", row.name));
    case.lines(&PUSHED.replace(": T =", &format!(": {scalar} =")));
    case.lines("store @y[%i] = %v");
    case.lines(SYNC);
    case
}

/// Addresses within one block differ as its elements do, and addresses of two blocks differ.
fn mapa(row: &Row) -> Case {
    let mut case = start(row, Scalar::I32);
    case.output("y", Scalar::U32, (0..64).map(|i| i % 32 * 4 + 1).collect());
    case.lines("store @s[%t] = %t\ncall cluster.sync()");
    case.lines("%a: u32 = call mapa(@s[%t], %next)\n%b: u32 = call mapa(@s[%z], %next)");
    case.lines("%own: u32 = call mapa(@s[%z], %rank)\n%far: bool = ne %own, %b\n%other: u32 = cast %far");
    case.lines("%between: u32 = sub %a, %b\n%y: u32 = add %between, %other\nstore @y[%i] = %y\ncall cluster.sync()");
    case
}
