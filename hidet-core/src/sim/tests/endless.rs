//! Endless loops, and loops that only take long.

use super::*;
use crate::sim::{Checks, FaultKind};

#[test]
fn an_endless_loop_is_found() {
    let source = "
kernel endless(@x: in i32[1])
grid (1, 1, 1)
block (64, 1, 1)
{
  %zero: i32 = const 0
  %one: i32 = const 1
  'spin: loop {
    %g: i32 = load @x[%zero]
    %set: bool = eq %g, %one
    if %set { break 'spin }
  }
}";
    let failure = try_run(source, &[floats(&[0.0])], &[], &Options::default()).unwrap_err();
    let fault = &failure.faults()[0];
    assert_eq!((fault.kind, fault.party.span.line), (FaultKind::Deadlock, 9));
}

/// Returns a kernel that counts in registers alone, after a block barrier so that all warps count.
fn counting(end: &str) -> String {
    format!(
        "
kernel counting(@y: out u32[64])
grid (1, 1, 1)
block (64, 1, 1)
{{
  var $i: u32
  %t: i32 = thread
  %zero: u32 = const 0
  %one: u32 = const 1
  %end: u32 = const {end}
  $i = %zero
  'count: loop {{
    %i: u32 = read $i
    %next: u32 = add %i, %one
    $i = %next
    %done: bool = eq %next, %end
    if %done {{ break 'count }}
  }}
  %last: u32 = read $i
  store @y[%t] = %last
}}"
    )
}

#[test]
fn a_long_loop_ends() {
    let y = empty(64);
    good(&counting("1500000"), std::slice::from_ref(&y), &[], &Options::default());
    assert_eq!(as_ints(&y), [1_500_000; 64]);
}

#[test]
fn a_loop_whose_values_never_repeat_ends_at_the_limit() {
    let options = Options { steps: Some(1 << 16), ..Options::default() };
    let failure = try_run(&counting("0"), &[empty(64)], &[], &options).unwrap_err();
    let fault = &failure.faults()[0];
    assert_eq!(fault.kind, FaultKind::Limit);
    assert!(fault.message.contains("after 65536 instructions") && fault.message.contains("HIDET_SIM_STEPS"), "{fault}");
    let unchecked = Options { checks: Checks { deadlock: false, ..Checks::ALL }, ..options };
    good(&counting("100000"), &[empty(64)], &[], &unchecked);
}

#[test]
fn many_atomic_loads_are_no_deadlock() {
    let source = "
kernel polls(@x: inout i32[1], @y: out i32[64])
grid (1, 1, 1)
block (64, 1, 1)
{
  var $sum: i32
  %t: i32 = thread
  %zero: i32 = const 0
  %one: i32 = const 1
  %end: i32 = const 20000
  $sum = %zero
  for %i: i32 in %zero..%end step %one {
    %v: i32 = call load.relaxed(@x[%zero])
    %old: i32 = read $sum
    %sum: i32 = add %old, %v
    $sum = %sum
  }
  %sum.1: i32 = read $sum
  store @y[%t] = %sum.1
}";
    let one = TensorArg { memory: Arc::new(Memory::from_bytes(&1i32.to_le_bytes()).unwrap()), offset: 0 };
    let y = empty(64);
    good(source, &[one, y.clone()], &[], &Options::default());
    assert_eq!(as_ints(&y), [20000; 64]);
}
