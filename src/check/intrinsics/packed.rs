//! Arithmetic on vectors of f16 and bf16, two lanes per instruction, on whole numbers for which it is exact.

use super::case::Case;
use super::numbers::all_bits;
use hidet::types::Scalar;

/// The operation on three whole numbers.
type Compute = fn(i64, i64, i64) -> i64;

const OPERATIONS: [(&str, &str, Compute); 8] = [
    ("add", "%a, %b", |a, b, _| a + b),
    ("sub", "%a, %b", |a, b, _| a - b),
    ("mul", "%a, %b", |a, b, _| a * b),
    ("min", "%a, %b", |a, b, _| a.min(b)),
    ("max", "%a, %b", |a, b, _| a.max(b)),
    ("fma", "%a, %b, %c", |a, b, c| a * b + c),
    ("neg", "%a", |a, _, _| -a),
    ("abs", "%a", |a, _, _| a.abs()),
];

/// All operations on vectors of two, four and eight.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scalar in [Scalar::F16, Scalar::BF16] {
        for lanes in [2, 4, 8] {
            cases.extend(OPERATIONS.iter().map(|operation| case(scalar, lanes, *operation)));
        }
    }
    cases
}

fn case(scalar: Scalar, lanes: i64, (name, operands, compute): (&str, &str, Compute)) -> Case {
    let count = 32 * lanes;
    // No result is zero, because whole numbers lack its sign.
    let a: Vec<i64> = (0..count).map(|at| at * 5 % 7 + 1).collect();
    let b: Vec<i64> = (0..count).map(|at| -(at * 3 % 8) - 2).collect();
    let c: Vec<i64> = (0..count).map(|at| -(at % 11) - 1).collect();
    let y: Vec<i64> = (0..count as usize).map(|at| compute(a[at], b[at], c[at])).collect();
    let mut case = Case::new(format!("packed.{name}"), format!("{scalar}x{lanes}"), 32);
    let length = case.int(lanes);
    case.line(format!("%at: i32 = mul %t, {length}"));
    for (name, values) in [("a", a), ("b", b), ("c", c)] {
        case.input(name, scalar, all_bits(scalar, &values));
        case.line(format!("%{name}: {scalar}x{lanes} = load @{name}[%at]"));
    }
    case.output("y", scalar, all_bits(scalar, &y));
    case.line(format!("%y: {scalar}x{lanes} = {name} {operands}"));
    case.line("store @y[%at] = %y");
    case
}
