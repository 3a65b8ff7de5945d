//! `break`, `continue`, `return`: the device's jump is emitted, then Rust's own control flow leaves what is being built.
//!
//! The cascade goes from the innermost frame outwards. A frame of the device stops it after its own branch, because the
//! code behind it runs on the device where the branch is not taken; a frame of a meta condition or loop is really left.

use super::scope::{Frame, FrameKind};
use super::{Body, Owner};
use crate::kernel::expand::plain;
use crate::walk::{each_expr, each_in_block};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Block, Expr, ExprBreak, ExprContinue, ExprReturn, Ident, Lifetime, ReturnType, Stmt, Type};

/// The kind of a jump.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Jump {
    Break,
    Continue,
    Return,
}

impl Body<'_> {
    pub(super) fn break_loop(&mut self, node: &ExprBreak) -> TokenStream {
        self.loop_jump(Jump::Break, node.label.as_ref(), node.break_token.span)
    }

    pub(super) fn continue_loop(&mut self, node: &ExprContinue) -> TokenStream {
        self.loop_jump(Jump::Continue, node.label.as_ref(), node.continue_token.span)
    }

    fn loop_jump(&mut self, jump: Jump, label: Option<&Lifetime>, span: Span) -> TokenStream {
        let name = label.map(|label| plain(&label.ident));
        let inside = self.frames.iter().rposition(|frame| frame.kind == FrameKind::Closure).map_or(0, |at| at + 1);
        let target = self.frames[inside..].iter().rposition(|frame| match &frame.kind {
            FrameKind::Loop { name: found } => name.is_none() || *found == name,
            _ => false,
        });
        let word = if jump == Jump::Break { "break" } else { "continue" };
        match (target, label) {
            (Some(target), _) => self.cascade(jump, Some(inside + target), TokenStream::new(), span),
            (None, Some(label)) => {
                self.errors.at(label.ident.span(), format!("there is no loop `{label}` around this `{word}`"));
                TokenStream::new()
            }
            (None, None) => {
                self.errors.at(span, format!("`{word}` outside of a loop"));
                TokenStream::new()
            }
        }
    }

    pub(super) fn return_from(&mut self, node: &ExprReturn) -> TokenStream {
        let span = node.return_token.span;
        if self.frames.iter().any(|frame| frame.kind == FrameKind::Closure) {
            let value = node.expr.as_ref().map(|value| self.expr(value));
            let token = node.return_token;
            return quote_spanned!(span=> #token #value);
        }
        match self.owner {
            Owner::Kernel => {
                if let Some(value) = &node.expr {
                    self.errors.on(value, "a kernel returns nothing; write its results to an `Out<..>` parameter");
                }
                self.cascade(Jump::Return, None, quote_spanned!(span=> __h::emit_return();), span)
            }
            Owner::Host => {
                let checks = self.host_only("return_only", 0, span);
                let value = node.expr.as_ref().map(|value| self.expr(value));
                let token = node.return_token;
                quote_spanned!(span=> { #checks #token #value })
            }
            Owner::Device { once: false } => {
                let value = node.expr.as_ref().map(|value| self.expr(value));
                let token = node.return_token;
                quote_spanned!(span=> #token #value)
            }
            Owner::Device { once: true } => {
                let value = match &node.expr {
                    Some(value) => self.expr(value),
                    None => quote_spanned!(span=> ()),
                };
                self.cascade(Jump::Break, Some(0), quote_spanned!(span=> __out.set(#value);), span)
            }
        }
    }

    /// Reports a jump out of an expression that becomes a closure.
    pub(super) fn no_jump(&mut self, expr: &Expr, message: &str) {
        let mut found = None;
        each_expr(expr, &mut |expr, around| {
            let inside = || around.iter().any(|outer| is_loop(outer));
            let jump = match expr {
                Expr::Return(node) => Some(node.return_token.span),
                Expr::Break(node) if !inside() => Some(node.break_token.span),
                Expr::Continue(node) if !inside() => Some(node.continue_token.span),
                _ => None,
            };
            found = found.or(jump);
        });
        if let Some(span) = found {
            self.errors.at(span, message);
        }
    }

    /// Emits the jump and leaves all frames inside of the target; `None` is the whole kernel.
    fn cascade(&mut self, jump: Jump, target: Option<usize>, before: TokenStream, span: Span) -> TokenStream {
        let passed = &self.frames[target.map_or(0, |target| target + 1)..];
        let mut out = before;
        if let Some(target) = target.map(|target| &self.frames[target]) {
            let guard = &target.guard;
            if !target.device {
                for frame in passed {
                    let passed = &frame.guard;
                    out.extend(quote_spanned!(span=> __h::through((&#passed, &#guard));));
                }
            }
            let emit = Ident::new(if jump == Jump::Break { "emit_break" } else { "emit_continue" }, span);
            out.extend(quote_spanned!(span=> #guard.#emit();));
        }
        for frame in passed.iter().rev() {
            let leave = leave(frame, span);
            if frame.device {
                return quote_spanned!(span=> { #out #leave });
            }
            let guard = &frame.guard;
            out.extend(quote_spanned!(span=> if #guard.device() { #leave }));
        }
        let end = match target.map(|target| &self.frames[target]) {
            None => quote_spanned!(span=> return),
            Some(frame) => {
                let (guard, label) = (&frame.guard, &frame.label);
                match jump {
                    Jump::Break if !frame.device => {
                        quote_spanned!(span=> if #guard.device() { continue #label } break #label)
                    }
                    _ => quote_spanned!(span=> continue #label),
                }
            }
        };
        quote_spanned!(span=> { #out #end })
    }
}

/// Ends what is built of a frame of the device.
fn leave(frame: &Frame, span: Span) -> TokenStream {
    let label = &frame.label;
    match frame.kind {
        FrameKind::Branch { value: true } => quote_spanned!(span=> break #label __h::None),
        FrameKind::Branch { value: false } => quote_spanned!(span=> break #label),
        _ => quote_spanned!(span=> continue #label),
    }
}

fn is_loop(expr: &Expr) -> bool {
    matches!(expr, Expr::While(_) | Expr::Loop(_) | Expr::ForLoop(_))
}

/// Returns true if a block ends with a jump, so that it has no value.
pub(super) fn diverges(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expr, _)) => leaves(expr),
        _ => false,
    }
}

/// Returns true if an expression is a jump, or a choice in which every branch ends with a jump.
pub(super) fn leaves(expr: &Expr) -> bool {
    match expr {
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => true,
        Expr::Block(node) => diverges(&node.block),
        Expr::Unsafe(node) => diverges(&node.block),
        Expr::If(node) => {
            diverges(&node.then_branch) && node.else_branch.as_ref().is_some_and(|(_, branch)| leaves(branch))
        }
        Expr::Match(node) => !node.arms.is_empty() && node.arms.iter().all(|arm| leaves(&arm.body)),
        _ => false,
    }
}

/// Returns true if a function returns a meta value, judged by the name of its type.
pub(super) fn gives_host_value(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    match &**ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| HOST.iter().any(|name| last.ident == name)),
        Type::Reference(_) | Type::Array(_) => true,
        _ => false,
    }
}

const HOST: [&str; 23] = [
    "bool", "char", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f16",
    "bf16", "f32", "f64", "String", "Vec", "Option", "Result", "Box",
];

/// Returns true if a `return` is inside of a branch or loop, which may be one of the device.
pub(super) fn returns_under_a_branch(block: &Block) -> bool {
    let branches = |expr: &Expr| match expr {
        Expr::If(node) => !super::expr::has_let(&node.cond),
        Expr::Block(node) => !node.attrs.is_empty(),
        expr => is_loop(expr),
    };
    let mut found = false;
    each_in_block(block, &mut |expr, around| {
        found |= matches!(expr, Expr::Return(_)) && around.iter().any(|outer| branches(outer));
    });
    found
}
