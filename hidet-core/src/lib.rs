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
/// **Parameters**: `In<T, [rows, cols]>`, `Out<..>`, `InOut<..>`, numbers (`a: f32`), and `#[meta] name: Type`, which may
/// be anything; what it borrows must be `'static`. A name in small letters among the extents that is neither a const nor a
/// meta parameter is an extent which the launch gives; it is an `i32` in the body, and a formula in `#[launch]` and in
/// other extents.
///
/// **Elements**: `x[[i, j]]`, `x[[i, j]] = v`, `x[[i, j]] += v`, and `&x[[i, j]]` as an address for intrinsics;
/// `x.get((i, j))` and `x.set((i, j), v)` are protected; `x.load::<4>((i, j))` and `x.store((i, j), v)` move vectors.
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
