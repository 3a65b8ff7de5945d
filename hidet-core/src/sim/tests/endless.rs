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

#[test]
fn what_is_not_simulated_is_named() {
    let name = crate::intrinsics::Intrinsic::all()
        .map(|intrinsic| intrinsic.row())
        .find(|row| row.meaning == crate::intrinsics::Meaning::NotSimulated && row.operands.is_empty())
        .map(|row| row.name.clone());
    let Some(name) = name else { return };
    let source = format!("kernel odd()\ngrid (1, 1, 1)\nblock (128, 1, 1)\n{{\n  call {name}()\n}}\n");
    let failure = try_run(&source, &[], &[], &Options::default()).unwrap_err().to_string();
    assert!(failure.contains(&name) && failure.contains("kernel:5"), "{failure}");
}
