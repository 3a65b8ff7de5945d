//! Programs that must not compile, with the exact words rustc then says. Those of the language that must are in `programs.rs`.

#[test]
fn task_mapping() {
    let tests = trybuild::TestCases::new();
    tests.compile_fail("tests/ui/task_mapping/fail/*.rs");
}

#[test]
fn kernel() {
    let tests = trybuild::TestCases::new();
    tests.compile_fail("tests/ui/kernel/fail/*.rs");
}
