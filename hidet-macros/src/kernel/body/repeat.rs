//! `for`, `while` and `loop`.

use super::expr::has_let;
use super::literal::{Literal, literal};
use super::scope::{Frame, FrameKind};
use super::{Body, Tail};
use crate::kernel::expand::plain;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprForLoop, ExprLoop, ExprRange, ExprWhile, Label, RangeLimits};

impl Body<'_> {
    pub(super) fn for_loop(&mut self, node: &ExprForLoop) -> TokenStream {
        let span = node.for_token.span;
        let unroll = self.unroll(&node.attrs);
        let range = self.device_range(&node.expr);
        let device = range.is_some();
        let items = match range {
            Some(range) => quote_spanned!(node.expr.span()=> #range #unroll),
            None => {
                if let (Some(_), Some(attr)) = (&unroll, node.attrs.first()) {
                    self.errors.on(
                        attr,
                        "`#[unroll]` is for a `for` over a range; a mapping carries its own unrolling, \
                                          and any other iterator is unrolled while building",
                    );
                }
                self.expr(&node.expr)
            }
        };
        let guard = self.fresh("l", span);
        let label = self.label("l", span);
        let iter = crate::kernel::expand::fresh("i", self.next, span);
        let (frame, text) = loop_frame(&guard, &label, &node.label, device);
        let mut pat = (*node.pat).clone();
        let body = self.scoped(|this| {
            let declared = this.pattern(&mut pat, None);
            let body = this.framed(frame, |this| this.block(&node.body, Tail::Unit));
            quote!(#declared #body)
        });
        quote_spanned! {span=>
            { let (#iter, #guard) = __h::for_over(#items, #text); #label: for #pat in #iter { #body } }
        }
    }

    /// `a..b`, `(a..b)` and `(a..b).step_by(s)` as a range of the device.
    fn device_range(&mut self, expr: &Expr) -> Option<TokenStream> {
        match expr {
            Expr::Paren(node) => self.device_range(&node.expr),
            Expr::Group(node) => self.device_range(&node.expr),
            Expr::Range(range) => Some(self.range(range)),
            Expr::MethodCall(call) if matches!(call.method.to_string().as_str(), "step_by" | "rev") => {
                let range = self.device_range(&call.receiver)?;
                let (method, step) = (&call.method, call.args.first());
                match step {
                    Some(step) if method == "step_by" => {
                        let step = self.declared(step);
                        Some(quote_spanned!(method.span()=> #range.#method(#step)))
                    }
                    _ => {
                        self.errors.at(
                            method.span(),
                            "a device range counts upwards; compute the index from it: `let i = n - 1 - k;`",
                        );
                        Some(range)
                    }
                }
            }
            _ => None,
        }
    }

    fn range(&mut self, range: &ExprRange) -> TokenStream {
        let (Some(start), Some(end)) = (&range.start, &range.end) else {
            self.errors.on(range, "a `for` needs both ends of its range: `a..b`; without an end, write `loop`");
            return TokenStream::new();
        };
        let span = range.limits.span();
        // Two plain numbers leave the type open: indices are `i32`.
        let both = literal(start) == Some(Literal::Int) && literal(end) == Some(Literal::Int);
        let start = if both { quote_spanned!(start.span()=> __h::int(#start)) } else { self.declared(start) };
        let end = self.declared(end);
        match range.limits {
            RangeLimits::HalfOpen(_) => quote_spanned!(span=> __h::range(#start, #end)),
            RangeLimits::Closed(_) => quote_spanned!(span=> __h::range_inclusive(#start, #end)),
        }
    }

    /// `#[unroll]`, `#[unroll(4)]`, `#[unroll(never)]`
    fn unroll(&mut self, attrs: &[Attribute]) -> Option<TokenStream> {
        let mut unroll = None;
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("unroll")) {
            let span = attr.span();
            unroll = Some(match &attr.meta {
                syn::Meta::Path(_) => quote_spanned!(span=> .unrolled(__h::Unroll::Explicit)),
                _ => match attr.parse_args::<Expr>() {
                    Ok(Expr::Path(path)) if path.path.is_ident("never") => {
                        quote_spanned!(span=> .unrolled(__h::Unroll::Never))
                    }
                    Ok(times) => quote_spanned!(span=> .unrolled(__h::Unroll::By(#times))),
                    Err(error) => {
                        self.errors.push(error);
                        TokenStream::new()
                    }
                },
            });
        }
        unroll
    }

    pub(super) fn while_loop(&mut self, node: &ExprWhile) -> TokenStream {
        let span = node.while_token.span;
        let guard = self.fresh("l", span);
        let label = self.label("l", span);
        if has_let(&node.cond) {
            return self.scoped(|this| {
                let cond = this.expr(&node.cond);
                let (frame, _) = loop_frame(&guard, &label, &node.label, false);
                let body = this.framed(frame, |this| this.block(&node.body, Tail::Unit));
                quote_spanned!(span=> { let #guard = __h::meta_loop(); #label: while #cond { #body } })
            });
        }
        let (frame, text) = loop_frame(&guard, &label, &node.label, false);
        let cond = self.expr(&node.cond);
        let body = self.framed(frame, |this| this.block(&node.body, Tail::Unit));
        quote_spanned! {span=>
            { let mut #guard = __h::While::new(#text); #label: while #guard.open() && #guard.test(#cond) { #body } }
        }
    }

    pub(super) fn endless_loop(&mut self, node: &ExprLoop) -> TokenStream {
        let span = node.loop_token.span;
        let guard = self.fresh("l", span);
        let label = self.label("l", span);
        let (frame, text) = loop_frame(&guard, &label, &node.label, true);
        let body = self.framed(frame, |this| this.block(&node.body, Tail::Unit));
        quote_spanned! {span=>
            { let mut #guard = __h::device_loop(#text); #label: while #guard.open() { #body } }
        }
    }
}

/// The frame of a loop, and the user's label as text.
fn loop_frame(guard: &syn::Ident, label: &syn::Lifetime, user: &Option<Label>, device: bool) -> (Frame, String) {
    let name = user.as_ref().map(|label| plain(&label.name.ident));
    let text = name.clone().unwrap_or_default();
    (Frame { guard: guard.clone(), label: label.clone(), kind: FrameKind::Loop { name }, device }, text)
}
