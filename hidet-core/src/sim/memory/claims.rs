//! The parts of an allocation that belong to one tensor since their contents were forgotten. A memory plan gives the
//! same bytes to one tensor after another; a use through the wrong one is found here, whatever the bytes hold.
//!
//! Knows nothing of tensors: a claimant is a number.

use std::ops::Range;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that belong to one tensor.
#[derive(Debug)]
struct Claim {
    bytes: Range<usize>,
    claimant: u64,
    place: &'static Location<'static>,
}

/// The claims on an allocation, without overlaps.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Vec<Claim>>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Vec<Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives bytes to a claimant, who takes them from earlier ones.
    pub fn give(&self, bytes: Range<usize>, claimant: u64, place: &'static Location<'static>) {
        let mut claims = self.lock();
        let rest = |claim: &Claim| {
            let (old, place) = (claim.bytes.clone(), claim.place);
            let parts = [old.start..old.end.min(bytes.start), old.start.max(bytes.end)..old.end];
            parts.map(|bytes| Claim { bytes, claimant: claim.claimant, place })
        };
        *claims = claims.iter().flat_map(rest).filter(|claim| !claim.bytes.is_empty()).collect();
        claims.push(Claim { bytes, claimant, place });
    }

    /// Returns where some of these bytes were given to another claimant, or `None` if all are free or its own.
    pub fn place_of_other(&self, bytes: Range<usize>, claimant: u64) -> Option<&'static Location<'static>> {
        let shared = |claim: &Claim| claim.bytes.start.max(bytes.start) < claim.bytes.end.min(bytes.end);
        let claims = self.lock();
        claims.iter().find(|claim| claim.claimant != claimant && shared(claim)).map(|claim| claim.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_belong_to_the_last_claimant() {
        let (claims, place) = (Claims::default(), Location::caller());
        let belongs = |bytes: Range<usize>, claimant| claims.place_of_other(bytes, claimant).is_none();
        assert!(belongs(0..100, 1));
        claims.give(10..50, 1, place);
        claims.give(20..30, 2, place);
        assert!(belongs(10..20, 1) && belongs(20..30, 2) && belongs(30..50, 1));
        assert!(!belongs(10..50, 1) && !belongs(29..31, 2) && !belongs(0..11, 3));
        assert!(belongs(0..10, 3) && belongs(50..100, 3) && belongs(25..25, 3));
        claims.give(0..100, 3, place);
        assert!(belongs(0..100, 3) && claims.lock().len() == 1);
    }
}
