//! Lines that a kernel prints.

use super::exec::Operands;
use super::program::Print;
use crate::ir::{PrintPiece, eval};
use crate::types::Scalar;

/// The line of one lane.
pub fn line(print: &Print, operands: &Operands, lane: usize) -> String {
    let mut line = String::new();
    for (piece, value) in &print.pieces {
        match (piece, value) {
            (PrintPiece::Text(text), _) => line.push_str(text),
            (PrintPiece::Value { precision, .. }, Some((src, scalar, parts))) => {
                let wide = scalar.bytes() == 8;
                let step = if src.is_uniform() { 1 } else { 1 + wide as u32 };
                let part = |part: u32| number(*scalar, operands.lane(src.plus(part * step), wide, lane), *precision);
                if *parts == 1 {
                    line.push_str(&part(0));
                } else {
                    line.push_str(&format!("[{}]", (0..*parts).map(part).collect::<Vec<_>>().join(", ")));
                }
            }
            (PrintPiece::Value { .. }, None) => {}
        }
    }
    line
}

fn number(scalar: Scalar, bits: u64, precision: Option<u8>) -> String {
    match scalar {
        Scalar::Bool => (bits != 0).to_string(),
        _ if scalar.is_float() => {
            let value = eval::to_f64(scalar, bits);
            match precision {
                Some(digits) => format!("{value:.*}", digits as usize),
                None if scalar == Scalar::F64 => value.to_string(),
                None => (value as f32).to_string(),
            }
        }
        _ if scalar.is_signed_int() => (eval::cast(scalar, Scalar::I64, bits) as i64).to_string(),
        _ => bits.to_string(),
    }
}
