//! Bit operations: byte permutations, three-operand logic, funnel shifts, bit fields, bit counts, and dot products of
//! bytes.

use super::{Meaning, Operand, ResultRule, Row, TypeRule, row};
use crate::types::{Scalar, Type};

/// An operation on operands that are given as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitOp {
    /// Four of the eight bytes of operands 1 (upper) and 0, each selected by a nibble of operand 2; if the nibble's
    /// highest bit is set, the byte's sign is replicated instead (PTX `prmt`).
    Permute,
    /// A bitwise function of three operands: bit `4 a + 2 b + c` of operand 3 is the result (PTX `lop3`).
    Logic,
    /// The upper word of operands 1 (upper) and 0 shifted left by the amount operand 2 modulo 32 (CUDA
    /// `__funnelshift_l`).
    FunnelLeft,
    /// The lower word of operands 1 (upper) and 0 shifted right by the amount operand 2 modulo 32 (CUDA
    /// `__funnelshift_r`).
    FunnelRight,
    /// The field of operand 2 bits of operand 0 that starts at bit operand 1, zero- or sign-extended (PTX `bfe`).
    Extract,
    /// Operand 1 with the field of operand 3 bits that starts at bit operand 2 replaced by the low bits of operand 0
    /// (PTX `bfi`).
    Insert,
    /// The number of set bits.
    Count,
    /// The number of leading zeros.
    LeadingZeros,
    /// The bits in reverse order.
    Reverse,
    /// Operand 2 plus the dot product of the four bytes of operands 0 and 1 (`dp4a`).
    Dot,
}

impl BitOp {
    /// Returns the result for operands, the first of which has type `scalar`; missing operands are 0.
    pub fn compute(self, scalar: Scalar, operands: [u64; 4]) -> u64 {
        let [a, b, c, d] = operands.map(|operand| operand as u32);
        let both = u64::from(b) << 32 | u64::from(a);
        let width = 8 * scalar.bytes() as u32;
        let signed = scalar.is_signed_int();
        match self {
            BitOp::Permute => {
                let byte = |nibble: u32| {
                    let byte = (both >> (8 * (nibble & 7))) as u8;
                    let sign = if byte >> 7 == 1 { 0xff } else { 0 };
                    u64::from(if nibble & 8 == 0 { byte } else { sign })
                };
                (0..4).map(|at| byte(c >> (4 * at) & 15) << (8 * at)).sum()
            }
            BitOp::Logic => {
                let bit = |at: u32| {
                    let number = (a >> at & 1) * 4 + (b >> at & 1) * 2 + (c >> at & 1);
                    u64::from(d >> number & 1) << at
                };
                (0..32).map(bit).sum()
            }
            BitOp::FunnelLeft => (both << (c & 31)) >> 32,
            BitOp::FunnelRight => u64::from((both >> (c & 31)) as u32),
            BitOp::Extract => {
                let (from, length) = (b & 0xff, c & 0xff);
                let value = if signed { i64::from(a as i32) } else { i64::from(a) };
                // Bits beyond 31 are zeros, or copies of the sign.
                let field = value >> from.min(63);
                if length == 0 {
                    0
                } else if length >= 32 || (signed && from + length > 32) {
                    u64::from(field as u32)
                } else {
                    let above = 64 - length;
                    let field = field << above;
                    u64::from(if signed { field >> above } else { (field as u64 >> above) as i64 } as u32)
                }
            }
            BitOp::Insert => {
                let (from, length) = (c & 0xff, d & 0xff);
                let ones = (1u64 << length.min(32)) - 1;
                let mask = if from < 32 { (ones << from) as u32 } else { 0 };
                let field = if from < 32 { a << from } else { 0 };
                u64::from(b & !mask | field & mask)
            }
            BitOp::Count => u64::from(operands[0].count_ones()),
            BitOp::LeadingZeros => u64::from(operands[0].leading_zeros() - (64 - width)),
            BitOp::Reverse => operands[0].reverse_bits() >> (64 - width),
            BitOp::Dot => {
                let byte = |word: u32, at: u32| {
                    let byte = (word >> (8 * at)) as u8;
                    if signed { i32::from(byte as i8) } else { i32::from(byte) }
                };
                let sum = (0..4).fold(c as i32, |sum, at| sum.wrapping_add(byte(a, at).wrapping_mul(byte(b, at))));
                u64::from(sum as u32)
            }
        }
    }
}

