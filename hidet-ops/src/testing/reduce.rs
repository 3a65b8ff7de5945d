//! Cases of reductions, and of what is composed of them.

use super::{Case, FLOATS};

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    vec![Case {
        operator: "mean",
        dtypes: FLOATS,
        apply: |i| {
            let x = i.any()?;
            let axes: Vec<usize> = (0..x.ty().rank()).filter(|_| i.below(2) == 0).collect();
            x.mean(&axes, false)
        },
    }]
}
