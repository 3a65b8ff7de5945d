//! The core of hidet: the IR, the passes over it, and the two devices that run it.
//!
//! Modules are layered; a module may import those to its left, never those to its right:
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
pub mod tune;
pub mod types;

pub use error::{Error, Result};

/// Defines kernels in Rust syntax.
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
/// Each function with `#[launch(grid, block, cluster, min_blocks, cooperative, dependent)]` becomes a Rust function of
/// its `#[meta]` parameters that returns a [`dsl::Template`]. `#[device]` functions and any other items may stand
/// beside it. The arguments of `launch`:
///
/// - `grid`, `block`: the numbers of blocks and of threads per block, one to three of each.
/// - `cluster`: the number of blocks per thread block cluster.
/// - `min_blocks`: the minimum number of resident blocks per multiprocessor, the second number of `__launch_bounds__`.
/// - `cooperative`: all blocks of the grid run at once, so that they can synchronise (`grid_sync`).
/// - `dependent`: a programmatic dependent launch. The kernel may begin before those ahead of it, on the stream or in the
///   graph, have ended. It waits for them by `grid_wait`, or if that is nowhere, before its first access to global memory.
///   It lets the next one begin by `grid_launch`, or else when it ends.
///
/// # Device values and meta values
///
/// A kernel is *built* while your program runs, by `.compile(&device)` (or [`Template::build`](dsl::Template::build)):
/// its body is executed once on the CPU and records device operations, which are then compiled. A *device value*, a
/// [`dsl::Expr`], is a value of the running kernel. A *meta value* is an ordinary Rust value that exists only while the
/// kernel is built. It ends as a constant in the code, like a template argument in C++.
///
/// Types decide where an operation runs: an operation on a device value is recorded for the device, an operation on a
/// meta value is evaluated while the kernel is built. `if`, `while`, `&&` and `||` follow the type of their condition.
/// Syntax decides in these cases:
///
/// - `let mut` declares a device variable, `#[meta] let mut` a meta variable.
/// - A `for` over a range expression, `lanes(n)` or the tasks of a mapping is a device loop. A `for` over any other
///   iterator (`unroll(0..4)`) is unrolled. [`lanes(n)`](dsl::lanes) distributes 0..n over the lanes of the warp: lane
///   l does l, l + 32, l + 64, ..
/// - Comparisons, control flow, `as` and `[[..]]` on device values work only here and in `#[device]` functions.
/// - A number without a type suffix takes its type from the context, and is an `i32` or `f32` if there is none.
///
/// # Parameters
///
/// A kernel has up to 16 parameters: tensors `In<T, [rows, cols]>`, `Out<..>` and `InOut<..>`, and numbers (`a: f32`).
/// Only an `InOut` can be updated in place (`+=`). In addition, `#[meta] name: Type` declares a meta parameter of any
/// type; what it borrows must be `'static`.
///
/// `#[when(biased)] bias: Option<In<T, [cols]>>` is an optional parameter, of a tensor or number. The kernel has it if the
/// condition, a `bool` of meta values, is true. The body chooses while it is built, and the launch passes an `Option`:
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n.div_ceil(32), block = 32)]
///     fn scale(#[meta] biased: bool, x: In<f32, [n]>, #[when(biased)] bias: Option<f32>, y: Out<f32, [n]>) {
///         let i = block_idx().x * 32 + thread_idx().x;
///         let value = x.get((i,)) * 2.0;
///         y.set((i,), if let Some(bias) = bias { value + bias } else { value });
///     }
/// }
///
/// let device = Device::sim();
/// let (x, mut y) = (device.tensor(&[1.0, 2.0], [2])?, device.empty([2])?);
/// scale(true).compile(&device)?.launch(&x, Some(0.5), &mut y)?;
/// assert_eq!(y.to_vec()?, [2.5, 4.5]);
/// scale(false).compile(&device)?.launch(&x, None, &mut y)?;
/// assert_eq!(y.to_vec()?, [2.0, 4.0]);
/// # Ok::<(), hidet::Error>(())
/// ```
///
/// An `Out` holds whatever its memory held before when the kernel begins, and the kernel must write all of it: the
/// simulated device reports elements that no thread has written, unless the parameter is `#[partial] y: Out<..>`. A
/// tensor of which the kernel keeps old elements is an `InOut`.
///
/// A lower-case name among the extents that is neither a constant nor a meta parameter is a symbolic extent, given at
/// launch. In the body it is a device value, `Expr<i32>`, so `if i < n` branches on the device. In `#[launch]` and in
/// other extents it is a formula: `In<f32, [n * 2]>` beside `Out<f32, [n]>` is checked at launch.
///
/// A parameter can be a table of tensors, `x: InTable<T, [groups, _m, k]>`, of which `x.at(g)` is the view of one: see
/// [`Table`](dsl::Table).
///
/// Tensors are passed where they are, whatever the distances between their rows and batches: a part of a larger tensor
/// ([`Tensor::slice`](device::Tensor::slice)), one with exchanged axes or repeated elements
/// ([`Tensor::strided_view`](device::Tensor::strided_view)), or one of another framework. Only the last axis is always
/// contiguous. The first launch with such a tensor compiles the kernel for strides that come with the launch; launches with
/// contiguous tensors are not affected. If a kernel needs a tensor to be contiguous, or its rows to be aligned, the launch
/// says so, with the reason:
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = rows, block = 32)]
///     fn row_sum(x: In<f32, [rows, cols]>, y: Out<f32, [rows]>) {
///         let mut sum = 0.0;
///         for j in (thread_id()..cols).step_by(32) {
///             sum += x[[block_idx().x, j]];
///         }
///         let sum = warp_sum(sum);
///         if thread_id() == 0 { y[[block_idx().x]] = sum; }
///     }
/// }
///
/// let device = Device::sim();
/// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// let mut y = device.empty([2])?;
/// row_sum().compile(&device)?.launch(&x.slice([0..2, 1..3])?, &mut y)?;
/// assert_eq!(y.to_vec()?, [5.0, 11.0]);
/// # Ok::<(), hidet::Error>(())
/// ```
///
/// # Elements
///
/// - `x[[i, j]]`, `x[[i, j]] = v` and `x[[i, j]] += v` access elements; `&x[[i, j]]` is an address for intrinsics.
/// - `x.get((i, j))` and `x.set((i, j), v)` are protected: outside of the tensor they read zero and write nothing.
/// - `x.load::<4>((i, j))` and `x.store((i, j), v)` access vectors.
///
/// # Functions
///
/// Functions that kernels call are marked [`#[device]`](macro@device). They take device values as `Expr<f32>`, tensors
/// as `In<f32, 2>`, `Out<f32, 2>`, `InOut<f32, 2>` or `View<f32, 2>`, variables that they change as `&mut Var<f32>`
/// (`*sum += v`), and meta values as they are (`n: i32`). A parameter `impl IntoExpr<f32>` accepts both a device value
/// and a meta value; `.into_expr()` converts it to a device value. A function that uses only operators and methods
/// needs no mark.
///
/// # Control flow
///
/// `match` and iterators are Rust's own, and are evaluated while the kernel is built. On device values use `if`, which
/// may have a value, or `c.select(a, b)`, which evaluates both.
///
/// - `#[warp(0)] { .. }`, `#[warp_group(1..3)] { .. }` and `#[threads(128..160)] { .. }` run a block in some threads
///   only (warp specialisation).
/// - `#[unroll]`, `#[unroll(4)]` and `#[unroll(never)]` control the unrolling of a loop over a range.
///
/// # Task mappings
///
/// A task mapping, [`TaskMapping`](hidet_mapping::TaskMapping), says which worker does which tasks, in which order:
///
/// - [`spatial(s)`](hidet_mapping::spatial): one worker per task of a grid of shape s.
/// - [`repeat(s)`](hidet_mapping::repeat): one worker does all tasks of a grid of shape s, in order.
/// - `a * b`: each task of a is replaced by a whole b. Shapes and numbers of workers multiply, and worker w does task
///   `w % b.workers()` of b in the task `w / b.workers()` of a.
///
/// So `spatial([4, 8]) * repeat([2, 2])` has 32 workers and the shape [8, 16]: each worker does a square of 2 x 2
/// tasks. `for (i, j) in map.on(thread_id()) { .. }` loops over the tasks of a thread.
/// [`#[task_mapping]`](hidet_macros::task_mapping) checks the number of workers and the shape at compile time, and
/// makes a mapping of a formula. [`symbolic_spatial`](dsl::symbolic_spatial) and
/// [`symbolic_repeat`](dsl::symbolic_repeat) have extents that are device values,
/// [`auto_map`](hidet_mapping::auto_map) finds a mapping for a shape and a number of workers. `hidet viz` draws them.
///
/// # Layouts
///
/// Shared memory and registers are row-major, unless they are made from a [`Layout`](layout::Layout):
/// `shared::<f16>(Layout::row_major([64, 64]).swizzle(1, 0, 0))`. Layouts are strided, permuted, reshaped, swizzled,
/// or products of layouts (tiles). [`Layout::tma`](layout::Layout::tma) is the layout of a box that TMA writes,
/// [`matrix_layout`](dsl::intrinsics::matrix_layout) that of an operand of wgmma. `hidet viz` draws them, and `hidet
/// bench --device sim` counts bank conflicts.
///
/// # Views and fusion
///
/// A tensor is a [`View`](dsl::View): `x.tile(start, shape)`, `x.slice(i)`, `x.row(i)` and `x.column(j)` are parts of
/// it, `x.map(f)` computes its elements on load, `y.map_store(f)` on store, and `x.remap(shape, run, f)` changes its
/// coordinates. [`x.map_with((bias.along([1]), residual), f)`](dsl::View::map_with) and
/// [`map_store_with`](dsl::View::map_store_with) take further tensors, which are loaded in vectors where the kernel loads
/// vectors of `x`. A kernel is made of views, so [`Template::fuse`](dsl::Template::fuse) adds a prologue or an epilogue to
/// any kernel without changing it: one launch computes everything. A kernel that copies tiles itself, such as by TMA, takes
/// its inputs and outputs apart, [`x.prologue()`](dsl::View::prologue) and [`y.epilogue()`](dsl::View::epilogue): it copies
/// the tensors below, and applies the functions in registers. The parts in `hidet::blocks` do that.
///
/// Where the number, types or ranks of the new parameters are known only at run time, as in a graph of operators,
/// [`Template::bind`](dsl::Template::bind) does the same with [`AnyView`](dsl::AnyView) and [`AnyExpr`](dsl::AnyExpr), and
/// [`Kernel::launch_raw`](kernel::Kernel::launch_raw) launches a kernel of any number of parameters.
/// [`dispatch!`](crate::dispatch) chooses the instance of a generic kernel for an element type that is a value.
///
/// # Streams and graphs
///
/// `kernel.on(&stream).launch(..)` launches on a [`Stream`](device::Stream), made by
/// [`Device::stream`](device::Device::stream). Uses of one tensor on several streams are ordered automatically.
/// [`Graph::capture`](device::Graph::capture) records launches and copies, and
/// [`Graph::replay`](device::Graph::replay) repeats them. [`Pinned`](device::Pinned) is host memory for asynchronous
/// copies.
///
/// # Compile options
///
/// `.compile_with(&device, &options)` takes [`CompileOptions`](kernel::CompileOptions). On a GPU,
/// `CompileOptions { checks: true, ..CompileOptions::default() }` checks every access that is not proved to be in
/// bounds (*checked mode*). `contract: false` turns FMA contraction off, `wide_index: true` computes all offsets in 64
/// bits, and `printer` receives printed lines.
///
/// # Macros
///
/// - `assert!(c, "why")` checks a condition.
/// - `print!("{} {:.3}", a, b)` prints a line, which a [`Printer`](kernel::Printer) can receive.
/// - `ptx!("ex2.approx.f32 $0, $1;" => f32, x)` is inline PTX; its results are the first operands.
///
/// # Floating point
///
/// Floats are computed in their own type and round to nearest even. A product that is directly added or subtracted is
/// contracted to an FMA, which rounds once, on both devices alike. Without
/// [`CompileOptions::contract`](kernel::CompileOptions::contract), `a * b + c` is bit for bit what Rust computes.
/// `a.mul_add(b, c)` always rounds once. The methods of numbers, and where they differ from Rust's: [`dsl::Expr`].
///
/// # From CUDA and Triton
///
/// | CUDA, Triton | hidet |
/// |---|---|
/// | `__global__ void k(const float* x, float* y, int n)` | `#[launch(grid = .., block = ..)] fn k(x: In<f32, [n]>, y: Out<f32, [n]>)` |
/// | `k<<<grid, block>>>(x, y, n)` | `k().compile(&device)?.launch(&x, &mut y)?` |
/// | `__device__` function | `#[device] fn` |
/// | template parameter, `tl.constexpr` | `#[meta] tile: i32`, `const TILE: i32`, `T: Float` |
/// | `threadIdx.x`, `blockIdx.x`, `blockDim.x`, `gridDim.x` | `thread_idx().x`, `block_idx().x`, `block_dim().x`, `grid_dim().x` |
/// | linear thread index in the block, `% 32`, `/ 32` | `thread_id()`, `lane_id()`, `warp_id()` |
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
/// | `__ldg`, `__ldcs` | [`load_hint`](dsl::intrinsics::load_hint); inputs that nothing writes use the read-only data cache automatically, except in dependent launches |
/// | `mma.sync`, `wmma`, `tl.dot` | [`mma_m16n8k16`](dsl::intrinsics::mma_m16n8k16) and similar functions, [`wgmma`](dsl::intrinsics::wgmma) |
/// | `ldmatrix`, `stmatrix` | [`ldmatrix_x4`](dsl::intrinsics::ldmatrix_x4), [`stmatrix_x4`](dsl::intrinsics::stmatrix_x4) and similar functions |
/// | `wgmma.fence`, `wgmma.commit_group`, `wgmma.wait_group` | [`wgmma_fence`](dsl::intrinsics::wgmma_fence), [`wgmma_commit`](dsl::intrinsics::wgmma_commit), [`wgmma_wait`](dsl::intrinsics::wgmma_wait) |
/// | `cp.async`, `cp.async.commit_group`, `cp.async.wait_group`, `__pipeline_memcpy_async` | [`cp_async::<16>`](dsl::intrinsics::cp_async), [`cp_async_commit`](dsl::intrinsics::cp_async_commit), [`cp_async_wait`](dsl::intrinsics::cp_async_wait) |
/// | an array of pointers (`float**`), as of grouped or batched products | `InTable<T, [groups, _m, k]>`, [`x.at(g)`](dsl::Table::at) |
/// | `CUtensorMap`, `cuTensorMapEncodeTiled` | [`x.tensor_map(tile, swizzle)`](dsl::View::tensor_map), of a parameter or a view of one; with `elementStrides`, [`x.tensor_map_with_steps(tile, steps, swizzle)`](dsl::View::tensor_map_with_steps) |
/// | `cuTensorMapEncodeIm2col`, `cp.async.bulk.tensor` with `.im2col` | [`x.im2col_map(pixels, [count, channels], swizzle)`](dsl::View::im2col_map), [`tma_load_im2col`](dsl::intrinsics::tma_load_im2col) |
/// | `cp.async.bulk.tensor` (TMA), `.multicast::cluster`, `cp.reduce.async.bulk.tensor` | [`tma_load`](dsl::intrinsics::tma_load), [`tma_store`](dsl::intrinsics::tma_store), [`tma_load_multicast`](dsl::intrinsics::tma_load_multicast), [`tma_reduce_add`](dsl::intrinsics::tma_reduce_add) |
/// | `cp.async.bulk`, `cp.async.bulk.commit_group`, `cp.async.bulk.wait_group` | [`bulk_load`](dsl::intrinsics::bulk_load), [`bulk_store`](dsl::intrinsics::bulk_store), [`bulk_commit`](dsl::intrinsics::bulk_commit), [`bulk_wait`](dsl::intrinsics::bulk_wait) |
/// | `cuda::barrier`, `mbarrier`, `expect_tx` | [`mbarriers(n)`](dsl::intrinsics::mbarriers) with `.init`, `.arrive`, `.arrive_expect`, `.expect`, `.wait` |
/// | `fence.proxy.async`, `fence.mbarrier_init` | [`fence_proxy_async`](dsl::intrinsics::fence_proxy_async), [`mbarrier_init_fence`](dsl::intrinsics::mbarrier_init_fence) |
/// | `cluster.map_shared_rank` (`mapa`), `st.async`, `red.async` | [`s.at_rank(rank)`](dsl::View::at_rank), [`cluster_store_async`](dsl::intrinsics::cluster_store_async), [`cluster_add_async`](dsl::intrinsics::cluster_add_async) |
/// | `griddepcontrol`, `cudaGridDependencySynchronize`, `cudaTriggerProgrammaticLaunchCompletion` | `#[launch(dependent, ..)]` with [`grid_wait`](dsl::intrinsics::grid_wait), [`grid_launch`](dsl::intrinsics::grid_launch) |
/// | `elect.sync`, `setmaxnreg` | [`elect_one`](dsl::intrinsics::elect_one), [`set_max_registers`](dsl::intrinsics::set_max_registers) |
/// | `clock64`, `__nanosleep` | [`clock`](dsl::intrinsics::clock), [`nanosleep`](dsl::intrinsics::nanosleep) |
/// | `cuda::atomic_ref` (device scope), `volatile` for flags | [`load_acquire`](dsl::intrinsics::load_acquire), [`store_release`](dsl::intrinsics::store_release), `load_relaxed`, `store_relaxed`, `atomic_add_acq_rel` and similar functions |
/// | `__reduce_add_sync` | [`redux_add`](dsl::intrinsics::redux_add), `redux_min`, `redux_max`, `redux_and`, `redux_or`, `redux_xor` |
/// | `half2`, `float4` | `Vector<f16, 2>`, `Vector<f32, 4>`: [`dsl::Vector`] |
/// | `expf`, `logf`, `log2f`, `sinf`, `tanhf`, `erff`, `tl.exp` | `x.exp()`, `x.ln()`, `x.log2()`, `x.sin()`, `x.tanh()`, `x.erf()` |
/// | `sqrtf`, `rsqrtf`, `fabsf`, `powf(x, y)`, `fmaf(a, b, c)` | `x.sqrt()`, `x.rsqrt()`, `x.abs()`, `x.powf(y)`, `a.mul_add(b, c)` |
/// | `ex2.approx.ftz`, `tanh.approx`, `rcp.approx.ftz` | [`x.exp2_approx()`](dsl::Expr::exp2_approx), [`x.tanh_approx()`](dsl::Expr::tanh_approx), [`x.recip_approx()`](dsl::Expr::recip_approx) |
/// | `fmaxf(a, b)`, `fminf(a, b)`, `max`, `min`, `tl.maximum` | `a.max(b)`, `a.min(b)` |
/// | `fmodf(a, b)`, `floorf`, `ceilf`, `rintf`, `copysignf` | `a % b`, `x.floor()`, `x.ceil()`, `x.round_ties_even()`, `x.copysign(s)` |
/// | `tl.sigmoid(x)` | `1.0 / (1.0 + (-x).exp())` |
/// | `(float)h`, `__float2half(x)`, `x.to(tl.float16)` | `h as f32`, `x as f16` |
/// | `__float_as_uint(x)`, `__uint_as_float(b)` | `x.to_bits()`, `Expr::<f32>::from_bits(b)` |
/// | `__popc`, `__clz`, `__brev`, `__byte_perm`, `__dp4a` | `x.count_ones()`, `x.leading_zeros()`, `x.reverse_bits()`, `byte_permute`, `dot4` |
/// | `__ffs(x)`, `__funnelshift_l`, `__funnelshift_r` | `x.trailing_zeros() + 1` if x is not 0; [`funnel_left`](dsl::intrinsics::funnel_left), [`funnel_right`](dsl::intrinsics::funnel_right) |
/// | `lop3`, `bfe`, `bfi` | [`logic`](dsl::intrinsics::logic), [`x.bit_field(from, length)`](dsl::Expr::bit_field), [`insert_bits`](dsl::intrinsics::insert_bits) |
/// | `__umulhi(a, b)` | `((a as u64 * b as u64) >> 32) as u32` |
/// | `warpSize`, `num_warps=4` | 32, `#[launch(block = 128, ..)]` |
/// | `#pragma unroll`, `tl.static_range(4)` | `#[unroll] for`, `for k in unroll(0..4)`, whose `k` is a meta value |
/// | `printf("%d\n", i)`, `assert(c)`, `tl.device_print` | `print!("{}", i)`, `assert!(c, "why")` |
/// | `asm("..")` | `ptx!("..", ..)` |
/// | `__launch_bounds__(t, b)` | `#[launch(block = t, min_blocks = b, ..)]` |
/// | `tl.autotune`, `cooperative_groups` of other sizes, `atomicAdd_block`, `atomicAdd_system`, `__match_any_sync`, `__constant__`, textures, `tcgen05`, dynamic parallelism | not available; `ptx!` may help for instructions |
///
/// # The simulated device
///
/// `Device::sim()` checks everything. A report gives the source line, and names an intrinsic as the text of the IR
/// does: `shuffle` is `shfl.index`, `sync_warp` is `sync.warp`. [`sim::Options`], for `Device::sim_with`, has these
/// options:
///
/// | option | default | effect |
/// |---|---|---|
/// | `seed` | 0 | determines every order that the hardware leaves open; equal seeds give equal results |
/// | `checks.races`, `.bounds`, `.uninitialised`, `.divergence`, `.deadlock`, `.alignment` | on | report faults of that kind |
/// | `checks.equal_stores` | on | report lanes that store the same value to the same address in one instruction as a race, too |
/// | `steps` | `HIDET_SIM_STEPS`, or 2^34 | maximum number of instructions executed by the warps of a block; 0 for no limit |
/// | `registers` | unknown | registers per thread on a GPU, used to check whether a cooperative grid is resident |
/// | `counters` | on | count traffic, bank conflicts and sectors |
/// | `threads` | all cores | number of host threads |
/// | `tally` | none | object that accumulates the counters of all launches |
///
/// [`sim::Options::fast`] disables checks and counters. With the environment variable `HIDET_DEVICE=sim`,
/// `Device::best()` selects the simulated device even if there is a GPU. Its speed depends on the optimisation of
/// hidet-core: in your own crate, set `opt-level = 2` in `[profile.dev.package.hidet-core]`, which applies to debug
/// builds and tests. Optimising all packages, `[profile.dev.package."*"]`, makes it no faster and doubles the time of
/// the first build.
///
/// # Crates
///
/// The macro works through any re-export of this crate, because it passes on the path of its own crate. Inside the
/// macro, `#![hidet(crate = path)]` sets another path, as `#[device(crate = path)]` does outside of it.
#[macro_export]
macro_rules! kernel {
    ($($tokens:tt)*) => {
        $crate::__macros::kernel! { [$crate] $($tokens)* }
    };
}

/// The macros behind `kernel!`. Not for direct use.
#[doc(hidden)]
pub mod __macros {
    pub use hidet_macros::kernel;
}
pub use hidet_macros::device;
