//! The body of a kernel or device function: what each Rust construct becomes. Types are unknown here; `dsl::glue`
//! decides what a construct means by the types of its operands. This module knows names and frames: which names are
//! device variables, and which branches and loops are between a jump and its target.
//!
//! Every token of glue carries the span of user tokens, so that rustc's errors stand on the user's own code.

mod assign;
mod branch;
mod expr;
mod jump;
mod literal;
mod macros;
mod repeat;
mod scope;
mod stmt;

use super::error::Errors;
use super::expand::plain;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use scope::{Binding, Frame};
use std::collections::HashMap;
use syn::{Block, Ident, Lifetime, Pat, ReturnType, Type};

/// Tells if the value of a block is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The value is used.
    Value,
    /// The value is not used, or there is none.
    Unit,
}

/// The kind of function that a body belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Kernel,
    /// `return` leaves a loop that runs once, where a condition of the device may stand above it.
    Device {
        once: bool,
    },
    /// A device function that returns a value of the host: `return` is Rust's own.
    Host,
}

/// The expansion of one body.
pub(crate) struct Body<'e> {
    errors: &'e mut Errors,
    scopes: Vec<HashMap<String, Binding>>,
    frames: Vec<Frame>,
    next: usize,
    owner: Owner,
}

impl<'e> Body<'e> {
    /// The body of a kernel.
    pub fn kernel(errors: &'e mut Errors) -> Self {
        Body { errors, scopes: vec![HashMap::new()], frames: Vec::new(), next: 0, owner: Owner::Kernel }
    }

    /// The body of a device function.
    pub fn device(errors: &'e mut Errors, output: &ReturnType) -> Self {
        let owner = if jump::gives_host_value(output) { Owner::Host } else { Owner::Device { once: false } };
        Body { owner, ..Body::kernel(errors) }
    }

    /// Binds a parameter of a device function. Returns the tokens to put at the start of the body.
    pub fn parameter(&mut self, pat: &mut Pat, ty: &Type) -> TokenStream {
        let declared = self.pattern(pat, None);
        if let (Pat::Ident(ident), Type::Reference(reference)) = (&*pat, ty) {
            if let Type::Path(path) = &*reference.elem {
                if path.path.segments.last().is_some_and(|segment| segment.ident == "Var") {
                    self.bind(&plain(&ident.ident), Binding::Reference);
                }
            }
        }
        declared
    }

    /// The statements of the whole body.
    pub fn function(mut self, block: &Block) -> TokenStream {
        match self.owner {
            Owner::Kernel => self.block(block, Tail::Unit),
            Owner::Device { .. } if jump::returns_under_a_branch(block) => {
                self.owner = Owner::Device { once: true };
                let span = block.brace_token.span.open();
                let (guard, label) = (self.fresh("r", span), self.label("r", span));
                self.frames.push(Frame::once(&guard, &label));
                let body = self.block(block, Tail::Value);
                let set = if jump::diverges(block) {
                    quote!(#body)
                } else {
                    quote_spanned!(span=> let __value = { #body }; __out.set(__value); #guard.emit_break();)
                };
                quote_spanned! {span=>
                    let mut __out = __h::Outcome::new();
                    let mut #guard = __h::device_loop("return");
                    #label: while #guard.open() { #set }
                    __out.get()
                }
            }
            Owner::Device { .. } | Owner::Host => self.block(block, Tail::Value),
        }
    }

    fn fresh(&mut self, prefix: &str, span: Span) -> Ident {
        self.next += 1;
        super::expand::fresh(prefix, self.next, span)
    }

    /// Returns a label with the number of the last fresh name.
    fn label(&self, prefix: &str, span: Span) -> Lifetime {
        Lifetime::new(&format!("'__{prefix}{}", self.next), span)
    }
}
