//! Checks of large results by samples, against `f64` on the host.

use crate::check::numbers::{Real, ulp};
use hidet::prelude::*;

/// Elements of a tensor, copied to the host once.
pub struct Elements<T> {
    bytes: Vec<u8>,
    of: std::marker::PhantomData<T>,
}

impl<T: Real> Elements<T> {
    /// Reads `count` elements from element `first` on.
    pub fn read<const R: usize>(tensor: &Tensor<T, R>, first: usize, count: usize) -> Result<Elements<T>, String> {
        let size = T::SCALAR.bytes();
        let raw = tensor.raw();
        let mut bytes = vec![0; count * size];
        raw.storage().read(raw.offset() + first * size, &mut bytes).map_err(super::problem::say)?;
        Ok(Elements { bytes, of: std::marker::PhantomData })
    }

    /// All elements.
    pub fn all<const R: usize>(tensor: &Tensor<T, R>) -> Result<Elements<T>, String> {
        Elements::read(tensor, 0, tensor.len())
    }

    /// Returns one of them.
    pub fn at(&self, index: usize) -> f64 {
        let size = T::SCALAR.bytes();
        element::<T>(&self.bytes[index * size..(index + 1) * size]).real()
    }

    /// Returns all of them.
    pub fn to_vec(&self) -> Vec<T> {
        self.bytes.chunks_exact(T::SCALAR.bytes()).map(element).collect()
    }
}

/// Returns an element from its bytes.
fn element<T: Element>(bytes: &[u8]) -> T {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    T::from_bits64(u64::from_le_bytes(word))
}

/// Returns the error of one value as a share of the tolerance, which is `slack` and half a unit in the last place. The
/// error of a NaN is infinite.
pub fn error<T: Real>(got: f64, want: f64, slack: f64) -> f64 {
    let share = (got - want).abs() / (slack + 0.5 * ulp::<T>(want));
    if share.is_nan() { f64::INFINITY } else { share }
}

/// Returns the worst of errors, or an error with its position if it is more than 1.
pub fn judge(errors: impl IntoIterator<Item = (f64, String)>) -> Result<f64, String> {
    let mut worst = (0.0, String::new());
    let mut count = 0;
    for error in errors {
        count += 1;
        if error.0 > worst.0 {
            worst = error;
        }
    }
    match worst {
        _ if count == 0 => Err("nothing was checked".to_owned()),
        (share, place) if share > 1.0 => Err(format!("{place}, {share:.1} times what is allowed")),
        (share, _) => Ok(share),
    }
}

/// Applies a function to all numbers below `count`, on all cores.
pub fn on_all_cores<R: Send>(count: usize, each: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let part = count.div_ceil(threads);
    let each = &each;
    std::thread::scope(|scope| {
        let range = |thread: usize| (thread * part).min(count)..((thread + 1) * part).min(count);
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || range(thread).map(each).collect::<Vec<R>>())).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|why| std::panic::resume_unwind(why)))
            .collect()
    })
}

/// Returns positions in a result of that many elements, one in each part of `of` parts, pseudo-random but always the
/// same.
pub fn places(len: usize, of: usize) -> Vec<usize> {
    let of = of.clamp(1, len.max(1));
    let mut random = crate::check::numbers::Random::new(11);
    let bound = |part: usize| (part as u128 * len as u128 / of as u128) as usize;
    (0..of)
        .filter(|&part| bound(part + 1) > bound(part))
        .map(|part| bound(part) + random.bits() as usize % (bound(part + 1) - bound(part)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shares_of_what_is_allowed() {
        assert_eq!(error::<f32>(1.0, 1.0, 0.0), 0.0);
        assert_eq!(error::<f32>(1.5, 1.0, 0.25 - 0.5 * ulp::<f32>(1.0)), 2.0);
        assert_eq!(error::<f32>(f64::NAN, 1.0, 1.0), f64::INFINITY);
        assert_eq!(judge([(0.5, "a".to_owned()), (0.75, "b".to_owned())]), Ok(0.75));
        let wrong = judge([(3.0, "element 7 is 2".to_owned()), (0.5, String::new())]).unwrap_err();
        assert_eq!(wrong, "element 7 is 2, 3.0 times what is allowed");
        assert!(judge([]).is_err());
    }

    #[test]
    fn places_are_spread() {
        let places = places(1000, 10);
        assert_eq!(places.len(), 10);
        assert!(places.iter().enumerate().all(|(part, place)| place / 100 == part), "{places:?}");
        assert_eq!(super::places(3, 10), [0, 1, 2]);
        assert!(super::places(0, 10).is_empty());
    }

    #[test]
    fn work_on_all_cores_keeps_its_order() {
        assert_eq!(on_all_cores(100, |i| i * i), (0..100).map(|i| i * i).collect::<Vec<_>>());
        assert!(on_all_cores(0, |i| i).is_empty());
    }
}
