//! Arithmetic on bits, against the result of Rust.

use super::super::numbers::Random;
use super::case::Case;
use super::matrix::types;
use hidet::intrinsics::{BitOp, Meaning, Operand, Row};
use hidet::types::Scalar;

/// The cases of a row: each type, on numbers with all kinds of bits.
pub fn cases(row: &Row) -> Vec<Case> {
    let Meaning::Bits(op) = row.meaning else { return Vec::new() };
    types(row, 0).into_iter().map(|scalar| case(row, op, scalar)).collect()
}

/// Returns the result of the operation, computed by Rust.
fn expected(op: BitOp, scalar: Scalar, a: u64, b: u64, c: u64) -> u64 {
    let (low, high, by) = (a as u32, b as u32, c as u32);
    let both = (u128::from(b) << 32 | u128::from(a)) as u64;
    let signed = scalar.is_signed_int();
    let bytes = |word: u32| word.to_le_bytes();
    match op {
        BitOp::Permute => {
            let all = both.to_le_bytes();
            let pick = |at: u32| {
                let nibble = by >> (4 * at) & 15;
                let byte = all[nibble as usize & 7];
                if nibble < 8 { byte } else { ((byte as i8) >> 7) as u8 }
            };
            u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)]).into()
        }
        // The table of `a & b ^ c`.
        BitOp::Logic => (low & high ^ by).into(),
        BitOp::FunnelLeft => (both.checked_shl(by % 32).unwrap_or(0) >> 32) as u32 as u64,
        BitOp::FunnelRight => (both >> (by % 32)) as u32 as u64,
        BitOp::Extract => {
            let (from, length) = (b as u32, c as u32);
            // Bit by bit; the last bit of the field is repeated if the type is signed.
            let bit = |at: u32| {
                if at < 32 {
                    low >> at & 1
                } else if signed {
                    low >> 31
                } else {
                    0
                }
            };
            let last = |at: u32| match (at < length, signed && length > 0) {
                (true, _) => bit(from + at),
                (false, true) => bit(from + length - 1),
                (false, false) => 0,
            };
            (0..32).map(|at| u64::from(last(at)) << at).sum()
        }
        BitOp::Insert => {
            let (from, length) = (by & 0xff, 5);
            let bit = |at: u32| if at >= from && at < from + length { low >> (at - from) & 1 } else { high >> at & 1 };
            (0..32).map(|at| u64::from(bit(at)) << at).sum()
        }
        BitOp::Count => a.count_ones().into(),
        BitOp::LeadingZeros if scalar.bytes() == 8 => a.leading_zeros().into(),
        BitOp::LeadingZeros => low.leading_zeros().into(),
        BitOp::Reverse if scalar.bytes() == 8 => a.reverse_bits(),
        BitOp::Reverse => low.reverse_bits().into(),
        BitOp::Dot => {
            let product = |(a, b): (u8, u8)| match signed {
                true => i64::from(a as i8) * i64::from(b as i8),
                false => i64::from(a) * i64::from(b),
            };
            let sum: i64 = bytes(low).into_iter().zip(bytes(high)).map(product).sum();
            (sum + i64::from(by as i32)) as u32 as u64
        }
    }
}

fn case(row: &Row, op: BitOp, scalar: Scalar) -> Case {
    let mut random = Random::new(9);
    let mut wide = |mask: u64| -> Vec<u64> {
        let word = |random: &mut Random| u64::from(random.bits()) << 32 | u64::from(random.bits());
        (0..64).map(|at| if at < 2 { u64::MAX * (at & 1) } else { word(&mut random) >> (at % 13 * 3) } & mask).collect()
    };
    let mask = u64::MAX >> (64 - 8 * scalar.bytes());
    let a = wide(mask);
    // The position and length of a field extend beyond the word.
    let small = if op == BitOp::Extract { 0x3f } else { u64::from(u32::MAX) };
    let (b, c) = (wide(small), wide(if op == BitOp::Insert { 0x3f } else { small }));
    let y = (0..64).map(|at| expected(op, scalar, a[at], b[at], c[at])).collect();
    let result = match op {
        BitOp::Extract | BitOp::Reverse | BitOp::Dot => scalar,
        _ => Scalar::U32,
    };
    let mut case = Case::new(&row.name, scalar.name(), 64);
    let mut operands = Vec::new();
    for (number, (operand, bits)) in row.operands.iter().zip([a, b, c, vec![5; 64]]).enumerate() {
        if let Operand::Imm { .. } = operand {
            operands.push(format!("{}", 0xf0 & 0xcc ^ 0xaa));
            continue;
        }
        let ty = types(row, number).first().copied().unwrap_or(scalar);
        let ty = if number == 0 || op == BitOp::Dot { scalar } else { ty };
        case.input(&format!("x{number}"), ty, bits);
        case.line(format!("%x{number}: {ty} = load @x{number}[%t]"));
        operands.push(format!("%x{number}"));
    }
    case.output("y", result, y);
    case.line(format!("%y: {result} = call {}({})", row.name, operands.join(", ")));
    case.line("store @y[%t] = %y");
    case
}
