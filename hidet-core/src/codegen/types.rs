//! The C++ names of the types.

use crate::types::{Scalar, Type};

/// Returns the C++ name of a scalar type.
pub fn scalar(scalar: Scalar) -> &'static str {
    use Scalar::*;
    match scalar {
        Bool => "bool",
        I8 => "signed char",
        I16 => "short",
        I32 => "int",
        I64 => "long long",
        U8 => "unsigned char",
        U16 => "unsigned short",
        U32 => "unsigned",
        U64 => "unsigned long long",
        F16 => "f16",
        BF16 => "bf16",
        TF32 => "tf32",
        F32 => "float",
        F64 => "double",
        E4M3 => "e4m3",
        E5M2 => "e5m2",
    }
}

/// Returns the C++ name of a type.
pub fn name(ty: Type) -> String {
    match ty.lanes {
        1 => scalar(ty.scalar).to_owned(),
        lanes => format!("vec<{}, {lanes}>", scalar(ty.scalar)),
    }
}

/// Returns true if the type is a struct of the prelude with the member `bits`.
pub fn is_struct(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::F16 | Scalar::BF16 | Scalar::TF32 | Scalar::E4M3 | Scalar::E5M2)
}

/// Returns the register constraint of inline PTX for a scalar, or `None` if PTX has no such register.
pub fn constraint(scalar: Scalar) -> Option<char> {
    use Scalar::*;
    match scalar {
        I16 | U16 | F16 | BF16 => Some('h'),
        I32 | U32 | TF32 => Some('r'),
        I64 | U64 => Some('l'),
        F32 => Some('f'),
        F64 => Some('d'),
        Bool | I8 | U8 | E4M3 | E5M2 => None,
    }
}
