//! Layouts: golden offsets, properties, duality with mappings, error messages.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use hidet_core::layout::{Layout, draw};
use hidet_mapping::IndexExpr;
use hidet_mapping::{TaskMapping, col_repeat, col_spatial, repeat, spatial};
use proptest::prelude::*;

fn shape(layout: &Layout) -> Vec<i64> {
    layout.shape().iter().map(|extent| extent.as_const().unwrap()).collect()
}

fn indices(shape: &[i64]) -> Vec<Vec<i64>> {
    shape.iter().fold(vec![vec![]], |all, extent| {
        all.iter().flat_map(|index| (0..*extent).map(move |i| [&index[..], &[i]].concat())).collect()
    })
}

/// Returns all offsets, in row-major order of the coordinates.
fn offsets(layout: &Layout) -> Vec<i64> {
    layout.check().unwrap();
    indices(&shape(layout)).iter().map(|index| layout.offset_at(index, &[]).unwrap()).collect()
}

fn size(layout: &Layout) -> i64 {
    layout.size().as_const().unwrap()
}

#[test]
fn atoms() {
    assert_eq!(offsets(&Layout::row_major([2, 3])), [0, 1, 2, 3, 4, 5]);
    assert_eq!(offsets(&Layout::column_major([2, 3])), [0, 2, 4, 1, 3, 5]);
    assert_eq!(offsets(&Layout::strided([2, 3], [8, 2])), [0, 2, 4, 8, 10, 12]);
    assert_eq!(size(&Layout::strided([2, 3], [8, 2])), 13);
    assert_eq!((offsets(&Layout::local([2, 2])), size(&Layout::local([2, 2]))), (vec![0; 4], 1));
    assert_eq!(Layout::ranked([2, 3, 4], &[1, 0, 2]), Layout::strided([2, 3, 4], [4, 8, 1]));
}

#[test]
fn compositions() {
    let tiles = Layout::row_major([1, 2]) * Layout::row_major([2, 2]);
    assert_eq!(offsets(&tiles), [0, 1, 4, 5, 2, 3, 6, 7]);
    let double = Layout::row_major([2]) + Layout::column_major([2, 2]);
    assert_eq!((shape(&double), offsets(&double)), (vec![2, 2, 2], vec![0, 2, 1, 3, 4, 6, 5, 7]));
    let registers = Layout::local([2, 2]) * Layout::row_major([2, 2]);
    assert_eq!((shape(&registers), size(&registers)), (vec![4, 4], 4));
    assert_eq!(registers.offset_at(&[3, 2], &[]), Ok(2));
}

#[test]
fn swizzles() {
    let square = Layout::row_major([4, 4]).swizzle(1, 0, 0);
    assert_eq!(offsets(&square), [0, 1, 2, 3, 5, 4, 7, 6, 10, 11, 8, 9, 15, 14, 13, 12]);
    // The pattern is reduced if there are more rows than columns.
    let tall = Layout::row_major([4, 2]).swizzle(1, 0, 0);
    assert_eq!(offsets(&tall), [0, 1, 3, 2, 4, 5, 7, 6]);
    let slow = Layout::row_major([4, 2]).swizzle(1, 0, 1);
    assert_eq!(offsets(&slow), [0, 1, 2, 3, 5, 4, 7, 6]);
}

/// The original passes `args[perm[i]]` on, which is only right if the permutation is its own inverse.
#[test]
fn permute_uses_the_inverse() {
    let base = Layout::row_major([2, 3, 4]);
    let expected = base.clone().permute(&[1, 2, 0]);
    assert_eq!(expected, Layout::strided([3, 4, 2], [4, 1, 12]));
    let general = Layout::Permute { base: Box::new(base.clone()), order: vec![1, 2, 0] };
    assert_eq!(offsets(&general), offsets(&expected));
    assert_eq!(general.offset_at(&[2, 3, 1], &[]), base.offset_at(&[1, 2, 3], &[]));
}

#[test]
fn cutting_and_joining() {
    let base = Layout::row_major([4, 6]);
    assert_eq!(base.clone().split(1, 3).unwrap(), Layout::row_major([4, 2, 3]));
    assert_eq!(base.clone().fuse(0, 2).unwrap(), Layout::row_major([24]));
    assert_eq!(base.clone().tile(&[2, 3]).unwrap(), Layout::strided([2, 2, 2, 3], [12, 3, 6, 1]));
    let column = Layout::column_major([4, 6]).reshape([6, 4]);
    assert_eq!(column.offset_at(&[0, 3], &[]), Ok(12));
    assert_eq!(column.offset_at(&[1, 2], &[]), Ok(1));
    assert_eq!(
        base.clone().split(1, 4).unwrap_err().to_string(),
        "axis 1 of extent 6 cannot be split by 4: the factor must divide the extent"
    );
    assert_eq!(
        base.fuse(1, 2).unwrap_err().to_string(),
        "axis 2 does not exist: the layout has 2 axes, counted from 0"
    );
}

