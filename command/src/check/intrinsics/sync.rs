//! Barriers, fences and waits, which compute nothing: each orders an exchange between threads whose result is known.

use super::case::Case;
use hidet::types::Scalar;

/// Returns all of them.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        reversed("sync.threads", 128, "call sync.threads()"),
        reversed("sync.warp", 32, "%mask: u32 = const 4294967295\ncall sync.warp(%mask)"),
        reversed("bar.sync", 128, "call bar.sync(%one, 128)"),
        reversed("nanosleep", 32, "%ns: u32 = const 1000\ncall nanosleep(%ns)\ncall sync.threads()"),
        reversed("setmaxnreg.dec", 384, &format!("{MOVED}\ncall sync.threads()")),
        reversed("setmaxnreg.inc", 384, &format!("{MOVED}\ncall sync.threads()")),
        reversed("mbarrier.arrive", 128, &mbarrier("call mbarrier.wait(@bar[%z], %z)")),
        reversed("mbarrier.test", 128, &mbarrier(TESTED)),
        reversed("mbarrier.invalidate", 128, &mbarrier(AGAIN)),
        arrived(),
        expected(),
        copied("cp.async.wait.all", "call cp.async.wait.all()\ncall sync.threads()"),
        copied("cp.async.mbarrier.arrive", &format!("call cp.async.mbarrier.arrive(@bar[%z])\n{ARRIVED}")),
        copied("cp.async.mbarrier.arrive.noinc", &format!("call cp.async.mbarrier.arrive.noinc(@bar[%z])\n{WAITED}")),
        stored(),
        brought(),
        elected(),
        clock(),
        met(),
        early("grid.launch"),
        early("grid.wait"),
    ];
    cases.extend(["fence.block", "fence.device", "fence.system"].map(fence));
    cases
}

const INIT: &str = "%first: bool = eq %t, %z
%all: i32 = const 128
if %first {
call mbarrier.init(@bar[%z], %all)
}
call sync.threads()";
const ARRIVED: &str = "call mbarrier.arrive(@bar[%z])
call mbarrier.wait(@bar[%z], %z)";
const WAITED: &str = "call mbarrier.wait(@bar[%z], %z)";
const TESTED: &str = "'test: loop {
%done: bool = call mbarrier.test(@bar[%z], %z)
if %done { break 'test }
}";
/// The barrier is reinitialised, with its first phase.
const AGAIN: &str = "call mbarrier.wait(@bar[%z], %z)
call sync.threads()
if %first {
call mbarrier.invalidate(@bar[%z])
call mbarrier.init(@bar[%z], %all)
}
call sync.threads()
call mbarrier.arrive(@bar[%z])
call mbarrier.wait(@bar[%z], %z)";
const MOVED: &str = "group first 0 threads 128 {
call setmaxnreg.dec(40)
}
group first 128 threads 256 {
call setmaxnreg.inc(232)
}";

/// Every thread arrives at a barrier for all and waits.
fn mbarrier(wait: &str) -> String {
    format!("{INIT}\ncall mbarrier.arrive(@bar[%z])\n{wait}")
}

fn numbers(count: u64) -> Vec<u64> {
    (0..count).map(|at| at * 37 % 251).collect()
}

fn backwards(count: u64) -> Vec<u64> {
    numbers(count).into_iter().rev().collect()
}

/// `y[t] = x[last - t]` through shared memory; `middle` orders the threads.
fn reversed(row: &str, threads: u32, middle: &str) -> Case {
    let mut case = Case::new(row, "", threads);
    case.input("x", Scalar::I32, numbers(threads.into()));
    case.output("y", Scalar::I32, backwards(threads.into()));
    case.memory(format!("shared @s: i32[{threads}]"));
    if middle.contains("@bar") {
        case.memory("shared @bar: u64[1]");
    }
    case.lines("%x: i32 = load @x[%t]\nstore @s[%t] = %x");
    case.lines(middle);
    case.lines(&format!("%last: i32 = const {}\n%from: i32 = sub %last, %t", threads - 1));
    case.lines("%v: i32 = load @s[%from]\nstore @y[%t] = %v");
    case
}

