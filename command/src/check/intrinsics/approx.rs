//! Approximations at the edges, where the PTX ISA gives the result; `math` has the errors elsewhere.

use super::case::Case;
use hidet::intrinsics::{Approx, Meaning, Row};
use hidet::types::Scalar;

const INF: f32 = f32::INFINITY;
const LEAST: f32 = f32::MIN_POSITIVE;
/// The largest and the smallest subnormal number.
const LARGE: f32 = f32::from_bits(0x007f_ffff);
const SMALL: f32 = f32::from_bits(1);
/// The NaN of these instructions.
const NAN: f32 = f32::from_bits(0x7fff_ffff);

/// An operand with the result of each function, `None` where it is not exact.
type Edge = (f32, Option<f32>, Option<f32>, Option<f32>);

const EDGES: [Edge; 16] = [
    (-INF, Some(0.0), Some(-1.0), Some(-0.0)),
    (-LARGE, Some(1.0), Some(-LARGE), Some(-INF)),
    (-SMALL, Some(1.0), Some(-SMALL), Some(-INF)),
    (-0.0, Some(1.0), Some(-0.0), Some(-INF)),
    (0.0, Some(1.0), Some(0.0), Some(INF)),
    (SMALL, Some(1.0), Some(SMALL), Some(INF)),
    (LARGE, Some(1.0), Some(LARGE), Some(INF)),
    (INF, Some(INF), Some(1.0), Some(0.0)),
    (f32::from_bits(0x7fc0_0000), Some(NAN), Some(NAN), Some(NAN)),
    (f32::from_bits(0xff80_0001), Some(NAN), Some(NAN), Some(NAN)),
    // Results that are flushed or overflow.
    (-126.5, Some(0.0), None, None),
    (-160.0, Some(0.0), None, None),
    (129.0, Some(INF), None, None),
    (f32::MAX, Some(INF), None, Some(0.0)),
    (-f32::MAX, Some(0.0), None, Some(-0.0)),
    (-3.0 / LEAST, Some(0.0), None, Some(-0.0)),
];

/// The case of a row.
pub fn cases(row: &Row) -> Vec<Case> {
    let Meaning::Approx(function) = row.meaning else { return Vec::new() };
    let result = |(x, exp2, tanh, recip): Edge| {
        let result = match function {
            Approx::Exp2 => exp2,
            Approx::Tanh => tanh,
            Approx::Recip => recip,
        };
        Some((u64::from(x.to_bits()), u64::from(result?.to_bits())))
    };
    let (x, y): (Vec<u64>, Vec<u64>) = EDGES.into_iter().filter_map(result).unzip();
    let mut case = Case::new(&row.name, "f32", x.len() as u32);
    case.input("x", Scalar::F32, x);
    case.output("y", Scalar::F32, y);
    case.line("%x: f32 = load @x[%t]");
    case.line(format!("%y: f32 = call {}(%x)", row.name));
    case.line("store @y[%t] = %y");
    vec![case]
}
