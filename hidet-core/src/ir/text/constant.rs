//! Constants as exact text: a decimal that reads back to the same bits, else the bits.

use crate::types::{Const, E4M3, E5M2, Scalar, bf16, f16};

/// Returns the text of a constant.
pub(super) fn print(constant: Const) -> String {
    let Const { scalar, bits } = constant;
    let text = match scalar {
        Scalar::Bool => if bits == 0 { "false" } else { "true" }.to_owned(),
        _ if scalar.is_signed_int() => {
            let unused = 64 - 8 * scalar.bytes() as u32;
            ((bits << unused) as i64 >> unused).to_string()
        }
        _ if scalar.is_int() => bits.to_string(),
        Scalar::F64 => float(format!("{:?}", f64::from_bits(bits))),
        Scalar::F16 => float(format!("{:?}", f16::from_bits(bits as u16).to_f32())),
        Scalar::BF16 => float(format!("{:?}", bf16::from_bits(bits as u16).to_f32())),
        Scalar::E4M3 => float(format!("{:?}", E4M3::from_bits(bits as u8).to_f32())),
        Scalar::E5M2 => float(format!("{:?}", E5M2::from_bits(bits as u8).to_f32())),
        _ => float(format!("{:?}", f32::from_bits(bits as u32))),
    };
    if read(scalar, &text) == Some(constant) { text } else { format!("{bits:#x}") }
}

fn float(text: String) -> String {
    if text == "NaN" { "nan".to_owned() } else { text }
}

/// Parses a constant of that type; returns `None` if the text is not a value of the type.
pub(super) fn read(scalar: Scalar, text: &str) -> Option<Const> {
    if let Some(digits) = text.strip_prefix("0x") {
        return Some(Const { scalar, bits: u64::from_str_radix(digits, 16).ok()? });
    }
    let mask = u64::MAX >> (64 - 8 * scalar.bytes() as u32);
    let bits = match scalar {
        Scalar::Bool => match text {
            "true" => 1,
            "false" => 0,
            _ => return None,
        },
        Scalar::U64 => text.parse::<u64>().ok()?,
        _ if scalar.is_int() => {
            let value = text.parse::<i64>().ok()?;
            let width = 8 * scalar.bytes() as u32;
            let fits = match scalar.is_signed_int() {
                true => width == 64 || (-(1i64 << (width - 1))..1i64 << (width - 1)).contains(&value),
                false => (0..1i64 << width).contains(&value),
            };
            if !fits {
                return None;
            }
            value as u64 & mask
        }
        Scalar::F64 => text.parse::<f64>().ok()?.to_bits(),
        _ => {
            let value = text.parse::<f32>().ok()?;
            match scalar {
                Scalar::F16 => u64::from(f16::from_f32(value).to_bits()),
                Scalar::BF16 => u64::from(bf16::from_f32(value).to_bits()),
                Scalar::E4M3 => u64::from(E4M3::from_f32(value).to_bits()),
                Scalar::E5M2 => u64::from(E5M2::from_f32(value).to_bits()),
                _ => u64::from(value.to_bits()),
            }
        }
    };
    Some(Const { scalar, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_constant_reads_back() {
        for scalar in Scalar::ALL {
            for bits in 0..=0xffffu64 {
                let wide = [bits, bits << 16, bits << 48, bits.wrapping_mul(0x9e37_79b9_7f4a_7c15)];
                for bits in wide {
                    let constant = Const { scalar, bits };
                    assert_eq!(read(scalar, &print(constant)), Some(constant), "{scalar} {}", print(constant));
                }
            }
        }
    }

    #[test]
    fn constants_are_readable() {
        let of = |scalar, bits| print(Const { scalar, bits });
        assert_eq!(of(Scalar::I32, 0xffff_ffff), "-1");
        assert_eq!(of(Scalar::F32, 0x3fc0_0000), "1.5");
        assert_eq!(of(Scalar::F32, 0xff80_0000), "-inf");
        assert_eq!(of(Scalar::F32, 0x7fc0_0000), "nan");
        assert_eq!(of(Scalar::F32, 0x7fc0_0001), "0x7fc00001");
        assert_eq!(of(Scalar::F16, 0x3c00), "1.0");
        assert_eq!(of(Scalar::Bool, 1), "true");
    }
}