pub(super) fn rows() -> Vec<Row> {
    use Scalar::*;
    const SAME: Operand = Operand::Value(TypeRule::SameAs(0));
    const U: Operand = Operand::Value(TypeRule::Is(Type::U32));
    const WORDS: TypeRule = TypeRule::OneOf(&[I32, U32]);
    const ALL: TypeRule = TypeRule::OneOf(&[I32, U32, I64, U64]);
    let make = |name: &str, cuda: &str, op: BitOp, operands: &[Operand], result: ResultRule, doc: &str| {
        let row = row(name, cuda, Meaning::Bits(op), doc).gives(result);
        operands.iter().fold(row, |row, operand| row.operand(*operand))
    };
    let (first, second) = (ResultRule::SameAs(0), ResultRule::Is(Type::U32));
    let (word, any) = (Operand::Value(WORDS), Operand::Value(ALL));
    vec![
        make(
            "prmt",
            "hidet_prmt($0, $1, $2)",
            BitOp::Permute,
            &[U, U, U],
            second,
            "Returns four of the eight bytes of two words, each selected by a nibble of the third operand, whose highest bit replicates the byte's sign instead (PTX `prmt`).",
        ),
        make(
            "lop3",
            "hidet_lop3<$3>($0, $1, $2)",
            BitOp::Logic,
            &[U, U, U, Operand::Imm { least: 0, most: 255 }],
            second,
            "Returns a bitwise function of three words, given by its truth table: its value for 0xf0, 0xcc and 0xaa (PTX `lop3`).",
        ),
        make(
            "shf.left",
            "__funnelshift_l($0, $1, $2)",
            BitOp::FunnelLeft,
            &[U, U, U],
            second,
            "Returns the upper word of two (lower word first) shifted left by the third operand modulo 32 (CUDA `__funnelshift_l`).",
        ),
        make(
            "shf.right",
            "__funnelshift_r($0, $1, $2)",
            BitOp::FunnelRight,
            &[U, U, U],
            second,
            "Returns the lower word of two (lower word first) shifted right by the third operand modulo 32 (CUDA `__funnelshift_r`).",
        ),
        make(
            "bfe",
            "hidet_bfe($0, $1, $2)",
            BitOp::Extract,
            &[word, U, U],
            first,
            "Returns a bit field, given by its first bit and its length, zero- or sign-extended depending on the type (PTX `bfe`).",
        ),
        make(
            "bfi",
            "hidet_bfi($0, $1, $2, $3)",
            BitOp::Insert,
            &[U, U, U, U],
            second,
            "Returns the second word with a bit field, given by its first bit and its length, replaced by the low bits of the first (PTX `bfi`).",
        ),
        make("popc", "hidet_popc($0)", BitOp::Count, &[any], second, "Returns the number of set bits."),
        make("clz", "hidet_clz($0)", BitOp::LeadingZeros, &[any], second, "Returns the number of leading zeros."),
        make("brev", "hidet_brev($0)", BitOp::Reverse, &[any], first, "Returns the bits in reverse order."),
        make(
            "dp4a",
            "__dp4a($0, $1, $2)",
            BitOp::Dot,
            &[word, SAME, SAME],
            first,
            "Returns the third operand plus the dot product of the four bytes of the first two.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_where_the_word_does() {
        let field = |scalar, a: u32, from, length| BitOp::Extract.compute(scalar, [a.into(), from, length, 0]) as u32;
        assert_eq!(field(Scalar::U32, 0xabcd_1234, 8, 8), 0x12);
        assert_eq!(field(Scalar::I32, 0x0000_8000, 8, 8), 0xffff_ff80);
        assert_eq!(field(Scalar::U32, u32::MAX, 28, 8), 0xf);
        assert_eq!(field(Scalar::I32, 0x8000_0000, 28, 8), 0xffff_fff8);
        assert_eq!(field(Scalar::I32, 0x8000_0000, 40, 3), u32::MAX);
        assert_eq!(field(Scalar::U32, u32::MAX, 40, 3), 0);
        assert_eq!(field(Scalar::U32, u32::MAX, 3, 0), 0);
        assert_eq!(BitOp::Insert.compute(Scalar::U32, [0x5, 0xffff_ffff, 4, 4]), 0xffff_ff5f);
        assert_eq!(BitOp::Insert.compute(Scalar::U32, [0x5, 7, 40, 4]), 7);
    }

    #[test]
    fn bytes_are_chosen_by_nibbles() {
        assert_eq!(BitOp::Permute.compute(Scalar::U32, [0x8822_1100, 0x7766_5544, 0x0b74, 0]), 0x00ff_7744);
        assert_eq!(BitOp::Logic.compute(Scalar::U32, [0xf0f0, 0xcccc, 0xaaaa, 0x96]), 0x9696);
        assert_eq!(BitOp::Dot.compute(Scalar::I32, [0x0000_00ff, 0x0000_0003, 10, 0]) as i32, 7);
        assert_eq!(BitOp::Dot.compute(Scalar::U32, [0x0000_00ff, 0x0000_0003, 10, 0]), 775);
        assert_eq!(BitOp::LeadingZeros.compute(Scalar::U32, [1, 0, 0, 0]), 31);
        assert_eq!(BitOp::Reverse.compute(Scalar::U32, [1, 0, 0, 0]), 1 << 31);
    }
}
