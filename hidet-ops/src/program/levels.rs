//! Levels of launches: those of one level depend on none of each other, so that they may run at the same time.

use std::collections::HashMap;

/// The allocations that a launch uses, and whether it writes them.
pub(super) type Uses = Vec<(usize, bool)>;

/// Returns the level of each launch, given in a correct order: the next one after those of the launches that it depends on,
/// whose results may then be given up. Those that depend on none, as they convert weights, come as late as the ones that
/// depend on them allow, so that what they make is not there long before. There are no more levels than launches that must
/// follow each other.
pub(super) fn levels(launches: &[Uses]) -> Vec<usize> {
    // By allocation: its last writer, and those that have read it since.
    let mut known: HashMap<usize, (Option<usize>, Vec<usize>)> = HashMap::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    for (at, uses) in launches.iter().enumerate() {
        let mut own = Vec::new();
        for (allocation, writes) in uses {
            let (writer, readers) = known.entry(*allocation).or_default();
            own.extend(writer.iter().copied());
            if *writes {
                own.append(readers);
                *writer = Some(at);
            } else {
                readers.push(at);
            }
        }
        own.retain(|earlier| *earlier != at);
        before.push(own);
    }
    // How many launches must follow each one.
    let mut followed = vec![0; launches.len()];
    for (at, earlier) in before.iter().enumerate().rev() {
        for earlier in earlier {
            followed[*earlier] = followed[*earlier].max(followed[at] + 1);
        }
    }
    let most = followed.iter().max().copied().unwrap_or(0);
    let mut levels: Vec<usize> = Vec::new();
    for (followed, earlier) in followed.iter().zip(&before) {
        let after = earlier.iter().map(|earlier| levels[*earlier] + 1).max();
        levels.push(after.unwrap_or(most - followed));
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_beside_each_other() {
        let (x, a, b, c, d, w, y) = (0, 1, 2, 3, 4, 5, 6);
        let reads = |all: &[usize], written: usize| {
            all.iter().map(|at| (*at, false)).chain([(written, true)]).collect::<Uses>()
        };
        let launches = [
            reads(&[], w),
            reads(&[x], a),
            reads(&[x], b),
            reads(&[b], c),
            // The join, and one that reads what the first launch has made.
            reads(&[a, c], d),
            reads(&[d, w], x),
            // Overwrites what the join reads.
            reads(&[], a),
            // A result that nothing waits for.
            reads(&[b], y),
        ];
        assert_eq!(levels(&launches), [2, 1, 0, 1, 2, 3, 3, 1]);
        assert_eq!(levels(&[]), []);
    }
}
