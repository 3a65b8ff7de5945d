//! Loops whose index could overflow when the step is added: they compare the distance to the end first.

use super::{Piece, parse};

pub(super) fn pieces() -> Vec<Piece> {
    parse(
        r#"
## hidet_gap
// How far the end of a loop is from an index that is not beyond it.
@ unsigned hidet_gap(int i, int end) { return (unsigned)end - (unsigned)i; }
@ unsigned hidet_gap(unsigned i, unsigned end) { return end - i; }
@ unsigned long long hidet_gap(long long i, long long end) { return (unsigned long long)end - (unsigned long long)i; }
@ unsigned long long hidet_gap(unsigned long long i, unsigned long long end) { return end - i; }

## hidet_next
// The next index, or the end where that comes first.
template <class T> @ T hidet_next(T i, T end, T step) {
    auto gap = hidet_gap(i, end);
    return (decltype(gap))step < gap ? (T)(i + step) : end;
}

## hidet_more
// Whether there is a next index of a loop that includes its end; moves there.
template <class T> @ bool hidet_more(T& i, T end, T step) {
    auto gap = hidet_gap(i, end);
    if (gap < (decltype(gap))step) return false;
    i = (T)(i + step);
    return true;
}
"#,
    )
}
