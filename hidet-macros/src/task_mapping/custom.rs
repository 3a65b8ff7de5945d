//! The body of a custom function as a list of values, each computed from earlier ones.
//!
//! Constants that are not literals stay tokens, which rustc evaluates where the mapping is defined.

use super::Errors;
use super::parse::count;
use hidet_mapping::index::IndexOp;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::HashMap;
use syn::{BinOp, Block, Expr, Ident, Lit, Local, Pat, Stmt};

/// A custom function.
pub(super) struct Function {
    pub nodes: Vec<Node>,
    /// The positions of the coordinates of all tasks in order.
    pub tasks: Vec<u16>,
}

/// A value that the function computes.
#[derive(Clone)]
pub(super) enum Node {
    Known(i64),
    Const(TokenStream),
    Worker,
    Binary(IndexOp, u16, u16),
}

impl Node {
    /// Returns the node, or `None` if it is left to rustc.
    pub(super) fn known(&self) -> Option<hidet_mapping::Node> {
        Some(match self {
            Node::Known(value) => hidet_mapping::Node::Const(*value),
            Node::Const(_) => return None,
            Node::Worker => hidet_mapping::Node::Worker,
            Node::Binary(op, a, b) => hidet_mapping::Node::Binary(*op, *a, *b),
        })
    }
}

const NO_BRANCHES: &str = "a custom mapping has no branches: write the coordinates as arithmetic with `+ - * / % ^ &`, `min` and \
                           `max`";

/// Reads the body. Returns `None` if something is wrong, which is then in `errors`.
pub(super) fn function(
    body: &Block,
    worker: &Ident,
    axes: usize,
    several: bool,
    errors: &mut Errors,
) -> Option<Function> {
    let mut reader = Reader { nodes: Vec::new(), names: HashMap::new() };
    let position = reader.push(Node::Worker);
    reader.names.insert(worker.to_string(), position);
    let before = errors.0.len();
    let mut tasks = Vec::new();
    for (i, stmt) in body.stmts.iter().enumerate() {
        let read = match stmt {
            Stmt::Local(local) => reader.local(local),
            Stmt::Expr(tail, None) if i + 1 == body.stmts.len() => {
                reader.tail(tail, axes, several).map(|all| tasks = all)
            }
            Stmt::Expr(Expr::Return(_), _) => {
                error(stmt, "write the task as the value of the body instead of `return`")
            }
            Stmt::Expr(Expr::Assign(_), _) => {
                error(stmt, "a custom mapping changes nothing: write `let` with a new name")
            }
            _ => error(stmt, "a custom mapping consists of `let` and, at the end, the task: `[w / 8, w % 8]`"),
        };
        if let Err(error) = read {
            errors.push(error);
        }
    }
    if errors.0.len() > before {
        return None;
    }
    if tasks.is_empty() {
        errors.at(body, "the body ends without a task: write `[w / 8, w % 8]` as its last expression");
        return None;
    }
    Some(Function { nodes: reader.nodes, tasks })
}

fn error<T>(place: impl ToTokens, message: impl std::fmt::Display) -> syn::Result<T> {
    Err(syn::Error::new_spanned(place, message))
}

struct Reader {
    nodes: Vec<Node>,
    /// The worker and what `let` binds.
    names: HashMap<String, u16>,
}

