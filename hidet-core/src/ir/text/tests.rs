//! Round trips, readable errors, and no panic whatever the text.

use super::{parse, print, print_with_spans};
use crate::Error;
use crate::ir::{Function, Span, Stmt};
use crate::testing::random::random_kernel;
use proptest::prelude::*;
use std::collections::HashSet;

/// A text with one of everything.
const ALL: &str = include_str!("all.hir");

#[test]
fn everything_prints_as_it_was_written() {
    let function = parse(ALL).unwrap();
    let text = print(&function);
    let written: Vec<&str> = ALL.lines().filter(|line| !line.starts_with(';')).collect();
    assert_eq!(text, written.join("\n") + "\n");
    let again = parse(&text).unwrap();
    assert!(again.structurally_equals(&function));
    assert_eq!(print(&again), text);
}

#[test]
fn everything_has_every_statement_and_operation() {
    let function = parse(ALL).unwrap();
    let mut stmts = HashSet::new();
    let mut ops = HashSet::new();
    function.each_stmt(&mut |_, stmt| {
        stmts.insert(std::mem::discriminant(stmt));
        if let Stmt::Let { op, .. } = stmt {
            ops.insert(std::mem::discriminant(op));
        }
    });
    assert_eq!((stmts.len(), ops.len()), (18, 14));
}

fn function_of(body: &str) -> String {
    format!("kernel k()\ngrid (1, 1, 1)\nblock (32, 1, 1)\n{{\n{body}\n}}\n")
}

#[track_caller]
fn fails(text: &str, line: usize, message: &str) {
    match parse(text) {
        Err(Error::Parse { line: found, message: said }) => assert_eq!((found, said.as_str()), (line, message)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_say_what_was_expected() {
    fails("kernel", 1, "expected the name of the kernel, found the end of the text");
    fails(&function_of("  %a: i32 = add %b, 3"), 5, "expected a value (`%...`), found `3`");
    fails(&function_of("  %a: i32 = frob %b"), 5, "expected an operation, found `frob`");
    fails(&function_of("  %a: i32 = neg %b"), 5, "`%b` is not defined anywhere");
    fails(&function_of("  %a: i33 = thread"), 5, "expected a type, such as `f32` or `f32x4`, found `i33`");
    fails(&function_of("  store @x[] = %a"), 5, "no buffer `@x` is declared");
    fails(&function_of("  break 'k"), 5, "`'k` is not defined anywhere");
    fails(&function_of("  call frob()"), 5, "expected the name of an intrinsic, found `frob`");
    fails(&function_of("  %a: i8 = const 128"), 5, "expected a constant of type i8, found `128`");
    fails(&function_of("  assert %a, \"no end"), 5, "the string that begins here has no closing quote");
    fails(&function_of("  ?"), 5, "unexpected character '?'");
    fails(&function_of(&"loop {".repeat(300)), 5, "blocks are nested deeper than 200");
    let deep = format!("kernel k() grid ({}1, 1, 1)", "(".repeat(300));
    fails(&deep, 1, "the formula is nested deeper than 200");
    let long = format!("kernel k() grid (1{}, 1, 1)", " + 1".repeat(600));
    fails(&long, 1, "the formula has more than 500 operations");
}

#[test]
fn deep_nesting_is_read_and_printed() {
    let text = function_of(&format!("{}{}", "loop {\n".repeat(198), "}\n".repeat(198)));
    let function = parse(&text).unwrap();
    assert_eq!(parse(&print(&function)).map(|f| print(&f)).unwrap(), print(&function));
}

#[test]
fn spans_are_printed_on_request() {
    let mut function = parse(ALL).unwrap();
    function.files = vec!["src/a b.rs".to_owned(), "b\"\n.rs".to_owned()];
    let ids: Vec<_> = function.stmts.handles().collect();
    for (index, id) in ids.into_iter().enumerate() {
        function.spans[id] = Span { file: index as u32 % 2, line: index as u32 + 1, column: 7 };
    }
    let text = print_with_spans(&function);
    let again = parse(&text).unwrap();
    assert_eq!(print_with_spans(&again), text);
    assert_eq!(again.files, function.files);
    let last = again.body.0.last().copied().unwrap();
    assert!(matches!(again.stmts[last], Stmt::Return));
    assert!(again.place(last).ends_with(":7"), "{}", again.place(last));
    assert!(again.structurally_equals(&parse(ALL).unwrap()));
}

#[test]
fn names_that_are_no_identifiers_are_quoted() {
    let mut function = parse(&function_of("  %a: i32 = thread\n  %b: i32 = neg %a\n  %c: i32 = neg %b")).unwrap();
    for (id, name) in function.values.handles().collect::<Vec<_>>().into_iter().zip(["a.1", "", "ü \"x\"\n"]) {
        function.values[id].name = name.to_owned();
    }
    function.name = "my kernel".to_owned();
    let text = print(&function);
    assert!(text.contains("%\"a.1\": i32 = thread\n  %0: i32 = neg %\"a.1\""), "{text}");
    assert!(parse(&text).unwrap().structurally_equals(&function));
}

#[test]
fn invalid_functions_print_without_panic() {
    let mut function = Function { name: "k".to_owned(), ..Function::default() };
    function.body.0.push(crate::ir::Handle::new(7));
    assert!(print(&function).contains("; no such statement"));
    let mut function = parse(&function_of("  loop {\n  }")).unwrap();
    let id = function.body.0[0];
    if let Stmt::Loop { body, .. } = &mut function.stmts[id] {
        body.0.push(id);
    }
    assert!(print(&function).contains("; a statement inside of itself"));
}

/// Replaces part of a text.
fn mutate(text: &str, place: usize, length: usize, with: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let place = place % (chars.len() + 1);
    let end = (place + length).min(chars.len());
    chars[..place].iter().chain(with.chars().collect::<Vec<_>>().iter()).chain(&chars[end..]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_texts_never_panic(
        base in 0u64..8,
        edits in prop::collection::vec((any::<usize>(), 0usize..12, "[a-z%@$'#.\"0-9{}()\\[\\],:=<>+*/;!ü-]{0,5}"), 1..4)
    ) {
        let base = if base == 0 { ALL.to_owned() } else { print(&random_kernel(base).function) };
        let text = edits.iter().fold(base, |text, (place, length, with)| mutate(&text, *place, *length, with));
        if let Ok(function) = parse(&text) {
            let printed = print(&function);
            let again = parse(&printed);
            prop_assert!(again.is_ok(), "{:?}\n{}", again.err(), printed);
            prop_assert_eq!(print(&again.unwrap()), printed);
            // The verifier must accept or reject any text that parses.
            let _ = crate::ir::verify::verify(&function);
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }
}
