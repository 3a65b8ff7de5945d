//! From tokens to [`ast`](super::ast). Bodies and types are Rust's own and parsed by `syn`; extents of tensor
//! parameters, which are not Rust types, are parsed here.

use super::ast::{Kernel, LaunchAttrs, Module, Param, ParamKind, Part};
use super::error::Errors;
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Block, Expr, Generics, Ident, Item, ItemFn, Path, Token, Type, Visibility, braced, bracketed};
use syn::{parenthesized, spanned::Spanned, token};

/// Parses the content of a `kernel!`.
pub fn module(tokens: TokenStream, errors: &mut Errors) -> Module {
    let mut module = Module { krate: quote!(::hidet), items: Vec::new() };
    let parse = |input: ParseStream| {
        // The wrapper of the library passes its own path in brackets, so that re-exports and renamed crates work.
        if input.peek(token::Bracket) && input.peek2(Token![$]) {
            return Err(input.error("unexpected `[$`"));
        }
        if input.peek(token::Bracket) {
            let path;
            bracketed!(path in input);
            module.krate = path.parse()?;
        }
        for attr in input.call(Attribute::parse_inner)? {
            match crate_path(&attr) {
                Ok(path) => module.krate = path,
                Err(error) => errors.push(error),
            }
        }
        while !input.is_empty() {
            part(input, &mut module.items, errors)?;
        }
        Ok(())
    };
    if let Err(error) = parse.parse2(tokens.clone()) {
        errors.push(cast_before_less(tokens).unwrap_or(error));
    }
    module
}

/// Finds the mistake in `a as u32 < b`, which Rust reads as the start of `u32<b>`.
fn cast_before_less(tokens: TokenStream) -> Option<syn::Error> {
    let mut cast = None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Group(group), _) => {
                if let Some(error) = cast_before_less(group.stream()) {
                    return Some(error);
                }
            }
            (TokenTree::Ident(word), Some(TokenTree::Ident(ty))) if word == "as" && is_number_type(ty) => {
                cast = Some(ty.to_string());
                continue;
            }
            (TokenTree::Ident(_), Some(TokenTree::Punct(less))) if less.as_char() == '<' => {
                if let Some(ty) = &cast {
                    let (span, ty) = (less.span(), ty.clone());
                    tokens.next();
                    let shifts = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '<');
                    let op = if shifts { "<<" } else { "<" };
                    let message = format!(
                        "`{op}` after `as {ty}` begins the generic arguments of a type: put the cast in parentheses, as in \
                         `(a as {ty}) {op} b`"
                    );
                    return Some(syn::Error::new(span, message));
                }
            }
            _ => {}
        }
        cast = None;
    }
    None
}

/// Returns true if a name is that of a number's type, or of a type parameter in the usual style.
fn is_number_type(name: &Ident) -> bool {
    let name = name.to_string();
    let of_rust = name.strip_prefix(['i', 'u', 'f']).is_some_and(|bits| bits == "size" || bits.parse::<u32>().is_ok());
    of_rust || name == "bf16" || (name.chars().count() == 1 && name.chars().all(char::is_uppercase))
}

