//! Walks over syntax. `syn` compiles its visitor anew for each type that implements it, so all searches share one.

use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprClosure, Item, Pat, PatIdent, Type, TypeReference};

/// Calls `f` with each expression in a block, outer before inner, and with the expressions around it, outermost first.
/// What is inside of items and closures is left out.
pub fn each_in_block<'ast>(block: &'ast Block, f: &mut dyn FnMut(&'ast Expr, &[&'ast Expr])) {
    Walk { around: Vec::new(), f }.visit_block(block);
}

/// The same for an expression, which is the first.
pub fn each_expr<'ast>(expr: &'ast Expr, f: &mut dyn FnMut(&'ast Expr, &[&'ast Expr])) {
    Walk { around: Vec::new(), f }.visit_expr(expr);
}

struct Walk<'ast, 'f> {
    around: Vec<&'ast Expr>,
    f: &'f mut dyn FnMut(&'ast Expr, &[&'ast Expr]),
}

impl<'ast> Visit<'ast> for Walk<'ast, '_> {
    fn visit_item(&mut self, _: &'ast Item) {}
    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr(&mut self, expr: &'ast Expr) {
        (self.f)(expr, &self.around);
        self.around.push(expr);
        visit::visit_expr(self, expr);
        self.around.pop();
    }
}

/// Syntax that may be changed: an expression, a name of a pattern, the type of a reference.
pub enum Place<'a> {
    Expr(&'a mut Expr),
    Name(&'a mut PatIdent),
    Reference(&'a mut TypeReference),
}

/// Lets `f` change each place in an expression, outer before inner.
pub fn change_expr(expr: &mut Expr, f: &mut dyn FnMut(Place<'_>)) {
    Change(f).visit_expr_mut(expr);
}

/// The same for a pattern.
pub fn change_pat(pat: &mut Pat, f: &mut dyn FnMut(Place<'_>)) {
    Change(f).visit_pat_mut(pat);
}

/// The same for a type.
pub fn change_type(ty: &mut Type, f: &mut dyn FnMut(Place<'_>)) {
    Change(f).visit_type_mut(ty);
}

struct Change<'f>(&'f mut dyn FnMut(Place<'_>));

impl VisitMut for Change<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        (self.0)(Place::Expr(expr));
        visit_mut::visit_expr_mut(self, expr);
    }
    fn visit_pat_ident_mut(&mut self, name: &mut PatIdent) {
        (self.0)(Place::Name(name));
        visit_mut::visit_pat_ident_mut(self, name);
    }
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        (self.0)(Place::Reference(reference));
        visit_mut::visit_type_reference_mut(self, reference);
    }
}
