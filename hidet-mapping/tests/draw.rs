//! Drawings of mappings.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_mapping::*;

#[test]
fn text_shows_the_worker_of_each_task() {
    assert_eq!(draw::text(&spatial([2, 3])).unwrap(), "0 1 2\n3 4 5\n");
    assert_eq!(draw::text(&col_spatial([2, 3])).unwrap(), "0 2 4\n1 3 5\n");
    assert_eq!(draw::text(&(repeat([1, 2]) * spatial([2, 2]))).unwrap(), "0 1 0 1\n2 3 2 3\n");
    assert_eq!(draw::text(&spatial([12])).unwrap(), " 0  1  2  3  4  5  6  7  8  9 10 11\n");
    assert_eq!(draw::text(&spatial([2, 3]).project([0])).unwrap(), "0,3 1,4 2,5\n");
    assert_eq!(draw::text(&spatial([8, 1]).project([0])).unwrap(), "0,1..7\n");
    assert_eq!(draw::text(&spatial([2, 1, 2])).unwrap(), "[0, .., ..]\n0 1\n\n[1, .., ..]\n2 3\n");
}

#[test]
fn svg_is_complete_and_readable() {
    let picture = draw::svg(&(spatial([2, 2]) * repeat([1, 2]))).unwrap();
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<rect").count(), 1 + 8);
    assert!(picture.contains(">spatial([2, 2]) * repeat([1, 2])</text>"));
    assert_eq!(picture.matches(">#1</text>").count(), 4);
    assert!(!picture.contains("href"));
}

#[test]
fn what_cannot_be_drawn_says_why() {
    assert_eq!(
        draw::text(&spatial([1024, 1024])).unwrap_err().to_string(),
        "1048576 cells are too many to draw, at most 16384 are"
    );
    assert_eq!(
        draw::svg(&spatial([0])).unwrap_err().to_string(),
        "an invalid mapping cannot be drawn: the extent of axis 0 is 0: every extent must be at least 1"
    );
}
