//! Medians, quartiles and ratios of measured times.

/// What a list of measurements comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The least.
    pub least: f64,
    /// A quarter is below.
    pub lower: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub upper: f64,
    /// The largest.
    pub largest: f64,
}

impl Summary {
    /// Of these values; all NaN where there is none.
    pub fn of(values: &[f64]) -> Summary {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&sorted, share);
        Summary { least: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), largest: at(1.0) }
    }

    /// The distance of the quartiles as a share of the median: how far rounds drift apart.
    pub fn spread(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

/// The value below which that share of sorted values lies, between neighbours by a straight line.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// How fast one contestant is, measured against another in the same rounds: more than 1 is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of the medians of all rounds.
    pub of_medians: f64,
    /// The median of the ratios of each round, which drift of the clock does not touch.
    pub of_rounds: f64,
}

impl Ratio {
    /// Of times a round.
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
        // Both slow down by half in the last round; ours takes 0.8 of the time in each.
        let ratio = Ratio::of(&[0.8, 0.8, 1.2], &[1.0, 1.0, 1.5]);
        assert_eq!(ratio.of_medians, 1.25);
        assert!((ratio.of_rounds - 1.25).abs() < 1e-12);
        // One slow round of theirs alone.
        assert_eq!(Ratio::of(&[1.0, 1.0, 1.0], &[1.0, 9.0, 1.0]), Ratio { of_medians: 1.0, of_rounds: 1.0 });
    }
}
