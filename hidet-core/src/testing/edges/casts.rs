//! Casts between all types. The expected result is Rust's `as` if Rust has the type of the result, and the nearest number
//! for low-precision floats.

use super::operation::List;
use super::values::signals;
use crate::types::{E4M3, E5M2, Element, Number, Scalar, TF32, bf16, f16};

/// Calls `$generic::<T>($args)` for the type of a scalar.
macro_rules! for_scalar {
    ($scalar:expr, $generic:ident($($arg:expr),*)) => {
        match $scalar {
            Scalar::Bool => $generic::<bool>($($arg),*),
            Scalar::I8 => $generic::<i8>($($arg),*),
            Scalar::I16 => $generic::<i16>($($arg),*),
            Scalar::I32 => $generic::<i32>($($arg),*),
            Scalar::I64 => $generic::<i64>($($arg),*),
            Scalar::U8 => $generic::<u8>($($arg),*),
            Scalar::U16 => $generic::<u16>($($arg),*),
            Scalar::U32 => $generic::<u32>($($arg),*),
            Scalar::U64 => $generic::<u64>($($arg),*),
            Scalar::F16 => $generic::<f16>($($arg),*),
            Scalar::BF16 => $generic::<bf16>($($arg),*),
            Scalar::TF32 => $generic::<TF32>($($arg),*),
            Scalar::F32 => $generic::<f32>($($arg),*),
            Scalar::F64 => $generic::<f64>($($arg),*),
            Scalar::E4M3 => $generic::<E4M3>($($arg),*),
            Scalar::E5M2 => $generic::<E5M2>($($arg),*),
        }
    };
}

/// Casts a number by Rust's `as`. An `i128` or `f64` has every value of the type that the number is from, so the result
/// is that of the cast from this type.
macro_rules! rust {
    ($number:ident as $to:ty) => {
        match $number {
            Number::Int(value) => (value as $to).constant().bits,
            Number::Float(value) => (value as $to).constant().bits,
        }
    };
}

/// Casts a number, or returns `None` for a signalling NaN to tf32, which keeps only the upper bits and may become an
/// infinity.
fn cast(bits: u64, from: Scalar, to: Scalar) -> Option<u64> {
    fn number<T: Element>(bits: u64) -> Number {
        T::from_bits64(bits).number()
    }
    fn nearest<T: Element>(number: Number) -> u64 {
        T::from_number(number).constant().bits
    }
    if (from, to) == (Scalar::F32, Scalar::TF32) && signals(from, bits) {
        return None;
    }
    let number = for_scalar!(from, number(bits));
    Some(match to {
        Scalar::I8 => rust!(number as i8),
        Scalar::I16 => rust!(number as i16),
        Scalar::I32 => rust!(number as i32),
        Scalar::I64 => rust!(number as i64),
        Scalar::U8 => rust!(number as u8),
        Scalar::U16 => rust!(number as u16),
        Scalar::U32 => rust!(number as u32),
        Scalar::U64 => rust!(number as u64),
        Scalar::F32 => rust!(number as f32),
        Scalar::F64 => rust!(number as f64),
        small => for_scalar!(small, nearest(number)),
    })
}

pub(super) fn add(list: &mut List) {
    for from in Scalar::ALL {
        for to in Scalar::ALL {
            let device = move |operands: &[crate::dsl::AnyExpr]| operands[0].cast(to);
            let host = move |bits: &[u64]| cast(bits[0], from, to);
            list.push(&format!("as {to}"), &[from], to, Box::new(device), Box::new(host));
        }
    }
}
