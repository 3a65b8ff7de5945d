//! The macros a kernel may use: `assert!`, `print!`, and those of the host that compute values while building.

use super::Body;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, LitStr, Macro, Token};

/// Macros of the host that are left as they are.
const HOST: &[&str] = &["vec", "format", "concat", "stringify", "env", "include_str", "line", "file", "column", "cfg"];

/// Macros of the host that abort the building of the kernel.
const ENDS: &[&str] = &["panic", "unreachable", "todo", "unimplemented"];

impl Body<'_> {
    pub(super) fn invocation(&mut self, node: &Macro) -> TokenStream {
        let name = node.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        match name.as_str() {
            "assert" => self.assert(node),
            "print" => self.print(node),
            "ptx" => self.ptx(node),
            "println" => {
                self.errors.on(&node.path, "write `print!`: each thread prints a line of its own");
                TokenStream::new()
            }
            "assert_eq" | "assert_ne" | "debug_assert" => {
                self.errors
                    .on(&node.path, format!("`{name}!` is not part of a kernel; write `assert!(a == b, \"why\")`"));
                TokenStream::new()
            }
            "vec" => self.list(node),
            name if HOST.contains(&name) => quote!(#node),
            // They run while the kernel is built, whichever way a condition of the device goes.
            name if ENDS.contains(&name) => {
                let checks = self.host_only("panic_only", 0, node.path.span());
                if checks.is_empty() { quote!(#node) } else { quote_spanned!(node.path.span()=> { #checks #node }) }
            }
            name => {
                self.errors.on(
                    &node.path,
                    format!("the macro `{name}!` is not part of a kernel; call a function, or compute its value before the kernel"),
                );
                TokenStream::new()
            }
        }
    }

    fn arguments(&mut self, node: &Macro) -> Option<Vec<Expr>> {
        match node.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            Ok(args) => Some(args.into_iter().collect()),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// `vec![a, b]`; `vec![x; n]` stays as it is.
    fn list(&mut self, node: &Macro) -> TokenStream {
        match node.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            Ok(items) => {
                let items = items.iter().map(|item| self.expr(item)).collect::<Vec<_>>();
                let path = &node.path;
                quote_spanned!(path.span()=> #path![#(#items),*])
            }
            Err(_) => quote!(#node),
        }
    }

    fn assert(&mut self, node: &Macro) -> TokenStream {
        let span = node.path.span();
        let Some(args) = self.arguments(node) else { return TokenStream::new() };
        let Some((condition, message)) = args.split_first() else {
            self.errors.on(&node.path, "`assert!` needs a condition");
            return TokenStream::new();
        };
        let value = self.expr(condition);
        let message = if message.is_empty() {
            let text = format!("{} does not hold", tidy(&quote!(#condition).to_string()));
            quote_spanned!(span=> #text)
        } else {
            quote_spanned!(span=> #(#message),*)
        };
        quote_spanned!(span=> __h::assert_that(#value, ::std::format!(#message)))
    }

    /// `ptx!("ex2.approx.f32 $0, $1;" => f32, x)`
    fn ptx(&mut self, node: &Macro) -> TokenStream {
        let span = node.path.span();
        let parsed = node.parse_body_with(|input: syn::parse::ParseStream| {
            let template: syn::LitStr = input.parse()?;
            let mut results = Vec::new();
            if input.peek(Token![=>]) {
                input.parse::<Token![=>]>()?;
                match input.parse::<syn::Type>()? {
                    syn::Type::Tuple(tuple) => results.extend(tuple.elems),
                    single => results.push(single),
                }
            }
            let mut args = Vec::new();
            while !input.is_empty() {
                input.parse::<Token![,]>()?;
                if !input.is_empty() {
                    args.push(input.parse::<Expr>()?);
                }
            }
            Ok((template, results, args))
        });
        let (template, results, args) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.errors.push(error);
                return TokenStream::new();
            }
        };
        let count = results.len() + args.len();
        for number in 0..count {
            if !template.value().contains(&format!("${number}")) {
                let message =
                    format!("the instruction does not use operand ${number}: results come first, then the values");
                self.errors.at(template.span(), message);
            }
        }
        if template.value().contains(&format!("${count}")) {
            self.errors.at(template.span(), format!("there is no operand ${count}: {count} are given"));
        }
        let args = args.iter().map(|arg| {
            let (span, arg) = (arg.span(), self.expr(arg));
            quote_spanned!(span=> __h::ptx_operand(#arg))
        });
        let args = args.collect::<Vec<_>>();
        let result = match results.as_slice() {
            [single] => quote_spanned!(single.span()=> __h::Expr<#single>),
            several => quote_spanned!(span=> (#(__h::Expr<#several>,)*)),
        };
        quote_spanned!(span=> __h::ptx::<#result>(#template, ::std::vec![#(#args),*]))
    }

    fn print(&mut self, node: &Macro) -> TokenStream {
        let span = node.path.span();
        let Some(args) = self.arguments(node) else { return TokenStream::new() };
        let format = match args.first() {
            Some(Expr::Lit(lit)) => match &lit.lit {
                Lit::Str(text) => Some(text),
                _ => None,
            },
            _ => None,
        };
        let Some(format) = format else {
            self.errors.on(&node.path, "`print!` starts with its text: `print!(\"x = {}\", x)`");
            return TokenStream::new();
        };
        let pieces = match pieces(&format.value()) {
            Ok(pieces) => pieces,
            Err(message) => {
                self.errors.at(format.span(), message);
                return TokenStream::new();
            }
        };
        let unnamed = |piece: &&Piece| matches!(piece, Piece::Hole { name: None, .. });
        let holes = pieces.iter().filter(unnamed).count();
        if holes != args.len() - 1 {
            let message = format!("the text has {holes} `{{}}`, but {} values are given", args.len() - 1);
            self.errors.at(format.span(), message);
            return TokenStream::new();
        }
        let mut values = args.iter().skip(1);
        let mut out = Vec::new();
        for piece in pieces {
            let (name, spec) = match piece {
                Piece::Text(text) => {
                    out.push(quote_spanned!(span=> __h::text(#text)));
                    continue;
                }
                Piece::Hole { name, spec } => (name, spec),
            };
            let named: Expr;
            let value = match name {
                Some(mut name) => {
                    name.set_span(format.span());
                    named = syn::parse_quote!(#name);
                    &named
                }
                None => match values.next() {
                    Some(value) => value,
                    None => continue,
                },
            };
            let value_span = value.span();
            let value = self.expr(value);
            // rustc checks the format against the type, and uses it for meta values.
            let hole = if spec.is_empty() { "{}".to_owned() } else { format!("{{:{spec}}}") };
            let hole = LitStr::new(&hole, format.span());
            out.push(quote_spanned!(value_span=> __h::piece(#value, #spec, |__value| ::std::format!(#hole, __value))));
        }
        quote_spanned!(span=> __h::print(::std::vec![#(#out),*]))
    }
}

enum Piece {
    Text(String),
    /// A value, either the next one or a named one, and its format.
    Hole {
        name: Option<Ident>,
        spec: String,
    },
}

/// The pieces of a format text: `{}`, `{name}` and `{:>8.3}` are holes, `{{` and `}}` are braces.
fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                text.push(c);
            }
            '{' => {
                let rest: String = chars.clone().collect();
                let Some(end) = rest.find('}') else {
                    return Err("a `{` without `}`; write `{{` for a brace".to_owned());
                };
                let inside: String = chars.by_ref().take(rest[..end].chars().count()).collect();
                chars.next();
                let (name, spec) = inside.split_once(':').unwrap_or((&inside, ""));
                let (name, spec) = (name.trim(), spec.trim_end());
                if spec.contains(['$', '*'])
                    && !spec.starts_with("*<")
                    && !spec.starts_with("*^")
                    && !spec.starts_with("*>")
                {
                    return Err(format!("`{{{inside}}}`: width and precision are numbers in `print!`"));
                }
                // As in Rust's formats, `{type}` means `r#type`.
                let parse = || syn::parse_str(name).or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")));
                let parsed = (!name.is_empty()).then(parse).transpose();
                let Ok(name) = parsed else {
                    return Err(format!("`{{{inside}}}`: `print!` takes its values in order, or by name"));
                };
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Hole { name, spec: spec.to_owned() });
            }
            '}' => return Err("a `}` without `{`; write `}}` for a brace".to_owned()),
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Source text as a person would write it: without the spaces that token streams print around brackets and points.
fn tidy(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        (" [", "["),
        ("[ ", "["),
        (" ]", "]"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" . ", "."),
        (":: ", "::"),
        (" ::", "::"),
    ] {
        text = text.replace(from, to);
    }
    text.replace('{', "{{").replace('}', "}}")
}
