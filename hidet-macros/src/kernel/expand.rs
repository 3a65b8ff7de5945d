//! From [`ast`](super::ast) to Rust: a function that returns a template, whose closure declares the signature and emits the body.

use super::ast::{Kernel, LaunchAttrs, Module, Param, ParamKind, Part};
use super::body::Body;
use super::check;
use super::error::Errors;
use crate::walk::{Place, change_expr, change_type, each_expr};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashSet;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, GenericParam, Ident, ItemFn, Lifetime, Pat};

/// The most parameters for which `dsl::Arguments` and the methods `launch` are implemented.
const MAX_PARAMETERS: usize = 16;

/// Expands all items; an item with an error keeps its signature and has an empty body.
pub fn module(module: &Module, errors: &mut Errors) -> TokenStream {
    let items: TokenStream = module
        .items
        .iter()
        .map(|part| match part {
            Part::Kernel(node) => kernel(&module.krate, node, errors),
            Part::Device(node) => device_body(&module.krate, node, errors),
            Part::Other(item) => quote!(#item),
        })
        .collect();
    let errors = errors.take();
    quote! { #errors #items }
}

/// Expands a function marked `#[device]`.
pub fn device(krate: &TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let item = device_body(krate, function, errors);
    let errors = errors.take();
    quote! { #errors #item }
}

/// Returns the attributes and imports that every expanded body starts with.
fn prologue(krate: &TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use #krate::dsl::glue::{self as __h, CmpMeta as _, LikeMeta as _, LoopGuard as _, MatchedMeta as _, NamedMeta as _, OpMeta as _};
    }
}

fn device_body(krate: &TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let ItemFn { attrs, vis, sig, block, .. } = function;
    let before = errors.count();
    if let Some(token) = &sig.asyncness {
        errors.on(token, "a device function cannot be `async`");
    }
    check::body(block, errors);
    let mut sig = sig.clone();
    let mut body = Body::device(errors, &function.sig.output);
    let mut declared = TokenStream::new();
    for input in &mut sig.inputs {
        match input {
            FnArg::Typed(typed) => declared.extend(body.parameter(&mut typed.pat, &typed.ty)),
            FnArg::Receiver(_) => body.bind_value("self"),
        }
    }
    let statements = body.function(block);
    if errors.count() > before {
        return quote! { #(#attrs)* #[allow(unused_variables, unused_mut)] #vis #sig { ::core::panic!("the function has errors") } };
    }
    let prologue = prologue(krate);
    let name = plain(&sig.ident);
    quote! {
        #(#attrs)*
        #[track_caller]
        #[allow(unused_labels, unused_parens, unused_braces)]
        #vis #sig { #prologue let __call = __h::DeviceCall::enter(#name); #declared #statements }
    }
}

fn kernel(krate: &TokenStream, node: &Kernel, errors: &mut Errors) -> TokenStream {
    let before = errors.count();
    let Kernel { attrs, launch, vis, fn_token, name, generics, params, body } = node;
    let dims = dims(node, errors);
    let mut arguments = Vec::new();
    let mut types = Vec::new();
    let mut declared = TokenStream::new();
    for (at, param) in params.iter().enumerate() {
        // The same message as rustc's E0415, whose own would name variables that nobody wrote.
        if params[..at].iter().any(|before| plain(&before.name) == plain(&param.name)) {
            let message = format!("identifier `{}` is bound more than once in this parameter list", param.name);
            errors.at(param.name.span(), message);
        }
        declare(krate, param, &dims, &mut arguments, &mut types, &mut declared);
    }
    check::body(body, errors);
    for (value, what) in [(&launch.grid, "grid"), (&launch.block, "block"), (&launch.cluster, "cluster")] {
        if value.as_ref().is_some_and(|value| !(1..=3).contains(&axes(value).len())) {
            errors.on(value, format!("`{what}` has one to three extents: along x, y and z"));
        }
    }
    at_most(params, errors);
    let launched = self::launch(launch, &dims, name.span());
    let mut scope = Body::kernel(errors);
    for Param { name, kind, .. } in params {
        match kind {
            ParamKind::Meta { mutable: Some(_), .. } => scope.bind_meta(&plain(name)),
            _ => scope.bind_value(&plain(name)),
        }
    }
    for dim in &dims {
        scope.bind_value(&plain(dim));
    }
    let statements = scope.function(body);
    let where_clause = &generics.where_clause;
    let template = quote_spanned!(name.span()=> #krate::dsl::Template<(#(#types,)*)>);
    let head = quote!(#(#attrs)* #vis #fn_token #name #generics (#(#arguments),*) -> #template #where_clause);
    if errors.count() > before {
        return quote! { #[allow(unused_variables)] #head { ::core::panic!("the kernel has errors") } };
    }
    let prologue = prologue(krate);
    let text = plain(name);
    let dim_names = dims.iter().map(plain);
    let span = name.span();
    let k = builder(span);
    // `{ .. }` ends the life of an extent's formula, so that the body has nothing to drop and is compiled to less code.
    quote_spanned! {span=>
        #[allow(unused_labels, unused_parens, unused_braces, unused_variables, clippy::all)]
        #head {
            #prologue
            __h::Template::new(#text, move |#k| {
                #(let #dims = #k.dim(#dim_names);)*
                #declared
                #launched
                #(let #dims = #k.value(&{ #dims });)*
                #statements
            })
        }
    }
}

/// The variable that builds the kernel. It is the same one even if `macro_rules` combined tokens from several places.
fn builder(at: Span) -> Ident {
    Ident::new("__k", at.resolved_at(Span::mixed_site()))
}

/// Returns the extents that are named only in the types of the parameters.
fn dims(node: &Kernel, errors: &mut Errors) -> Vec<Ident> {
    let mut known: HashSet<String> = HashSet::new();
    for param in &node.generics.params {
        if let GenericParam::Const(param) = param {
            known.insert(plain(&param.ident));
        }
    }
    for Param { name, kind, .. } in &node.params {
        if let ParamKind::Meta { .. } = kind {
            known.insert(plain(name));
        }
    }
    let mut dims: Vec<Ident> = Vec::new();
    for Param { kind, .. } in &node.params {
        let (ParamKind::Tensor { extents, .. } | ParamKind::Table { extents, .. }) = kind else { continue };
        for extent in extents {
            let Expr::Path(path) = extent else { continue };
            let Some(ident) = path.path.get_ident() else { continue };
            let text = plain(ident);
            if may_be_dim(ident) && !known.contains(&text) && !is_among(&dims, ident) {
                dims.push(ident.clone());
            }
        }
    }
    for param in &node.params {
        if is_among(&dims, &param.name) {
            errors.at(
                param.name.span(),
                format!("`{}` is also the name of an extent; give one another name", param.name),
            );
        }
    }
    known.extend(dims.iter().map(plain));
    for param in &node.params {
        if let ParamKind::Tensor { extents, .. } | ParamKind::Table { extents, .. } = &param.kind {
            extents.iter().for_each(|extent| report_unbound(extent, &known, errors));
        }
    }
    dims
}

/// Returns true if a name among the extents is given by the launch. Constants are written in capitals.
fn may_be_dim(name: &Ident) -> bool {
    !plain(name).chars().any(char::is_uppercase)
}

/// Reports names in the formula of an extent whose value the launch cannot determine.
fn report_unbound(formula: &Expr, known: &HashSet<String>, errors: &mut Errors) {
    each_expr(formula, &mut |expr, around| {
        let name = match expr {
            Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        // The function of a call is a host name.
        let called = matches!(around.last(), Some(Expr::Call(call)) if std::ptr::eq(&*call.func, expr));
        if let Some(name) = name.filter(|name| !called && may_be_dim(name) && !known.contains(&plain(name))) {
            let message = format!(
                "the launch cannot determine `{name}` from a formula: make it the extent of an axis of some parameter, \
                 as in `In<f32, [{name}]>`, or declare `#[meta] {name}: i32`"
            );
            errors.at(name.span(), message);
        }
    });
}

/// Declares a parameter in the signature.
fn declare(
    krate: &TokenStream,
    param: &Param,
    dims: &[Ident],
    arguments: &mut Vec<TokenStream>,
    types: &mut Vec<TokenStream>,
    out: &mut TokenStream,
) {
    let name = &param.name;
    let text = plain(name);
    let span = name.span();
    let k = builder(span);
    let (ty, declared) = match &param.kind {
        ParamKind::Tensor { path, elem, extents, partial } => {
            let rank = extents.len();
            let ty = quote!(#path<#elem, #rank>);
            let extents = extents.iter().map(|extent| formula(extent, dims));
            let partial = partial.then(|| quote_spanned!(span=> let #name = #name.partial();));
            (ty.clone(), quote_spanned!(span=> let #name: #ty = #k.tensor(#text, [#(#extents),*]); #partial))
        }
        ParamKind::Table { path, elem, extents } => {
            let rank = extents.len() - 1;
            let ty = quote!(#path<#elem, #rank>);
            let own = format!("{text}_rows");
            let differ = match extents.get(1) {
                Some(Expr::Infer(_)) => true,
                Some(Expr::Path(path)) => path.path.get_ident().is_some_and(|name| plain(name).starts_with('_')),
                _ => false,
            };
            let extents = extents.iter().map(|extent| match extent {
                Expr::Infer(_) => quote_spanned!(extent.span()=> #k.dim(#own)),
                extent => formula(extent, dims),
            });
            (
                ty.clone(),
                quote_spanned!(span=> let #name: #ty = { let __extents = [#(#extents),*]; #k.table(#text, &__extents, #differ) };),
            )
        }
        ParamKind::Scalar(ty) => {
            let declared = quote_spanned!(span=> let #name = #k.scalar::<#ty>(#text););
            (quote_spanned!(span=> #krate::dsl::Expr<#ty>), declared)
        }
        ParamKind::Meta { mutable, ty } => {
            let mut ty = ty.clone();
            // The template keeps its meta parameters, so values that they borrow must live as long.
            change_type(&mut ty, &mut |place| {
                if let Place::Reference(reference) = place {
                    let span = reference.and_token.span();
                    reference.lifetime.get_or_insert_with(|| Lifetime::new("'static", span));
                }
            });
            arguments.push(quote!(#mutable #name: #ty));
            return;
        }
    };
    match &param.when {
        Some(when) => {
            let given = quote_spanned!(span=> __h::given(#when, || { #declared #name }));
            out.extend(quote_spanned!(span=> let #name = #given;));
            types.push(quote_spanned!(span=> ::core::option::Option<#ty>));
        }
        None => {
            out.extend(declared);
            types.push(ty);
        }
    }
}

/// A formula over the extents, as an `IndexExpr`. Extents are borrowed, as they are not `Copy` while the signature is
/// declared.
fn formula(expr: &Expr, dims: &[Ident]) -> TokenStream {
    let mut expr = expr.clone();
    change_expr(&mut expr, &mut |place| {
        if let Place::Expr(expr) = place
            && let Expr::Path(path) = expr
            && path.path.get_ident().is_some_and(|ident| is_among(dims, ident))
        {
            *expr = Expr::Verbatim(quote_spanned!(path.span()=> (&#path)));
        }
    });
    quote_spanned!(expr.span()=> __h::extent(#expr))
}

/// Returns the extents along x, y and z of `grid` and similar: `n`, `(n, m)` or `[n, m]`.
fn axes(value: &Expr) -> Vec<&Expr> {
    match value {
        Expr::Tuple(tuple) => tuple.elems.iter().collect(),
        Expr::Array(array) => array.elems.iter().collect(),
        value => vec![value],
    }
}

/// Reports every parameter beyond the most that a launch takes.
fn at_most(params: &[Param], errors: &mut Errors) {
    let given = params.iter().filter(|param| !matches!(param.kind, ParamKind::Meta { .. }));
    for param in given.skip(MAX_PARAMETERS) {
        let message = format!(
            "a launch gives at most {MAX_PARAMETERS} parameters: gather numbers in a tensor, and mark `#[meta]` what is known \
             while the kernel is built"
        );
        errors.at(param.name.span(), message);
    }
}

/// The settings of `#[launch(..)]`, for the signature.
fn launch(launch: &LaunchAttrs, dims: &[Ident], span: Span) -> TokenStream {
    let three = |value: &Option<Expr>, of: &dyn Fn(&Expr) -> TokenStream, one: TokenStream| {
        let mut extents: Vec<TokenStream> = value.iter().flat_map(axes).map(of).collect();
        while extents.len() < 3 {
            extents.push(one.clone());
        }
        quote!([#(#extents),*])
    };
    let grid = three(&launch.grid, &|extent| formula(extent, dims), quote!(__h::extent(1)));
    let number = |value: &Expr| quote_spanned!(value.span()=> __h::count(#value));
    let block = three(&launch.block, &number, quote!(1));
    let cluster = three(&launch.cluster, &number, quote!(1));
    let min_blocks = launch.min_blocks.as_ref().map_or_else(|| quote!(0), number);
    let flags = [(launch.cooperative, "cooperative"), (launch.dependent, "dependent")];
    let flags = flags.into_iter().filter(|flag| flag.0).map(|(_, name)| Ident::new(name, span));
    let k = builder(span);
    quote_spanned!(span=> #k.launch(#grid, #block, #cluster, #min_blocks); #(#k.#flags();)*)
}

/// Returns the name that a pattern binds, if it is a plain binding.
pub fn pattern_name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(ident) => Some(&ident.ident),
        Pat::Type(typed) => pattern_name(&typed.pat),
        Pat::Paren(paren) => pattern_name(&paren.pat),
        _ => None,
    }
}

/// Returns a name as messages and the IR show it: `type` for `r#type`.
pub fn plain(name: &Ident) -> String {
    name.unraw().to_string()
}

fn is_among(names: &[Ident], name: &Ident) -> bool {
    names.iter().any(|known| plain(known) == plain(name))
}

/// Returns a name that the user does not use.
pub fn fresh(prefix: &str, number: usize, span: Span) -> Ident {
    let mut ident = format_ident!("__{prefix}{number}");
    ident.set_span(span);
    ident
}
