//! What a kernel's body cannot contain, found before it is expanded. Each refusal says what to write instead.

use super::error::Errors;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprWhile, Item, Lit, Local, Stmt};

/// Reports every construct that has no meaning in a kernel.
pub fn body(block: &Block, errors: &mut Errors) {
    Checker { errors }.visit_block(block);
}

struct Checker<'e> {
    errors: &'e mut Errors,
}

impl<'ast> Visit<'ast> for Checker<'_> {
    // Items are plain Rust.
    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_local(&mut self, local: &'ast Local) {
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
                self.errors.on(&node.cond, "`while true` would run for ever while building; write `loop`");
            }
        }
        visit::visit_expr_while(self, node);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        visit::visit_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
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
        // What stands inside is reported too, but for the content of what has no meaning at all.
        if !matches!(expr, Expr::Async(_) | Expr::TryBlock(_) | Expr::Verbatim(_)) {
            visit::visit_expr(self, expr);
        }
    }
}
