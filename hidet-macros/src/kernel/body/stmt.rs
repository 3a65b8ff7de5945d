//! Blocks, statements, `let` and patterns.

use super::literal::{Literal, literal};
use super::scope::Binding;
use super::{Body, Tail};
use crate::kernel::check::{cfg, leading_cfg};
use crate::kernel::expand::{pattern_name, plain};
use crate::walk::{Place, change_pat};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, Ident, Local, Pat, PatIdent, PatType, Stmt};

impl Body<'_> {
    /// The statements of a block, without its braces.
    pub(super) fn block(&mut self, block: &Block, tail: Tail) -> TokenStream {
        self.scoped(|body| body.statements(&block.stmts, tail))
    }

    pub(super) fn statements(&mut self, stmts: &[Stmt], tail: Tail) -> TokenStream {
        let mut out = TokenStream::new();
        for (index, stmt) in stmts.iter().enumerate() {
            let last = index + 1 == stmts.len();
            match stmt {
                Stmt::Local(local) => out.extend(self.local(local)),
                Stmt::Item(item) => item.to_tokens(&mut out),
                Stmt::Expr(expr, None) if last && tail == Tail::Value => {
                    let tokens = self.expr(expr);
                    out.extend(configured(&leading_cfg(expr), tokens));
                }
                Stmt::Expr(expr, semi) => {
                    let tokens = self.statement(expr);
                    let tokens = configured(&leading_cfg(expr), tokens);
                    // A block needs no semicolon to end a statement, but a rewritten one may have become a call.
                    let semi = match semi {
                        Some(semi) => quote!(#semi),
                        None => quote_spanned!(expr.span()=> ;),
                    };
                    out.extend(quote!(#tokens #semi));
                }
                Stmt::Macro(node) => {
                    let value = last && tail == Tail::Value && node.semi_token.is_none();
                    let tokens = self.invocation(&node.mac);
                    out.extend(configured(&cfg(&node.attrs), tokens));
                    if !value {
                        out.extend(quote_spanned!(node.mac.span()=> ;));
                    }
                }
            }
        }
        out
    }

    /// An expression whose value is not used.
    fn statement(&mut self, expr: &Expr) -> TokenStream {
        match expr {
            Expr::If(node) => self.if_statement(node),
            Expr::Match(node) => self.match_expr(node, Tail::Unit),
            Expr::Block(node) => self.block_expr(node, Tail::Unit),
            Expr::Unsafe(node) => {
                let body = self.block(&node.block, Tail::Unit);
                quote_spanned!(node.span()=> unsafe { #body })
            }
            _ => self.expr(expr),
        }
    }

    /// `let`
    fn local(&mut self, local: &Local) -> TokenStream {
        let Some(init) = &local.init else { return TokenStream::new() };
        let meta = local.attrs.iter().any(|attr| attr.path().is_ident("meta"));
        let cfg = cfg(&local.attrs);
        let span = local.let_token.span;
        let mut pat = local.pat.clone();
        if !meta {
            if let Some(declared) = self.simple_variable(&pat, &init.expr, span) {
                return quote!(#(#cfg)* #declared);
            }
        }
        let value = if meta { self.expr(&init.expr) } else { self.initial(&pat, &init.expr) };
        let diverge = init.diverge.as_ref().map(|(token, expr)| {
            let expr = match &**expr {
                Expr::Block(node) => self.block_expr(node, Tail::Unit),
                other => self.expr(other),
            };
            quote!(#token #expr)
        });
        if meta {
            self.bind_meta_pattern(&pat);
            return quote_spanned!(span=> #(#cfg)* let #pat = #value #diverge;);
        }
        let declared = self.pattern(&mut pat, Some(&init.expr));
        let declared = (!declared.is_empty()).then(|| quote!(#(#cfg)* #declared));
        quote_spanned!(span=> #(#cfg)* let #pat = #value #diverge; #declared)
    }

    /// `let mut x = e;` and `let mut x: T = e;`
    fn simple_variable(&mut self, pat: &Pat, init: &Expr, span: Span) -> Option<TokenStream> {
        let (ident, ty) = match pat {
            Pat::Ident(ident) => (ident, None),
            Pat::Type(PatType { pat, ty, .. }) => match &**pat {
                Pat::Ident(ident) => (ident, Some(ty)),
                _ => return None,
            },
            _ => return None,
        };
        ident.mutability.as_ref()?;
        let name = &ident.ident;
        let text = plain(name);
        if let (Expr::Tuple(tuple), None) = (init, ty) {
            let vars = tuple.elems.iter().enumerate();
            let vars: Vec<_> =
                vars.map(|(at, elem)| self.variable(&format!("{text}_{at}"), elem, elem.span())).collect();
            self.bind(&text, Binding::Device);
            return Some(quote_spanned!(span=> let #ident = __h::TupleVar { vars: (#(#vars,)*) };));
        }
        let call = match ty {
            None => self.variable(&text, init, name.span()),
            Some(_) => {
                let value = self.declared(init);
                quote_spanned!(name.span()=> __h::declare(#text, #value))
            }
        };
        self.bind(&text, Binding::Device);
        let ty = ty.map(|ty| quote_spanned!(ty.span()=> : __h::Var<#ty>));
        Some(quote_spanned!(span=> let #ident #ty = #call;))
    }

    /// A device variable with its first value. Its type is inferred from that value or from its use.
    fn variable(&mut self, name: &str, init: &Expr, span: Span) -> TokenStream {
        match literal(init) {
            Some(Literal::Int) => quote_spanned!(span=> __h::declare_int(#name, #init)),
            _ => {
                let value = self.declared(init);
                quote_spanned!(span=> __h::declare(#name, #value))
            }
        }
    }

    /// The value of a `let`, named after its binding if the name helps the reader of the IR.
    fn initial(&mut self, pat: &Pat, expr: &Expr) -> TokenStream {
        if let (Pat::Tuple(pats), Expr::Tuple(values)) = (pat, expr) {
            if pats.elems.len() == values.elems.len() && !pats.elems.iter().any(|pat| matches!(pat, Pat::Rest(_))) {
                let values = pats.elems.iter().zip(&values.elems).map(|(pat, value)| match pat {
                    // A plain number bound to `mut` keeps its integer type, or takes any float type.
                    Pat::Ident(PatIdent { mutability: Some(_), .. }) if literal(value) == Some(Literal::Float) => {
                        self.declared(value)
                    }
                    _ => self.initial(pat, value),
                });
                let values: Vec<TokenStream> = values.collect();
                return quote_spanned!(expr.span()=> (#(#values,)*));
            }
        }
        let value = self.expr(expr);
        let Some(name) = pattern_name(pat) else { return value };
        let text = plain(name);
        match expr {
            Expr::Binary(_) | Expr::Cast(_) => quote_spanned!(name.span()=> __h::Named(#value).named(#text)),
            Expr::Index(node) if matches!(&*node.index, Expr::Array(_)) => {
                quote_spanned!(name.span()=> __h::Named(#value).named(#text))
            }
            Expr::Call(node) if super::expr::allocates(&node.func) => {
                quote_spanned!(name.span()=> __h::memory(#text, #value))
            }
            _ => value,
        }
    }

    /// Binds the names of a pattern. Names with `mut` become device variables, declared by the one statement returned.
    pub(super) fn pattern(&mut self, pat: &mut Pat, init: Option<&Expr>) -> TokenStream {
        let (mut variables, mut values) = (Vec::new(), Vec::new());
        for (ident, mutable) in names(pat) {
            let text = plain(&ident);
            if !mutable {
                self.bind_value(&text);
                continue;
            }
            let declare = match init.and_then(|init| literal_for(&ident, pat, init)) {
                Some(Literal::Int) => quote_spanned!(ident.span()=> __h::declare_int),
                _ => quote_spanned!(ident.span()=> __h::declare),
            };
            variables.push(quote_spanned!(ident.span()=> mut #ident));
            values.push(quote_spanned!(ident.span()=> #declare(#text, #ident)));
            self.bind(&text, Binding::Device);
        }
        if variables.is_empty() {
            return TokenStream::new();
        }
        quote!(let (#(#variables,)*) = (#(#values,)*);)
    }

    /// Binds the names of a `#[meta]` pattern.
    fn bind_meta_pattern(&mut self, pat: &Pat) {
        for (ident, mutable) in names(&mut pat.clone()) {
            if mutable {
                self.bind_meta(&plain(&ident));
            } else {
                self.bind_value(&plain(&ident));
            }
        }
    }
}

/// A statement, or a value at the end of a block, with its `#[cfg(..)]` attributes.
fn configured(cfg: &[Attribute], tokens: TokenStream) -> TokenStream {
    if cfg.is_empty() { tokens } else { quote!(#(#cfg)* { #tokens }) }
}

/// Returns the names of a pattern and which of them have `mut`, and removes the `mut`.
fn names(pat: &mut Pat) -> Vec<(Ident, bool)> {
    let mut names = Vec::new();
    change_pat(pat, &mut |place| {
        if let Place::Name(name) = place {
            let mutable = name.mutability.take().is_some();
            names.push((name.ident.clone(), mutable));
        }
    });
    names
}

/// Returns the kind of the number that a name of a tuple pattern gets from a tuple of the same length.
fn literal_for(name: &Ident, pat: &Pat, init: &Expr) -> Option<Literal> {
    let (Pat::Tuple(pats), Expr::Tuple(values)) = (pat, init) else { return None };
    let position = pats.elems.iter().position(|pat| pattern_name(pat) == Some(name))?;
    literal(values.elems.get(position)?)
}
