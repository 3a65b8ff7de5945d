//! The const functions that the attribute writes.

use super::custom::{Function, Node};
use super::parse::{Declared, MappingSignature, rank_of};
use super::{Errors, check, custom};
use crate::walk::each_in_block;
use hidet_mapping::index::IndexOp;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::{BinOp, Block, Expr, Ident, ItemFn, ReturnType, Stmt};

/// A function that returns a composition: made `const`, with `*` as `then`.
pub(super) fn composition(mut function: ItemFn, declared: &Declared, mut errors: Errors) -> TokenStream {
    each_in_block(&function.block, &mut |expr, _| {
        if let Expr::Return(place) = expr {
            errors.at(place, "write the mapping as the value of the body instead of `return`");
        }
    });
    let body = tail(&function.block).cloned();
    if body.is_none() && errors.is_empty() {
        errors.at(
            &function.block,
            "the body ends without a mapping: write `repeat([4, 1]) * spatial([32, 8])` as its last expression",
        );
    }
    let rank = match &function.sig.output {
        ReturnType::Type(_, ty) => rank_of(ty),
        ReturnType::Default => None,
    };
    let mut checked = false;
    if let (Some(rank), Some(body), [_]) = (rank, &body, &function.block.stmts[..])
        && errors.is_empty()
    {
        checked = check::composition(rank, body, declared, &mut errors);
    }
    if function.sig.constness.is_none() {
        function.sig.constness = Some(syn::Token![const](function.sig.fn_token.span()));
    }
    if !errors.is_empty() {
        return broken(function, declared, &errors);
    }
    rewrite_block(&mut function.block, &mut HashSet::new());
    let name = &function.sig.ident;
    if !function.sig.inputs.is_empty() || !function.sig.generics.params.is_empty() {
        // It has no value while compiling, so the mapping carries the answer.
        let block = &function.block;
        let (workers, tasks, overlap) = numbers(declared, Span::call_site());
        let result = match &function.sig.output {
            ReturnType::Type(_, ty) => quote!(: #ty),
            ReturnType::Default => TokenStream::new(),
        };
        function.block =
            Box::new(syn::parse_quote!({ let mapping #result = #block; mapping.declared(#workers, #tasks, #overlap) }));
        return function.to_token_stream();
    }
    let check = if checked { TokenStream::new() } else { constant_check(name, declared) };
    quote!(#function #check)
}

/// The signature with a body that always compiles, so that only the mistake itself is reported.
fn broken(mut function: ItemFn, declared: &Declared, errors: &Errors) -> TokenStream {
    let (errors, krate) = (errors.tokens(), &declared.krate);
    function.sig.asyncness = None;
    function.sig.safety = syn::Safety::Default;
    *function.block = match &function.sig.output {
        ReturnType::Type(..) => syn::parse_quote!({ #krate::mapping::TaskMapping::identity() }),
        ReturnType::Default => syn::parse_quote!({}),
    };
    quote!(#errors #[allow(unused_variables)] #function)
}

/// A function of the worker, turned into a description that host and device evaluate.
pub(super) fn custom(
    function: &ItemFn,
    signature: &MappingSignature,
    declared: &Declared,
    mut errors: Errors,
) -> TokenStream {
    let (attrs, vis, name) = (&function.attrs, &function.vis, &function.sig.ident);
    let krate = &declared.krate;
    let axes = declared.tasks.as_ref().map_or(0, |tasks| tasks.elems.len());
    let mut read = None;
    if let (Some(worker), true) = (&signature.worker, axes > 0) {
        read = custom::function(&function.block, worker, axes, signature.several, &mut errors);
    }
    let mut checked = false;
    if let (Some(read), true) = (&read, errors.is_empty()) {
        let place = tail(&function.block).map_or_else(TokenStream::new, ToTokens::to_token_stream);
        checked = check::custom(read, place, declared, &mut errors);
    }
    let axes = axes.max(1);
    // The types of the signature must exist, and count as used.
    let types = function.sig.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(input) => Some(&input.ty),
        syn::FnArg::Receiver(_) => None,
    });
    let output = &function.sig.output;
    let types = match function.sig.generics.params.is_empty() {
        true => quote!(const _: ::core::option::Option<fn(#(#types),*) #output> = ::core::option::Option::None;),
        false => TokenStream::new(),
    };
    let (Some(read), Some(workers), Some(tasks), true) = (read, &declared.workers, &declared.tasks, errors.is_empty())
    else {
        let errors = errors.tokens();
        return quote! {
            #errors
            #(#attrs)* #vis const fn #name() -> #krate::mapping::TaskMapping<#axes> {
                #krate::mapping::TaskMapping::identity()
            }
            #types
        };
    };
    let Function { nodes, tasks: positions } = read;
    let nodes = nodes.iter().map(|node| node_tokens(node, quote!(#krate::mapping)));
    let check = if checked { TokenStream::new() } else { constant_check(name, declared) };
    quote! {
        #(#attrs)* #vis const fn #name() -> #krate::mapping::TaskMapping<#axes> {
            const NODES: &[#krate::mapping::Node] = &[#(#nodes),*];
            #krate::mapping::custom_static(#workers, #tasks, NODES, &[#(#positions),*])
        }
        #types
        #check
    }
}

/// A check by const evaluation. Its error points at the declaration, because all its tokens have that span.
fn constant_check(name: &Ident, declared: &Declared) -> TokenStream {
    let span = match (&declared.workers, &declared.tasks) {
        (Some(workers), _) => workers.span(),
        (None, Some(tasks)) => tasks.span(),
        (None, None) => name.span(),
    };
    let mut name = name.clone();
    name.set_span(span);
    let (workers, tasks, overlap) = numbers(declared, span);
    quote_spanned! { span =>
        #[allow(long_running_const_eval)]
        const _: () = { let mapping = #name(); mapping.assert_declared(#workers, #tasks, #overlap) };
    }
}

/// The declared numbers of `mapping`, or its own where none are declared.
fn numbers(declared: &Declared, span: Span) -> (TokenStream, TokenStream, bool) {
    let workers = declared.workers.as_ref().map(ToTokens::to_token_stream);
    let tasks = declared.tasks.as_ref().map(ToTokens::to_token_stream);
    (
        workers.unwrap_or_else(|| quote_spanned!(span => mapping.workers())),
        tasks.unwrap_or_else(|| quote_spanned!(span => mapping.shape())),
        declared.overlap,
    )
}

fn node_tokens(node: &Node, mapping: TokenStream) -> TokenStream {
    match node {
        Node::Known(value) => quote!(#mapping::Node::Const(#value)),
        Node::Const(tokens) => {
            quote_spanned!(tokens.span() => #mapping::Node::Const((#tokens) as i64))
        }
        Node::Worker => quote!(#mapping::Node::Worker),
        Node::Binary(op, a, b) => {
            let op = match op {
                IndexOp::Add => quote!(Add),
                IndexOp::Sub => quote!(Sub),
                IndexOp::Mul => quote!(Mul),
                IndexOp::Div => quote!(Div),
                IndexOp::Rem => quote!(Rem),
                IndexOp::Xor => quote!(Xor),
                IndexOp::And => quote!(And),
                IndexOp::Min => quote!(Min),
                IndexOp::Max => quote!(Max),
            };
            quote!(#mapping::Node::Binary(#mapping::index::IndexOp::#op, #a, #b))
        }
    }
}

fn tail(block: &Block) -> Option<&Expr> {
    match block.stmts.last() {
        Some(Stmt::Expr(tail, None)) => Some(tail),
        _ => None,
    }
}

/// Rewrites the `*` of mappings, which is not a const operation; the `*` of numbers stays. The value of the body is a
/// mapping, and so is a `let` whose value is visibly a mapping.
fn rewrite_block(block: &mut Block, mappings: &mut HashSet<String>) {
    for stmt in &mut block.stmts {
        match stmt {
            Stmt::Expr(tail, None) => rewrite(tail, mappings),
            Stmt::Local(local) => {
                let Some(init) = &mut local.init else { continue };
                if !is_mapping(&init.expr, mappings) {
                    continue;
                }
                rewrite(&mut init.expr, mappings);
                if let syn::Pat::Ident(name) = &local.pat {
                    mappings.insert(name.ident.to_string());
                }
            }
            _ => {}
        }
    }
}

fn rewrite(expr: &mut Expr, mappings: &mut HashSet<String>) {
    match expr {
        Expr::Binary(binary) if matches!(binary.op, BinOp::Mul(_)) => {
            rewrite(&mut binary.left, mappings);
            rewrite(&mut binary.right, mappings);
            let (left, right) = (&binary.left, &binary.right);
            // Errors stand at the operator that the user wrote.
            *expr = syn::parse_quote_spanned!(binary.op.span() => (#left).then(#right));
            unparen(expr);
        }
        Expr::Paren(paren) => rewrite(&mut paren.expr, mappings),
        Expr::Group(group) => rewrite(&mut group.expr, mappings),
        Expr::MethodCall(call) => rewrite(&mut call.receiver, mappings),
        Expr::Block(block) => rewrite_block(&mut block.block, mappings),
        Expr::If(branch) => {
            rewrite_block(&mut branch.then_branch, mappings);
            if let Some((_, otherwise)) = &mut branch.else_branch {
                rewrite(otherwise, mappings);
            }
        }
        Expr::Match(branches) => branches.arms.iter_mut().for_each(|arm| rewrite(&mut arm.body, mappings)),
        _ => {}
    }
}

/// Removes the parentheses around a receiver that needs none, because rustc would warn of them.
fn unparen(expr: &mut Expr) {
    if let Expr::MethodCall(call) = expr
        && let Expr::Paren(paren) = &*call.receiver
        && matches!(*paren.expr, Expr::Call(_) | Expr::MethodCall(_) | Expr::Path(_) | Expr::Paren(_))
    {
        call.receiver = paren.expr.clone();
    }
}

/// Returns true if an expression is visibly a mapping.
fn is_mapping(expr: &Expr, mappings: &HashSet<String>) -> bool {
    const CONSTRUCTORS: [&str; 8] = [
        "spatial",
        "repeat",
        "col_spatial",
        "col_repeat",
        "auto_map",
        "auto_map_ranked",
        "predicated_auto_map",
        "predicated_auto_map_ranked",
    ];
    match expr {
        Expr::Paren(paren) => is_mapping(&paren.expr, mappings),
        Expr::Group(group) => is_mapping(&group.expr, mappings),
        Expr::Binary(binary) if matches!(binary.op, BinOp::Mul(_)) => {
            is_mapping(&binary.left, mappings) || is_mapping(&binary.right, mappings)
        }
        Expr::MethodCall(call) => is_mapping(&call.receiver, mappings),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                path.path.segments.last().is_some_and(|last| CONSTRUCTORS.contains(&last.ident.to_string().as_str()))
            }
            _ => false,
        },
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| mappings.contains(&name.to_string())),
        _ => false,
    }
}
