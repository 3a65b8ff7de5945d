//! Plain numbers, which take the type that the context requires.

use super::Body;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprArray, ExprTuple, Ident};

impl Body<'_> {
    /// A value where a device value is expected: a plain number takes the type that the context requires.
    pub(super) fn declared(&mut self, expr: &Expr) -> TokenStream {
        match literal(expr) {
            Some(Literal::Int) => quote_spanned!(expr.span()=> __h::IntegerLiteral(#expr)),
            Some(Literal::Float) => quote_spanned!(expr.span()=> __h::FloatLiteral(#expr)),
            None => match expr {
                Expr::Tuple(node) => self.tuple(node, Self::declared),
                _ => self.expr(expr),
            },
        }
    }

    /// A tuple with `elem` applied to each element.
    pub(super) fn tuple(&mut self, node: &ExprTuple, elem: fn(&mut Self, &Expr) -> TokenStream) -> TokenStream {
        let elems = node.elems.iter().map(|expr| elem(self, expr)).collect::<Vec<_>>();
        let mut out = TokenStream::new();
        node.paren_token.surround(&mut out, |out| quote!(#(#elems,)*).to_tokens(out));
        out
    }

    /// An array, in which plain numbers take the type of the first element that is not a plain number.
    pub(super) fn array(&mut self, node: &ExprArray) -> TokenStream {
        let first = node.elems.iter().position(|elem| literal(elem).is_none());
        let Some(first) = first.filter(|_| node.elems.iter().any(|elem| literal(elem).is_some())) else {
            let elems = node.elems.iter().map(|elem| self.expr(elem)).collect::<Vec<_>>();
            return self.in_brackets(node, &elems);
        };
        let names: Vec<Ident> = node.elems.iter().map(|elem| self.fresh("e", elem.span())).collect();
        let like = &names[first];
        let (mut bound, mut values, mut elems) = (Vec::new(), Vec::new(), Vec::new());
        for (elem, name) in node.elems.iter().zip(&names) {
            if literal(elem).is_some() {
                elems.push(quote_spanned!(elem.span()=> __h::Like(&#like).literal(#elem)));
            } else {
                let value = self.expr(elem);
                bound.push(name);
                values.push(value);
                elems.push(quote!(#name));
            }
        }
        let array = self.in_brackets(node, &elems);
        // Temporaries of the elements live as long as those of an array do.
        quote_spanned!(node.span()=> match (#(#values,)*) { (#(#bound,)*) => #array })
    }

    fn in_brackets(&mut self, node: &ExprArray, elems: &[TokenStream]) -> TokenStream {
        let mut out = TokenStream::new();
        node.bracket_token.surround(&mut out, |out| quote!(#(#elems),*).to_tokens(out));
        out
    }
}

/// An unsuffixed number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    Int,
    Float,
}

/// Returns the kind of an unsuffixed number, with or without a sign, or of arithmetic on such numbers alone.
pub(super) fn literal(expr: &Expr) -> Option<Literal> {
    match expr {
        Expr::Lit(node) => match &node.lit {
            syn::Lit::Int(int) if int.suffix().is_empty() => Some(Literal::Int),
            syn::Lit::Float(float) if float.suffix().is_empty() => Some(Literal::Float),
            _ => None,
        },
        Expr::Unary(node) if matches!(node.op, syn::UnOp::Neg(_)) => literal(&node.expr),
        // Arithmetic of plain numbers alone is a plain number.
        Expr::Binary(node) if super::expr::arithmetic_name(&node.op).is_some() => {
            literal(&node.left).filter(|kind| literal(&node.right) == Some(*kind))
        }
        Expr::Paren(node) => literal(&node.expr),
        Expr::Group(node) => literal(&node.expr),
        _ => None,
    }
}
