//! The floating-point formats that Rust lacks: `tf32`, `e4m3`, `e5m2`; conversions round as the hardware does.

/// An `f32` of which tensor cores read 8 bits of exponent and 10 bits of mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(transparent)]
pub struct TF32(f32);

impl TF32 {
    /// Returns the nearest tf32; ties round away from zero (`cvt.rna.tf32.f32`).
    pub fn from_f32(value: f32) -> Self {
        if value.is_finite() {
            TF32(f32::from_bits(value.to_bits().wrapping_add(0x1000) & !0x1fff))
        } else {
            TF32(value)
        }
    }

    /// Returns the value, exactly.
    pub fn to_f32(self) -> f32 {
        self.0
    }
}

macro_rules! fp8 {
    ($(#[$doc:meta])* $name:ident, $exponent:literal, $mantissa:literal, $max:literal, $nan:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            /// The largest finite value.
            pub const MAX: f32 = $max;

            /// Returns the value with these bits.
            pub const fn from_bits(bits: u8) -> Self {
                $name(bits)
            }

            /// Returns the bits.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// Returns the nearest value, ties to even; values beyond the largest finite one saturate (`satfinite`).
            pub fn from_f32(value: f32) -> Self {
                if value.is_nan() {
                    return $name($nan);
                }
                let sign = if value.is_sign_negative() { 0x80 } else { 0 };
                let size = value.abs().min($max);
                let bias = (1 << ($exponent - 1)) - 1;
                let exponent = ((size.to_bits() >> 23) as i32 - 127).max(1 - bias);
                // The unit in the last place at this exponent; dividing by a power of two is exact.
                let ulp = f32::from_bits(((exponent - $mantissa + 127) as u32) << 23);
                let steps = (size / ulp).round_ties_even() as u32;
                // `steps` counts from zero for subnormals and from 2^mantissa otherwise; a carry increments the
                // exponent.
                let bits = ((exponent + bias - 1) as u32) * (1 << $mantissa) + steps;
                $name(sign | bits as u8)
            }

            /// Returns the value, exactly.
            pub fn to_f32(self) -> f32 {
                let sign = if self.0 & 0x80 == 0 { 1.0 } else { -1.0 };
                let bias = (1 << ($exponent - 1)) - 1;
                let exponent = ((self.0 & 0x7f) >> $mantissa) as i32;
                let mantissa = (self.0 & ((1 << $mantissa) - 1)) as f32 / (1 << $mantissa) as f32;
                if Self::is_nan_bits(self.0) {
                    f32::NAN
                } else if Self::is_inf_bits(self.0) {
                    sign * f32::INFINITY
                } else if exponent == 0 {
                    sign * mantissa * 2f32.powi(1 - bias)
                } else {
                    sign * (1.0 + mantissa) * 2f32.powi(exponent - bias)
                }
            }
        }
    };
}

fp8! {
    /// 4 bits of exponent, 3 of mantissa, no infinities, largest 448.
    E4M3, 4, 3, 448.0, 0x7f
}
fp8! {
    /// 5 bits of exponent, 2 of mantissa, largest finite 57344.
    E5M2, 5, 2, 57344.0, 0x7f
}

impl E4M3 {
    const fn is_nan_bits(bits: u8) -> bool {
        bits & 0x7f == 0x7f
    }
    const fn is_inf_bits(_: u8) -> bool {
        false
    }
}

impl E5M2 {
    const fn is_nan_bits(bits: u8) -> bool {
        bits & 0x7f > 0x7c
    }
    const fn is_inf_bits(bits: u8) -> bool {
        bits & 0x7f == 0x7c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fp8_survives_the_way_through_f32() {
        for bits in 0..=255u8 {
            let (a, b) = (E4M3::from_bits(bits), E5M2::from_bits(bits));
            if !a.to_f32().is_nan() {
                assert_eq!(E4M3::from_f32(a.to_f32()).to_f32(), a.to_f32());
            }
            if b.to_f32().is_finite() {
                assert_eq!(E5M2::from_f32(b.to_f32()).to_f32(), b.to_f32());
            }
        }
    }

    #[test]
    fn fp8_rounds_to_even_and_saturates() {
        assert_eq!(E4M3::from_f32(1.0625).to_f32(), 1.0);
        assert_eq!(E4M3::from_f32(1.1875).to_f32(), 1.25);
        assert_eq!(E4M3::from_f32(1e9).to_f32(), 448.0);
        assert_eq!(E5M2::from_f32(-1e9).to_f32(), -57344.0);
        assert_eq!(E4M3::from_f32(2f32.powi(-9)).to_f32(), 2f32.powi(-9));
        assert_eq!(E4M3::from_f32(2f32.powi(-10)).to_f32(), 0.0);
    }

    #[test]
    fn tf32_ties_go_away_from_zero() {
        let tie = f32::from_bits(0x3f80_1000);
        assert_eq!(TF32::from_f32(tie).to_f32().to_bits(), 0x3f80_2000);
    }
}
