//! Expressions.

use super::literal::literal;
use super::scope::{Binding, Frame, FrameKind};
use super::{Body, Tail};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    BinOp, Expr, ExprBinary, ExprCall, ExprClosure, ExprIndex, GenericArgument, Ident, Path, PathArguments, UnOp,
};

impl Body<'_> {
    /// An expression whose value is used.
    pub(super) fn expr(&mut self, expr: &Expr) -> TokenStream {
        match expr {
            Expr::Path(node) => match node.path.get_ident() {
                Some(name) if self.lookup(name) == Some(Binding::Device) => {
                    quote_spanned!(name.span()=> #name.read())
                }
                _ => quote!(#node),
            },
            Expr::Lit(_) | Expr::Infer(_) | Expr::Const(_) => quote!(#expr),
            Expr::Paren(node) => {
                let inner = self.expr(&node.expr);
                let mut out = TokenStream::new();
                node.paren_token.surround(&mut out, |out| inner.to_tokens(out));
                out
            }
            // A fragment that `macro_rules` passes as one expression stays one, whatever stands around it.
            Expr::Group(node) => {
                let inner = self.expr(&node.expr);
                quote_spanned!(node.group_token.span=> (#inner))
            }
            Expr::Unary(node) => self.unary(node),
            Expr::Binary(node) => self.binary(node),
            Expr::Assign(node) => self.assign(node),
            Expr::Cast(node) => {
                let (value, ty) = (self.expr(&node.expr), &node.ty);
                quote_spanned!(node.as_token.span=> __h::OpValue(#value).cast::<#ty>())
            }
            Expr::Index(node) => self.index_expr(node),
            Expr::Reference(node) => self.reference(node),
            Expr::Field(node) => {
                let (base, dot, member) = (self.expr(&node.base), &node.dot_token, &node.member);
                quote!(#base #dot #member)
            }
            Expr::Call(node) => self.call(node),
            Expr::MethodCall(node) => {
                let receiver = self.expr(&node.receiver);
                let args = node.args.iter().map(|arg| self.expr(arg)).collect::<Vec<_>>();
                let (dot, method, turbofish) = (&node.dot_token, &node.method, &node.turbofish);
                let mut out = quote!(#receiver #dot #method #turbofish);
                node.paren_token.surround(&mut out, |out| quote!(#(#args),*).to_tokens(out));
                out
            }
            Expr::Tuple(node) => self.tuple(node, Self::expr),
            Expr::Array(node) => self.array(node),
            Expr::Repeat(node) => {
                let (value, len) = (self.expr(&node.expr), &node.len);
                quote_spanned!(node.span()=> [#value; #len])
            }
            Expr::Range(node) => {
                let (start, limits) = (node.start.as_ref().map(|e| self.expr(e)), &node.limits);
                let end = node.end.as_ref().map(|e| self.expr(e));
                quote!(#start #limits #end)
            }
            Expr::Struct(node) => {
                let path = &node.path;
                let fields = node.fields.iter().map(|field| {
                    let (member, value) = (&field.member, self.expr(&field.expr));
                    // `Point { x }` stays as it is, so that no lint calls the field redundant.
                    let same = field.colon_token.is_none() && value.to_string() == quote!(#member).to_string();
                    let value = (!same).then(|| quote_spanned!(member.span()=> : #value));
                    quote!(#member #value)
                });
                let fields = fields.collect::<Vec<_>>();
                let rest = node.rest.as_ref().map(|rest| self.expr(rest));
                let rest = rest.map(|rest| quote!(..#rest));
                quote_spanned!(path.span()=> #path { #(#fields,)* #rest })
            }
            Expr::Closure(node) => self.closure(node),
            Expr::If(node) => self.if_value(node),
            Expr::Match(node) => self.match_expr(node, Tail::Value),
            Expr::Let(node) => {
                let value = self.expr(&node.expr);
                let mut pat = node.pat.clone();
                let declared = self.pattern(&mut pat, None);
                if !declared.is_empty() {
                    self.errors.on(&node.pat, "`mut` in this pattern is not possible; write `let mut` in the body");
                }
                let token = &node.let_token;
                quote_spanned!(token.span=> #token #pat = #value)
            }
            Expr::Block(node) => self.block_expr(node, Tail::Value),
            Expr::Unsafe(node) => {
                let body = self.block(&node.block, Tail::Value);
                quote_spanned!(node.unsafe_token.span=> unsafe { #body })
            }
            Expr::While(node) => self.while_loop(node),
            Expr::Loop(node) => self.endless_loop(node),
            Expr::ForLoop(node) => self.for_loop(node),
            Expr::Break(node) => self.break_loop(node),
            Expr::Continue(node) => self.continue_loop(node),
            Expr::Return(node) => self.return_from(node),
            Expr::Macro(node) => self.invocation(&node.mac),
            // Reported by `check` already.
            Expr::Async(_) | Expr::Await(_) | Expr::Try(_) | Expr::TryBlock(_) | Expr::Yield(_) | Expr::RawAddr(_) => {
                TokenStream::new()
            }
            Expr::Verbatim(_) => TokenStream::new(),
            other => {
                self.errors.at(other.span(), "this expression is not part of a kernel");
                TokenStream::new()
            }
        }
    }

    fn unary(&mut self, node: &syn::ExprUnary) -> TokenStream {
        if let (UnOp::Deref(_), Expr::Path(path)) = (&node.op, &*node.expr) {
            if let Some(name) = path.path.get_ident() {
                if self.lookup(name) == Some(Binding::Reference) {
                    return quote_spanned!(name.span()=> #name.read());
                }
            }
        }
        let (op, value) = (&node.op, self.expr(&node.expr));
        quote!(#op #value)
    }

    fn binary(&mut self, node: &ExprBinary) -> TokenStream {
        let ExprBinary { left, op, right, .. } = node;
        let span = op.span();
        if is_assign(op) {
            return self.assign_op(node);
        }
        if let BinOp::And(_) | BinOp::Or(_) = op {
            let (a, b) = (self.expr(left), self.expr(right));
            // A `let` condition is Rust's own, and so is the condition that it is joined with.
            if has_let(left) || has_let(right) {
                return quote!(#a #op #b);
            }
            self.no_jump(right, "a jump cannot stand right of `&&` or `||`; write an `if`");
            let name = Ident::new(if matches!(op, BinOp::And(_)) { "and" } else { "or" }, span);
            return quote_spanned!(span=> __h::#name(#a, || #b));
        }
        let (left_number, right_number) = (literal(left).is_some(), literal(right).is_some());
        let (a, b) = (self.expr(left), self.expr(right));
        if let Some((name, mirrored)) = comparison_name(op) {
            let (name, mirrored) = (Ident::new(name, span), Ident::new(mirrored, span));
            return match (left_number, right_number) {
                (true, true) => quote!(#a #op #b),
                (false, true) => quote_spanned!(span=> __h::OpValue(#a).#name(#b)),
                (true, false) => quote_spanned!(span=> __h::OpValue(#b).#mirrored(#a)),
                (false, false) => {
                    let (a, b) = (borrowed(left, a), borrowed(right, b));
                    quote_spanned!(span=> __h::Cmp(#a, #b).#name())
                }
            };
        }
        let Some(name) = arithmetic_name(op) else {
            self.errors.at(span, "this operator is not part of a kernel");
            return TokenStream::new();
        };
        match (left_number, right_number) {
            (false, true) => {
                let name = Ident::new(name, span);
                quote_spanned!(span=> __h::OpValue(#a).#name(#b))
            }
            (true, false) => {
                let name = Ident::new(&format!("rev_{name}"), span);
                quote_spanned!(span=> __h::OpValue(#b).#name(#a))
            }
            _ => quote!(#a #op #b),
        }
    }

    fn index_expr(&mut self, node: &ExprIndex) -> TokenStream {
        let base = self.expr(&node.expr);
        if coordinates(&node.index).is_some() {
            let index = self.index(&node.index);
            return quote_spanned!(node.bracket_token.span.join()=> __h::load(&#base, #index));
        }
        let index = self.expr(&node.index);
        let mut out = base;
        node.bracket_token.surround(&mut out, |out| index.to_tokens(out));
        out
    }

    /// Returns the coordinates of `[[i, j]]` as a tuple.
    pub(super) fn index(&mut self, index: &Expr) -> TokenStream {
        let elems = coordinates(index).map(|elems| elems.iter().map(|elem| self.expr(elem)).collect::<Vec<_>>());
        let elems = elems.unwrap_or_default();
        quote_spanned!(index.span()=> (#(#elems,)*))
    }

    fn reference(&mut self, node: &syn::ExprReference) -> TokenStream {
        if let Expr::Index(index) = &*node.expr {
            if coordinates(&index.index).is_some() {
                let (base, place) = (self.expr(&index.expr), self.index(&index.index));
                return quote_spanned!(node.and_token.span()=> __h::address(&#base, #place));
            }
        }
        let (and, mutability) = (&node.and_token, &node.mutability);
        if let (Some(_), Expr::Path(path)) = (mutability, &*node.expr) {
            // A device variable passed to a helper stays a variable.
            return quote!(#and #mutability #path);
        }
        let value = self.expr(&node.expr);
        quote!(#and #mutability #value)
    }

    fn call(&mut self, node: &ExprCall) -> TokenStream {
        let mut func = match &*node.func {
            Expr::Path(path) => Expr::Path(path.clone()),
            other => Expr::Verbatim(self.expr(other)),
        };
        infer_last(&mut func);
        let args = node.args.iter().map(|arg| self.expr(arg)).collect::<Vec<_>>();
        let mut out = quote!(#func);
        node.paren_token.surround(&mut out, |out| quote!(#(#args),*).to_tokens(out));
        out
    }

    fn closure(&mut self, node: &ExprClosure) -> TokenStream {
        let mut node = node.clone();
        let span = node.body.span();
        let frame = Frame {
            guard: Ident::new("__closure", span),
            label: syn::Lifetime::new("'__closure", span),
            kind: FrameKind::Closure,
            device: false,
        };
        let (declared, body) = self.scoped(|this| {
            let declared: TokenStream = node.inputs.iter_mut().map(|pat| this.pattern(pat, None)).collect();
            (declared, this.framed(frame, |this| this.expr(&node.body)))
        });
        let body = if declared.is_empty() && matches!(node.output, syn::ReturnType::Default) {
            body
        } else {
            quote_spanned!(span=> { #declared #body })
        };
        *node.body = Expr::Verbatim(body);
        quote!(#node)
    }
}

/// Functions whose last type or rank is inferred from their arguments, so that the user gives only the first in
/// `::<..>`.
const INFERRED: &[&str] =
    &["shared", "registers", "load_hint", "block_sum", "block_max", "block_min", "block_scan_add"];

/// Returns true if a call allocates memory.
pub(super) fn allocates(func: &Expr) -> bool {
    let Expr::Path(path) = func else { return false };
    let last = path.path.segments.last();
    may_be_ours(&path.path) && last.is_some_and(|last| last.ident == "shared" || last.ident == "registers")
}

/// Returns true if a path may lead to a function of the language; a path into another module does not.
fn may_be_ours(path: &Path) -> bool {
    let modules = path.segments.iter().rev().skip(1);
    modules.into_iter().all(|module| OUR_MODULES.iter().any(|ours| module.ident == ours))
}

const OUR_MODULES: [&str; 4] = ["hidet", "prelude", "dsl", "intrinsics"];

/// `shared::<T>` -> `shared::<T, _>`
fn infer_last(func: &mut Expr) {
    let Expr::Path(path) = func else { return };
    if !may_be_ours(&path.path) {
        return;
    }
    let Some(segment) = path.path.segments.last_mut() else { return };
    if !INFERRED.contains(&segment.ident.to_string().as_str()) {
        return;
    }
    if let PathArguments::AngleBracketed(args) = &mut segment.arguments {
        if args.args.len() == 1 {
            let underscore_token = syn::token::Underscore(segment.ident.span());
            let inferred = syn::TypeInfer { attrs: Vec::new(), underscore_token };
            args.args.push(GenericArgument::Type(syn::Type::Infer(inferred)));
        }
    }
}

/// A reference to an operand. Parentheses are needed because an operator in it binds weaker than `&`.
fn borrowed(expr: &Expr, tokens: TokenStream) -> TokenStream {
    let span = expr.span();
    match expr {
        Expr::Binary(_) => quote_spanned!(span=> &(#tokens)),
        _ => quote_spanned!(span=> &#tokens),
    }
}

/// Returns the coordinates of `[[i, j]]`.
pub(super) fn coordinates(index: &Expr) -> Option<Vec<&Expr>> {
    match index {
        Expr::Array(array) => Some(array.elems.iter().collect()),
        Expr::Group(group) => coordinates(&group.expr),
        _ => None,
    }
}

/// Returns true if a condition contains a `let`, which makes it Rust's own.
pub(super) fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(node) if matches!(node.op, BinOp::And(_)) => has_let(&node.left) || has_let(&node.right),
        _ => false,
    }
}

/// Returns the method of an arithmetic operator.
pub(super) fn arithmetic_name(op: &BinOp) -> Option<&'static str> {
    Some(match op {
        BinOp::Add(_) => "add",
        BinOp::Sub(_) => "sub",
        BinOp::Mul(_) => "mul",
        BinOp::Div(_) => "div",
        BinOp::Rem(_) => "rem",
        BinOp::BitAnd(_) => "bitand",
        BinOp::BitOr(_) => "bitor",
        BinOp::BitXor(_) => "bitxor",
        BinOp::Shl(_) => "shl",
        BinOp::Shr(_) => "shr",
        _ => return None,
    })
}

/// Returns the method of a comparison, and the method with the sides exchanged.
fn comparison_name(op: &BinOp) -> Option<(&'static str, &'static str)> {
    Some(match op {
        BinOp::Eq(_) => ("eq", "eq"),
        BinOp::Ne(_) => ("ne", "ne"),
        BinOp::Lt(_) => ("lt", "gt"),
        BinOp::Le(_) => ("le", "ge"),
        BinOp::Gt(_) => ("gt", "lt"),
        BinOp::Ge(_) => ("ge", "le"),
        _ => return None,
    })
}

fn is_assign(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}
