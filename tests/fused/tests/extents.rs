//! Errors of the launcher for a fused kernel: tensors that are shorter than its closures need. The contract is the same
//! for all devices.

use hidet::ir::{Function, Relation};
use hidet::prelude::*;
use hidet_examples::matmul_tiled::matmul_tiled;
use hidet_fused_test::{Linear, linear};

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    fn copy(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), x.get((i,)));
    }

    #[launch(grid = n.div_ceil(128), block = 32)]
    fn copy_vectors(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = (block_idx().x * 32 + thread_idx().x) * 4;
        if i < n {
            y.store((i,), x.load::<4>((i,)));
        }
    }

    #[launch(grid = rows, block = 32)]
    fn copy_rows(x: In<f32, [rows, cols]>, y: Out<f32, [rows, cols]>) {
        for j in (thread_idx().x..cols).step_by(32) {
            y[[block_idx().x, j]] = x[[block_idx().x, j]];
        }
    }
}

type Two = (In<f32, 1>, In<f32, 1>, Out<f32, 1>);

/// `copy` with `f(element, i, table)` computed on reading.
fn with_table(f: impl Fn(Expr<f32>, Expr<i32>, In<f32, 1>) -> Expr<f32> + 'static) -> Template<Two> {
    copy().fuse("with_table", ["x", "table", "y"], |(x, table, y): Two| (x.map(move |v, [i]| f(v, i, table)), y))
}

/// Launches with tensors of so many elements, those of `table` counting up from 1. Returns the result or the error.
fn launch(template: Template<Two>, n: usize, table: usize) -> Result<Vec<f32>, String> {
    let run = || {
        let device = Device::sim();
        let values: Vec<f32> = (1..=table).map(|i| i as f32).collect();
        let mut y = device.zeros([n])?;
        template.compile(&device)?.launch(&device.zeros([n])?, &device.tensor(&values, [table])?, &mut y)?;
        y.to_vec()
    };
    run().map_err(|error: hidet::Error| error.to_string())
}

