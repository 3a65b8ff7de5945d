//! Medians, quartiles and ratios of measured times.

/// The summary of a list of measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The least.
    pub least: f64,
    /// The first quartile.
    pub lower: f64,
    /// Half is below.
    pub median: f64,
    /// The third quartile.
    pub upper: f64,
    /// The largest.
    pub largest: f64,
}

impl Summary {
    /// Summarises values; all fields are NaN if there are none.
    pub fn of(values: &[f64]) -> Summary {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| quantile(&sorted, share);
        Summary { least: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), largest: at(1.0) }
    }

    /// Returns the distance of the quartiles as a share of the median: how much rounds differ.
    pub fn spread(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

/// Returns the value below which that share of sorted values is, linearly interpolated between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// The speed of one contestant relative to another in the same rounds: more than 1 is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio of the medians of all rounds.
    pub of_medians: f64,
    /// The median of the ratios of each round, which drift of the clock does not affect.
    pub of_rounds: f64,
}

impl Ratio {
    /// The ratio for times per round.
    pub fn of(ours: &[f64], theirs: &[f64]) -> Ratio {
        let rounds: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect();
        Ratio {
            of_medians: Summary::of(theirs).median / Summary::of(ours).median,
            of_rounds: Summary::of(&rounds).median,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((summary.least, summary.lower, summary.median), (1.0, 1.75, 2.5));
        assert_eq!((summary.upper, summary.largest), (3.25, 4.0));
        assert_eq!(summary.spread(), 0.6);
        assert_eq!(Summary::of(&[7.0]).median, 7.0);
        assert!(Summary::of(&[]).median.is_nan());
    }

    #[test]
    fn a_ratio_of_rounds_does_not_see_drift() {
        // Both slow down by half in the last round; `ours` takes 0.8 of the time in each.
        let ratio = Ratio::of(&[0.8, 0.8, 1.2], &[1.0, 1.0, 1.5]);
        assert_eq!(ratio.of_medians, 1.25);
        assert!((ratio.of_rounds - 1.25).abs() < 1e-12);
        // Only one round of `theirs` is slow.
        assert_eq!(Ratio::of(&[1.0, 1.0, 1.0], &[1.0, 9.0, 1.0]), Ratio { of_medians: 1.0, of_rounds: 1.0 });
    }
}
