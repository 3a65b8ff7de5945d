//! The scalar types, vectors of them, and constants.

use std::fmt;

/// The type of a scalar in memory or in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    /// 32 bits in memory, of which tensor cores read the upper 19.
    TF32,
    F32,
    F64,
    /// An 8-bit float with 4 bits of exponent and 3 of mantissa; no infinities, largest value 448.
    E4M3,
    /// An 8-bit float with 5 bits of exponent and 2 of mantissa; largest finite value 57344.
    E5M2,
}

impl Scalar {
    /// Every scalar type.
    pub const ALL: [Scalar; 16] = {
        use Scalar::*;
        [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, TF32, F32, F64, E4M3, E5M2]
    };

    /// Returns the size in memory, in bytes.
    pub const fn bytes(self) -> usize {
        use Scalar::*;
        match self {
            Bool | I8 | U8 | E4M3 | E5M2 => 1,
            I16 | U16 | F16 | BF16 => 2,
            I32 | U32 | TF32 | F32 => 4,
            I64 | U64 | F64 => 8,
        }
    }

    /// Returns the name in Rust and in the text form of the IR.
    pub const fn name(self) -> &'static str {
        use Scalar::*;
        match self {
            Bool => "bool",
            I8 => "i8",
            I16 => "i16",
            I32 => "i32",
            I64 => "i64",
            U8 => "u8",
            U16 => "u16",
            U32 => "u32",
            U64 => "u64",
            F16 => "f16",
            BF16 => "bf16",
            TF32 => "tf32",
            F32 => "f32",
            F64 => "f64",
            E4M3 => "e4m3",
            E5M2 => "e5m2",
        }
    }

    /// Returns the scalar type with that name.
    pub fn from_name(name: &str) -> Option<Scalar> {
        Scalar::ALL.into_iter().find(|scalar| scalar.name() == name)
    }

    /// Returns true for floating-point types of any size.
    pub const fn is_float(self) -> bool {
        use Scalar::*;
        matches!(self, F16 | BF16 | TF32 | F32 | F64 | E4M3 | E5M2)
    }

    /// Returns true for integers, not for `bool`.
    pub const fn is_int(self) -> bool {
        !self.is_float() && !matches!(self, Scalar::Bool)
    }

    /// Returns true for signed integers.
    pub const fn is_signed_int(self) -> bool {
        matches!(self, Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64)
    }

    /// Returns the unsigned integer of the same size.
    pub const fn unsigned(self) -> Scalar {
        match self.bytes() {
            1 => Scalar::U8,
            2 => Scalar::U16,
            4 => Scalar::U32,
            _ => Scalar::U64,
        }
    }

    /// Returns true if arithmetic is defined. The storage formats (`tf32`, `e4m3`, `e5m2`) and `bool` must be cast.
    pub const fn has_arithmetic(self) -> bool {
        !matches!(self, Scalar::Bool | Scalar::TF32 | Scalar::E4M3 | Scalar::E5M2)
    }

    /// Returns true if GPUs convert several values to another type in fewer instructions than one by one.
    pub const fn casts_in_pairs(self, to: Scalar) -> bool {
        match self {
            Scalar::F32 => matches!(to, Scalar::F16 | Scalar::BF16 | Scalar::E4M3 | Scalar::E5M2),
            Scalar::I8 | Scalar::U8 => matches!(to, Scalar::F16 | Scalar::BF16),
            _ => false,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a value in registers: a scalar, or a vector of 2, 4, 8 or 16 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type {
    /// The type of each lane.
    pub scalar: Scalar,
    /// 1 for a scalar; 2, 4, 8 or 16 for a vector.
    pub lanes: u8,
}

impl Type {
    /// Returns a vector type; 1 lane gives the scalar type.
    pub const fn vector(scalar: Scalar, lanes: u8) -> Type {
        Type { scalar, lanes }
    }

    /// Returns the size in bytes.
    pub const fn bytes(self) -> usize {
        self.scalar.bytes() * self.lanes as usize
    }

    /// `bool`, the type of conditions.
    pub const BOOL: Type = Type { scalar: Scalar::Bool, lanes: 1 };
    /// `i32`, the type of indices.
    pub const I32: Type = Type { scalar: Scalar::I32, lanes: 1 };
    /// `u32`
    pub const U32: Type = Type { scalar: Scalar::U32, lanes: 1 };
    /// `f32`
    pub const F32: Type = Type { scalar: Scalar::F32, lanes: 1 };
}

impl From<Scalar> for Type {
    fn from(scalar: Scalar) -> Self {
        Type { scalar, lanes: 1 }
    }
}

impl fmt::Display for Type {
    /// `f32`, or `f32x4` for a vector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lanes {
            1 => write!(f, "{}", self.scalar),
            lanes => write!(f, "{}x{lanes}", self.scalar),
        }
    }
}

/// A constant of a scalar type, stored as the bits it has in a register (the upper bits are zero).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Const {
    /// Its type.
    pub scalar: Scalar,
    /// Its bits, in the lowest `scalar.bytes()` bytes.
    pub bits: u64,
}

impl Const {
    /// Returns an integer or `bool` constant; excess bits are dropped.
    pub const fn int(scalar: Scalar, value: i64) -> Const {
        let bits = match scalar.bytes() {
            1 => value as u8 as u64,
            2 => value as u16 as u64,
            4 => value as u32 as u64,
            _ => value as u64,
        };
        Const { scalar, bits: if matches!(scalar, Scalar::Bool) { (value != 0) as u64 } else { bits } }
    }

    /// Returns a `bool` constant.
    pub const fn bool(value: bool) -> Const {
        Const { scalar: Scalar::Bool, bits: value as u64 }
    }

    /// Returns zero of any type.
    pub const fn zero(scalar: Scalar) -> Const {
        Const { scalar, bits: 0 }
    }

    /// Returns the integer, or `None` if the constant is not an integer or does not fit.
    pub const fn as_int(self) -> Option<i64> {
        use Scalar::*;
        match self.scalar {
            I8 => Some(self.bits as i8 as i64),
            I16 => Some(self.bits as i16 as i64),
            I32 => Some(self.bits as i32 as i64),
            I64 => Some(self.bits as i64),
            U8 | U16 | U32 => Some(self.bits as i64),
            U64 if self.bits <= i64::MAX as u64 => Some(self.bits as i64),
            _ => None,
        }
    }

    /// Returns the truth value, or `None` if the constant is not a `bool`.
    pub const fn as_bool(self) -> Option<bool> {
        if matches!(self.scalar, Scalar::Bool) { Some(self.bits != 0) } else { None }
    }
}
