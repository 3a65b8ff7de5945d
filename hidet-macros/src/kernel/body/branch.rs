//! `if`, `match` and blocks.

use super::expr::has_let;
use super::jump::{diverges, leaves};
use super::scope::{Frame, FrameKind};
use super::{Body, Tail};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Block, Expr, ExprBlock, ExprIf, ExprMatch, Pat};

/// Returns true if a pattern is a number, or a range or choice of numbers.
fn is_literal(pat: &Pat) -> bool {
    match pat {
        Pat::Lit(_) | Pat::Range(_) => true,
        Pat::Or(node) => node.cases.iter().any(is_literal),
        Pat::Paren(node) => is_literal(&node.pat),
        Pat::Guard(node) => is_literal(&node.pat),
        _ => false,
    }
}

/// One branch of an `if`.
enum Branch<'a> {
    Block(&'a Block),
    Expr(&'a Expr),
}

impl Body<'_> {
    /// `if` without a value.
    pub(super) fn if_statement(&mut self, node: &ExprIf) -> TokenStream {
        if has_let(&node.cond) {
            return self.if_let(node, Tail::Unit);
        }
        let span = node.if_token.span;
        let cond = self.expr(&node.cond);
        let guard = self.fresh("g", span);
        let then_label = self.label("t", span);
        let else_label = self.label("e", span);
        let frame =
            |label| Frame { guard: guard.clone(), label, kind: FrameKind::Branch { value: false }, device: false };
        let then = self.framed(frame(then_label.clone()), |body| body.block(&node.then_branch, Tail::Unit));
        let otherwise = node.else_branch.as_ref().map(|(_, branch)| {
            let body = self.framed(frame(else_label.clone()), |body| match &**branch {
                Expr::If(node) => body.if_statement(node),
                Expr::Block(node) => body.block(&node.block, Tail::Unit),
                other => body.expr(other),
            });
            quote_spanned!(span=> #else_label: { if #guard.else_() { #body } })
        });
        quote_spanned! {span=>
            { let mut #guard = __h::Cond::begin(#cond); #then_label: { if #guard.then_() { #then } } #otherwise #guard.done(); }
        }
    }

    /// `if` whose value is used. Without `else` it has no value.
    pub(super) fn if_value(&mut self, node: &ExprIf) -> TokenStream {
        let Some((_, otherwise)) = &node.else_branch else { return self.if_statement(node) };
        if has_let(&node.cond) {
            return self.if_let(node, Tail::Value);
        }
        let otherwise = match &**otherwise {
            Expr::Block(node) => Branch::Block(&node.block),
            other => Branch::Expr(other),
        };
        let else_leaves = match otherwise {
            Branch::Block(block) => diverges(block),
            Branch::Expr(expr) => leaves(expr),
        };
        let then_leaves = diverges(&node.then_branch);
        if then_leaves && else_leaves {
            return self.if_statement(node);
        }
        let span = node.if_token.span;
        let cond = self.expr(&node.cond);
        let guard = self.fresh("g", span);
        let (a, b) = (self.numbered("a", span), self.numbered("b", span));
        let then_label = self.label("t", span);
        let else_label = self.label("e", span);
        let then = self.branch(Branch::Block(&node.then_branch), &guard, &then_label, then_leaves);
        let otherwise = self.branch(otherwise, &guard, &else_label, else_leaves);
        let value_of = |label, name, test: TokenStream, body: TokenStream, leaves| {
            if leaves {
                quote_spanned!(span=> #label: { if #guard.#test { #body } })
            } else {
                quote_spanned!(span=> let #name = #label: { if #guard.#test { __h::Some({ #body }) } else { __h::None } };)
            }
        };
        let then = value_of(&then_label, &a, quote_spanned!(span=> then_()), then, then_leaves);
        let otherwise = value_of(&else_label, &b, quote_spanned!(span=> else_()), otherwise, else_leaves);
        let end = match (then_leaves, else_leaves) {
            (false, true) => quote_spanned!(span=> #guard.only_then(#a)),
            (true, false) => quote_spanned!(span=> #guard.only_else(#b)),
            _ => quote_spanned!(span=> #guard.end(#a, #b)),
        };
        quote_spanned!(span=> { let mut #guard = __h::Cond::begin(#cond); #then #otherwise #end })
    }

    fn branch(&mut self, branch: Branch, guard: &syn::Ident, label: &syn::Lifetime, leaves: bool) -> TokenStream {
        let kind = FrameKind::Branch { value: !leaves };
        let frame = Frame { guard: guard.clone(), label: label.clone(), kind, device: false };
        self.framed(frame, |body| match branch {
            Branch::Block(block) if leaves => body.block(block, Tail::Unit),
            Branch::Block(block) => body.block(block, Tail::Value),
            Branch::Expr(expr) => body.expr(expr),
        })
    }

    fn numbered(&self, prefix: &str, span: Span) -> syn::Ident {
        crate::kernel::expand::fresh(prefix, self.next, span)
    }

    /// `if let`: Rust's own.
    fn if_let(&mut self, node: &ExprIf, tail: Tail) -> TokenStream {
        self.scoped(|body| {
            let (cond, token) = (body.expr(&node.cond), &node.if_token);
            let then = body.block(&node.then_branch, tail);
            let otherwise = node.else_branch.as_ref().map(|(token, branch)| {
                let branch = match (&**branch, tail) {
                    (Expr::Block(node), _) => body.block(&node.block, tail),
                    (Expr::If(node), Tail::Unit) => body.if_statement(node),
                    (other, _) => body.expr(other),
                };
                quote_spanned!(token.span=> #token { #branch })
            });
            quote_spanned!(token.span=> #token #cond { #then } #otherwise)
        })
    }

    /// `match`: Rust's own, on meta values.
    pub(super) fn match_expr(&mut self, node: &ExprMatch, tail: Tail) -> TokenStream {
        let span = node.expr.span();
        let value = self.expr(&node.expr);
        let arms: Vec<TokenStream> = node
            .arms
            .iter()
            .map(|arm| {
                self.scoped(|body| {
                    let mut arm = arm.clone();
                    let span = arm.fat_arrow_token.spans[0];
                    let declared = body.pattern(&mut arm.pat, None);
                    let result = match (&*arm.body, tail) {
                        (Expr::Block(node), _) => body.block_expr(node, tail),
                        (Expr::If(node), Tail::Unit) => body.if_statement(node),
                        (other, Tail::Unit) => {
                            let other = body.expr(other);
                            quote_spanned!(span=> { #other; })
                        }
                        (other, Tail::Value) => body.expr(other),
                    };
                    let pat = body.guarded(&arm.pat);
                    let attrs = &arm.attrs;
                    let arrow = arm.fat_arrow_token;
                    quote_spanned!(span=> #(#attrs)* #pat #arrow { #declared #result })
                })
            })
            .collect();
        let token = &node.match_token;
        // Numbers can be copied, so that nothing moves where the value is a number; otherwise the patterns decide that
        // it is a meta value.
        let value = if node.arms.iter().any(|arm| is_literal(&arm.pat)) {
            quote_spanned!(span=> __h::Matched(#value).known())
        } else {
            value
        };
        quote_spanned!(token.span=> #token #value { #(#arms)* })
    }

    /// A pattern with its condition.
    fn guarded(&mut self, pat: &Pat) -> TokenStream {
        match pat {
            Pat::Guard(node) => {
                let (inner, token, cond) = (&node.pat, &node.if_token, self.expr(&node.guard));
                quote!(#inner #token #cond)
            }
            other => quote!(#other),
        }
    }

    /// `{ .. }`, with or without an attribute like `#[warp_group(..)]`.
    pub(super) fn block_expr(&mut self, node: &ExprBlock, tail: Tail) -> TokenStream {
        let span = node.block.brace_token.span.open();
        // `check` has refused all others but `#[cfg(..)]`, which the statement keeps.
        let mut attrs = node.attrs.iter().filter(|attr| !attr.path().is_ident("cfg"));
        let Some(attr) = attrs.next() else {
            let body = self.block(&node.block, tail);
            return quote_spanned!(span=> { #body });
        };
        for more in attrs {
            self.errors.on(more, "a block has one attribute");
        }
        let Some((first, threads)) = self.thread_group(attr) else { return TokenStream::new() };
        let guard = self.fresh("g", attr.span());
        let label = self.label("g", attr.span());
        let frame = Frame {
            guard: guard.clone(),
            label: label.clone(),
            kind: FrameKind::Branch { value: false },
            device: true,
        };
        let body = self.framed(frame, |body| body.block(&node.block, Tail::Unit));
        quote_spanned! {attr.span()=>
            { let #guard = __h::group(#first, #threads); #label: { #body } #guard.done(); }
        }
    }

    /// Returns the first thread and the number of threads of `#[warp(0)]` or `#[threads(128..160)]`.
    fn thread_group(&mut self, attr: &syn::Attribute) -> Option<(TokenStream, TokenStream)> {
        let unit = match attr.path().get_ident().map(|ident| ident.to_string()).as_deref() {
            Some("warp") => 32i32,
            Some("warp_group") => 128,
            Some("threads") => 1,
            // Reported by `check` already.
            _ => return None,
        };
        let parse = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        let args = match &attr.meta {
            syn::Meta::Path(_) => Ok(Default::default()),
            _ => attr.parse_args_with(parse),
        };
        let args = match args {
            Ok(args) => args,
            Err(error) => {
                self.errors.push(error);
                return None;
            }
        };
        let args: Vec<Expr> = args.into_iter().collect();
        match (unit, args.as_slice()) {
            (_, [Expr::Range(range)]) => match (&range.start, &range.end) {
                (Some(start), Some(end)) if matches!(range.limits, syn::RangeLimits::HalfOpen(_)) => {
                    let (start, end) = (self.expr(start), self.expr(end));
                    Some((quote!((#start) * #unit), quote!(((#end) - (#start)) * #unit)))
                }
                _ => {
                    self.errors.on(range, "write both ends: `1..3`");
                    None
                }
            },
            (32.., [index]) => {
                let index = self.expr(index);
                Some((quote!((#index) * #unit), quote!(#unit)))
            }
            _ => {
                self.errors
                    .on(attr, "write which threads: `#[warp(0)]`, `#[warp_group(0)]`, `#[warp_group(1..3)]` or `#[threads(128..160)]`");
                None
            }
        }
    }
}
