//! How far an output is from its reference, as the artifact of the paper measures it.

/// The largest tolerance that is tried.
const MOST: f64 = 9.0;

/// How often the interval of tolerances is halved.
const STEPS: usize = 20;

/// Returns the least tolerance t, up to 9, at which all `|a - b| <= t + t |b|`, found by 20 steps of bisection: the middle of the
/// last interval, so that equal numbers have 4.3e-6. Infinities are close if they are equal, and NaN is close to nothing.
///
/// # Errors
///
/// If there are not as many numbers as references.
pub fn error_tolerance(found: &[f64], reference: &[f64]) -> Result<f64, String> {
    if found.len() != reference.len() {
        return Err(format!("it has {} elements, but its reference {}", found.len(), reference.len()));
    }
    let is_close =
        |t: f64| found.iter().zip(reference).all(|(a, b)| a == b || (a - b).abs() <= t + t * b.abs() && b.is_finite());
    let (mut low, mut high) = (0.0, MOST);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        match is_close(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    Ok((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last interval is 9 / 2^20 long.
    const STEP: f64 = 9.0 / (1u32 << 20) as f64;

    fn tolerance(found: &[f64], reference: &[f64]) -> f64 {
        error_tolerance(found, reference).unwrap()
    }

    #[test]
    fn equal_numbers_have_half_of_the_last_interval() {
        assert_eq!(tolerance(&[1.0, -2.5, 0.0], &[1.0, -2.5, 0.0]), STEP / 2.0);
        assert_eq!(tolerance(&[], &[]), STEP / 2.0);
        assert_eq!(tolerance(&[f64::INFINITY], &[f64::INFINITY]), STEP / 2.0);
    }

    #[test]
    fn the_least_tolerance_is_found() {
        // |a - b| <= t + t |b| holds from |a - b| / (1 + |b|) on, the largest of which counts.
        for (found, reference, wanted) in [
            (&[1.5][..], &[1.0][..], 0.25),
            (&[0.1], &[0.0], 0.1),
            (&[-3.0], &[1.0], 2.0),
            (&[1.0, 10.5, 3.0], &[1.0, 10.0, 3.3], 0.3 / 4.3),
            (&[100.0], &[99.0], 0.01),
        ] {
            let own = tolerance(found, reference);
            assert!((own - wanted).abs() <= STEP / 2.0 + 1e-12, "{found:?} {reference:?}: {own}, not {wanted}");
        }
        // 2.25 is the middle of the second interval, so exactly feasible: the lower half is taken from then on.
        assert_eq!(tolerance(&[2.25], &[0.0]), 2.25 - STEP / 2.0);
    }

    #[test]
    fn what_is_never_close_has_the_largest() {
        for (found, reference) in [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::NAN, f64::NAN), (1e9, 0.0)] {
            assert_eq!(tolerance(&[found], &[reference]), MOST - STEP / 2.0);
        }
        for (found, reference) in [(f64::INFINITY, f64::NEG_INFINITY), (1.0, f64::INFINITY), (f64::INFINITY, 1.0)] {
            assert_eq!(tolerance(&[found], &[reference]), MOST - STEP / 2.0);
        }
        assert_eq!(error_tolerance(&[1.0], &[]).unwrap_err(), "it has 1 elements, but its reference 0");
    }
}
