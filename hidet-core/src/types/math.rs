//! Functions of `f64` that Rust's library lacks, or computes inaccurately at the ends of their range.
//!
//! The functions of other float types use these and round.

/// Returns the inverse hyperbolic sine; Rust's overflows for numbers above half the maximum.
pub fn asinh(x: f64) -> f64 {
    if x.abs() < 1e150 { x.asinh() } else { (x.abs().ln() + std::f64::consts::LN_2).copysign(x) }
}

/// Returns the inverse hyperbolic cosine; Rust's overflows for numbers above half the maximum.
pub fn acosh(x: f64) -> f64 {
    if x < 1e150 { x.acosh() } else { x.ln() + std::f64::consts::LN_2 }
}

/// Returns the inverse hyperbolic tangent; Rust's is inaccurate near -1.
pub fn atanh(x: f64) -> f64 {
    x.abs().atanh().copysign(x)
}

/// Returns the error function, within 1 ulp of `f32` (absolute error about 1e-15).
///
/// Uses the Maclaurin series near 0, and a continued fraction of the complement elsewhere.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let size = x.abs();
    if size < 2.5 {
        // erf(x) = 2/sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (1*3*..*(2n+1)); all terms positive.
        let (mut term, mut sum, mut n) = (size, size, 1.0);
        while term > sum * 1e-17 {
            term *= 2.0 * size * size / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return (std::f64::consts::FRAC_2_SQRT_PI * (-size * size).exp() * sum).copysign(x);
    }
    if size > 6.0 {
        return 1f64.copysign(x);
    }
    let mut fraction = 0.0;
    for k in (1..=60).rev() {
        fraction = k as f64 / 2.0 / (size + fraction);
    }
    let complement = (-size * size).exp() / (std::f64::consts::PI.sqrt() * (size + fraction));
    (1.0 - complement).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_known_values() {
        for (x, y) in
            [(0.5, 0.5204998778130465), (1.0, 0.8427007929497149), (2.0, 0.9953222650189527), (3.0, 0.9999779095030014)]
        {
            assert!((erf(x) - y).abs() < 1e-14, "{x}");
            assert_eq!(erf(-x), -erf(x));
        }
    }
}
