//! Correct kernels: their results, and no reports of the checkers.

use super::*;
use crate::sim::compile;

/// Returns options with several seeds, on one host thread and on two, with and without checks.
fn all_options() -> Vec<Options> {
    let mut all = vec![Options::fast()];
    for seed in 0..10 {
        all.push(Options { seed, threads: Some(1 + seed as usize % 2), ..Options::default() });
    }
    all
}

#[test]
fn vector_add_with_a_guard() {
    let source = "
kernel add<n>(@x: in f32[n], @y: in f32[n], @z: out f32[n])
grid ((n + 63) / 64, 1, 1)
block (64, 1, 1)
{
  %b: i32 = block.x
  %t: i32 = thread
  %w: i32 = const 64
  %s: i32 = mul %b, %w
  %i: i32 = add %s, %t
  %n: i32 = dim n
  %p: bool = lt %i, %n
  if %p {
    %x: f32 = load @x[%i]
    %y: f32 = load @y[%i]
    %z: f32 = add %x, %y
    store @z[%i] = %z
  }
}";
    let n = 1000;
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    for options in all_options() {
        let z = empty(n);
        let report = good(source, &[floats(&x), floats(&x), z.clone()], &[n as i64], &options);
        assert_eq!(as_floats(&z), x.iter().map(|x| 2.0 * x).collect::<Vec<_>>());
        assert_eq!(report.counters.lane_operations, 1024 * 3 + 1000 * 4);
        if options.counters {
            assert_eq!(report.counters.global_read, 8 * n as u64);
            assert_eq!(report.counters.global_sectors, 3 * n.div_ceil(8) as u64);
        }
    }
}

#[test]
fn block_sum_through_shared_memory() {
    let source = "
kernel sum<n>(@x: in f32[n, 128], @y: out f32[n])
grid (n, 1, 1)
block (128, 1, 1)
{
  shared @tile: f32[128]
  %b: i32 = block.x
  %t: i32 = thread
  %zero: i32 = const 0
  %two: i32 = const 2
  %v: f32 = load @x[%b, %t]
  store @tile[%t] = %v
  call sync.threads()
  %start: i32 = const 64
  var $width: i32 = %start
  'halve: loop {
    %w: i32 = read $width
    %done: bool = eq %w, %zero
    if %done { break 'halve }
    %mine: bool = lt %t, %w
    if %mine {
      %other: i32 = add %t, %w
      %a: f32 = load @tile[%t]
      %b.1: f32 = load @tile[%other]
      %c: f32 = add %a, %b.1
      store @tile[%t] = %c
    }
    call sync.threads()
    %h: i32 = div %w, %two
    $width = %h
  }
  %first: bool = eq %t, %zero
  if %first {
    %r: f32 = load @tile[%zero]
    store @y[%b] = %r
  }
}";
    let x: Vec<f32> = (0..5 * 128).map(|i| (i % 97) as f32).collect();
    let sums: Vec<f32> = x.chunks(128).map(|row| row.iter().sum()).collect();
    for options in all_options() {
        let y = empty(5);
        good(source, &[floats(&x), y.clone()], &[5], &options);
        assert_eq!(as_floats(&y), sums);
    }
}

#[test]
fn divergent_loops_breaks_and_returns() {
    // Lane l runs l iterations, and skips every third; lanes above 20 return early.
    let source = "
kernel collatz(@y: out i32[32])
grid (1, 1, 1)
block (32, 1, 1)
{
  %t: i32 = thread
  %zero: i32 = const 0
  %one: i32 = const 1
  %three: i32 = const 3
  %twenty: i32 = const 20
  var $sum: i32 = %zero
  'k: for %k: i32 in %zero..%t step %one {
    %m: i32 = rem %k, %three
    %skip: bool = eq %m, %zero
    if %skip { continue 'k }
    %far: bool = gt %k, %twenty
    if %far { break 'k }
    %s: i32 = read $sum
    %s.1: i32 = add %s, %k
    $sum = %s.1
  }
  %r: i32 = read $sum
  store @y[%t] = %r
  %high: bool = gt %t, %twenty
  if %high { return }
  %r.1: i32 = add %r, %one
  store @y[%t] = %r.1
}";
    let wanted: Vec<i32> =
        (0..32).map(|t| (0..t).filter(|k| k % 3 != 0 && *k <= 20).sum::<i32>() + (t <= 20) as i32).collect();
    for options in all_options() {
        let y = empty(32);
        good(source, std::slice::from_ref(&y), &[], &options);
        assert_eq!(as_ints(&y), wanted);
    }
}

#[test]
fn tasks_layouts_registers_and_shuffles() {
    let source = "
kernel tile(@x: in f32[64, 32], @y: out f32[32, 64])
grid (1, 1, 1)
block (128, 1, 1)
{
  shared @s: f32[64, 32] layout swizzle(row[64, 32], axis 1, by 0, step 0)
  register @r: f32[4, 4]
  %t: i32 = thread
  for (%i: i32, %j: i32) in spatial[4, 1] * repeat[4, 4] * spatial[4, 8] on %t {
    %v: f32 = load @x[%i, %j]
    store @s[%i, %j] = %v
  }
  call sync.threads()
  for (%i.1: i32, %j.1: i32) in repeat[8, 2] ranks[1, 0] * spatial[4, 32] on %t {
    %v.1: f32 = load @s[%j.1, %i.1]
    store @y[%i.1, %j.1] = %v.1
  }
}";
    let x: Vec<f32> = (0..64 * 32).map(|i| i as f32).collect();
    for options in all_options() {
        let y = empty(64 * 32);
        good(source, &[floats(&x), y.clone()], &[], &options);
        let y = as_floats(&y);
        for i in 0..32 {
            for j in 0..64 {
                assert_eq!(y[i * 64 + j], x[j * 32 + i]);
            }
        }
    }
}

#[test]
fn an_atomic_store_is_a_write() {
    let source = "
kernel set(@x: inout i32[1])
grid (1, 1, 1)
block (1, 1, 1)
{
  %zero: i32 = const 0
  %seven: i32 = const 7
  call store.relaxed(@x[%zero], %seven)
  %x: i32 = call load.relaxed(@x[%zero])
  store @x[%zero] = %x
}";
    for options in all_options() {
        let x = empty(1);
        good(source, std::slice::from_ref(&x), &[], &options);
        assert_eq!(as_ints(&x), [7]);
    }
}

/// The shadow of elements that only bulk operations access has granules of 16 bytes.
#[test]
fn bulk_operations_leave_the_granule_large() {
    let granule = |call: &str| {
        let function = kernel(&format!(
            "
kernel copy(@x: in f16[8, 64] align 16)
grid (2, 1, 1)
block (32, 1, 1)
cluster (2, 1, 1)
{{
  shared @from: f16[512] align 128
  shared @to: f16[512] align 128
  shared @bar: u64[1]
  map #0 = @x tile [8, 64] swizzle none
  %zero: i32 = const 0
  %both: u32 = const 3
  {call}
}}"
        ));
        let fixed = compile::Fixed { dims: &[], scalars: &[], tables: &[], grid: [2, 1, 1], check_shape: true };
        compile::compile(&function, &fixed).map_err(|refusal| refusal.message).unwrap().shared_granule
    };
    assert_eq!(granule("call cluster.bulk.copy(@to[%zero], @from[%zero], %zero, @bar[%zero], %zero)"), 8);
    assert_eq!(granule("call tma.load.2d.multicast(@to[%zero], #0, %zero, %zero, @bar[%zero], %both)"), 8);
}
