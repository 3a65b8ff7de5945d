//! Loops over ranges at the ends of their types: their trip counts and indices.

use super::operation::{List, operations};
use crate::dsl::glue::{for_over, range, range_inclusive};

use crate::dsl::{DeviceRange, Expr, Var};
use crate::types::Int;

/// A loop with a larger trip count would take too long for a check of edges.
const MAX_TRIP_COUNT: usize = 40;

/// Returns a hash of the indices of a loop, which depends on each of them and on their order.
fn digest<T: Int>(range: DeviceRange<T>) -> Expr<u64> {
    let mut sum = Var::<u64>::new("sum", 1u64);
    let (indices, _guard) = for_over(range, "");
    for index in indices {
        let next = sum.read() * 31u64 + index.to::<u64>();
        sum.set(next);
    }
    sum.read()
}

/// Computes the same hash on the host, or returns `None` if the trip count is too large.
fn host_digest(indices: impl Iterator<Item = u64>) -> Option<u64> {
    let (mut sum, mut trip_count) = (1u64, 0);
    for index in indices {
        sum = sum.wrapping_mul(31).wrapping_add(index);
        trip_count += 1;
        if trip_count > MAX_TRIP_COUNT {
            return None;
        }
    }
    Some(sum)
}

/// Returns every `step`-th number from `first` to `last`, computed without overflow.
fn indices(first: i128, last: i128, step: i128) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(first), move |index| Some(index + step))
        .take_while(move |index| *index <= last)
        .map(|index| index as u64)
}

macro_rules! loops {
    ($list:ident; $($ty:ident)*) => {$(
        $list.two("for a..b", |a: Expr<$ty>, b: Expr<$ty>| digest(range(a, b)), |a: $ty, b: $ty| host_digest((a..b).map(|i| i as u64)));
        $list.two(
            "for a..=b",
            |a: Expr<$ty>, b: Expr<$ty>| digest(range_inclusive(a, b)),
            |a: $ty, b: $ty| host_digest((a..=b).map(|i| i as u64)),
        );
        $list.three(
            "for (a..b).step_by(c)",
            |a: Expr<$ty>, b: Expr<$ty>, c: Expr<$ty>| digest(range(a, b).step_by(c)),
            |a: $ty, b: $ty, c: $ty| if c > 0 { host_digest(indices(a as i128, b as i128 - 1, c as i128)) } else { None },
        );
        $list.three(
            "for (a..=b).step_by(c)",
            |a: Expr<$ty>, b: Expr<$ty>, c: Expr<$ty>| digest(range_inclusive(a, b).step_by(c)),
            |a: $ty, b: $ty, c: $ty| if c > 0 { host_digest(indices(a as i128, b as i128, c as i128)) } else { None },
        );
    )*};
}

pub(super) fn add(list: &mut List) {
    loops! { list; i8 i16 i32 i64 u8 u16 u32 u64 }
    // Ends that are known at build time.
    operations! { list;
        "for ..=MAX"(a: i32) -> u64 { digest(range_inclusive(a, i32::MAX)) } {
            host_digest((a..=i32::MAX).map(|i| i as u64))?
        };
        "for (..MAX).step_by(1 << 30)"(a: i32) -> u64 { digest(range(a.min(0), i32::MAX).step_by(1 << 30)) } {
            host_digest(indices(a.min(0).into(), i128::from(i32::MAX) - 1, 1 << 30))?
        };
        "for ..=250"(a: u8) -> u64 { digest(range_inclusive(a, 250u8)) } { host_digest((a..=250).map(|i| i as u64))? };
    }
}