fn refused(result: Result<Vec<f32>, String>, words: &[&str]) {
    let error = result.err().unwrap_or_default();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

fn relations(function: &Function) -> Vec<Relation> {
    function.constraints.iter().map(|rule| rule.relation).collect()
}

fn launch_linear(template: Template<Linear>, bias: usize, residual: [usize; 2]) -> hidet::Result<()> {
    let device = Device::sim();
    let (m, n, k) = (19, 35, 23);
    let mut c = device.zeros([m, n])?;
    let (a, b) = (device.zeros([m, k])?, device.zeros([k, n])?);
    template.compile(&device)?.launch(0.5, &a, &b, &device.zeros([bias])?, &device.zeros(residual)?, &mut c)
}

#[test]
fn a_bias_that_is_too_short_is_refused() {
    assert!(launch_linear(linear(), 35, [19, 35]).is_ok());
    let error = launch_linear(linear(), 3, [19, 35]).unwrap_err().to_string();
    assert!(error.contains("launch of `linear`") && error.contains("c_1 = 35 must be at most bias_0 = 3"), "{error}");
    assert!(error.contains("axis 0 of `bias` is accessed up to there"), "{error}");
    for (residual, words) in
        [([18, 35], "residual_0 = 18"), ([19, 34], "residual_1 = 34"), ([35, 19], "residual_1 = 19")]
    {
        let error = launch_linear(linear(), 35, residual).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // Extents that the kernel itself relates.
    let device = Device::sim();
    let (a, b) = (device.zeros([19, 23]).unwrap(), device.zeros([22, 35]).unwrap());
    let (bias, residual) = (device.zeros([35]).unwrap(), device.zeros([19, 35]).unwrap());
    let mut c = device.zeros([19, 35]).unwrap();
    let error =
        linear().compile(&device).unwrap().launch(0.5, &a, &b, &bias, &residual, &mut c).unwrap_err().to_string();
    assert!(error.contains("b_0 = 22 must be equal to a_1 = 23"), "{error}");
}

#[test]
fn extents_of_one_name_are_one_extent() {
    let named = |names: [&'static str; 4]| {
        matmul_tiled::<f32>().fuse(
            "named",
            names,
            |(a, b, bias, c): (In<f32, 2>, In<f32, 2>, In<f32, 1>, Out<f32, 2>)| {
                (a, b, c.map_store(move |v, [_, j]| v + bias.get((j,))))
            },
        )
    };
    let launch = |names, bias: usize| {
        let device = Device::sim();
        let (a, b, bias) = (device.zeros([19, 23])?, device.zeros([23, 35])?, device.zeros([bias])?);
        named(names).compile(&device)?.launch(&a, &b, &bias, &mut device.zeros([19, 35])?)
    };
    // A protected access alone relates nothing; a name does, including one of the kernel.
    assert!(launch(["a", "b", "bias", "c"], 3).is_ok());
    for names in [["a[m, k]", "b[k, n]", "bias[n]", "c[m, n]"], ["a", "b[k, cols]", "bias[cols]", "c"]] {
        assert!(launch(names, 35).is_ok());
        let error = launch(names, 3).unwrap_err().to_string();
        assert!(error.contains("is 35 from axis 1 of argument `b`, but 3 from axis 0 of argument `bias`"), "{error}");
    }
    assert!(launch(["a", "b", "bias[n]", "c"], 35).is_ok());
    let error = launch(["a", "b", "bias[n]", "c"], 40).unwrap_err().to_string();
    assert!(error.contains("b_1 = 35 must be equal to n = 40: axis 0 of `bias` is the extent `n`"), "{error}");
    let error = launch(["a", "b", "bias[64]", "c"], 35).unwrap_err().to_string();
    assert!(error.contains("axis 0 of argument `bias` has extent 35; the kernel takes 64"), "{error}");

    for (name, words) in [
        ("bias[n, m]", "`bias[n, m]` names 2 extents; the tensor has 1 axes"),
        ("bias[n", "`bias[n` is not a parameter; write `name`, or `name[rows, cols]`"),
        ("bias[n + 1]", "`bias[n + 1]` is not a parameter"),
        ("bias[]", "`bias[]` is not a parameter"),
    ] {
        let error = named(["a", "b", name, "c"]).build().unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("extents.rs:"), "{error}");
    }
}

#[test]
fn what_is_computed_from_coordinates_ends_somewhere() {
    // The least table that is large enough for 35 elements, and the element of the table for each `i`.
    let read = |f: fn(Expr<i32>) -> Expr<i32>| move |v: Expr<f32>, i, table: In<f32, 1>| v + table.read((f(i),));
    let cases: [(fn(Expr<i32>) -> Expr<i32>, usize, fn(usize) -> usize); 7] = [
        (|i| i, 35, |i| i),
        (|i| i + 2, 37, |i| i + 2),
        (|i| i * 3, 103, |i| i * 3),
        (|i| i / 4, 9, |i| i / 4),
        (|i| i % 5, 5, |i| i % 5),
        (|i| i % 5 * 7 + i / 5, 35, |i| i % 5 * 7 + i / 5),
        (|_| 4.into_expr(), 5, |_| 4),
    ];
    for (f, least, host) in cases {
        let expected: Vec<f32> = (0..35).map(|i| host(i) as f32 + 1.0).collect();
        assert_eq!(launch(with_table(read(f)), 35, least).unwrap(), expected);
        refused(launch(with_table(read(f)), 35, least - 1), &["with_table", "`table`", &(least - 1).to_string()]);
    }
    // A quotient of numbers that wrap would be wrong.
    let wraps = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| v + table.read((i * 100_000_000 / 100_000_000,));
    refused(launch(with_table(wraps), 35, 35), &["must be at most 2147483647"]);
    // Vectors end at multiples of their lanes.
    let vectors = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| v + table.load::<4>((i / 4 * 4,)).lane(3);
    assert_eq!(launch(with_table(vectors), 35, 36).unwrap()[34], 36.0);
    refused(launch(with_table(vectors), 35, 32), &["`table`"]);
}

#[test]
fn axes_may_be_merged_by_quotients_of_extents() {
    // y[i, 0] = x[i / (b * c), i / c % b, i % c], whose extents are known only at launch.
    let merged = || {
        copy_rows().fuse("merged", ["x[a, b, c]", "y[n, 1]"], |(x, y): (In<f32, 3>, Out<f32, 2>)| {
            let (b, c, n) = (x.extent(1), x.extent(2), y.extent(0));
            (x.remap([n, y.extent(1)], 1, move |[i, _]| [i / (b * c), i / c % b, i % c]), y)
        })
    };
    let kernel = merged().compile(&Device::sim()).unwrap();
    let launch = |shape: [usize; 3], n: usize| -> hidet::Result<()> {
        let device = Device::sim();
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
        let mut y = device.zeros::<f32, 2>([n, 1])?;
        kernel.launch(&device.tensor(&values, shape)?, &mut y)?;
        assert_eq!(y.to_vec()?, values[..n.min(values.len())]);
        Ok(())
    };
    for (shape, n) in [([2, 3, 5], 30), ([2, 3, 5], 29), ([1, 1, 1], 1), ([0, 3, 5], 0), ([2, 0, 5], 0)] {
        launch(shape, n).unwrap();
    }
    let error = launch([2, 3, 5], 31).unwrap_err().to_string();
    assert!(error.contains("axis 0 of `x` is accessed up to there"), "{error}");
}

#[test]
fn what_ends_nowhere_must_be_protected() {
    let found = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| v + table.read((table.read((i,)).to::<i32>(),));
    refused(launch(with_table(found), 35, 35), &["axis 0 of `table`", "`get`", "extents.rs:"]);
    let below = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| v + table.read((i - 1,));
    refused(launch(with_table(below), 35, 35), &["axis 0 of `table`"]);
    let found = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| v + table.get((table.read((i,)).to::<i32>(),));
    let expected: Vec<f32> = (0..35).map(|i| if i < 34 { i as f32 + 2.0 } else { 0.0 }).collect();
    assert_eq!(launch(with_table(found), 35, 35).unwrap(), expected);
    let address = |v: Expr<f32>, i: Expr<i32>, table: In<f32, 1>| {
        v + load_hint::<4, f32>(table.address((i / 4 * 4,)), LoadHint::NoAllocate).lane(0)
    };
    assert!(launch(with_table(address), 35, 36).is_ok());
    refused(launch(with_table(address), 35, 35), &["`table`"]);
}

#[test]
fn tensors_that_closures_write_are_checked_too() {
    type Saved = (In<f32, 1>, Out<f32, 1>, Out<f32, 1>);
    let saving = || {
        copy().fuse("saving", ["x", "saved", "y"], |(x, saved, y): Saved| {
            let x = x.map(move |v: Expr<f32>, [i]| {
                saved.write((i,), v);
                v
            });
            (x, y)
        })
    };
    let device = Device::sim();
    let launch = |saved: usize| {
        let (x, mut saved, mut y) = (device.zeros([35])?, device.zeros([saved])?, device.zeros([35])?);
        saving().compile(&device)?.launch(&x, &mut saved, &mut y)
    };
    assert!(launch(35).is_ok());
    assert!(launch(34).unwrap_err().to_string().contains("x_0 = 35 must be at most saved_0 = 34"));
}

#[test]
fn parts_must_end_inside() {
    // A subview is passed to a kernel that does not protect its accesses.
    type Pair = (In<f32, 2>, Out<f32, 2>);
    let part = |start: i32| {
        copy_rows().fuse("part", ["x", "y"], move |(x, y): Pair| (x.tile([0, start], [y.extent(0), y.extent(1)]), y))
    };
    let device = Device::sim();
    let x = device.tensor(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [2, 4]).unwrap();
    let launch = |start: i32, y: [usize; 2]| {
        let mut result = device.zeros(y)?;
        part(start).compile(&device)?.launch(&x, &mut result)?;
        result.to_vec()
    };
    assert_eq!(launch(2, [2, 2]).unwrap(), [2.0, 3.0, 6.0, 7.0]);
    assert!(launch(3, [2, 2]).unwrap_err().to_string().contains("axis 1 of `x` is accessed up to there"));
    assert!(launch(0, [3, 2]).unwrap_err().to_string().contains("axis 0 of `x` is accessed up to there"));
    assert!(launch(-1, [2, 2]).unwrap_err().to_string().contains("axis 1 of `x` is not known"));

    // Rows at coordinates are subviews too.
    type Three = (In<f32, 2>, In<f32, 2>, Out<f32, 2>);
    let rows = copy_rows().fuse("rows", ["x", "more", "y"], |(x, more, y): Three| {
        (x.map(move |v, [i, j]| v + more.row(i).read((j,))), y)
    });
    let rows = rows.compile(&device).unwrap();
    let mut y = device.zeros([2, 4]).unwrap();
    assert!(rows.launch(&x, &device.zeros([2, 4]).unwrap(), &mut y).is_ok());
    let error = rows.launch(&x, &device.zeros([1, 4]).unwrap(), &mut y).unwrap_err().to_string();
    assert!(error.contains("x_0 = 2 must be at most more_0 = 1"), "{error}");

    // A subview may be accessed beyond its extents, so its coordinates are not a bound.
    let beyond = copy().fuse("beyond", ["x", "table", "y"], |(x, table, y): Two| {
        (x.tile([1], [4]).map(move |v, [i]| v + table.read((i,))), y)
    });
    assert!(beyond.build().unwrap_err().to_string().contains("axis 0 of `table` is not known"));
}

#[test]
fn views_of_views_are_followed() {
    // The table is itself computed from another tensor, at coordinates of its own.
    type Three = (In<f32, 1>, In<f32, 1>, In<f32, 1>, Out<f32, 1>);
    let names = ["x", "table", "scale", "y"];
    let nested = || {
        copy().fuse("nested", names, |(x, table, scale, y): Three| {
            let table = table.map(move |v, [i]| v * scale.read((i,)));
            (x.map(move |v, [i]| v + table.read((i,))), y)
        })
    };
    let device = Device::sim();
    let launch = |table: usize, scale: usize| {
        let (x, table, scale) = (device.zeros([35])?, device.zeros([table])?, device.zeros([scale])?);
        nested().compile(&device)?.launch(&x, &table, &scale, &mut device.zeros([35])?)
    };
    assert!(launch(35, 35).is_ok());
    assert!(launch(34, 35).unwrap_err().to_string().contains("x_0 = 35 must be at most table_0 = 34"));
    assert!(launch(36, 35).is_ok());
    let error = launch(36, 34).unwrap_err().to_string();
    assert!(error.contains("min(x_0, table_0) = 35 must be at most scale_0 = 34"), "{error}");
    // Fusion of a fused kernel.
    let outer = linear().fuse("outer", ["s", "a", "b", "bias", "residual", "c"], |p: Linear| p);
    assert!(launch_linear(outer, 3, [19, 35]).unwrap_err().to_string().contains("bias_0 = 3"));
    let outer = linear().fuse("outer", ["s", "a", "b[k, n]", "bias[n]", "residual", "c"], |p: Linear| p);
    assert!(launch_linear(outer, 36, [19, 35]).is_err());
}

#[test]
fn a_remapped_parameter_may_have_the_extents_of_a_parameter() {
    type Matrices = (In<f32, 2>, Out<f32, 2>);
    let launch = |template: Template<Matrices>, x: [usize; 2], y: [usize; 2]| {
        let device = Device::sim();
        let values: Vec<f32> = (0..x[0] * x[1]).map(|i| i as f32).collect();
        let mut result = device.zeros(y)?;
        template.compile(&device)?.launch(&device.tensor(&values, x)?, &mut result)?;
        result.to_vec()
    };
    let transposed = || {
        copy_rows().fuse("transposed", ["x", "y"], |(x, y): Matrices| {
            (x.remap([x.extent(1), x.extent(0)], 1, |[i, j]| [j, i]), y)
        })
    };
    assert_eq!(launch(transposed(), [2, 3], [3, 2]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert!(launch(transposed(), [2, 3], [2, 3]).is_err());
    assert_eq!(relations(&transposed().build().unwrap()), [Relation::Equal; 2]);

    // A subview of a shape that the parameter may not fill.
    let padded = || {
        copy_rows()
            .fuse("padded", ["x", "y"], |(x, y): Matrices| (x.remap([y.extent(0), y.extent(1)], 1, |[i, j]| [i, j]), y))
    };
    assert!(launch(padded(), [2, 3], [2, 3]).is_ok());
    let error = launch(padded(), [2, 3], [2, 4]).unwrap_err().to_string();
    assert!(error.contains("y_1 = 4 must be at most x_1 = 3"), "{error}");
    // If the bound is not known, elements outside are zero.
    let shifted = || {
        copy_rows().fuse("shifted", ["x", "y"], |(x, y): Matrices| {
            (x.remap([y.extent(0), y.extent(1)], 1, |[i, j]| [i, j - 1]), y)
        })
    };
    assert_eq!(launch(shifted(), [2, 2], [2, 4]).unwrap(), [0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
}

#[test]
fn remapped_vectors_stay_vectors_where_they_are_inside() {
    type Pair = (In<f32, 1>, Out<f32, 1>);
    let swapped =
        || copy_vectors().fuse("swapped", ["x", "y"], |(x, y): Pair| (x.remap([x.extent(0)], 4, |[i]| [i]), y));
    let text = hidet::ir::text::print(&swapped().build().unwrap());
    assert!(text.contains("f32x4 = load @x"), "{text}");
    let device = Device::sim();
    let x = device.tensor(&[1.0f32; 8], [8]).unwrap();
    let mut y = device.zeros([8]).unwrap();
    swapped().compile(&device).unwrap().launch(&x, &mut y).unwrap();
    assert_eq!(y.to_vec().unwrap(), [1.0; 8]);
}
