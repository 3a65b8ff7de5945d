//! `=` and `+=`.

use super::Body;
use super::expr::{arithmetic_name, coordinates};
use super::literal::literal;
use super::scope::{Binding, FrameKind};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{BinOp, Expr, ExprAssign, ExprBinary, Ident, UnOp};

/// The left side of an assignment.
enum Target<'a> {
    /// A device variable.
    Variable(TokenStream),
    /// An element of a tensor.
    Element(&'a Expr, &'a Expr),
    /// Several at once.
    Tuple(Vec<&'a Expr>),
    /// `_`
    Nothing,
    /// A place of the host, with the name at its start.
    Host(Option<&'a Ident>),
}

impl Body<'_> {
    pub(super) fn assign(&mut self, node: &ExprAssign) -> TokenStream {
        let span = node.eq_token.span;
        match self.target(&node.left) {
            Some(Target::Variable(var)) => {
                let value = self.declared(&node.right);
                quote_spanned!(span=> #var.set(#value))
            }
            Some(Target::Element(base, index)) => {
                let value = self.declared(&node.right);
                let (base, index) = (self.expr(base), self.index(index));
                quote_spanned!(span=> __h::store(&#base, #index, #value))
            }
            Some(Target::Tuple(targets)) => {
                let value = self.expr(&node.right);
                let names: Vec<Ident> = targets.iter().map(|target| self.fresh("t", target.span())).collect();
                let assigned: TokenStream = targets
                    .iter()
                    .zip(&names)
                    .map(|(target, name)| {
                        let assignment = ExprAssign {
                            attrs: Vec::new(),
                            left: Box::new((*target).clone()),
                            eq_token: node.eq_token,
                            right: Box::new(Expr::Path(syn::ExprPath {
                                attrs: Vec::new(),
                                qself: None,
                                path: name.clone().into(),
                            })),
                        };
                        let assigned = self.assign(&assignment);
                        quote!(#assigned;)
                    })
                    .collect();
                quote_spanned!(span=> { let (#(#names,)*) = #value; #assigned })
            }
            Some(Target::Nothing) => {
                let value = self.expr(&node.right);
                quote_spanned!(span=> { let _ = #value; })
            }
            Some(Target::Host(base)) => {
                let checks = self.unchanged_on_device(base, span);
                let (left, right) = (self.place(&node.left), self.expr(&node.right));
                quote_spanned!(span=> { #checks #left = #right; })
            }
            None => TokenStream::new(),
        }
    }

    pub(super) fn assign_op(&mut self, node: &ExprBinary) -> TokenStream {
        let span = node.op.span();
        let op = plain(&node.op);
        match self.target(&node.left) {
            Some(Target::Variable(var)) => {
                let value = self.combine(quote_spanned!(span=> #var.read()), &op, &node.right);
                quote_spanned!(span=> #var.set(#value))
            }
            Some(Target::Element(base, index)) => {
                self.no_jump(&node.right, "a jump cannot stand here; compute the value with a `let` before");
                let (base, index) = (self.expr(base), self.index(index));
                let old = self.fresh("v", span);
                let value = self.combine(quote!(#old), &op, &node.right);
                quote_spanned!(span=> __h::update(&#base, #index, |#old| #value))
            }
            Some(Target::Host(base)) => {
                let checks = self.unchanged_on_device(base, span);
                let (left, right, op) = (self.place(&node.left), self.expr(&node.right), node.op);
                quote_spanned!(span=> { #checks #left #op #right; })
            }
            Some(Target::Tuple(_) | Target::Nothing) => {
                self.errors.on(node, "this cannot be changed in place; write `=`");
                TokenStream::new()
            }
            None => TokenStream::new(),
        }
    }

    /// `left op right`, where `left` is a device value.
    fn combine(&mut self, left: TokenStream, op: &BinOp, right: &Expr) -> TokenStream {
        match (literal(right), arithmetic_name(op)) {
            (Some(_), Some(name)) => {
                let name = Ident::new(name, op.span());
                quote_spanned!(op.span()=> __h::OpValue(#left).#name(#right))
            }
            _ => {
                let right = match right {
                    Expr::Binary(_) | Expr::Range(_) | Expr::Closure(_) => {
                        let right = self.expr(right);
                        quote_spanned!(op.span()=> (#right))
                    }
                    _ => self.expr(right),
                };
                quote_spanned!(op.span()=> #left #op #right)
            }
        }
    }

    fn target<'a>(&mut self, left: &'a Expr) -> Option<Target<'a>> {
        match left {
            Expr::Paren(node) => self.target(&node.expr),
            Expr::Group(node) => self.target(&node.expr),
            Expr::Infer(_) => Some(Target::Nothing),
            Expr::Tuple(node) => Some(Target::Tuple(node.elems.iter().collect())),
            Expr::Path(node) => {
                let Some(name) = node.path.get_ident() else { return Some(Target::Host(None)) };
                match self.lookup(name) {
                    Some(Binding::Device) => Some(Target::Variable(quote!(#name))),
                    Some(Binding::Value) => {
                        self.errors.at(
                            name.span(),
                            format!(
                                "`{name}` does not change: declare it with `let mut {name}` for a device variable, \
                                     or `#[meta] let mut {name}` for a meta variable"
                            ),
                        );
                        None
                    }
                    Some(Binding::Reference) => {
                        self.errors.at(name.span(), format!("`{name}` is a reference: write `*{name}`"));
                        None
                    }
                    Some(Binding::Meta(_)) | None => Some(Target::Host(Some(name))),
                }
            }
            Expr::Unary(node) if matches!(node.op, UnOp::Deref(_)) => match &*node.expr {
                Expr::Path(path) => match path.path.get_ident() {
                    Some(name) if self.lookup(name) == Some(Binding::Reference) => {
                        Some(Target::Variable(quote!(#name)))
                    }
                    name => Some(Target::Host(name)),
                },
                _ => Some(Target::Host(None)),
            },
            Expr::Index(node) if coordinates(&node.index).is_some() => Some(Target::Element(&node.expr, &node.index)),
            Expr::Field(node) if self.is_variable(&node.base) => {
                let (tuple, member) = (&node.base, &node.member);
                Some(Target::Variable(quote_spanned!(member.span()=> #tuple.vars.#member)))
            }
            Expr::Field(_) | Expr::Index(_) => Some(Target::Host(base(left))),
            _ => {
                self.errors.on(left, "this cannot be assigned to");
                None
            }
        }
    }

    /// Returns true if an expression is the name of a device variable.
    fn is_variable(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Path(node) => node.path.get_ident().and_then(|name| self.lookup(name)) == Some(Binding::Device),
            _ => false,
        }
    }

    /// A place of the host. It is written, not read; only its indices are read.
    fn place(&mut self, expr: &Expr) -> TokenStream {
        match expr {
            Expr::Path(node) => quote!(#node),
            Expr::Field(node) => {
                let (base, member) = (self.place(&node.base), &node.member);
                quote_spanned!(node.dot_token.span()=> #base.#member)
            }
            Expr::Index(node) => {
                let (base, index) = (self.place(&node.expr), self.expr(&node.index));
                quote_spanned!(node.bracket_token.span.join()=> #base[#index])
            }
            Expr::Paren(node) => self.place(&node.expr),
            Expr::Group(node) => self.place(&node.expr),
            _ => self.expr(expr),
        }
    }

    /// Checks that every frame between the declaration of a meta variable and its change is a meta one.
    fn unchanged_on_device(&mut self, base: Option<&Ident>, span: Span) -> TokenStream {
        let Some(Binding::Meta(declared)) = base.and_then(|name| self.lookup(name)) else { return TokenStream::new() };
        self.host_only("meta_only", declared, span)
    }

    /// Calls a check of `dsl::glue` for each frame from the number `from` on; the check refuses frames of the device.
    pub(super) fn host_only(&self, check: &str, from: usize, span: Span) -> TokenStream {
        let check = Ident::new(check, span);
        // The loop around a device function runs exactly once, so nothing in it is conditional because of it.
        let frames = self.frames.iter().skip(from);
        let frames = frames.filter(|frame| !matches!(frame.kind, FrameKind::Closure | FrameKind::Once));
        let guards: Vec<Ident> = frames.map(|frame| Ident::new(&frame.guard.to_string(), span)).collect();
        quote_spanned!(span=> #(__h::#check(&#guards);)*)
    }
}

/// Returns the name at the start of a place.
fn base(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(node) => node.path.get_ident(),
        Expr::Field(node) => base(&node.base),
        Expr::Index(node) => base(&node.expr),
        Expr::Paren(node) => base(&node.expr),
        Expr::Group(node) => base(&node.expr),
        Expr::Unary(node) => base(&node.expr),
        _ => None,
    }
}

/// The operator without its `=`.
fn plain(op: &BinOp) -> BinOp {
    use syn::token;
    match op {
        BinOp::AddAssign(t) => BinOp::Add(token::Plus(t.spans[0])),
        BinOp::SubAssign(t) => BinOp::Sub(token::Minus(t.spans[0])),
        BinOp::MulAssign(t) => BinOp::Mul(token::Star(t.spans[0])),
        BinOp::DivAssign(t) => BinOp::Div(token::Slash(t.spans[0])),
        BinOp::RemAssign(t) => BinOp::Rem(token::Percent(t.spans[0])),
        BinOp::BitXorAssign(t) => BinOp::BitXor(token::Caret(t.spans[0])),
        BinOp::BitAndAssign(t) => BinOp::BitAnd(token::And(t.spans[0])),
        BinOp::BitOrAssign(t) => BinOp::BitOr(token::Or(t.spans[0])),
        BinOp::ShlAssign(t) => BinOp::Shl(token::Shl([t.spans[0], t.spans[1]])),
        BinOp::ShrAssign(t) => BinOp::Shr(token::Shr([t.spans[0], t.spans[1]])),
        other => *other,
    }
}
