//! [`Extent`]: an extent of tensors that has different sizes, and its buckets.

use crate::error::{Error, Result};
use hidet::cache::codec::{Encode, Reader};
use std::fmt;
use std::ops::RangeInclusive;

/// The most buckets that all extents may have together.
const MOST_BUCKETS: usize = 1 << 10;

/// The most sizes of rows: each is looked at.
const MOST_ROWS: usize = 1 << 12;

/// From this size on there is a bucket between a power of two and the next one.
const CLOSER: usize = 128;

/// Why what is behind a smaller size in a bucket does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// There is nothing: sizes are exactly these.
    None,
    /// It is proved that rows are independent.
    Rows,
    /// The caller says so.
    Masked,
}

/// An extent that has different sizes: each of a list, or all of a range, for which there are buckets of a few sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    pub(super) name: String,
    least: usize,
    /// Of the buckets, from small to large; the last one is the largest size.
    sizes: Vec<usize>,
    pub(super) padding: Padding,
}

impl Extent {
    /// Returns an extent that has these sizes and no others, each with a bucket of its own.
    pub fn exactly(name: impl Into<String>, sizes: impl IntoIterator<Item = usize>) -> Extent {
        let mut sizes: Vec<usize> = sizes.into_iter().collect();
        sizes.sort_unstable();
        sizes.dedup();
        let least = sizes.first().copied().unwrap_or(0);
        Extent { name: name.into(), least, sizes, padding: Padding::None }
    }

    /// Returns an extent of all sizes of a range that are rows, such as images of a batch: the first axis of inputs and outputs, each
    /// result of which is made of its own row alone. That is proved before anything runs. There are buckets for
    /// the smallest size, powers of two, and the largest size. The results of a row do not depend on the rows behind it, but may
    /// be added in another order in another bucket.
    ///
    /// One extent may be of this kind.
    pub fn rows(name: impl Into<String>, sizes: RangeInclusive<usize>) -> Extent {
        Extent::between(name.into(), sizes, Padding::Rows)
    }

    /// Returns an extent of all sizes of a range, of which the caller promises that what is behind a size changes nothing before
    /// it, such as tokens that a mask hides. What is behind has elements of the same inputs. There are buckets as for
    /// [`Extent::rows`], and from 128 on in the middle of powers of two.
    pub fn masked(name: impl Into<String>, sizes: RangeInclusive<usize>) -> Extent {
        Extent::between(name.into(), sizes, Padding::Masked)
    }

    fn between(name: String, range: RangeInclusive<usize>, padding: Padding) -> Extent {
        let (least, largest) = range.into_inner();
        let powers = (0..usize::BITS - 1).map(|at| 1usize << at).take_while(|size| *size <= largest);
        let middle = |power: usize| (padding == Padding::Masked && power >= CLOSER).then_some(power + power / 2);
        let inside = powers.flat_map(|power| [Some(power), middle(power)]).flatten();
        let mut sizes: Vec<usize> = inside.filter(|size| least < *size && *size < largest).collect();
        sizes.insert(0, least);
        sizes.push(largest);
        sizes.dedup();
        Extent { name, least, sizes, padding }
    }

