//! Programs that must compile and run, and programs that must not, with the exact words rustc then says.

#[test]
fn task_mapping() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/ui/task_mapping/pass/*.rs");
    tests.compile_fail("tests/ui/task_mapping/fail/*.rs");
}
