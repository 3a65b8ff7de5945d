//! The lines that a kernel prints.

use super::exec::Operands;
use crate::ir::PrintPiece;
use crate::sim::bytecode::Print;

/// Returns the line of one lane.
pub fn line(print: &Print, operands: &Operands, lane: usize) -> String {
    let mut line = String::new();
    for (piece, value) in &print.pieces {
        match (piece, value) {
            (PrintPiece::Text(text), _) => line.push_str(text),
            (PrintPiece::Value { format, .. }, Some((src, scalar, parts))) => {
                let wide = scalar.bytes() == 8;
                let step = if src.is_uniform() { 1 } else { 1 + wide as u32 };
                let part = |part: u32| operands.lane(src.plus(part * step), wide, lane);
                line.push_str(&format.value(*scalar, *parts, part));
            }
            (PrintPiece::Value { .. }, None) => {}
        }
    }
    line
}
