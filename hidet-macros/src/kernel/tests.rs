//! Every kind of Rust expression, statement, pattern and type goes through the macro: it expands to Rust that parses,
//! or to an error at the construct, and never panics.

use proc_macro2::{TokenStream, TokenTree};

/// The line of the construct in [`source`].
const LINE: usize = 3;

fn source(construct: &str) -> String {
    format!(
        "#[launch(grid = 1, block = 32)]\nfn k(#[meta] list: Vec<i32>, x: In<f32, [n]>, y: Out<f32, [n]>) {{\n{construct}\n}}"
    )
}

/// Expands a kernel. Returns the number of errors, all of which must be at the construct.
fn expand(construct: &str) -> usize {
    let text = source(construct);
    // Text that is not Rust tokens never reaches the macro.
    let Ok(tokens) = text.parse::<TokenStream>() else { panic!("not even tokens: {construct}") };
    let expanded = super::kernel(tokens);
    assert!(syn::parse2::<syn::File>(expanded.clone()).is_ok(), "{construct}\nexpands to\n{expanded}");
    let mut lines = Vec::new();
    errors(expanded, &mut lines);
    for line in &lines {
        // An error of the parser at the end of input stands on the closing brace.
        assert!((LINE..=LINE + construct.lines().count()).contains(line), "{construct}: error at line {line}");
    }
    lines.len()
}

/// The lines of all `compile_error!`.
fn errors(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "compile_error" => lines.push(ident.span().start().line),
            TokenTree::Group(group) => errors(group.stream(), lines),
            _ => {}
        }
    }
}

#[track_caller]
fn works(constructs: &[&str]) {
    for construct in constructs {
        assert_eq!(expand(construct), 0, "{construct}");
    }
}

#[track_caller]
fn refused(constructs: &[&str]) {
    for construct in constructs {
        assert!(expand(construct) > 0, "{construct}");
    }
}

#[test]
fn expressions() {
    works(&[
        "let a = [1, 2]; let b = [n, 4, -1]; let c = [2.0, x[[0]]];",
        "let mut a = (1, 2.0, n); a.0 += 1; a = (2, 1.0, 3); let (b, c, d) = a;",
        "let a = match list.len() { 0 | 1 => 2, 3..=4 => 5, _ => 6 };",
        "let a = if n > 1 { if n > 2 { return } else { return } } else { 1 };",
        "let mut a = 1; a = 2;",
        "let a = 1 + 2 * 3 - 4 / 5 % 6;",
        "let a = 1 & 2 | 3 ^ 4 << 5 >> 6;",
        "let a = n < 1 && n > 2 || n == 3 && n != 4 || n <= 5 && n >= 6;",
        "{ let a = 1; }",
        "for i in 0..n { break; }",
        "for i in 0..n { continue; }",
        "sync_threads();",
        "let a = 1 as f32;",
        "let f = |v: Expr<f32>| -> Expr<f32> { return v; };",
        "let f = move |v| v;",
        "let a = const { 1 };",
        "let a = list.len; let b = (1, 2).0;",
        "for (i, j) in map().on(thread_id()) {}",
        "if n > 1 {}",
        "if n > 1 { sync_threads(); } else if n > 2 { sync_threads() } else { sync_threads() }",
        "let a = if n > 1 { 1 } else { 2 };",
        "y[[0]] = x[[0]]; let a = list[0];",
        "let _ = 1;",
        "if let Some(a) = list.first() && *a > 1 {}",
        "let a = (1u8, 'c', \"text\", b\"bytes\", 1.5f32, true, c\"c\");",
        "loop { break; }",
        "let a = vec![1, 2]; let b = vec![0; 4]; let c = format!(\"{}\", 1);",
        "match list.len() { 0 => {}, 1 | 2 => sync_threads(), n if n > 3 => {} _ => {} }",
        "let a = n.max(1).min::<i32>(2);",
        "let a = (1);",
        "let a = std::f32::consts::PI;",
        "let a = <f32 as Default>::default();",
        "let a = unroll(0..4); let b = ..; let c = 1..; let d = ..=2;",
        "let a = &x; let b = &x[[0]];",
        "let mut v = 1; f(&mut v);",
        "let a = [0; 4];",
        "return;",
        "let f = n > 1 && f(|v| { return v; });",
        "let a = n > 1 && { loop { break; } true };",
        "let a = Tile { m: 1, ..Tile::new() };",
        "let a = (1, 2, 3);",
        "let a = -n; let b = !(n > 1); let c = *list.first().unwrap();",
        "let a = unsafe { 1 };",
        "let mut i = 0; while i < n { i += 1; }",
        "while let Some(a) = list.pop() { if a > 1 { break; } continue; }",
        "#[warp_group(0)] { sync_warp(); }",
        "assert!(n > 1); assert!(n > 1, \"n is {}\", 1);",
        "print!(\"{} {:.3} {{}}\", n, n);",
        "let r#type = 1; print!(\"{r#type}\");",
        "let a = ptx!(\"mov.u32 $0, $1;\" => u32, 1u32); ptx!(\"bar.sync 0;\");",
    ]);
    refused(&[
        "async { 1 };",
        "let a = f().await;",
        "let a = loop { break 1; };",
        "'a: { sync_threads(); }",
        "let a = f()?;",
        "let a = &raw const n;",
        "while true {}",
        "break;",
        "continue;",
        "return 1;",
        "for i in 0.. {}",
        "for i in ..4 {}",
        "for i in (0..4).rev() {}",
        "println!();",
        "assert_eq!(1, 1);",
        "todo_macro!(1);",
        "assert!();",
        "print!();",
        "print!(x);",
        "print!(\"{\", 1);",
        "print!(\"}\", 1);",
        "ptx!(1);",
        "ptx!(\"add $0;\" =>);",
        "#[unknown] { }",
        "#[warp_group] { }",
        "#[threads(1)] { }",
        "#[warp_group(..)] { }",
        "#[unknown] for i in 0..n {}",
        "#[unroll(,)] for i in 0..n {}",
        "#[unroll] for i in list {}",
        "#[unroll] loop {}",
        "#[unroll] while n > 1 {}",
        "#[warp(0)] if n > 1 {}",
        "#[warp(0)] y[[0]] = 1.0;",
        "#[warp(0)] sync_threads();",
        "#[warp(0)] print!(\"\");",
        "#[allow(unused)] (1, 2);",
        "#[unroll] { }",
        "#[meta] for i in 0..n {}",
        "let a = #[cfg(a)] { 1 };",
        "let a = f(#[cfg(a)] 1);",
        "let a = 1 + #[cfg(a)] 2;",
        "let a = yield 1;",
        "thread_id() += 1;",
        "n = 1;",
        "n += 1;",
        "(n, _) += 1;",
        "let a = 1 +;",
        "let a = become f();",
        "for i in 0..n { y[[i]] += if n > 1 { continue } else { 1.0 }; }",
        "let a = n > 1 && { return; true };",
        "loop { let a = n > 1 || { break; true }; }",
        "let a = builtin # x;",
        "let a = n as u32 < 4;",
        "let a = { f(n as i64 << 4) };",
        "let a = n as \u{e9} < 4;",
    ]);
}