/// `#![hidet(crate = path)]`
fn crate_path(attr: &Attribute) -> syn::Result<TokenStream> {
    if !attr.path().is_ident("hidet") {
        return Err(syn::Error::new_spanned(
            attr,
            "the only inner attribute of `kernel!` is `#![hidet(crate = path)]`",
        ));
    }
    attr.parse_args_with(|input: ParseStream| {
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        let path: Path = input.call(Path::parse_mod_style)?;
        Ok(quote!(#path))
    })
}

/// Parses one item. After an error that leaves the rest readable, parsing goes on.
fn part(input: ParseStream, items: &mut Vec<Part>, errors: &mut Errors) -> syn::Result<()> {
    let ahead = input.fork();
    let attrs = ahead.call(Attribute::parse_outer)?;
    let launch = attrs.iter().any(|attr| attr.path().is_ident("launch"));
    let device = attrs.iter().any(|attr| attr.path().is_ident("device"));
    let vis: Visibility = ahead.parse()?;
    let is_fn = ahead.peek(Token![fn]);
    if is_fn && !device {
        if !launch {
            let name = ahead.parse::<Token![fn]>().and_then(|_| ahead.call(Ident::parse_any))?;
            errors.at(
                name.span(),
                format!("what is `{name}`? Write `#[launch(grid = .., block = ..)]` above a kernel and `#[device]` above a function that kernels call"),
            );
        }
        input.advance_to(&{
            let ahead = input.fork();
            ahead.call(Attribute::parse_outer)?;
            ahead.parse::<Visibility>()?;
            ahead
        });
        items.push(Part::Kernel(Box::new(kernel(input, attrs, vis, errors)?)));
    } else if device {
        let mut function: ItemFn = input.parse()?;
        function.attrs.retain(|attr| !attr.path().is_ident("device"));
        items.push(Part::Device(Box::new(function)));
    } else {
        items.push(Part::Other(Box::new(input.parse::<Item>()?)));
    }
    Ok(())
}

/// Parses a kernel from its `fn`.
fn kernel(input: ParseStream, attrs: Vec<Attribute>, vis: Visibility, errors: &mut Errors) -> syn::Result<Kernel> {
    let mut launch = LaunchAttrs::default();
    let mut kept = Vec::new();
    for attr in attrs {
        if attr.path().is_ident("launch") {
            launch = launch_attr(&attr, errors);
        } else {
            kept.push(attr);
        }
    }
    let fn_token = input.parse()?;
    let name = input.parse()?;
    let mut generics: Generics = input.parse()?;
    let list;
    parenthesized!(list in input);
    let mut params = Vec::new();
    while !list.is_empty() {
        params.push(param(&list, errors)?);
        if !list.is_empty() {
            list.parse::<Token![,]>()?;
        }
    }
    if input.peek(Token![->]) {
        let arrow: Token![->] = input.parse()?;
        let ty: Type = input.parse()?;
        errors.on(quote!(#arrow #ty), "a kernel returns nothing; write its results to an `Out<..>` parameter");
    }
    generics.where_clause = input.parse()?;
    let body;
    let brace_token = braced!(body in input);
    let body = Block { brace_token, stmts: body.call(Block::parse_within)? };
    Ok(Kernel { attrs: kept, launch, vis, fn_token, name, generics, params, body })
}

/// Parses a parameter.
fn param(input: ParseStream, errors: &mut Errors) -> syn::Result<Param> {
    let attrs = input.call(Attribute::parse_outer)?;
    let (mut meta, mut partial, mut when) = (false, None, None);
    for attr in &attrs {
        if attr.path().is_ident("meta") {
            meta = true;
        } else if attr.path().is_ident("partial") {
            partial = Some(attr);
        } else if attr.path().is_ident("when") {
            when = Some((attr, attr.parse_args::<Expr>()?));
        } else {
            errors.on(
                attr,
                "the attributes of a parameter are `#[meta]`, `#[partial]` for an `Out` of which elements may stay unwritten, \
                 and `#[when(..)]` for an `Option`",
            );
        }
    }
    if input.peek(Token![self]) || input.peek(Token![&]) {
        return Err(input.error("a kernel has no `self`; a parameter is `name: Type`"));
    }
    let mutable: Option<Token![mut]> = input.parse()?;
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    let optional = !meta && last_name_ahead(input).as_deref() == Some("Option");
    if let Some((attr, _)) = when.as_ref().filter(|_| !optional) {
        errors.on(attr, "`#[when(..)]` is for an optional parameter, `bias: Option<In<f32, [n]>>`");
    }
    if meta {
        only_for_out(partial, errors);
        return Ok(Param { name, kind: ParamKind::Meta { mutable, ty: input.parse()? }, when: None });
    }
    if let Some(token) = mutable {
        errors.on(token, format!("parameters cannot change; write `let mut {name} = {name};` in the body"));
    }
    if !optional {
        return Ok(Param { name, kind: kind(input, partial, errors)?, when: None });
    }
    let option = input.call(Path::parse_mod_style)?;
    if when.is_none() {
        let message = format!(
            "an optional parameter says when the kernel has it: `#[when(given)] {name}: Option<..>`, where `given` is a meta value, \
             as of `#[meta] given: bool`"
        );
        errors.on(option, message);
    }
    input.parse::<Token![<]>()?;
    let kind = kind(input, partial, errors)?;
    input.parse::<Option<Token![,]>>()?;
    input.parse::<Token![>]>()?;
    Ok(Param { name, kind, when: when.map(|(_, when)| when) })
}

/// Returns the last name of the path that comes next.
fn last_name_ahead(input: ParseStream) -> Option<String> {
    let path = input.fork().call(Path::parse_mod_style).ok()?;
    path.segments.last().map(|segment| segment.ident.to_string())
}

/// Reports `#[partial]` of another parameter than an `Out`.
fn only_for_out(partial: Option<&Attribute>, errors: &mut Errors) {
    if let Some(attr) = partial {
        errors.on(attr, "`#[partial]` is for an `Out`, of which elements may stay unwritten");
    }
}

/// Parses the type of a tensor or number.
fn kind(input: ParseStream, partial: Option<&Attribute>, errors: &mut Errors) -> syn::Result<ParamKind> {
    let last = last_name_ahead(input);
    let is_output = last.as_deref() == Some("Out");
    only_for_out(partial.filter(|_| !is_output), errors);
    if let Some("In" | "Out" | "InOut") = last.as_deref() {
        let path = input.call(Path::parse_mod_style)?;
        return tensor(input, path, partial.is_some() && is_output);
    }
    if let Some("InTable" | "OutTable" | "InOutTable") = last.as_deref() {
        let path = input.call(Path::parse_mod_style)?;
        return table(tensor(input, path, false)?);
    }
    let ty: Type = input.parse()?;
    if let Type::Reference(_) | Type::Slice(_) | Type::Array(_) | Type::Ptr(_) | Type::Tuple(_) = ty {
        return Err(syn::Error::new(
            ty.span(),
            "a parameter is a tensor, `In<f32, [n]>`, `Out<..>` or `InOut<..>`, or a number, `f32`; a meta value \
             is marked `#[meta]`",
        ));
    }
    Ok(ParamKind::Scalar(ty))
}

/// Parses `<T, [rows, cols]>`.
fn tensor(input: ParseStream, path: Path, partial: bool) -> syn::Result<ParamKind> {
    let shape = "write the type of the elements and the extents: `In<f32, [rows, cols]>`";
    let wrong = |error: syn::Error| syn::Error::new(error.span(), shape);
    if !input.peek(Token![<]) {
        return Err(syn::Error::new(path.span(), shape));
    }
    input.parse::<Token![<]>()?;
    let elem: Type = input.parse()?;
    input.parse::<Token![,]>().map_err(wrong)?;
    if !input.peek(token::Bracket) {
        return Err(input.error(shape));
    }
    let list;
    bracketed!(list in input);
    let extents = Punctuated::<Expr, Token![,]>::parse_terminated(&list)?.into_iter().collect();
    input.parse::<Option<Token![,]>>()?;
    input.parse::<Token![>]>()?;
    Ok(ParamKind::Tensor { path, elem, extents, partial })
}

/// Makes a tensor a table of tensors, whose first extent is the number of entries.
fn table(tensor: ParamKind) -> syn::Result<ParamKind> {
    let ParamKind::Tensor { path, elem, extents, .. } = tensor else { return Ok(tensor) };
    if extents.len() < 2 {
        let message = "write the number of entries and the extents of an entry: `InTable<f32, [groups, _rows, cols]>`";
        return Err(syn::Error::new(path.span(), message));
    }
    for (axis, extent) in extents.iter().enumerate().filter(|(axis, _)| *axis != 1) {
        let differs = match extent {
            Expr::Infer(_) => true,
            Expr::Path(path) => path.path.get_ident().is_some_and(|name| name.to_string().starts_with('_')),
            _ => false,
        };
        if differs {
            let what = if axis == 0 { "the number of entries" } else { "an extent that entries must agree in" };
            let message = format!("this is {what}; only the first extent of entries can differ, as `_` or `_rows`");
            return Err(syn::Error::new(extent.span(), message));
        }
    }
    Ok(ParamKind::Table { path, elem, extents })
}

/// Parses `#[launch(..)]`.
fn launch_attr(attr: &Attribute, errors: &mut Errors) -> LaunchAttrs {
    let mut launch = LaunchAttrs::default();
    let parsed = attr.parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated);
    let settings = match parsed {
        Ok(settings) => settings,
        Err(error) => {
            errors.push(error);
            return launch;
        }
    };
    for Setting { name, value } in settings {
        let Some(value) = value else {
            let flag = match name.to_string().as_str() {
                "cooperative" => &mut launch.cooperative,
                "dependent" => &mut launch.dependent,
                other => {
                    errors.at(
                        name.span(),
                        format!("`{other}` stands alone here; of `launch`, `cooperative` and `dependent` do, the others are `name = ..`"),
                    );
                    continue;
                }
            };
            if std::mem::replace(flag, true) {
                errors.at(name.span(), format!("`{name}` is given twice"));
            }
            continue;
        };
        let slot = match name.to_string().as_str() {
            "grid" => &mut launch.grid,
            "block" => &mut launch.block,
            "cluster" => &mut launch.cluster,
            "min_blocks" => &mut launch.min_blocks,
            other => {
                errors.at(
                    name.span(),
                    format!("`launch` has no `{other}`; it has `grid`, `block`, `cluster` and `min_blocks`, and the words `cooperative` and `dependent`"),
                );
                continue;
            }
        };
        if slot.replace(value).is_some() {
            errors.at(name.span(), format!("`{name}` is given twice"));
        }
    }
    for (slot, name) in [(&launch.grid, "grid"), (&launch.block, "block")] {
        if slot.is_none() {
            errors.on(attr, format!("`launch` needs `{name} = ..`"));
        }
    }
    launch
}

/// `name = value`, or a single word.
struct Setting {
    name: Ident,
    value: Option<Expr>,
}

impl Parse for Setting {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Setting { name, value: None });
        }
        input.parse::<Token![=]>()?;
        Ok(Setting { name, value: Some(input.parse()?) })
    }
}

/// Parses `#[device]` with its optional `crate = path`, and the function below.
pub fn device(attribute: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<(TokenStream, ItemFn)> {
    let path = |input: ParseStream| {
        if input.is_empty() {
            return Ok(quote!(::hidet));
        }
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        let path = input.call(Path::parse_mod_style)?;
        Ok(quote!(#path))
    };
    let path = path.parse2(attribute).map_err(|error| errors.push(error)).ok()?;
    match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => Some((path, function)),
        Err(_) => {
            errors.on(item, "`#[device]` stands on a function with a body");
            None
        }
    }
}
