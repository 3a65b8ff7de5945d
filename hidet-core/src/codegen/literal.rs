//! Constants and strings as C++ literals.

use super::types;
use crate::types::{Const, Scalar, bf16, f16, small};

/// Returns a constant as a C++ expression that needs no parentheses.
pub fn constant(value: Const) -> String {
    use Scalar::*;
    let bits = value.bits;
    match value.scalar {
        Bool => (if bits & 1 == 0 { "false" } else { "true" }).to_owned(),
        I8 => small(bits as i8 as i64, "signed char"),
        I16 => small(bits as i16 as i64, "short"),
        U8 => format!("((unsigned char){})", bits as u8),
        U16 => format!("((unsigned short){})", bits as u16),
        I32 => int(bits as i32),
        I64 => long(bits as i64),
        // Masks are easier to read in hexadecimal.
        U32 if bits as u32 > 0xffff => format!("0x{:x}u", bits as u32),
        U32 => format!("{}u", bits as u32),
        U64 if bits > 0xffff_ffff => format!("0x{bits:x}ull"),
        U64 => format!("{bits}ull"),
        F32 => float(f32::from_bits(bits as u32)),
        F64 => double(f64::from_bits(bits)),
        F16 => tagged(value, f16::from_bits(bits as u16).to_f32()),
        BF16 => tagged(value, bf16::from_bits(bits as u16).to_f32()),
        TF32 => tagged(value, f32::from_bits(bits as u32)),
        E4M3 => tagged(value, small::E4M3::from_bits(bits as u8).to_f32()),
        E5M2 => tagged(value, small::E5M2::from_bits(bits as u8).to_f32()),
    }
}

fn small(value: i64, name: &str) -> String {
    format!("(({name}){value})")
}

fn int(value: i32) -> String {
    match value {
        i32::MIN => "(-2147483647 - 1)".to_owned(),
        value if value < 0 => format!("({value})"),
        value => value.to_string(),
    }
}

fn long(value: i64) -> String {
    match value {
        i64::MIN => "(-9223372036854775807ll - 1)".to_owned(),
        value if value < 0 => format!("({value}ll)"),
        value => format!("{value}ll"),
    }
}

fn float(value: f32) -> String {
    match value {
        value if !value.is_finite() => format!("__uint_as_float(0x{:08x}u)", value.to_bits()),
        value if value.is_sign_negative() => format!("({value:?}f)"),
        value => format!("{value:?}f"),
    }
}

fn double(value: f64) -> String {
    match value {
        value if !value.is_finite() => format!("__longlong_as_double(0x{:016x}ll)", value.to_bits()),
        value if value.is_sign_negative() => format!("({value:?})"),
        value => format!("{value:?}"),
    }
}

/// Returns a float that is a struct by its bits, with its value as a comment.
fn tagged(value: Const, number: f32) -> String {
    let bits = value.bits & (u64::MAX >> (64 - 8 * value.scalar.bytes()));
    format!("{}{{0x{bits:x}}} /* {number:?} */", types::scalar(value.scalar))
}

/// Returns a string literal.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out += "\\\"",
            b'\\' => out += "\\\\",
            b'\n' => out += "\\n",
            b' '..=b'~' => out.push(byte as char),
            // Octal with three digits, because a hexadecimal escape would include the digits after it.
            byte => out += &format!("\\{byte:03o}"),
        }
    }
    out.push('"');
    out
}