impl Reader {
    fn push(&mut self, node: Node) -> u16 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u16
    }

    fn local(&mut self, local: &Local) -> syn::Result<()> {
        let Some(init) = &local.init else {
            return error(local, "give the name a value: `let row = w / 8;`");
        };
        if let Some((_, diverge)) = &init.diverge {
            return error(diverge, NO_BRANCHES);
        }
        let pattern = match &local.pat {
            Pat::Type(typed) => &*typed.pat,
            pattern => pattern,
        };
        match (pattern, &*init.expr) {
            (Pat::Tuple(names), Expr::Tuple(values)) if names.elems.len() == values.elems.len() => {
                let mut bound = Vec::new();
                for (name, value) in names.elems.iter().zip(&values.elems) {
                    bound.push((plain_name(name)?, self.value(value)?));
                }
                self.names.extend(bound);
            }
            (name, value) => {
                let (name, value) = (plain_name(name)?, self.value(value)?);
                self.names.insert(name, value);
            }
        }
        Ok(())
    }

    fn tail(&mut self, tail: &Expr, axes: usize, several: bool) -> syn::Result<Vec<u16>> {
        match tail {
            Expr::Paren(paren) => self.tail(&paren.expr, axes, several),
            Expr::Array(tasks) if several => {
                let mut all = Vec::new();
                for task in &tasks.elems {
                    all.extend(self.task(task, axes)?);
                }
                if all.is_empty() { error(tasks, "a worker does at least one task") } else { Ok(all) }
            }
            Expr::If(_) | Expr::Match(_) => error(tail, NO_BRANCHES),
            _ if several => error(tail, "write the tasks as a list of lists: `[[w, 0], [w, 1]]`"),
            _ => self.task(tail, axes),
        }
    }

    fn task(&mut self, task: &Expr, axes: usize) -> syn::Result<Vec<u16>> {
        match task {
            Expr::Array(task) if task.elems.len() == axes => task.elems.iter().map(|index| self.value(index)).collect(),
            Expr::Array(array) => {
                let (axes, here) = (count(axes, "axis"), count(array.elems.len(), "coordinate"));
                error(array, format!("`tasks` has {axes}, but this task has {here}"))
            }
            Expr::If(_) | Expr::Match(_) => error(task, NO_BRANCHES),
            _ => error(task, "write the task as a list of coordinates: `[w / 8, w % 8]`"),
        }
    }

    /// Returns the position of the value of an expression.
    fn value(&mut self, expr: &Expr) -> syn::Result<u16> {
        match expr {
            Expr::Paren(paren) => return self.value(&paren.expr),
            Expr::Group(group) => return self.value(&group.expr),
            Expr::Cast(cast) if self.uses_names(&cast.expr) => return self.value(&cast.expr),
            Expr::Lit(literal) => {
                return match &literal.lit {
                    Lit::Int(int) => Ok(self.push_known(int.base10_parse()?)),
                    other => error(other, "coordinates are integers: write `1`, not `1.0`"),
                };
            }
            Expr::Path(path) => {
                if let Some(position) = path.path.get_ident().and_then(|name| self.names.get(&name.to_string())) {
                    return Ok(*position);
                }
            }
            _ => {}
        }
        if !self.uses_names(expr) {
            return Ok(match super::parse::integer(expr) {
                Some(value) => self.push_known(value),
                None => self.push(Node::Const(expr.to_token_stream())),
            });
        }
        match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::MethodCall(call) => {
                let arguments: Vec<&Expr> = call.args.iter().collect();
                let op = match (call.method.to_string().as_str(), &arguments[..]) {
                    ("min", [_]) => IndexOp::Min,
                    ("max", [_]) => IndexOp::Max,
                    _ => {
                        return error(
                            &call.method,
                            "the only methods of a worker's number are `min` and `max`; its operators are `+ - * / % ^ & << >>`",
                        );
                    }
                };
                let (a, b) = (self.value(&call.receiver)?, self.value(arguments[0])?);
                Ok(self.push(Node::Binary(op, a, b)))
            }
            Expr::If(_) | Expr::Match(_) => error(expr, NO_BRANCHES),
            Expr::Call(_) | Expr::Macro(_) => {
                error(expr, "a custom mapping cannot call functions of the worker: write the arithmetic here")
            }
            Expr::Unary(_) => error(expr, "a coordinate is never negative: write `a - b`"),
            _ => error(
                expr,
                "a coordinate is integer arithmetic of the worker: `+ - * / % ^ &`, `<<`, `>>`, `min` and `max`",
            ),
        }
    }

    fn binary(&mut self, binary: &syn::ExprBinary) -> syn::Result<u16> {
        let op = match binary.op {
            BinOp::Add(_) => IndexOp::Add,
            BinOp::Sub(_) => IndexOp::Sub,
            BinOp::Mul(_) => IndexOp::Mul,
            BinOp::Div(_) => IndexOp::Div,
            BinOp::Rem(_) => IndexOp::Rem,
            BinOp::BitXor(_) => IndexOp::Xor,
            BinOp::BitAnd(_) => IndexOp::And,
            BinOp::Shl(_) | BinOp::Shr(_) => {
                if self.uses_names(&binary.right) {
                    return error(
                        &binary.right,
                        "the number of bits to shift by must be a constant, not computed from the worker",
                    );
                }
                let left = self.value(&binary.left)?;
                let power = match super::parse::integer(&binary.right) {
                    Some(bits @ 0..31) => self.push_known(1 << bits),
                    Some(_) => return error(&binary.right, "shift by less than 31 bits"),
                    None => {
                        let bits = &binary.right;
                        self.push(Node::Const(quote!(1i64 << (#bits))))
                    }
                };
                let op = if matches!(binary.op, BinOp::Shl(_)) { IndexOp::Mul } else { IndexOp::Div };
                return Ok(self.push(Node::Binary(op, left, power)));
            }
            BinOp::BitOr(_) => return error(binary.op, "there is no `|` here: where no bits overlap, `+` is the same"),
            _ if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => return error(binary.op, NO_BRANCHES),
            _ => return error(binary.op, "a coordinate is a number: comparisons and assignments are not available"),
        };
        let (a, b) = (self.value(&binary.left)?, self.value(&binary.right)?);
        Ok(self.push(Node::Binary(op, a, b)))
    }

    fn push_known(&mut self, value: i64) -> u16 {
        self.push(Node::Known(value))
    }

    /// Returns true if the expression mentions the worker or a `let` of the function.
    fn uses_names(&self, expr: &Expr) -> bool {
        mentions(expr.to_token_stream(), &self.names)
    }
}

fn mentions(tokens: TokenStream, names: &HashMap<String, u16>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Ident(name) => names.contains_key(&name.to_string()),
        _ => false,
    })
}

fn plain_name(pattern: &Pat) -> syn::Result<String> {
    match pattern {
        Pat::Ident(name) if name.mutability.is_some() => {
            error(name, "a custom mapping changes nothing: write `let` without `mut`, and a new name for a new value")
        }
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Ok(name.ident.to_string()),
        other => error(other, "bind one name: `let row = w / 8;`"),
    }
}