/// One warp writes and arrives, the other waits and reads.
fn arrived() -> Case {
    let mut case = Case::new("bar.arrive", "", 64);
    case.input("x", Scalar::I32, numbers(64));
    case.output("y", Scalar::I32, backwards(64).into_iter().enumerate().map(|(t, v)| v * u64::from(t > 31)).collect());
    case.memory("shared @s: i32[32]");
    case.lines("%x: i32 = load @x[%t]\nstore @y[%t] = %z\n%half: i32 = const 32\n%writes: bool = lt %t, %half");
    case.lines("if %writes {\nstore @s[%t] = %x\ncall bar.arrive(%one, 64)\n} else {\ncall bar.sync(%one, 64)");
    case.lines("%last: i32 = const 63\n%from: i32 = sub %last, %t\n%v: i32 = load @s[%from]\nstore @y[%t] = %v\n}");
    case
}

/// Bytes are expected before the arrival, by an operation of its own.
fn expected() -> Case {
    let mut case = Case::new("mbarrier.expect", "", 32);
    case.input("x", Scalar::I32, numbers(32));
    case.output("y", Scalar::I32, numbers(32));
    case.memory("shared @s: i32[32] align 128");
    case.memory("shared @bar: u64[1]");
    case.lines("%first: bool = eq %t, %z\n%bytes: i32 = const 128\n%mask: u32 = const 4294967295");
    case.lines("if %first {\ncall mbarrier.init(@bar[%z], %one)\ncall mbarrier.init.fence()");
    case.lines("call mbarrier.expect(@bar[%z], %bytes)\ncall bulk.load(@s[%z], @x[%z], %bytes, @bar[%z])");
    case.lines("call mbarrier.arrive(@bar[%z])\n}\ncall sync.warp(%mask)\ncall mbarrier.wait(@bar[%z], %z)");
    case.lines("%v: i32 = load @s[%t]\nstore @y[%t] = %v");
    case
}

/// Each thread copies 16 bytes, which another reads.
fn copied(row: &str, wait: &str) -> Case {
    let mut case = Case::new(row, "", 128);
    case.input("x", Scalar::I32, numbers(512));
    case.output("y", Scalar::I32, backwards(512).into_iter().step_by(4).collect());
    case.memory("shared @s: i32[512] align 16");
    case.memory("shared @bar: u64[1]");
    case.lines(INIT);
    case.lines("%four: i32 = const 4\n%bytes: i32 = const 16\n%at: i32 = mul %t, %four");
    case.lines("call cp.async.16(@s[%at], @x[%at], %bytes)");
    case.lines(wait);
    case.lines("%last: i32 = const 511\n%from: i32 = sub %last, %at\n%v: i32 = load @s[%from]\nstore @y[%t] = %v");
    case
}

/// The source of a bulk store may be overwritten after it was read.
fn stored() -> Case {
    let mut case = Case::new("bulk.wait.read", "", 32);
    case.input("x", Scalar::I32, numbers(32));
    case.inout("g", Scalar::I32, vec![0; 32], numbers(32));
    case.memory("shared @s: i32[32] align 128");
    case.lines("%first: bool = eq %t, %z\n%bytes: i32 = const 128\n%mask: u32 = const 4294967295");
    case.lines("%x: i32 = load @x[%t]\nstore @s[%t] = %x\ncall fence.proxy.async()\ncall sync.warp(%mask)");
    case.lines("if %first {\ncall bulk.store(@g[%z], @s[%z], %bytes)\ncall bulk.commit()\ncall bulk.wait.read(0)\n}");
    case.lines("call sync.warp(%mask)\nstore @s[%t] = %t\nif %first {\ncall bulk.wait(0)\n}");
    case
}

