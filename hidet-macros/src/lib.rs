//! The macros of hidet. This file holds the entry points only.

mod kernel;

use proc_macro::TokenStream;

/// Kernels in Rust syntax. Users call the macro of the same name in `hidet`, which hands on its own path.
#[proc_macro]
pub fn kernel(tokens: TokenStream) -> TokenStream {
    kernel::kernel(tokens.into()).into()
}

/// A function that kernels call: `#[device] fn gelu(x: Expr<f32>) -> Expr<f32> { .. }`. What works in a kernel works in it.
/// With hidet under another name: `#[device(crate = path)]`.
#[proc_macro_attribute]
pub fn device(attribute: TokenStream, item: TokenStream) -> TokenStream {
    kernel::device(attribute.into(), item.into()).into()
}