#[test]
fn statements() {
    works(&[
        "let a = 1;",
        "let a: i32 = 1;",
        "let mut a: f32 = 1.0;",
        "let Some(a) = list.first() else { return; };",
        "#[meta] let mut a = 1; a += 1; a = 2;",
        "#[meta] let mut a = [1, 2]; a[0] = 1; a[1] += 2;",
        "const A: i32 = 1; use std::fmt; struct S; fn f() {} static B: i32 = 1; type T = i32; enum E {} mod m {} trait U {} impl S {}",
        "macro_rules! m { () => {}; }",
        ";",
        "sync_threads()",
        "#[cfg(a)] let a = 1; #[cfg(a)] let mut b = 1; #[cfg(a)] let (c, mut d) = (1, 2); #[cfg(a)] #[meta] let e = 1;",
        "#[cfg(a)] y[[0]] += 1.0; #[cfg(a)] #[cfg(b)] f().g = 1; #[cfg(a)] print!(\"\"); #[cfg(a)] if n > 1 {}",
        "#[cfg(a)] #[warp(0)] { } #[cfg(a)] #[unroll] for i in 0..n {} #[cfg(a)] loop {} #[cfg(a)] while n > 1 {}",
        "let a = { #[cfg(a)] { 1 } #[cfg(not(a))] { 2 } };",
        "{ }",
    ]);
    refused(&["let a;", "let mut a: i32;", "#[unknown] let a = 1;", "let = 1;"]);
}

#[test]
fn patterns() {
    works(&[
        "let (a, b) = (1, 2);",
        "let (mut a, mut b) = (1, 2.0);",
        "let (mut a, (b, mut c)) = f();",
        "let [a, b, ..] = list;",
        "let [a, rest @ ..] = list;",
        "let Tile { m, n: k, .. } = f();",
        "let Pair(a, _) = f();",
        "let &a = &1; let &mut b = f();",
        "let ref a = 1;",
        "let a @ (b, c) = f();",
        "let (a): i32 = 1;",
        "match 1 { 1 => {} 2..=3 => {} ..=4 => {} 5.. => {} -1 => {} A::B => {} 'c' => {} _ => {} }",
        "match list { l if l.is_empty() => {} (a | b) => {} const { 1 } => {} mac!() => {} _ => {} }",
        "for (i, &j) in list.iter().enumerate() {}",
        "for mut i in 0..n { i += 1; }",
        "let f = |(a, mut b), [c, d]: [i32; 2]| 1;",
        "(a, b) = f();",
        "_ = f();",
    ]);
    refused(&["if let Some(mut a) = f() {}"]);
}

