//! Constructs that a kernel's body cannot contain, found before it is expanded. Each message says what to write
//! instead.

use super::error::Errors;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, Block, Expr, ExprWhile, Item, Lit, Local, Pat, Stmt};

/// Reports every construct that has no meaning in a kernel.
pub fn body(block: &Block, errors: &mut Errors) {
    Checker { errors, uses: Uses::Nothing, leading: 0 }.visit_block(block);
}

/// Returns the `#[cfg(..)]` among some attributes. rustc decides them in the expansion.
pub fn cfg(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// Returns the `#[cfg(..)]` that an expression starts with. Before `a = b`, `syn` parses them as attributes of `a`.
pub fn leading_cfg(expr: &Expr) -> Vec<Attribute> {
    let parse = |input: ParseStream| {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<proc_macro2::TokenStream>()?;
        Ok(attrs)
    };
    cfg(&parse.parse2(expr.to_token_stream()).unwrap_or_default())
}

struct Checker<'e> {
    errors: &'e mut Errors,
    /// The attributes that the construct being visited uses.
    uses: Uses,
    /// The number of `#[cfg(..)]` before the statement being visited that are still to come.
    leading: usize,
}

/// The attributes that a construct uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uses {
    Nothing,
    /// `#[warp(0)]` and similar, on a block.
    Threads,
    /// `#[unroll]`, on a `for`.
    Unroll,
    /// `#[meta]`, on a `let`.
    Meta,
    /// Attributes of a `match` arm, which are left to rustc.
    Any,
}

impl<'ast> Visit<'ast> for Checker<'_> {
    // Items are plain Rust.
    fn visit_item(&mut self, _: &'ast Item) {}

    // An attribute that the expansion does not use would be lost.
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let named = |names: &[&str]| names.iter().any(|name| attr.path().is_ident(name));
        if named(&["cfg"]) && self.leading > 0 {
            self.leading -= 1;
            return;
        }
        let message = match self.uses {
            Uses::Any => return,
            Uses::Threads if named(&["warp", "warp_group", "threads"]) => return,
            Uses::Unroll if named(&["unroll"]) => return,
            Uses::Meta if named(&["meta"]) => return,
            Uses::Threads => {
                "the attributes of a block are `#[warp(0)]`, `#[warp_group(0)]`, `#[warp_group(1..3)]` \
                 and `#[threads(128..160)]`"
            }
            Uses::Unroll => "the attribute of a `for` in a kernel is `#[unroll]`, `#[unroll(4)]` or `#[unroll(never)]`",
            Uses::Meta => "the only attribute of a `let` in a kernel is `#[meta]`",
            Uses::Nothing => {
                "this attribute would have no effect here: `#[warp(0)]` and its like stand on a block `{ .. }`, \
                 `#[unroll]` on a `for` over a range, `#[meta]` on a `let`, `#[cfg(..)]` on a statement"
            }
        };
        self.errors.on(attr, message);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.uses = Uses::Any;
        visit::visit_arm(self, arm);
    }

    fn visit_pat(&mut self, pat: &'ast Pat) {
        self.uses = Uses::Nothing;
        visit::visit_pat(self, pat);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        self.uses = Uses::Meta;
        if local.init.is_none() {
            self.errors.on(
                local,
                "give the variable a value where it is declared, or write `let x = if .. { .. } else { .. };`",
            );
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_while(&mut self, node: &'ast ExprWhile) {
        if let Expr::Lit(lit) = &*node.cond {
            if matches!(&lit.lit, Lit::Bool(value) if value.value) {
                self.errors.on(&node.cond, "`while true` would run forever while building; write `loop`");
            }
        }
        visit::visit_expr_while(self, node);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        self.uses = Uses::Nothing;
        self.leading = match stmt {
            Stmt::Local(local) => cfg(&local.attrs).len(),
            Stmt::Expr(expr, _) => leading_cfg(expr).len(),
            Stmt::Macro(node) => cfg(&node.attrs).len(),
            Stmt::Item(_) => 0,
        };
        visit::visit_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        self.uses = match expr {
            Expr::Block(_) => Uses::Threads,
            Expr::ForLoop(_) => Uses::Unroll,
            _ => Uses::Nothing,
        };
        let message = match expr {
            Expr::Async(_) | Expr::Await(_) => {
                "a kernel cannot wait: there is no `async` and no `.await` on the device"
            }
            Expr::Try(_) => "`?` cannot leave a kernel; handle the error before the kernel is built, or use `match`",
            Expr::TryBlock(_) => "`try` blocks are not part of a kernel; use `match`",
            Expr::Yield(_) => "`yield` is not part of a kernel",
            Expr::RawAddr(_) => "raw pointers are not part of a kernel; `&x[[i]]` is the address of an element",
            Expr::Break(node) if node.expr.is_some() => {
                "`break` with a value is not part of a kernel; assign to a `let mut` declared before the loop"
            }
            Expr::Block(node) if node.label.is_some() => {
                "blocks with a label are not part of a kernel; use `if`, or a `loop` that ends with `break`"
            }
            // A lone `;` is an empty one.
            Expr::Verbatim(tokens) if !tokens.is_empty() => "this expression is not part of a kernel",
            _ => return visit::visit_expr(self, expr),
        };
        self.errors.at(expr.span(), message);
        // Errors inside of it are reported too, except in constructs that are refused as a whole.
        if !matches!(expr, Expr::Async(_) | Expr::TryBlock(_) | Expr::Verbatim(_)) {
            visit::visit_expr(self, expr);
        }
    }
}
