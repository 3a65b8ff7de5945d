//! Errors collected while a macro expands, so that all are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors found so far.
#[derive(Default)]
pub struct Errors(Vec<syn::Error>);

impl Errors {
    /// Adds an error at a span.
    pub fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Adds an error that covers some tokens.
    pub fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error of the parser.
    pub fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// Returns the number of errors.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns all errors as `compile_error!`.
    pub fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// Takes all errors as `compile_error!`.
    pub fn take(&mut self) -> TokenStream {
        std::mem::take(self).into_tokens()
    }
}
