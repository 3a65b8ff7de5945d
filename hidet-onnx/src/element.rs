//! Types of elements: their numbers in ONNX, and what they are in hidet.

use hidet::types::Scalar;

/// Numbers of ONNX, names for messages, and the types of hidet that have the same bits.
const TYPES: [(i32, &str, Option<Scalar>); 28] = [
    (1, "float", Some(Scalar::F32)),
    (2, "uint8", Some(Scalar::U8)),
    (3, "int8", Some(Scalar::I8)),
    (4, "uint16", Some(Scalar::U16)),
    (5, "int16", Some(Scalar::I16)),
    (6, "int32", Some(Scalar::I32)),
    (7, "int64", Some(Scalar::I64)),
    (8, "string", None),
    (9, "bool", Some(Scalar::Bool)),
    (10, "float16", Some(Scalar::F16)),
    (11, "double", Some(Scalar::F64)),
    (12, "uint32", Some(Scalar::U32)),
    (13, "uint64", Some(Scalar::U64)),
    (14, "complex64", None),
    (15, "complex128", None),
    (16, "bfloat16", Some(Scalar::BF16)),
    (17, "float8e4m3fn", Some(Scalar::E4M3)),
    (18, "float8e4m3fnuz", None),
    (19, "float8e5m2", Some(Scalar::E5M2)),
    (20, "float8e5m2fnuz", None),
    (21, "uint4", None),
    (22, "int4", None),
    (23, "float4e2m1", None),
    (24, "float8e8m0", None),
    (25, "uint2", None),
    (26, "int2", None),
    (27, "float6e2m3", None),
    (28, "float6e3m2", None),
];

/// Returns the type with a number of ONNX, or an error if hidet has no such type.
pub(crate) fn scalar(number: i64) -> Result<Scalar, String> {
    let row = TYPES.iter().find(|(own, ..)| i64::from(*own) == number);
    match row {
        Some((_, _, Some(scalar))) => Ok(*scalar),
        Some((_, name, None)) => Err(format!("elements of type {name} are not supported")),
        None => Err(format!("there is no type of elements with number {number}")),
    }
}

/// Returns the number of the type of ONNX with a name.
pub(crate) fn number(name: &str) -> Option<i32> {
    TYPES.iter().find(|(_, own, _)| *own == name).map(|(number, ..)| *number)
}

/// Returns the name of the type with a number of ONNX.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    TYPES.iter().find(|(own, ..)| *own == number).map(|(_, name, _)| *name)
}

/// Returns the number of ONNX of a type, or 0 if it has none.
pub(crate) fn number_of(dtype: Scalar) -> i32 {
    TYPES.iter().find(|(.., own)| *own == Some(dtype)).map_or(0, |(number, ..)| *number)
}
