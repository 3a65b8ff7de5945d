//! Operations on vectors, two lanes per instruction: arithmetic of f16 and bf16 on whole numbers for which it is exact, and
//! conversions of f32 to 16 and 8 bits.

use super::super::numbers::Random;
use super::case::Case;
use super::numbers::all_bits;
use hidet::types::{E4M3, E5M2, Scalar, bf16, f16};

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
    for (scalar, convert) in CONVERSIONS {
        cases.extend([2, 4, 8].map(|lanes| cast(scalar, lanes, convert)));
    }
    cases
}

/// The conversion of f32 to each type, by the host.
const CONVERSIONS: [(Scalar, fn(f32) -> u64); 4] = [
    (Scalar::F16, |x| f16::from_f32(x).to_bits().into()),
    (Scalar::BF16, |x| bf16::from_f32(x).to_bits().into()),
    (Scalar::E4M3, |x| E4M3::from_f32(x).to_bits().into()),
    (Scalar::E5M2, |x| E5M2::from_f32(x).to_bits().into()),
];

/// Any numbers but NaN, and numbers half way between two results.
fn cast(scalar: Scalar, lanes: i64, convert: fn(f32) -> u64) -> Case {
    let mut random = Random::new(11);
    let mut number = |at: i64| match at % 4 {
        0 => f32::from_bits(random.bits()),
        1 => f32::from_bits(random.bits() & 0xfff0_0000 | 0x1000),
        2 => (random.unit() * 700.0) as f32,
        _ => f32::from_bits((random.bits() & 0x801f_ffff | 0x3800_0000) & 0xffff_f000),
    };
    let x: Vec<f32> = (0..32 * lanes).map(&mut number).map(|x| if x.is_nan() { f32::INFINITY } else { x }).collect();
    let mut case = Case::new("packed.cast", format!("{scalar}x{lanes}"), 32);
    let length = case.int(lanes);
    case.line(format!("%at: i32 = mul %t, {length}"));
    case.input("x", Scalar::F32, x.iter().map(|x| x.to_bits().into()).collect());
    case.output("y", scalar, x.into_iter().map(convert).collect());
    case.line(format!("%x: f32x{lanes} = load @x[%at]"));
    case.line(format!("%y: {scalar}x{lanes} = cast %x"));
    case.line("store @y[%at] = %y");
    case
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