    /// Returns the same extent with buckets of these sizes, and of its largest one.
    pub fn in_buckets(self, sizes: impl IntoIterator<Item = usize>) -> Extent {
        let largest = self.largest();
        let mut own: Vec<usize> = sizes.into_iter().filter(|size| (self.least..largest).contains(size)).collect();
        own.push(largest);
        Extent { sizes: Extent::exactly("", own).sizes, ..self }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the sizes of the buckets, from small to large.
    pub fn buckets(&self) -> &[usize] {
        &self.sizes
    }

    /// Returns true if it is one of [`Extent::masked`].
    pub fn is_masked(&self) -> bool {
        self.padding == Padding::Masked
    }

    /// Returns true if it has different sizes.
    fn varies(&self) -> bool {
        self.least < self.largest()
    }

    fn largest(&self) -> usize {
        self.sizes.last().copied().unwrap_or(0)
    }

    /// Returns an error if it cannot have a size.
    pub(super) fn holds(&self, size: usize) -> Result<()> {
        let holds = match self.padding {
            Padding::None => self.sizes.contains(&size),
            _ => (self.least..=self.largest()).contains(&size),
        };
        let why = || format!("it is {size}, but kernels were compiled for {self}");
        if holds { Ok(()) } else { Err(Error::Extent { extent: self.name.clone(), why: why() }) }
    }

    /// Returns the smaller sizes that run in a bucket of this size.
    pub(super) fn padded(&self, bucket: usize) -> Vec<usize> {
        let before = self.sizes.iter().copied().filter(|size| *size < bucket).max();
        match self.padding {
            Padding::None => Vec::new(),
            _ => (before.map_or(self.least, |before| before + 1)..bucket).collect(),
        }
    }

    fn check(&self) -> Result<()> {
        let why = match () {
            _ if self.sizes.is_empty() => "there is no size".to_owned(),
            _ if self.least == 0 => "sizes begin with 1".to_owned(),
            _ if self.least > self.largest() => format!("there is no size from {} to {}", self.least, self.largest()),
            _ if self.padding == Padding::Rows && self.largest() - self.least >= MOST_ROWS => {
                format!("there are more than {MOST_ROWS} sizes; give a smaller range, or the sizes that are needed")
            }
            _ => return Ok(()),
        };
        Err(Error::Extent { extent: self.name.clone(), why })
    }
}

impl fmt::Display for Extent {
    /// The sizes: `1 to 16`, or `1, 2, 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.padding {
            Padding::None => {
                let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
                write!(f, "{}", sizes.join(", "))
            }
            _ => write!(f, "{} to {}", self.least, self.largest()),
        }
    }
}

/// Returns an error if these cannot be the extents of one computation.
pub(super) fn check(extents: &[Extent]) -> Result<()> {
    let refused = |extent: &Extent, why: String| Err(Error::Extent { extent: extent.name.clone(), why });
    let (mut buckets, mut rows) = (1, 0);
    for (at, extent) in extents.iter().enumerate() {
        extent.check()?;
        if extents[..at].iter().any(|other| other.name == extent.name) {
            return refused(extent, "it is given twice".to_owned());
        }
        rows += usize::from(extent.padding == Padding::Rows);
        if rows > 1 {
            return refused(
                extent,
                "only one extent may be rows; give the sizes of this one, each by itself".to_owned(),
            );
        }
        buckets *= extent.sizes.len();
        if buckets > MOST_BUCKETS {
            return refused(extent, format!("all extents have together more than {MOST_BUCKETS} choices of sizes"));
        }
    }
    Ok(())
}

/// Returns each choice of a bucket of each extent; those of the last one change first.
pub(super) fn choices(extents: &[Extent]) -> Vec<Vec<usize>> {
    let none = vec![Vec::new()];
    extents.iter().fold(none, |choices, extent| {
        let with = |choice: Vec<usize>| extent.sizes.iter().map(move |size| [&choice[..], &[*size]].concat());
        choices.into_iter().flat_map(with).collect()
    })
}

/// Returns for each extent with different sizes its smallest one, with the largest of the others.
pub(super) fn probes(extents: &[Extent]) -> Vec<Vec<usize>> {
    let smaller = |at: usize| {
        let size = |(own, extent): (usize, &Extent)| if own == at { extent.least } else { extent.largest() };
        extents.iter().enumerate().map(size).collect()
    };
    (0..extents.len()).filter(|at| extents[*at].varies()).map(smaller).collect()
}

/// Returns an extent with different sizes that is not there.
pub(super) fn missing(extents: &[Extent], is_there: impl Fn(usize) -> bool) -> Option<usize> {
    (0..extents.len()).find(|at| extents[*at].varies() && !is_there(*at))
}

