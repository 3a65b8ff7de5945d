//! `dispatch!`: from an element type that is a value to one that rustc knows.

use super::builder::here;
use crate::error::Error;
use crate::types::Scalar;

/// Evaluates an expression in which a name stands for the element type that a value says: from a
/// [`Scalar`](crate::types::Scalar) to a template of that type.
///
/// `dispatch!(scalar; T in [f16, bf16, f32] => expression)` is `Ok(expression)` with `type T = ..`, or an error if the type
/// is not in the list. The expression has one type for all: [`Template::bind`](crate::dsl::Template::bind) gives a
/// `Template<()>`, whatever the parameters of the kernel.
///
/// ```
/// use hidet::dispatch;
/// use hidet::ir::Access;
/// use hidet::kernel::RawArg;
/// use hidet::prelude::*;
/// use hidet::types::Scalar;
///
/// kernel! {
///     #[launch(grid = 1, block = 1)]
///     fn double<T: Num>(x: InOut<T, [n]>) {
///         for i in 0..n { x[[i]] += x[[i]]; }
///     }
/// }
///
/// fn double_of(scalar: Scalar) -> hidet::Result<Template<()>> {
///     dispatch!(scalar; T in [f16, f32, i32] => double::<T>().bind("double", move |signature| {
///         let n = signature.dim("n");
///         vec![signature.param("x", scalar, &[n], Access::InOut).into()]
///     }))
/// }
///
/// let device = Device::sim();
/// let mut x = device.tensor(&[1, 2, 3], [3])?;
/// double_of(Scalar::I32)?.compile(&device)?.launch_raw(&[RawArg::from(&mut x)])?;
/// assert_eq!(x.to_vec()?, [2, 4, 6]);
/// let error = double_of(Scalar::U8).unwrap_err().to_string();
/// assert!(error.starts_with("elements of type u8 are not supported here, only f16, f32, i32"), "{error}");
/// # Ok::<(), hidet::Error>(())
/// ```
#[macro_export]
macro_rules! dispatch {
    ($scalar:expr; $name:ident in [$($ty:ty),+ $(,)?] => $body:expr) => {{
        let scalar: $crate::types::Scalar = $scalar;
        $(if scalar == <$ty as $crate::types::Element>::SCALAR {
            #[allow(dead_code)]
            type $name = $ty;
            $crate::Result::Ok($body)
        } else)+ {
            $crate::Result::Err($crate::dsl::not_dispatched(scalar, &[$(<$ty as $crate::types::Element>::SCALAR),+]))
        }
    }};
}

/// Returns the error of [`dispatch!`](crate::dispatch) for a type that is not in its list.
#[doc(hidden)]
#[track_caller]
pub fn not_dispatched(given: Scalar, supported: &[Scalar]) -> Error {
    let supported: Vec<String> = supported.iter().map(Scalar::to_string).collect();
    Error::ElementType { given: given.to_string(), supported: supported.join(", "), place: here().to_string() }
}
