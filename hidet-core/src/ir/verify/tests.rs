//! Rules that no text can break, because the text form cannot express such functions.

use super::{Problem, check, verify};
use crate::ir::{Access, Function, Handle, MapAxis, Param, Stmt, Swizzle, TensorMap, text};

const EMPTY: &str = "kernel k() grid (1, 1, 1) block (32, 1, 1) { loop { return } }";

fn problems(function: &Function) -> Vec<String> {
    verify(function).err().unwrap_or_default().into_iter().map(|Problem { message, .. }| message).collect()
}

#[test]
fn a_handle_must_name_something() {
    let mut function = text::parse(EMPTY).unwrap();
    assert_eq!(problems(&function), [""; 0]);
    function.body.0.push(Handle::new(9));
    assert_eq!(problems(&function), ["stmt9 is not a statement of the function"]);
    let mut function = text::parse(EMPTY).unwrap();
    let stmt = function.new_stmt(Stmt::Assert { cond: Handle::new(3), message: String::new() }, Default::default());
    function.body.0.push(stmt);
    assert_eq!(problems(&function), ["stmt2 mentions Use(%3), which the function does not have"]);
}

#[test]
fn what_the_signature_names_must_exist() {
    let nothing = || text::parse(EMPTY).unwrap();
    let mut function = nothing();
    function.params.push(Param::Tensor { buffer: Handle::new(0), access: Access::In });
    function.params.push(Param::Scalar { name: "a".to_owned(), value: Handle::new(0) });
    let names_nothing = |param: &Param| format!("the parameter {param:?} names nothing in the function");
    assert_eq!(problems(&function), function.params.iter().map(names_nothing).collect::<Vec<_>>());
    let mut function = nothing();
    let axis = MapAxis { extent: 64.into(), stride: 1.into(), step: 1 };
    function.maps.push(TensorMap {
        buffer: Handle::new(0),
        offset: 0.into(),
        axes: vec![axis],
        tile: vec![4],
        im2col: None,
        swizzle: Swizzle::None,
    });
    let id = function.maps.handles().next().unwrap();
    assert_eq!(problems(&function), [format!("{id} is of a buffer the function does not have")]);
    let source = "kernel k() grid (1, 1, 1) block (32, 1, 1) { shared @a: f32[4] return }";
    let mut function = text::parse(source).unwrap();
    let id = function.buffers.handles().next().unwrap();
    function.buffers[id].alias = Some(Handle::new(7));
    assert_eq!(problems(&function), [format!("{id} is an alias of a buffer the function does not have")]);
}

#[test]
fn a_statement_stands_in_one_place() {
    let mut function = text::parse(EMPTY).unwrap();
    let id = function.body.0[0];
    function.body.0.push(id);
    assert_eq!(problems(&function), [format!("{id} is used in more than one place")]);
    let mut function = text::parse(EMPTY).unwrap();
    let id = function.body.0[0];
    function.stmts[id].blocks_mut().for_each(|block| block.0.push(id));
    assert_eq!(problems(&function), [format!("{id} is used in more than one place")]);
}

#[test]
fn blocks_are_not_nested_too_deep() {
    let mut function = text::parse(EMPTY).unwrap();
    for _ in 0..200 {
        let label = function.loops.push(Default::default());
        let body = std::mem::take(&mut function.body);
        let id = function.new_stmt(Stmt::Loop { label, body }, Default::default());
        function.body.0.push(id);
    }
    assert_eq!(problems(&function), ["blocks are nested deeper than 200"]);
}

#[test]
fn a_label_belongs_to_one_loop() {
    let mut function = text::parse(EMPTY).unwrap();
    let label = function.loops.handles().next().unwrap();
    let id = function.new_stmt(Stmt::Loop { label, body: Default::default() }, Default::default());
    function.body.0.push(id);
    assert_eq!(problems(&function), ["a label belongs to two loops"]);
}

#[test]
fn a_buffer_and_a_value_are_one_parameter() {
    let source = "kernel k(@x: in f32[4], %a: i32) grid (1, 1, 1) block (32, 1, 1) { return }";
    let mut function = text::parse(source).unwrap();
    let twice = function.params.clone();
    function.params.extend(twice);
    assert_eq!(
        problems(&function),
        ["@x is declared as two parameters", "the value of `a` is declared as two parameters"]
    );
}

#[test]
fn a_formula_uses_the_dims_of_the_signature() {
    let mut function = text::parse(EMPTY).unwrap();
    function.launch.grid[0] = hidet_mapping::IndexExpr::Symbol(3);
    assert_eq!(problems(&function), ["the grid uses extent 3, but the signature has 0"]);
}

#[test]
fn the_first_problem_is_an_error_with_its_place() {
    let source = "kernel k() grid (1, 1, 1) block (32, 1, 1) files [\"a.rs\"] { %a: f32 = thread !0:3:9 }";
    let message = check(&text::parse(source).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "kernel `k`: %a is f32; `thread` is i32\n  --> a.rs:3:9");
}
