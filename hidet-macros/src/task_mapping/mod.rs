//! `#[task_mapping]`: parse, check, expand.

mod check;
mod custom;
mod expand;
mod literal;
mod parse;

use proc_macro2::TokenStream;

/// The attribute as a function of tokens. Never panics; every mistake becomes a `compile_error!` at its place.
pub(crate) fn task_mapping(attr: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let declared = parse::declared(attr, &mut errors);
    let function = match syn::parse2::<syn::ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(syn::Error::new(
                error.span(),
                "`#[task_mapping]` goes on a function with a body: `fn name() -> TaskMapping<2> { .. }`",
            ));
            let errors = errors.tokens();
            return quote::quote!(#errors #item);
        }
    };
    let kind = parse::kind(&function, &declared, &mut errors);
    match kind {
        parse::Kind::Composition => expand::composition(function, &declared, errors),
        parse::Kind::Custom(signature) => expand::custom(&function, &signature, &declared, errors),
    }
}

/// All errors of an expansion, in the order found.
#[derive(Default)]
pub(super) struct Errors(Vec<syn::Error>);

impl Errors {
    fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    fn at(&mut self, place: impl quote::ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(place, message));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn tokens(&self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    fn expand(attr: &str, item: &str) -> String {
        super::task_mapping(attr.parse().unwrap(), item.parse().unwrap()).to_string()
    }

    /// Every kind of expression, as a coordinate and as a whole body: a result or an error, never a panic.
    #[test]
    fn no_expression_panics() {
        let expressions = [
            "[w]",
            "w = 1",
            "async { w }",
            "w.await",
            "w * w",
            "{ w }",
            "break",
            "break 'a w",
            "f(w)",
            "w as u32",
            "|x| x + w",
            "const { 3 }",
            "continue",
            "w.0",
            "for _ in 0..w {}",
            "if w < 1 { 1 } else { 2 }",
            "a[w]",
            "_",
            "let x = w",
            "5",
            "5.0",
            "\"w\"",
            "99999999999999999999",
            "loop { w }",
            "vec![w]",
            "match w { _ => 0 }",
            "w.min()",
            "w.min(1, 2)",
            "w.max(3)",
            "(w)",
            "N",
            "N::M",
            "r#w",
            "0..w",
            "..",
            "&w",
            "[w; 3]",
            "return w",
            "S { w }",
            "w?",
            "(w, w)",
            "()",
            "-w",
            "!w",
            "unsafe { w }",
            "while w < 1 {}",
            "w += 1",
            "w << 99",
            "w >> w",
            "w << N",
            "w | 1",
            "w && w",
            "w < 1",
            "w == w",
            "w - 99",
            "w / 0",
            "w % 0",
            "1 / w",
            "'a: { w }",
            "yield w",
        ];
        for expression in expressions {
            for body in ["[X]", "X", "let y = X; [y]", "let (a, b) = (X, w); [a + b]", "[[X], [w]]", "X; [w]"] {
                let body = body.replace('X', expression);
                for ty in ["[Index; 1]", "[[Index; 1]; 2]", "[Index; N]", "TaskMapping<1>", "TaskMapping<N>", "u32"] {
                    for attr in
                        ["workers = 4, tasks = [4]", "workers = N, tasks = [4, N]", "", "tasks = [X]", "overlap, ("]
                    {
                        let item = format!("fn name(w: Worker) -> {ty} {{ {body} }}");
                        let (Ok(attr), Ok(item)) = (attr.replace('X', expression).parse(), item.parse()) else {
                            continue;
                        };
                        assert!(!super::task_mapping(attr, item).is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn no_item_panics() {
        let items = [
            "struct S;",
            "fn f();",
            "fn f() {}",
            "fn f(self) -> [Index; 2] { [0, 0] }",
            "mod m {}",
            "",
            "1 + 2",
            "fn f(&mut w: Worker) -> [Index; 2] { [0, 0] }",
            "fn f((a, b): (u32, u32)) -> [Index; 2] { [a, b] }",
            "fn r#type(w: Worker) -> [Index; 2] { [w, N] }",
            "const fn r#fn() -> TaskMapping<2> { spatial([N, 2]) }",
            "fn f<'a, T: Copy, const N: u32>(t: &'a T) -> TaskMapping<2> where T: Clone { spatial([N, 2]) * repeat([2, 2]) }",
            "fn f(w: Worker) -> [[[Index; 2]; 2]; 2] { [[[0, 0], [0, 0]], [[0, 0], [0, 0]]] }",
        ];
        for item in items {
            for attr in
                ["workers = 4, tasks = [4, 1]", "workers = N, tasks = [N, 1]", "", "crate = a::b", "crate", "workers ="]
            {
                super::task_mapping(attr.parse().unwrap(), item.parse().unwrap());
            }
        }
    }

    #[test]
    fn stars_of_mappings_become_const_calls() {
        let expanded =
            expand("", "fn f() -> TaskMapping<1> { let n = 2 * 3; let a = spatial([n * 2]) * g(); (a * h()) * i() }");
        let expected = quote! {
            const fn f() -> TaskMapping<1> {
                let n = 2 * 3;
                let a = spatial([n * 2]).then(g());
                (a.then(h())).then(i())
            }
        };
        assert!(expanded.starts_with(&expected.to_string()), "{expanded}");
    }
}
