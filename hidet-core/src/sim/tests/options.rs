//! The options of a launch.

use super::*;
use crate::sim::{Checks, FaultKind};

const SAME_PLACE: &str = "
kernel same_place(@x: in i32[32], @y: out i32[2])
grid (1, 1, 1)
block (32, 1, 1)
{
  shared @s: i32[1]
  %t: i32 = thread
  %zero: i32 = const 0
  %one: i32 = const 1
  %full: u32 = const 4294967295
  %v: i32 = load @x[%t]
  store @s[%zero] = %v
  call sync.warp(%full)
  %w: i32 = load @s[%zero]
  %first: bool = eq %t, %zero
  if %first {
    store @y[%zero] = %w
    store @y[%one] = %v
  }
}";

fn ints(values: &[i32]) -> TensorArg {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorArg { memory: Arc::new(Memory::from_bytes(&bytes).unwrap()), offset: 0 }
}

#[test]
fn equal_values_in_one_place_are_allowed_where_asked_for() {
    let equal = [7; 32];
    let mut differing = equal;
    differing[30] = 8;
    let allowing = Options { checks: Checks { equal_stores: false, ..Checks::ALL }, ..Options::default() };
    let race = |values: &[i32; 32], options: &Options| {
        try_run(SAME_PLACE, &[ints(values), empty(2)], &[], options)
            .err()
            .map(|failure| (failure.faults()[0].kind, failure.faults()[0].message.clone()))
    };
    let (kind, message) = race(&equal, &Options::default()).unwrap();
    assert_eq!(kind, FaultKind::Race);
    assert!(message.contains("`Checks::equal_stores`"), "{message}");
    assert_eq!(race(&equal, &allowing), None);
    assert_eq!(race(&differing, &allowing).map(|race| race.0), Some(FaultKind::Race));
}

#[test]
fn a_cooperative_grid_is_judged_by_registers_where_they_are_known() {
    let source = |blocks: u32| {
        format!(
            "kernel meet(@y: out i32[{blocks}])\ngrid ({blocks}, 1, 1)\nblock (256, 1, 1)\ncooperative\n{{
  %b: i32 = block.x
  %t: i32 = thread
  %zero: i32 = const 0
  %first: bool = eq %t, %zero
  if %first {{
    store @y[%b] = %b
  }}
  call grid.sync()
}}"
        )
    };
    let knowing = Options { registers: Some(128), ..Options::default() };
    let run = |blocks: u32, options: &Options| {
        try_run(&source(blocks), &[empty(blocks as usize)], &[], options)
            .map(drop)
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(run(264, &knowing), Ok(()));
    let refused = run(265, &knowing).unwrap_err();
    let words = "there is room for 264: each of the 132 multiprocessors holds 2, limited by 256 threads per block and \
                 128 registers per thread";
    assert!(refused.contains(words), "{refused}");
    assert_eq!(run(265, &Options::default()), Ok(()));
}
