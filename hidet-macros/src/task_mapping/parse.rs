//! The declaration in the attribute, and which of the two kinds of function it is on.

use super::Errors;
use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Expr, ExprArray, FnArg, GenericArgument, Ident, ItemFn, Lit, Pat, Path, PathArguments, ReturnType, Token, Type,
};

/// The arguments of the attribute.
pub(super) struct Declared {
    pub workers: Option<Expr>,
    pub tasks: Option<ExprArray>,
    pub overlap: bool,
    /// The path of the crate `hidet`.
    pub krate: Path,
}

enum Argument {
    Workers(Ident, Expr),
    Tasks(Ident, Expr),
    Overlap(Ident),
    Crate(Path),
    Unknown(Ident),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![crate]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            return Ok(Argument::Crate(input.call(Path::parse_mod_style)?));
        }
        let name: Ident = input.parse()?;
        let known = ["workers", "tasks"].contains(&name.to_string().as_str());
        if !known && name != "overlap" {
            if input.parse::<Option<Token![=]>>()?.is_some() {
                input.parse::<Expr>()?;
            }
            return Ok(Argument::Unknown(name));
        }
        if name == "overlap" {
            return Ok(Argument::Overlap(name));
        }
        input.parse::<Token![=]>()?;
        let value = input.parse()?;
        Ok(if name == "workers" { Argument::Workers(name, value) } else { Argument::Tasks(name, value) })
    }
}

/// Parses the arguments of the attribute; mistakes go to `errors`.
pub(super) fn declared(attr: TokenStream, errors: &mut Errors) -> Declared {
    let mut declared = Declared { workers: None, tasks: None, overlap: false, krate: syn::parse_quote!(::hidet) };
    let arguments = match Punctuated::<Argument, Token![,]>::parse_terminated.parse2(attr) {
        Ok(arguments) => arguments,
        Err(error) => {
            errors.push(error);
            return declared;
        }
    };
    let mut seen: Vec<String> = Vec::new();
    let mut once = |name: &Ident, errors: &mut Errors| {
        if seen.contains(&name.to_string()) {
            errors.at(name, format!("`{name}` is given twice"));
        }
        seen.push(name.to_string());
    };
    for argument in arguments {
        match argument {
            Argument::Workers(name, value) => {
                once(&name, errors);
                declared.workers = Some(value);
            }
            Argument::Tasks(name, value) => {
                once(&name, errors);
                match value {
                    Expr::Array(array) if array.elems.is_empty() || array.elems.len() > hidet_mapping::MAX_RANK => {
                        let (count, most) = (array.elems.len(), hidet_mapping::MAX_RANK);
                        errors.at(array, format!("a task domain has 1 to {most} extents, not {count}"));
                    }
                    Expr::Array(array) => declared.tasks = Some(array),
                    other => errors.at(other, "write the extents of the task domain as a list: `tasks = [128, 8]`"),
                }
            }
            Argument::Overlap(name) => {
                once(&name, errors);
                declared.overlap = true;
            }
            Argument::Crate(path) => declared.krate = path,
            Argument::Unknown(name) => errors.at(
                &name,
                format!("unknown argument `{name}`: there are `workers = 256`, `tasks = [128, 8]`, `overlap`, `crate = path`"),
            ),
        }
    }
    declared
}

/// The kind of function that the attribute is on.
pub(super) enum Kind {
    /// A function that returns a `TaskMapping`.
    Composition,
    /// A function from the worker to its task or tasks.
    Custom(MappingSignature),
}

/// The signature of a custom function.
pub(super) struct MappingSignature {
    /// The name of the worker, or `None` if the parameters are wrong.
    pub worker: Option<Ident>,
    /// True if it returns several tasks.
    pub several: bool,
}