#[test]
fn types() {
    works(&[
        "let a: [i32; 2] = f(); let b: &[i32] = f(); let c: (i32, f32) = f(); let d: fn(i32) -> i32 = f; let e: _ = 1;",
        "let a: *const i32 = f(); let b: &'static str = f(); let c: Vec<<A as B>::C> = f(); let d: ! = f(); let e: (i32) = 1;",
        "let a: Box<dyn Fn(i32) -> i32 + 'static> = f(); let b: impl Fn() = f; let c: mac!() = f();",
        "let a = f::<i32, 4, { 1 + 2 }, 'static>(); let b = n as Vec<i32>;",
    ]);
    for ty in [
        "[i32; 2]",
        "&[i32]",
        "(i32, f32)",
        "fn(i32) -> i32",
        "*const i32",
        "Vec<i32>",
        "!",
        "impl Fn()",
        "mac!()",
        "dyn A",
        "_",
    ] {
        for parameter in [format!("p: {ty}"), format!("#[meta] p: {ty}"), format!("p: In<{ty}, [n]>")] {
            let kernel = format!(
                "#[launch(grid = 1, block = 1)] pub fn k<T: Float, const N: i32>({parameter}) where T: Copy {{}}"
            );
            let expanded = super::kernel(kernel.parse().unwrap());
            assert!(syn::parse2::<syn::File>(expanded.clone()).is_ok(), "{kernel}\nexpands to\n{expanded}");
        }
    }
}

#[test]
fn items_that_are_wrong_never_panic() {
    let items = [
        "",
        "fn",
        "pub",
        "#[launch] fn k() {}",
        "#[launch(grid)] fn k() {}",
        "#[launch(grid = 1, grid = 2, block = (1, 2, 3, 4))] fn k() {}",
        "#[launch(grid = 1, block = 1)] fn k(",
        "#[launch(grid = 1, block = 1)] fn k(x) {}",
        "#[launch(grid = 1, block = 1)] fn k(x: In<f32, [n) {}",
        "#[launch(grid = 1, block = 1)] fn k(x: In<f32, [n, ..]>) {}",
        "#[launch(grid = 1, block = 1)] fn k(x: In<f32, []>) {}",
        "#[launch(grid = 1, block = 1)] fn k(&self, (a, b): T) {}",
        "#[launch(grid = 1, block = 1)] async fn k() {}",
        "#[launch(grid = 1, block = 1)] fn k() -> i32;",
        "#[launch(grid = 1, block = 1)] struct S;",
        "#[device] struct S;",
        "#[launch(grid = 1, block = 1)] fn größe(größe: In<f32, [ö]>) { if a as Ölwert < b { } }",
        "#[device] fn f(self) { return 1; if a { return 2; } loop { return; } }",
        "#[device] const fn f<'a, T: A + 'a>(mut x: &'a mut Var<T>, (mut a, b): (T, T)) -> T { *x += a; *x = b; a }",
        "#![hidet(crate = a::b)] #![hidet(crate)] #![other]",
        "[crate_path] const A: i32 = 1;",
        "const A: i32 = 1; union U { a: i32 } extern \"C\" {}",
        "}",
    ];
    for item in items {
        // Unbalanced brackets are refused before any macro sees them.
        if let Ok(tokens) = item.parse::<TokenStream>() {
            let expanded = super::kernel(tokens);
            assert!(syn::parse2::<syn::File>(expanded.clone()).is_ok(), "{item}\nexpands to\n{expanded}");
        }
    }
}

#[test]
fn an_expansion_grows_with_its_source() {
    let nested = |depth| {
        let construct = (0..depth).fold("1".to_owned(), |inner, _| format!("{{ let mut v = {inner}; v }}"));
        super::kernel(source(&format!("let a = {construct};")).parse().unwrap()).to_string().len()
    };
    assert!(nested(16) < 3 * nested(8), "{} and {}", nested(8), nested(16));
}

#[test]
fn an_expansion_is_short() {
    let softmax = include_str!("../../../examples/03_softmax.rs");
    let start = softmax.find("kernel! {").map(|at| at + "kernel! {".len()).unwrap();
    let end = softmax.find("\n}\n").unwrap();
    let expanded = super::kernel(softmax[start..end].parse().unwrap()).to_string();
    // A line of Rust has about 100 characters.
    assert!(expanded.len() < 100 * 400, "{} characters", expanded.len());
}