#[test]
fn symbolic_extents() {
    let (rows, cols) = (IndexExpr::Symbol(0), IndexExpr::Symbol(1));
    let layout = Layout::row_major([&rows, &cols]);
    assert_eq!(layout.offset_at(&[2, 3], &[10, 7]), Ok(17));
    assert_eq!(layout.size().eval(&[10, 7]), Ok(70));
    assert_eq!(layout.to_string(), "row([s0, s1])");
    let tiles = Layout::row_major([&rows, &cols]) * Layout::row_major([2, 2]);
    assert_eq!(tiles.offset_at(&[3, 5], &[4, 3]), Ok((3 + 2) * 4 + 3));
    assert_eq!(Layout::row_major([&rows, &IndexExpr::from(0)]).size().eval(&[5]), Ok(0));
}

#[test]
fn vectors() {
    assert_eq!(Layout::row_major([64, 12]).vector_lanes(), 4);
    assert_eq!(Layout::row_major([64, 64]).vector_lanes(), 16);
    assert_eq!(Layout::column_major([64, 64]).vector_lanes(), 1);
    let idiom = Layout::row_major([64, 8]).swizzle(1, 0, 0) * Layout::row_major([1, 8]);
    assert_eq!(idiom.vector_lanes(), 8);
    let cols = IndexExpr::Symbol(0);
    assert_eq!(Layout::row_major([cols.clone(), &cols * 4]).vector_lanes(), 4);
    assert_eq!((Layout::row_major([2]) + Layout::row_major([3, 4])).vector_lanes(), 4);
}

#[test]
fn shown_as_written() {
    let idiom = Layout::row_major([64, 8]).swizzle(1, 0, 0) * Layout::row_major([1, 8]);
    assert_eq!(idiom.to_string(), "row([64, 8]).swizzle(1, 0, 0) * row([1, 8])");
    let nested = Layout::row_major([2])
        + (Layout::local([2]) + Layout::column_major([2, 2])) * Layout::strided([1, 1, 1], [2, 2, 2]);
    assert_eq!(nested.to_string(), "row([2]) + (local([2]) + col([2, 2])) * strided([1, 1, 1], [2, 2, 2])");
    let permuted = (Layout::local([2]) * Layout::row_major([2])).permute(&[0]).reshape([4, 1]);
    assert_eq!(permuted.to_string(), "(local([2]) * row([2])).permute([0]).reshape([4, 1])");
}

#[test]
fn invalid_layouts_say_why() {
    let says = |layout: Layout| layout.check().unwrap_err().to_string();
    let row = || Layout::row_major([4, 6]);
    assert_eq!(says(Layout::strided([4, 4], [1])), "a strided layout has 2 extents, but 1 strides");
    assert_eq!(says(Layout::strided([4], [-1])), "an extent or stride is -1: both must be at least 0");
    assert_eq!(
        says(row() * Layout::row_major([2])),
        "`row([4, 6])` has another number of axes than `row([2])`: layouts compose axis by axis"
    );
    assert_eq!(says(row().swizzle(2, 0, 0)), "axis 2 does not exist: the layout has 2 axes, counted from 0");
    assert_eq!(says(row().swizzle(0, 0, 0)), "axis 0 cannot be swizzled by itself");
    assert_eq!(
        says(row().swizzle(0, 1, 31)),
        "a swizzle that changes every 2^31 coordinates: at most 2^30 are possible"
    );
    assert_eq!(says(row().swizzle(1, 0, 0)), "the extent of a swizzled axis must be a power of two, but axis 1 has 6");
    assert_eq!(
        says(row().permute(&[0, 0])),
        "[0, 0] is not an order of the 2 axes of the layout: each of 0 to 1 must occur exactly once"
    );
    assert_eq!(says(row().reshape([5, 5])), "a layout of 24 elements cannot be reshaped to 25");
}