/// Returns the kind of the function: one that returns an array is custom.
pub(super) fn kind(function: &ItemFn, declared: &Declared, errors: &mut Errors) -> Kind {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        errors.at(token, "a task mapping is computed while compiling: it cannot be `async`");
    }
    if let syn::Safety::Unsafe(token) = &signature.safety {
        errors.at(token, "a task mapping is integer arithmetic: remove `unsafe`");
    }
    if let Some(receiver) = signature.receiver() {
        errors.at(receiver, "a task mapping is a free function: it has no `self`");
    }
    let ty = match &signature.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => {
            errors.at(
                &signature.ident,
                "say what the function gives: `-> TaskMapping<2>` for a composition, `-> [Index; 2]` for a function of the \
                 worker",
            );
            return Kind::Composition;
        }
    };
    let axes = declared.tasks.as_ref().map(|tasks| tasks.elems.len());
    let Type::Array(array) = ty else {
        if let (Some(rank), Some(axes)) = (rank_of(ty), axes)
            && rank != axes
        {
            errors.at(
                ty,
                format!("`tasks` has {}, but the mapping has {rank}: write `TaskMapping<{axes}>`", count(axes, "axis")),
            );
        }
        return Kind::Composition;
    };
    // Arguments that could not be read were reported before.
    if (declared.workers.is_none() || declared.tasks.is_none()) && errors.is_empty() {
        errors.at(
            &signature.ident,
            "a custom mapping must declare its numbers: `#[task_mapping(workers = 32, tasks = [4, 8])]`",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.at(&signature.generics, "a custom mapping cannot be generic: it is enumerated while compiling");
    }
    let (several, task) = match &*array.elem {
        Type::Array(task) => (true, task),
        _ => (false, array),
    };
    if let (Some(len), Some(axes)) = (integer(&task.len), axes)
        && len as usize != axes
    {
        errors.at(&task.len, format!("`tasks` has {}, but a task here has {len}", count(axes, "axis")));
    }
    let worker = match signature.inputs.iter().collect::<Vec<_>>()[..] {
        [FnArg::Typed(argument)] => match &*argument.pat {
            Pat::Ident(pattern)
                if pattern.mutability.is_none() && pattern.by_ref.is_none() && pattern.subpat.is_none() =>
            {
                Some(pattern.ident.clone())
            }
            other => {
                errors.at(other, "name the worker: `w: Worker`");
                None
            }
        },
        _ => {
            errors.at(&signature.ident, "a custom mapping takes the worker alone: `fn name(w: Worker) -> [Index; 2]`");
            None
        }
    };
    Kind::Custom(MappingSignature { worker, several })
}

/// `1 axis`, `2 axes`
pub(super) fn count(number: usize, what: &str) -> String {
    match what {
        _ if number == 1 => format!("1 {what}"),
        "axis" => format!("{number} axes"),
        _ => format!("{number} {what}s"),
    }
}

/// Returns the `2` of `TaskMapping<2>`.
pub(super) fn rank_of(ty: &Type) -> Option<usize> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "TaskMapping")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Const(rank) => integer(rank).map(|rank| rank as usize),
        _ => None,
    }
}

/// Returns the value of an expression of integer literals, or `None` if it contains anything else.
pub(super) fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        Expr::Paren(paren) => integer(&paren.expr),
        Expr::Group(group) => integer(&group.expr),
        Expr::Binary(binary) => {
            let (a, b) = (integer(&binary.left)?, integer(&binary.right)?);
            match binary.op {
                syn::BinOp::Add(_) => a.checked_add(b),
                syn::BinOp::Sub(_) => a.checked_sub(b),
                syn::BinOp::Mul(_) => a.checked_mul(b),
                syn::BinOp::Div(_) => a.checked_div(b),
                syn::BinOp::Rem(_) => a.checked_rem(b),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns [`integer`] if it is an extent or a number of workers.
pub(super) fn extent(expr: &Expr) -> Option<u32> {
    u32::try_from(integer(expr)?).ok()
}

/// Returns the literal extents of an array.
pub(super) fn extents(array: &ExprArray) -> Option<Vec<u32>> {
    array.elems.iter().map(extent).collect()
}