/// A bulk copy reads what threads wrote to global memory.
fn brought() -> Case {
    let mut case = Case::new("fence.proxy.async.global", "", 32);
    case.input("x", Scalar::I32, numbers(32));
    case.inout("g", Scalar::I32, vec![0; 32], numbers(32));
    case.output("y", Scalar::I32, backwards(32));
    case.memory("shared @s: i32[32] align 128");
    case.memory("shared @bar: u64[1]");
    case.lines("%first: bool = eq %t, %z\n%bytes: i32 = const 128\n%last: i32 = const 31\n%from: i32 = sub %last, %t");
    case.lines("if %first {\ncall mbarrier.init(@bar[%z], %one)\ncall mbarrier.init.fence()\n}");
    case.lines("%x: i32 = load @x[%t]\nstore @g[%t] = %x\ncall fence.proxy.async.global()\ncall sync.threads()");
    case.lines("if %first {\ncall mbarrier.arrive.expect(@bar[%z], %bytes)");
    case.lines("call bulk.load(@s[%z], @g[%z], %bytes, @bar[%z])\n}\ncall mbarrier.wait(@bar[%z], %z)");
    case.lines("%v: i32 = load @s[%from]\nstore @y[%t] = %v");
    case
}

/// One lane is elected, any of them.
fn elected() -> Case {
    let mut case = Case::new("elect.one", "", 32);
    case.output("y", Scalar::U32, vec![1; 32]);
    case.lines("%mask: u32 = const 4294967295\n%mine: bool = call elect.one()");
    case.lines("%who: u32 = call vote.ballot(%mask, %mine)\n%count: u32 = call popc(%who)\nstore @y[%t] = %count");
    case
}

/// The clock advances.
fn clock() -> Case {
    let mut case = Case::new("clock", "", 32);
    case.output("y", Scalar::I32, vec![1; 32]);
    case.lines("%ns: u32 = const 1000\n%a: i64 = call clock()\ncall nanosleep(%ns)\n%b: i64 = call clock()");
    case.lines("%later: bool = gt %b, %a\n%y: i32 = cast %later\nstore @y[%t] = %y");
    case
}

/// Another block reads what each block of a grid writes.
fn met() -> Case {
    let mut case = Case::new("grid.sync", "", 32);
    case.grid(4, "cooperative");
    case.input("x", Scalar::I32, numbers(128));
    case.inout("g", Scalar::I32, vec![0; 128], numbers(128));
    case.output("y", Scalar::I32, backwards(128));
    case.lines("%b: i32 = block.x\n%width: i32 = const 32\n%first: i32 = mul %b, %width\n%i: i32 = add %first, %t");
    case.lines("%x: i32 = load @x[%i]\nstore @g[%i] = %x\ncall grid.sync()");
    case.lines("%last: i32 = const 127\n%from: i32 = sub %last, %i\n%v: i32 = load @g[%from]\nstore @y[%i] = %v");
    case
}

/// A launch that waits for the previous one and lets the next begin; chains of them are checked as programs.
fn early(row: &str) -> Case {
    let mut case = Case::new(row, "", 32);
    case.grid(1, "dependent");
    case.input("x", Scalar::I32, numbers(32));
    case.output("y", Scalar::I32, numbers(32));
    case.lines("call grid.wait()\n%x: i32 = load @x[%t]\ncall grid.launch()\nstore @y[%t] = %x");
    case
}

/// A thread that sees a flag sees everything written before it.
fn fence(row: &str) -> Case {
    let mut case = Case::new(row, "", 64);
    case.input("x", Scalar::I32, vec![4711]);
    case.inout("data", Scalar::I32, vec![0], vec![4711]);
    case.inout("flag", Scalar::I32, vec![0], vec![1]);
    case.output("y", Scalar::I32, [vec![4711; 32], vec![0; 32]].concat());
    case.lines("%half: i32 = const 32\n%reads: bool = lt %t, %half\n%writes: bool = eq %t, %half\nstore @y[%t] = %z");
    case.lines("if %writes {\n%x: i32 = load @x[%z]\nstore @data[%z] = %x");
    case.lines(&format!("call {row}()\ncall store.relaxed(@flag[%z], %one)\n}}"));
    case.lines("if %reads {\n'wait: loop {\n%set: i32 = call load.relaxed(@flag[%z])");
    case.lines(&format!("%on: bool = ne %set, %z\nif %on {{ break 'wait }}\n}}\ncall {row}()"));
    case.lines("%v: i32 = load @data[%z]\nstore @y[%t] = %v\n}");
    case
}
