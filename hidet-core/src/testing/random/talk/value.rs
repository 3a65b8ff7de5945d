//! Values that reveal what a thread has seen: every value read is mixed into one word per thread, from which everything
//! written is made.

use super::kernel::Talk;
use crate::ir::{BinaryOp, CompareOp, Op, Stmt, ValueId};
use crate::types::{Const, Scalar, Type};

impl Talk {
    pub fn int(&mut self, value: i64) -> ValueId {
        self.b.int(value)
    }

    pub fn word(&mut self, value: u32) -> ValueId {
        self.b.constant(Scalar::U32, value.into())
    }

    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        self.b.binary(op, a, b)
    }

    /// Emits the operation with a constant of the type of the value.
    pub fn with(&mut self, op: BinaryOp, a: ValueId, number: i64) -> ValueId {
        let scalar = self.b.f.ty(a).scalar;
        let number = self.b.constant(scalar, number as u64);
        self.b.binary(op, a, number)
    }

    pub fn compare(&mut self, op: CompareOp, a: ValueId, b: ValueId) -> ValueId {
        self.b.emit(Type::BOOL, Op::Compare(op, a, b))
    }

    pub fn cast(&mut self, value: ValueId, to: Scalar) -> ValueId {
        if self.b.f.ty(value) == to.into() { value } else { self.b.emit(to, Op::Cast(value)) }
    }

    /// Returns the hash of what the thread has seen so far.
    pub fn seen(&mut self) -> ValueId {
        self.b.emit(Type::U32, Op::Read(self.acc))
    }

    /// Mixes a word into the hash.
    pub fn fold(&mut self, word: ValueId) {
        let seen = self.seen();
        let odd = self.b.rng.pick(&[0x0100_0193, 31, 0x9e37_79b1, 5]);
        let scaled = self.with(BinaryOp::Mul, seen, odd);
        let op = self.b.rng.pick(&[BinaryOp::Add, BinaryOp::Xor, BinaryOp::Sub]);
        let value = self.binary(op, scaled, word);
        self.b.stmt(Stmt::Assign { var: self.acc, value });
    }

    /// Mixes two words into one.
    pub fn join(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let scaled = self.with(BinaryOp::Mul, a, 0x0001_0dcd);
        self.binary(BinaryOp::Xor, scaled, b)
    }

    /// Converts a scalar to a word; different bits mostly become different words.
    pub fn as_word(&mut self, value: ValueId) -> ValueId {
        let scalar = self.b.f.ty(value).scalar;
        let whole = match scalar.bytes() {
            1 => Scalar::U8,
            2 => Scalar::U16,
            4 => Scalar::U32,
            _ => Scalar::U64,
        };
        if scalar.is_float() {
            let bits = self.b.emit(whole, Op::Bitcast(value));
            return self.as_word(bits);
        }
        if scalar.bytes() < 8 {
            return self.cast(value, Scalar::U32);
        }
        let upper = self.with(BinaryOp::Shr, value, 32);
        let both = self.binary(BinaryOp::Add, upper, value);
        self.cast(both, Scalar::U32)
    }

    /// Returns a number of a type, made from what the thread has seen. `bits`: arbitrary bits of a float, not only
    /// small numbers.
    pub fn made(&mut self, elem: Scalar, bits: bool) -> ValueId {
        let seen = self.seen();
        let salt = self.b.rng.next() as u32 >> 4;
        let salted = self.with(BinaryOp::Add, seen, salt.into());
        let upper = self.with(BinaryOp::Shr, salted, 15);
        let mixed = self.binary(BinaryOp::Xor, salted, upper);
        self.of_word(mixed, elem, bits)
    }

    /// Converts a word to a number of a type.
    pub fn of_word(&mut self, word: ValueId, elem: Scalar, bits: bool) -> ValueId {
        match elem {
            Scalar::Bool => {
                let bit = self.with(BinaryOp::And, word, 1);
                self.cast(bit, Scalar::Bool)
            }
            Scalar::I64 | Scalar::U64 => {
                let wide = self.cast(word, elem);
                self.with(BinaryOp::Mul, wide, 0x1000_0000_01b3)
            }
            _ if elem.is_float() && bits => {
                let whole = match elem.bytes() {
                    1 => Scalar::U8,
                    2 => Scalar::U16,
                    4 => Scalar::U32,
                    _ => Scalar::U64,
                };
                let whole = self.of_word(word, whole, false);
                self.b.emit(elem, Op::Bitcast(whole))
            }
            _ if elem.is_float() => {
                let small = self.with(BinaryOp::And, word, 127);
                let float = self.cast(small, Scalar::F32);
                self.cast(float, elem)
            }
            _ => self.cast(word, elem),
        }
    }

    /// Returns initial elements: arbitrary integers, floats of small magnitude.
    pub fn content(&mut self, elem: Scalar, elements: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..elements {
            let random = self.b.rng.next();
            let bits = match elem {
                Scalar::Bool => random & 1,
                _ if elem.is_float() => crate::ir::eval::from_f64(elem, (random % 64) as f64),
                _ => Const::int(elem, random as i64).bits,
            };
            bytes.extend_from_slice(&bits.to_le_bytes()[..elem.bytes()]);
        }
        bytes
    }
}