/// Returns the number of the choice of the smallest buckets that hold these sizes.
pub(super) fn bucket(extents: &[Extent], sizes: &[usize]) -> usize {
    extents
        .iter()
        .zip(sizes)
        .fold(0, |number, (extent, size)| number * extent.sizes.len() + extent.sizes.partition_point(|own| own < size))
}

impl Encode for Extent {
    fn encode(&self, out: &mut Vec<u8>) {
        self.name.encode(out);
        (self.least as u64).encode(out);
        self.sizes.iter().map(|size| *size as u64).collect::<Vec<u64>>().encode(out);
        (self.padding as u8).encode(out);
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        let (name, least) = (from.read()?, usize::try_from(from.read::<u64>()?).ok()?);
        let sizes = from.read::<Vec<u64>>()?.into_iter().map(|size| usize::try_from(size).ok());
        let sizes = sizes.collect::<Option<Vec<usize>>>()?;
        let padding = *[Padding::None, Padding::Rows, Padding::Masked].get(usize::from(from.read::<u8>()?))?;
        Some(Extent { name, least, sizes, padding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_and_both_ends() {
        assert_eq!(Extent::rows("batch", 1..=16).buckets(), [1, 2, 4, 8, 16]);
        assert_eq!(Extent::rows("batch", 3..=9).buckets(), [3, 4, 8, 9]);
        assert_eq!(Extent::rows("batch", 5..=5).buckets(), [5]);
        assert_eq!(Extent::masked("tokens", 16..=512).buckets(), [16, 32, 64, 128, 192, 256, 384, 512]);
        assert_eq!(Extent::rows("batch", 1..=16).in_buckets([4, 9, 99]).buckets(), [4, 9, 16]);
        assert_eq!(Extent::rows("batch", 2..=16).in_buckets([4, 9]).padded(4), [2, 3]);
        assert_eq!(Extent::rows("batch", 1..=16).padded(8), [5, 6, 7]);
        assert_eq!(Extent::exactly("batch", [4, 1, 4]).buckets(), [1, 4]);
        assert!(Extent::exactly("batch", [4, 1]).padded(4).is_empty());
        assert_eq!((Extent::rows("a", 1..=3).to_string(), Extent::exactly("a", [2, 1]).to_string()), {
            ("1 to 3".to_owned(), "1, 2".to_owned())
        });
    }

    #[test]
    fn a_size_runs_in_the_smallest_bucket_that_holds_it() {
        let extents = [Extent::rows("batch", 1..=4), Extent::masked("tokens", 4..=9)];
        let choices = choices(&extents);
        assert_eq!(choices.len(), 9);
        for batch in 1..=4usize {
            for tokens in 4..=9 {
                let choice = &choices[bucket(&extents, &[batch, tokens])];
                let (rows, length) = (choice[0], choice[1]);
                assert_eq!(rows, batch.next_power_of_two());
                assert_eq!(length, if tokens == 4 { 4 } else { tokens.next_power_of_two().min(9).max(tokens) });
            }
        }
    }

    #[test]
    fn extents_that_cannot_be_are_refused() {
        let says = |extents: &[Extent], words: &str| {
            let error = check(extents).unwrap_err().to_string();
            assert!(error.starts_with("extent `n`: ") && error.contains(words), "{error}\ndoes not say: {words}");
        };
        says(&[Extent::rows("n", 0..=4)], "sizes begin with 1");
        says(&[Extent::rows("n", RangeInclusive::new(4, 3))], "there is no size from 4 to 3");
        says(&[Extent::exactly("n", [])], "there is no size");
        says(&[Extent::rows("n", 1..=10_000)], "more than 4096 sizes");
        says(&[Extent::rows("n", 1..=4), Extent::exactly("n", [1])], "given twice");
        says(&[Extent::rows("m", 1..=4), Extent::rows("n", 1..=4)], "only one extent may be rows");
        says(&[Extent::exactly("m", 1..=100), Extent::exactly("n", 1..=100)], "more than 1024");
        assert!(check(&[Extent::rows("m", 1..=4), Extent::masked("n", 1..=4)]).is_ok());
    }
}
