//! The core of hidet: the IR, the passes over it, and the two devices that run it.
//!
//! Modules stand in layers; what stands right may import what stands left of it, never the other way:
//! `types, layout, error | intrinsics | ir | dsl | passes | codegen, sim | cache | cuda | device | kernel`.

pub mod cache;
pub mod codegen;
pub mod cuda;
pub mod device;
pub mod dsl;
pub mod error;
pub mod intrinsics;
pub mod ir;
pub mod kernel;
pub mod layout;
pub mod passes;
pub mod sim;
pub mod testing;
pub mod types;

pub use error::{Error, Result};

/// Kernels in Rust syntax.
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     /// y = a * x
///     #[launch(grid = n.div_ceil(256), block = 256)]
///     pub fn scale<T: Float>(#[meta] twice: bool, x: In<T, [n]>, y: Out<T, [n]>, a: T) {
///         let i = block_idx().x * 256 + thread_idx().x;
///         if i < n { y[[i]] = if twice { x[[i]] * a * 2.0 } else { x[[i]] * a }; }
///     }
/// }
///
/// let device = Device::sim();
/// let x = device.tensor(&[1.0, 2.0, 3.0], [3])?;
/// let mut y = device.empty([3])?;
/// scale::<f32>(true).compile(&device)?.launch(&x, &mut y, 0.5)?;
/// assert_eq!(y.to_vec()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), hidet::Error>(())
/// ```
///
/// Each function with `#[launch(grid, block, cluster, min_blocks, cooperative, dependent)]` becomes a Rust function over
/// its `#[meta]` parameters that returns a [`dsl::Template`]; `#[device]` functions and any other item may stand beside
/// it. `cooperative` lets all blocks run at once, so that they can meet (`grid_sync`); `dependent` lets the kernel begin
/// before the one ahead of it on the stream has ended, for which it waits by `grid_wait`.
///
/// **Device or host** follows from the type: an operation on an [`dsl::Expr`] is emitted, one on any other value is done
/// while the kernel is built. `if`, `while`, `&&` and `||` follow the type of their condition. Four forms are decided by
/// how they are written: `let mut` declares a device variable (`#[meta] let mut` one of the host); a `for` over a range
/// expression, `lanes(n)` or the tasks of a mapping is a loop of the device, over any other iterator (`unroll(0..4)`) it
/// is unrolled; comparisons, control flow, `as` and `[[..]]` work here and in `#[device]` functions alone; a plain number
/// takes the type it meets, and is an `i32` or `f32` where it meets none.
///
/// **Parameters**, up to 16: `In<T, [rows, cols]>`, `Out<..>`, `InOut<..>`, which alone may be changed in place (`+=`), and
/// numbers (`a: f32`); beside them `#[meta] name: Type`, which may be anything; what it borrows must be `'static`. An `Out`
/// holds nothing when the kernel begins, and the kernel writes all of it: the simulated device reports elements that no
/// thread has written, unless `#[partial] y: Out<..>` says that it is meant; what a kernel keeps of a tensor makes it an
/// `InOut`. A name in small letters among the extents that is neither a const nor a meta parameter is an extent which the
/// launch gives; it is an `i32` in the body, and a formula in `#[launch]` and in other extents: `In<f32, [n * 2]>` beside
/// `Out<f32, [n]>` is checked at the launch.
///
/// **Elements**: `x[[i, j]]`, `x[[i, j]] = v`, `x[[i, j]] += v`, and `&x[[i, j]]` as an address for intrinsics;
/// `x.get((i, j))` and `x.set((i, j), v)` are protected; `x.load::<4>((i, j))` and `x.store((i, j), v)` move vectors.
///
/// **Functions** that kernels call are marked [`#[device]`](macro@device). They take device values as `Expr<f32>`, tensors as
/// `In<f32, 2>` and its like or `View<f32, 2>`, variables that they change as `&mut Var<f32>` (`*sum += v`), and values known
/// while building as they are (`n: i32`). What takes either a device value or a number of the host is
/// `impl IntoExpr<f32>`, of which `.into_expr()` makes the device value. A function that computes with operators and methods
/// alone needs no mark.
///
/// `match` and iterators are Rust's own and choose while building; on device values write `if`, which may have a value, and
/// `c.select(a, b)`, which computes both.
///
/// **Blocks** of some threads only: `#[warp(0)] { .. }`, `#[warp_group(1..3)] { .. }`, `#[threads(128..160)] { .. }`.
/// **Loops** over ranges unroll by `#[unroll]`, `#[unroll(4)]`, `#[unroll(never)]`. **Macros**: `assert!(c, "why")`,
/// `print!("{} {:.3}", a, b)`, whose lines [`Printer`](kernel::Printer) can take, and
/// `ptx!("ex2.approx.f32 $0, $1;" => f32, x)`, whose results come first.
///
/// **Floats** compute in their own type and round to nearest even. A product that is added or subtracted at once is rounded
/// once with the sum, on both devices alike; [`CompileOptions::contract`](kernel::CompileOptions::contract) switches that
/// off, so that `a * b + c` is what Rust computes, bit for bit. `a.mul_add(b, c)` is rounded once always. Names of Rust's
/// methods and what they are here: [`dsl::Expr`].
///
/// # From CUDA and Triton
///
/// | there | here |
/// |---|---|
/// | `__global__ void k(const float* x, float* y, int n)` | `#[launch(grid = .., block = ..)] fn k(x: In<f32, [n]>, y: Out<f32, [n]>)` |
/// | `k<<<grid, block>>>(x, y, n)` | `k().compile(&device)?.launch(&x, &mut y)?` |
/// | `__device__` function | `#[device] fn` |
/// | template parameter, `tl.constexpr` | `#[meta] tile: i32`, `const TILE: i32`, `T: Float` |
/// | `threadIdx.x`, `blockIdx.x`, `blockDim.x`, `gridDim.x` | `thread_idx().x`, `block_idx().x`, `block_dim().x`, `grid_dim().x` |
/// | the thread's number in its block, `% 32`, `/ 32` | `thread_id()`, `lane_id()`, `warp_id()` |
/// | `tl.program_id(0)`, `tl.num_programs(0)` | `block_idx().x`, `grid_dim().x` |
/// | `tl.cdiv(n, 128)` | `n.div_ceil(128)` |
/// | `tl.arange(0, 128)` | the tasks of a mapping, `for i in map.on(thread_id())`, or `for i in lanes(n)` of a warp |
/// | `__shared__ float s[32][33]`, `extern __shared__` | `shared::<f32>([32, 33])`, `shared::<f32>([n, 4])` |
/// | `float acc[8]`, `tl.zeros` | `registers::<f32>([8])`, `.fill(0.0)` |
/// | `__syncthreads()`, `__syncwarp()`, `tl.debug_barrier()` | `sync_threads()`, `sync_warp()` |
/// | `bar.sync id, n` | `barrier_sync(id, n)` |
/// | `this_grid().sync()`, `cluster.sync()` | `grid_sync()`, `cluster_sync()` |
/// | `__threadfence_block()`, `__threadfence()`, `__threadfence_system()` | `fence_block()`, `fence_device()`, `fence_system()` |
/// | `atomicAdd(&x[i], v)`, `atomicMax`, `atomicExch`, `atomicCAS` | `atomic_add(&x[[i]], v)`, `atomic_max`, `atomic_exchange`, `atomic_cas` |
/// | `__shfl_sync`, `__shfl_up_sync`, `__shfl_down_sync`, `__shfl_xor_sync` | `shuffle(v, lane)`, `shuffle_up`, `shuffle_down`, `shuffle_xor` |
/// | `__all_sync`, `__any_sync`, `__ballot_sync`, `__activemask` | `warp_all`, `warp_any`, `warp_ballot`, `active_mask` |
/// | `tl.sum(v)`, `tl.max(v)`, `tl.cumsum(v)` | `warp_sum(v)`, `block_sum::<256>(v)`; `warp_max`, `block_max`; `block_scan_add` |
/// | `if (i < n) y[i] = x[i]`, `tl.load(p, mask=m, other=0)`, `tl.store(p, v, mask=m)` | `if i < n { .. }`, `x.get((i,))`, `y.set((i,), v)` |
/// | `c ? a : b`, `tl.where(c, a, b)` | `if c { a } else { b }`, `c.select(a, b)` |
/// | `*(float4*)&x[i]` | `x.load::<4>((i,))`, `y.store((i,), v)` |
/// | `__ldg`, `__ldcs` | [`load_hint`](dsl::intrinsics::load_hint); inputs that nothing writes go through the read-only cache by themselves |
/// | `mma.sync`, `wmma`, `tl.dot` | [`mma_m16n8k16`](dsl::intrinsics::mma_m16n8k16) and its like, [`wgmma`](dsl::intrinsics::wgmma) |
/// | `cp.async`, TMA | `cp_async`, `tma_load` |
/// | `expf`, `logf`, `log2f`, `sinf`, `tanhf`, `erff`, `tl.exp` | `x.exp()`, `x.ln()`, `x.log2()`, `x.sin()`, `x.tanh()`, `x.erf()` |
/// | `sqrtf`, `rsqrtf`, `fabsf`, `powf(x, y)`, `fmaf(a, b, c)` | `x.sqrt()`, `x.rsqrt()`, `x.abs()`, `x.powf(y)`, `a.mul_add(b, c)` |
/// | `fmaxf(a, b)`, `fminf(a, b)`, `max`, `min`, `tl.maximum` | `a.max(b)`, `a.min(b)` |
/// | `fmodf(a, b)`, `floorf`, `ceilf`, `rintf`, `copysignf` | `a % b`, `x.floor()`, `x.ceil()`, `x.round_ties_even()`, `x.copysign(s)` |
/// | `tl.sigmoid(x)` | `1.0 / (1.0 + (-x).exp())` |
/// | `(float)h`, `__float2half(x)`, `x.to(tl.float16)` | `h as f32`, `x as f16` |
/// | `__float_as_uint(x)`, `__uint_as_float(b)` | `x.to_bits()`, `Expr::<f32>::from_bits(b)` |
/// | `__popc`, `__clz`, `__brev`, `__byte_perm`, `__dp4a` | `x.count_ones()`, `x.leading_zeros()`, `x.reverse_bits()`, `byte_permute`, `dot4` |
/// | `#pragma unroll`, `tl.static_range(4)` | `#[unroll] for`, `for k in unroll(0..4)`, whose `k` is known while building |
/// | `printf("%d\n", i)`, `assert(c)`, `tl.device_print` | `print!("{}", i)`, `assert!(c, "why")` |
/// | `asm("..")` | `ptx!("..", ..)` |
/// | `__launch_bounds__(t, b)` | `#[launch(block = t, min_blocks = b, ..)]` |
///
/// # The simulated device
///
/// `Device::sim()` checks everything. What can be switched, in [`sim::Options`] for `Device::sim_with`:
///
/// | option | default | what it does |
/// |---|---|---|
/// | `seed` | 0 | decides every order that the hardware leaves open; one seed gives one result |
/// | `checks.races`, `.bounds`, `.uninitialised`, `.divergence`, `.deadlock`, `.alignment` | on | what is reported as a fault |
/// | `checks.equal_stores` | on | whether lanes that store one value to one place in one instruction are a race too |
/// | `steps` | `HIDET_SIM_STEPS`, or 2^34 | instructions that the warps of a block may run; 0 for any number |
/// | `registers` | not known | registers a thread takes of a GPU, by which a cooperative grid is judged |
/// | `counters` | on | whether traffic, bank conflicts and sectors are counted |
/// | `threads` | all cores | threads of the host |
/// | `tally` | none | where the counters of all launches are added up |
///
/// [`sim::Options::fast`] switches checks and counters off. The environment variable `HIDET_DEVICE=sim` makes
/// `Device::best()` take it where there is a GPU. It runs as fast as hidet-core is optimised: in a crate of your own set
/// `opt-level = 2` in `[profile.dev.package.hidet-core]`, so that debug builds and tests have it too. For all packages,
/// `[profile.dev.package."*"]`, it is no faster, and the first build takes twice as long.
///
/// # Crates
///
/// It works through any re-export of this crate, because it hands on the path of its own crate; inside of it,
/// `#![hidet(crate = path)]` names another, as `#[device(crate = path)]` does outside.
#[macro_export]
macro_rules! kernel {
    ($($tokens:tt)*) => {
        $crate::__macros::kernel! { [$crate] $($tokens)* }
    };
}

/// The macros behind `kernel!`. Not for use by hand.
#[doc(hidden)]
pub mod __macros {
    pub use hidet_macros::kernel;
}
pub use hidet_macros::device;
