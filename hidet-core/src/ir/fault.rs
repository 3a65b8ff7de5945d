//! The text of faults, the same on every device: indices outside of a shape, and threads.

use std::fmt::Write;

/// Returns e.g. `x[[7, 1000]] is outside of x, whose shape is [8, 1000]`. A tile of several elements along an axis is
/// shown as a range: `x[[7, 998..1002]]`.
pub fn outside(name: &str, index: &[i64], tile: &[u32], shape: &[i64]) -> String {
    let mut text = format!("{name}[[");
    for (axis, index) in index.iter().enumerate() {
        text.push_str(if axis > 0 { ", " } else { "" });
        let _ = write!(text, "{index}");
        if let Some(extent @ 2..) = tile.get(axis) {
            let _ = write!(text, "..{}", index.saturating_add(i64::from(*extent)));
        }
    }
    let _ = write!(text, "]] is outside of {name}, whose shape is {shape:?}");
    text
}

/// Returns e.g. `byte 4 of x is not aligned to 16 bytes`.
pub fn misaligned(name: &str, byte: i64, bytes: u32) -> String {
    format!("byte {byte} of {name} is not aligned to {bytes} bytes")
}

/// Returns an index with as many coordinates as there are axes.
fn name([x, y, z]: [u32; 3], extents: [u32; 3]) -> String {
    match extents {
        [_, 1, 1] => x.to_string(),
        [_, _, 1] => format!("({x}, {y})"),
        _ => format!("({x}, {y}, {z})"),
    }
}

/// Returns e.g. `thread 3 of block 5`; indices have as many coordinates as the block and the grid have axes.
pub fn thread(thread: [u32; 3], threads: [u32; 3], at: [u32; 3], blocks: [u32; 3]) -> String {
    let thread = name(thread, threads);
    match blocks {
        [1, 1, 1] => format!("thread {thread}"),
        _ => format!("thread {thread} of {}", block(at, blocks)),
    }
}

/// Returns e.g. `block 5`; the index has as many coordinates as the grid has axes.
pub fn block(at: [u32; 3], blocks: [u32; 3]) -> String {
    format!("block {}", name(at, blocks))
}

/// Returns the three-dimensional index of a linear one.
pub fn unravel(linear: u32, extents: [u32; 3]) -> [u32; 3] {
    let [x, y, _] = extents.map(|extent| extent.max(1));
    [linear % x, linear / x % y, linear / x / y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_and_extents_are_told() {
        assert_eq!(
            outside("x", &[7, 1000], &[1, 1], &[8, 1000]),
            "x[[7, 1000]] is outside of x, whose shape is [8, 1000]"
        );
        assert_eq!(
            outside("y", &[-1, 998], &[1, 4], &[8, 1000]),
            "y[[-1, 998..1002]] is outside of y, whose shape is [8, 1000]"
        );
    }

    #[test]
    fn threads_have_the_axes_of_their_block() {
        assert_eq!(thread([3, 0, 0], [32, 1, 1], [0, 0, 0], [1, 1, 1]), "thread 3");
        assert_eq!(thread([3, 1, 0], [32, 4, 1], [5, 0, 2], [8, 1, 4]), "thread (3, 1) of block (5, 0, 2)");
        assert_eq!(unravel(37, [8, 2, 4]), [5, 0, 2]);
    }
}
