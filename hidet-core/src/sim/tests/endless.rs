//! What would never end.

use super::*;
use crate::sim::FaultKind;

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