#[test]
fn drawings() {
    assert_eq!(draw::text(&Layout::row_major([2, 2]).swizzle(1, 0, 0)).unwrap(), "0 1\n3 2\n");
    let picture = draw::svg(&Layout::row_major([2, 32]), draw::Colors::Bank { bytes: 4 }).unwrap();
    assert_eq!((picture.matches("<rect").count(), picture.matches(">b31<").count()), (65, 2));
    assert_eq!(
        draw::text(&Layout::row_major([IndexExpr::Symbol(3)])).unwrap_err().to_string(),
        "a layout can only be drawn with constant extents, but one is s3"
    );
    // Without elements there is nothing to draw, regardless of the other extents.
    let empty = Layout::row_major([u32::MAX, u32::MAX, 0, u32::MAX].map(|extent| IndexExpr::Const(extent.into())));
    assert_eq!(draw::text(&empty).unwrap(), "");
    assert!(draw::svg(&empty, draw::Colors::Offset).unwrap().len() < 2000);
}

/// Dense layouts of two axes.
fn dense() -> impl Strategy<Value = Layout> {
    let leaf = (0..3, 1i64..5, 0u32..3).prop_map(|(kind, a, b)| match kind {
        0 => Layout::row_major([a, 1 << b]),
        1 => Layout::column_major([a, 1 << b]),
        _ => Layout::row_major([a, 1 << b]).swizzle(1, 0, (b % 2) as u8),
    });
    leaf.prop_recursive(2, 4, 2, |inner| {
        (inner.clone(), inner, 0..4).prop_map(|(a, b, kind)| match kind {
            0 => a * b,
            1 => (a + b).fuse(0, 2).unwrap().fuse(1, 2).unwrap(),
            2 => (a * b).permute(&[1, 0]),
            _ => {
                let tile: Vec<u32> = shape(&b).iter().map(|extent| *extent as u32).collect();
                (a * b).tile(&tile).unwrap().fuse(0, 2).unwrap().fuse(1, 2).unwrap()
            }
        })
    })
}

fn mapping() -> impl Strategy<Value = TaskMapping<2>> {
    let atom = || {
        (0..4, 1u32..4, 1u32..4).prop_map(|(kind, a, b)| match kind {
            0 => spatial([a, b]),
            1 => col_spatial([a, b]),
            2 => repeat([a, b]),
            _ => col_repeat([a, b]),
        })
    };
    (atom(), atom(), atom()).prop_map(|(a, b, c)| a * b * c)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dense_layouts_are_bijections(layout in dense()) {
        let mut found = offsets(&layout);
        found.sort_unstable();
        prop_assert_eq!(found, (0..size(&layout)).collect::<Vec<_>>());
    }

    #[test]
    fn composition_is_associative(a in dense(), b in dense(), c in dense()) {
        let left = (a.clone() * b.clone()) * c.clone();
        let right = a * (b * c);
        prop_assert_eq!(shape(&left), shape(&right));
        prop_assert_eq!(size(&left), size(&right));
        prop_assume!(size(&left) < 5000);
        prop_assert_eq!(offsets(&left), offsets(&right));
    }

    #[test]
    fn permutation_moves_coordinates(layout in dense()) {
        let general = Layout::Permute { base: Box::new(layout.clone()), order: vec![1, 0] };
        for index in indices(&shape(&general)) {
            prop_assert_eq!(general.offset_at(&index, &[]), layout.offset_at(&[index[1], index[0]], &[]));
        }
    }

    /// The offset of a worker's k-th task is k.
    #[test]
    fn registers_mirror_the_mapping(m in mapping()) {
        let layout = Layout::registers(&m).unwrap();
        prop_assert_eq!(size(&layout), i64::from(m.tasks_per_worker()));
        for worker in 0..m.workers() {
            for (k, task) in m.tasks(worker).enumerate() {
                prop_assert_eq!(layout.offset_at(&task.map(i64::from), &[]), Ok(k as i64));
            }
        }
    }

    #[test]
    fn vectors_are_contiguous_and_aligned(layout in dense()) {
        let lanes = i64::from(layout.vector_lanes());
        for index in indices(&shape(&layout)) {
            if index[1] % lanes == 0 && index[1] + lanes <= shape(&layout)[1] {
                let first = layout.offset_at(&index, &[]).unwrap();
                prop_assert_eq!(first % lanes, 0, "{} lanes of {}", lanes, layout);
                for lane in 1..lanes {
                    prop_assert_eq!(layout.offset_at(&[index[0], index[1] + lane], &[]), Ok(first + lane));
                }
            }
        }
    }
}
