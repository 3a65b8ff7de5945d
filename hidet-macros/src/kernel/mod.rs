//! `kernel!` and `#[device]`: parse, check, expand. Every error found is reported, each at its own span; an item with an
//! error is still emitted with its signature, so that nothing unrelated fails.

mod ast;
mod body;
mod check;
mod error;
mod expand;
mod parse;

use proc_macro2::TokenStream;

/// Expands `kernel! { .. }`.
pub fn kernel(tokens: TokenStream) -> TokenStream {
    let mut errors = error::Errors::default();
    let module = parse::module(tokens, &mut errors);
    expand::module(&module, &mut errors)
}

/// Expands `#[device]` on a function.
pub fn device(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = error::Errors::default();
    match parse::device(attribute, item.clone(), &mut errors) {
        Some((path, function)) => expand::device(&path, &function, &mut errors),
        None => {
            let errors = errors.into_tokens();
            quote::quote! { #errors #item }
        }
    }
}

#[cfg(test)]
mod tests;
