//! The macros of hidet. This file holds the entry points only.

mod kernel;
mod task_mapping;
mod walk;

use proc_macro::TokenStream;

/// Kernels in Rust syntax. Users call the macro of the same name in `hidet`, which passes its own path.
#[proc_macro]
pub fn kernel(tokens: TokenStream) -> TokenStream {
    kernel::kernel(tokens.into()).into()
}

/// A function that kernels call: `#[device] fn gelu(x: Expr<f32>) -> Expr<f32> { .. }`. All that a kernel may contain,
/// it may contain too. Values of the device are passed as `Expr<f32>`, tensors as `In<f32, 2>` or `View<f32, 2>`,
/// variables that the function changes as `&mut Var<f32>`. A parameter of a plain type, `n: i32`, is a meta value, and
/// so is a result of a plain type, which cannot be returned under a condition of the device. A function without
/// `#[device]` is plain Rust: it may compute with operators and methods, but comparisons, control flow on device values,
/// `as` and `[[..]]` need the attribute.
///
/// ```
/// use hidet::prelude::*;
///
/// /// Adds `v` where it is not negative; `v` may be a device value or a number.
/// #[device]
/// fn accumulate(sum: &mut Var<f32>, v: impl IntoExpr<f32>) {
///     let v = v.into_expr();
///     if v >= 0.0 { *sum += v; }
/// }
///
/// kernel! {
///     #[launch(grid = 1, block = 1)]
///     fn total(x: In<f32, [n]>, y: Out<f32, [1]>) {
///         let mut sum = 0.0;
///         for i in 0..n { accumulate(&mut sum, x[[i]]); }
///         accumulate(&mut sum, 0.5f32);
///         y[[0]] = sum;
///     }
/// }
///
/// let device = Device::sim();
/// let mut y = device.empty([1])?;
/// total().compile(&device)?.launch(&device.tensor(&[1.0, -2.0, 3.0], [3])?, &mut y)?;
/// assert_eq!(y.to_vec()?, [4.5]);
/// # Ok::<(), hidet::Error>(())
/// ```
///
/// If hidet has another name in your crate: `#[device(crate = path)]`.
#[proc_macro_attribute]
pub fn device(attribute: TokenStream, item: TokenStream) -> TokenStream {
    kernel::device(attribute.into(), item.into()).into()
}

/// Makes a function a task mapping that is checked while compiling.
///
/// On a composition the function returns the mapping:
///
/// ```
/// use hidet::prelude::*;
///
/// #[task_mapping(workers = 256, tasks = [128, 8])]
/// fn load_a() -> TaskMapping<2> { repeat([4, 1]) * spatial([32, 8]) }
/// ```
///
/// On a custom function it returns the task of a worker, or an array of its tasks, by integer arithmetic. The attribute
/// turns it into a function without arguments that returns the `TaskMapping`:
///
/// ```
/// use hidet::prelude::*;
///
/// #[task_mapping(workers = 32, tasks = [4, 8])]
/// fn atom(w: Worker) -> [Index; 2] { [w / 16 * 2 + w % 2, w / 2 % 8] }
/// ```
///
/// Arguments: `workers = N`, the number of workers; `tasks = [..]`, the extents of the task domain; `overlap`, which
/// allows several workers to do the same task; `crate = path`, the path of the crate `hidet` if it has another name. On
/// a composition each may be left out. A wrong number of workers, another domain, a task that nobody does and a task
/// done twice are compile errors. In a function with parameters, which has no value yet, they are errors when a kernel
/// that uses it is built.
#[proc_macro_attribute]
pub fn task_mapping(attr: TokenStream, item: TokenStream) -> TokenStream {
    task_mapping::task_mapping(attr.into(), item.into()).into()
}
