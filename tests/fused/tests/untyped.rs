//! Untyped building: what its operations compute, and how mistakes are reported.

#![allow(clippy::unwrap_used)]

use hidet::dsl::{AnyExpr, AnyView, Binding, Read, Signature};
use hidet::ir::{Access, BinaryOp, CompareOp, UnaryOp};
use hidet::kernel::RawArg;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

kernel! {
    /// Every thread copies one element.
    #[launch(grid = m, block = 32)]
    fn copy<T: Element>(x: In<T, [m, n]>, y: Out<T, [m, n]>) {
        for j in (thread_idx().x..n).step_by(32) {
            y[[block_idx().x, j]] = x[[block_idx().x, j]];
        }
    }

    #[launch(grid = 1, block = 1)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, by: f32) {
        for i in 0..n {
            y[[i]] = x[[i]] * by;
        }
    }
}

/// A kernel of one thread that reads `x` and writes `y`, both f32.
fn one_thread(body: impl FnOnce(AnyView, AnyView, &dyn Fn(i32) -> Expr<i32>) + 'static) -> Template<()> {
    Template::new("one_thread", move |signature| {
        let [m, n] = dims(signature);
        let x = signature.param("x", Scalar::F32, &[m], Access::In);
        let y = signature.param("y", Scalar::F32, &[n], Access::InOut);
        signature.launch([1.into(), 1.into(), 1.into()], [1, 1, 1], [1, 1, 1], 0);
        body(x, y, &|i| AnyExpr::lit(Scalar::I32, i).typed());
    })
}

/// Runs it on `x` and a `y` of ones.
fn run(template: Template<()>, x: &[f32], y: usize) -> hidet::Result<Vec<f32>> {
    let device = Device::sim();
    let (x, mut y) = (device.tensor(x, [x.len()])?, device.tensor(&vec![1.0; y], [y])?);
    template.compile(&device)?.launch_raw(&[RawArg::from(&x), RawArg::from(&mut y)])?;
    y.to_vec()
}

/// The error of building, which must point to this file.
fn mistake<Args>(template: Template<Args>) -> String {
    let error = template.build().unwrap_err().to_string();
    assert!(error.contains("untyped.rs"), "{error}");
    error
}

#[test]
fn operations_compute_what_their_names_say() {
    let template = one_thread(|x, y, number| {
        let at = |i| x.read(&[number(i)]);
        let set = |i, value: AnyExpr| y.write(&[number(i)], value);
        set(0, at(0).unary(UnaryOp::Neg));
        set(1, at(0).binary(BinaryOp::Mul, at(1)));
        set(2, at(0).compare(CompareOp::Lt, at(1)).select(at(2), at(3)));
        set(3, at(0).fma(at(1), at(2)));
        set(4, at(3).cast(Scalar::I8).cast(Scalar::F32));
        set(5, AnyExpr::lit(Scalar::U32, 0x3f80_0000u32).bitcast(Scalar::F32));
        let vector = AnyExpr::vector(&[at(0), at(1)]);
        assert_eq!((vector.scalar(), vector.lanes()), (Scalar::F32, 2));
        set(6, vector.binary(BinaryOp::Add, vector).lane(1));
        set(7, (x.typed::<f32, 1, Read>().read((number(1),)) + 0.5).into());
        set(8, AnyExpr::constant(2.5f32.constant()));
    });
    let found = run(template, &[2.0, 3.0, 5.0, 7.5], 9).unwrap();
    assert_eq!(found, [-2.0, 6.0, 5.0, 11.0, 7.0, 1.0, 6.0, 3.5, 2.5]);
}

#[test]
fn vectors_have_as_many_lanes_as_a_value_says() {
    for lanes in [1u8, 2, 4, 8] {
        let template = one_thread(move |x, y, number| {
            for at in (0..8).step_by(lanes.into()) {
                y.store(&[number(at)], x.load(&[number(at)], lanes));
            }
        });
        let x: Vec<f32> = (1..=8).map(|i| i as f32).collect();
        assert_eq!(run(template, &x, 8).unwrap(), x);
    }
    // The last vector is partly outside: of memory, and of a computed tensor.
    for computed in [false, true] {
        let template = one_thread(move |x, y, number| {
            let (x, y) = match computed {
                true => (x.map(Scalar::F32, &[], |v, _, _| v), y.map_store(Scalar::F32, &[], |v, _, _| v)),
                false => (x, y),
            };
            y.store_inside(&[number(4)], x.load_inside(&[number(4)], 4));
        });
        assert_eq!(run(template, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 7).unwrap(), [1.0, 1.0, 1.0, 1.0, 5.0, 6.0, 0.0]);
    }
}

#[test]
fn mistakes_of_types_are_errors_at_their_lines() {
    type Body = fn(AnyView, AnyView, &dyn Fn(i32) -> Expr<i32>);
    let cases: [(Body, &str); 16] = [
        (
            |x, _, number| {
                x.read(&[number(0)]).binary(BinaryOp::Add, AnyExpr::lit(Scalar::F16, 1));
            },
            "`add` of operands of different types: f32, f16",
        ),
        (
            |x, _, number| {
                x.read(&[number(0)]).binary(BinaryOp::Shl, x.read(&[number(0)]));
            },
            "`shl` is not defined for f32",
        ),
        (
            |_, _, number| {
                AnyExpr::from(number(1)).unary(UnaryOp::Sqrt);
            },
            "`sqrt` is not defined for i32",
        ),
        (
            |x, _, number| {
                x.read(&[number(0)]).select(x.read(&[number(0)]), x.read(&[number(0)]));
            },
            "the condition of `select` is f32, not bool",
        ),
        (
            |x, _, number| {
                x.read(&[number(0)]).bitcast(Scalar::F16);
            },
            "a bitcast from f32 to f16: sizes must agree",
        ),
        (
            |x, _, number| {
                AnyExpr::vector(&[x.read(&[number(0)]), number(0).into()]);
            },
            "a vector is made of scalars of one type, not of (f32, i32)",
        ),
        (
            |x, _, number| {
                x.load(&[number(0)], 2).lane(2);
            },
            "there is no lane 2 to extract from f32x2",
        ),
        (
            |x, _, number| {
                x.read(&[number(0)]).typed::<f16>();
            },
            "a value of type f32 is used as one of type f16",
        ),
        (
            |_, _, _| {
                AnyExpr::lit(Scalar::I8, 300);
            },
            "300 does not fit `i8`, which holds -128 to 127",
        ),
        (
            |x, _, _| {
                x.typed::<f32, 2, Read>();
            },
            "a tensor In<f32, 1> is used as In<f32, 2>",
        ),
        (
            |x, _, number| {
                x.read(&[number(0), number(0)]);
            },
            "an index with 2 coordinates for a tensor with 1 axes",
        ),
        (
            |x, _, number| {
                x.load(&[number(0)], 3);
            },
            "3 elements at once: a vector has 1, 2, 4, 8 or 16",
        ),
        (|x, _, number| x.write(&[number(0)], x.read(&[number(0)])), "this tensor cannot be written: it is an input"),
        (|_, y, number| y.write(&[number(0)], number(0).into()), "a value of type i32 is written to a tensor of f32"),
        (
            |x, _, _| {
                x.permute(&[1]);
            },
            "[1] is not a permutation of the 1 axes of the tensor",
        ),
        (
            |x, _, number| {
                x.map(Scalar::F16, &[], |value, _, _| value).read(&[number(0)]);
            },
            "the function of this view returns f32; its elements are f16",
        ),
    ];
    for (body, words) in cases {
        let error = mistake(one_thread(body));
        assert!(error.contains(words), "{error}");
    }
}

fn dims(signature: &mut Signature) -> [IndexExpr; 2] {
    ["m", "n"].map(|name| signature.dim(name))
}

#[test]
fn bindings_that_do_not_fit_are_errors_at_the_line_of_bind() {
    let case = |bind: fn(&mut Signature) -> Vec<Binding>, words: &str| {
        let error = mistake(scale().bind("wrong", bind));
        assert!(error.contains(words), "{error}");
    };
    fn param(signature: &mut Signature, name: &str, elem: Scalar, rank: usize, access: Access) -> Binding {
        let shape: Vec<IndexExpr> = (0..rank).map(|_| signature.dim("n")).collect();
        signature.param(name, elem, &shape, access).into()
    }
    fn input(signature: &mut Signature, elem: Scalar, rank: usize) -> Binding {
        param(signature, "x", elem, rank, Access::In)
    }
    fn y(signature: &mut Signature) -> Binding {
        param(signature, "y", Scalar::F32, 1, Access::Out)
    }
    fn by(signature: &mut Signature) -> Binding {
        signature.number("by", Scalar::F32).into()
    }
    case(|s| vec![input(s, Scalar::F32, 1), y(s)], "nothing is bound to the parameter `by`");
    case(
        |s| vec![input(s, Scalar::F32, 1), y(s), by(s), y(s)],
        "4 views and numbers are bound to the 3 parameters of `scale`",
    );
    case(|s| vec![input(s, Scalar::F16, 1), y(s), by(s)], "the parameter `x` is In<f32, 1>; it is bound to In<f16, 1>");
    case(|s| vec![input(s, Scalar::F32, 2), y(s), by(s)], "the parameter `x` is In<f32, 1>; it is bound to In<f32, 2>");
    case(|s| vec![y(s), y(s), by(s)], "the parameter `x` is In<f32, 1>; it is bound to Out<f32, 1>");
    case(|s| vec![by(s), y(s), by(s)], "the parameter `x` is In<f32, 1>; it is bound to a number of type f32");
    case(
        |s| {
            let x = input(s, Scalar::F32, 1);
            vec![x, y(s), x]
        },
        "the parameter `by` is a number of type f32; it is bound to In<f32, 1>",
    );
    case(
        |s| vec![input(s, Scalar::F32, 1), y(s), s.number("by", Scalar::I32).into()],
        "the parameter `by` is a number of type f32; it is bound to a number of type i32",
    );
}

#[test]
fn a_tensor_that_is_read_and_written_can_be_bound_to_either() {
    // In place: y = y * by is not possible, as both would be the same memory; so each half is bound.
    let template = scale().bind("halves", |signature| {
        let x = signature.param("x", Scalar::F32, &[2.into(), 3.into()], Access::InOut);
        let by = signature.number("by", Scalar::F32);
        let row = |i: i32| x.at(0, AnyExpr::lit(Scalar::I32, i).typed());
        vec![row(0).into(), row(1).into(), by.into()]
    });
    let device = Device::sim();
    let mut x = device.tensor(&[1f32, 2.0, 3.0, 0.0, 0.0, 0.0], [2, 3]).unwrap();
    template.compile(&device).unwrap().launch_raw(&[(&mut x).into(), 2.0f32.into()]).unwrap();
    assert_eq!(x.to_vec().unwrap(), [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]);
}

#[test]
fn views_are_permuted_and_broadcast() {
    // y[i, j] = x[j, i] + row[j]
    let template = copy::<f32>().bind("transposed", |signature| {
        let [m, n] = dims(signature);
        let x = signature.param("x", Scalar::F32, &[n.clone(), m.clone()], Access::In).permute(&[1, 0]);
        let row = signature
            .param("row", Scalar::F32, std::slice::from_ref(&n), Access::In)
            .broadcast(&[m.clone(), n.clone()], &[1]);
        let y = signature.param("y", Scalar::F32, &[m, n], Access::Out);
        let sum = x.map(Scalar::F32, &[row.into()], |value, row, _| value.binary(BinaryOp::Add, row[0]));
        vec![sum.into(), y.into()]
    });
    let device = Device::sim();
    let (x, row) = (device.tensor(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]).unwrap(), [10f32, 20.0, 30.0]);
    let (row, mut y) = (device.tensor(&row, [3]).unwrap(), device.empty::<f32, 2>([2, 3]).unwrap());
    let kernel = template.compile(&device).unwrap();
    kernel.launch_raw(&[(&x).into(), (&row).into(), (&mut y).into()]).unwrap();
    assert_eq!(y.to_vec().unwrap(), [11.0, 23.0, 35.0, 12.0, 24.0, 36.0]);
}

#[test]
fn a_bound_kernel_can_be_bound_again() {
    // The extents of the inner closure are those of the views that the outer one binds, also in its own formulas.
    let inner = copy::<f32>().bind("inner", |signature| {
        let [m, n] = dims(signature);
        let x = signature.param("x", Scalar::F32, &[m.clone(), n.clone()], Access::In);
        let bias = signature
            .param("bias", Scalar::F32, std::slice::from_ref(&n), Access::In)
            .broadcast(&[m.clone(), n.clone()], &[1]);
        let y = signature.param("y", Scalar::F32, &[m.clone() * n.clone()], Access::Out);
        let length = bias.extent(1);
        let y = y.remap(&[m, n], 1, move |at| vec![at[0] * length + at[1]]);
        let sum = x.map(Scalar::F32, &[bias.into()], |value, bias, _| value.binary(BinaryOp::Add, bias[0]));
        vec![sum.into(), y.into()]
    });
    let outer = inner.bind("outer", |signature| {
        let rows = signature.dim("rows");
        let x = signature.param("x", Scalar::F16, &[rows.clone(), 4.into()], Access::In);
        let bias = signature.param("bias", Scalar::F32, &[4.into()], Access::In);
        let y = signature.param("y", Scalar::F32, &[rows * 4], Access::Out);
        vec![x.map(Scalar::F32, &[], |value, _, _| value.cast(Scalar::F32)).into(), bias.into(), y.into()]
    });
    let device = Device::sim();
    let kernel = outer.compile(&device).unwrap();
    let (x, bias) =
        (device.tensor(&[f16::ONE; 8], [2, 4]).unwrap(), device.tensor(&[1f32, 2.0, 3.0, 4.0], [4]).unwrap());
    let mut y = device.empty::<f32, 1>([8]).unwrap();
    kernel.launch_raw(&[(&x).into(), (&bias).into(), (&mut y).into()]).unwrap();
    assert_eq!(y.to_vec().unwrap(), [2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0]);
    let y = device.empty::<f32, 1>([7]).unwrap();
    let error = kernel.launch_raw(&[(&x).into(), (&bias).into(), (&y).into()]).unwrap_err().to_string();
    assert!(error.contains("axis 0 of argument `y` has extent 7; the kernel takes 8 (rows * 4)"), "{error}");
}

#[test]
fn untyped_launches_name_the_parameter() {
    let device = Device::sim();
    let kernel = scale().bind("same", |signature| {
        let n = signature.dim("n");
        let x = signature.param("x", Scalar::F32, std::slice::from_ref(&n), Access::In);
        let y = signature.param("y", Scalar::F32, &[n], Access::Out);
        vec![x.into(), y.into(), signature.number("by", Scalar::F32).into()]
    });
    let kernel = kernel.compile(&device).unwrap();
    let (x, y) = (device.zeros::<f32, 1>([4]).unwrap(), device.zeros::<f32, 1>([4]).unwrap());
    let (half, square, long) = (
        device.zeros::<f16, 1>([4]).unwrap(),
        device.zeros::<f32, 2>([2, 2]).unwrap(),
        device.zeros::<f32, 1>([5]).unwrap(),
    );
    let refused = |args: &[RawArg], words: &str| {
        let error = kernel.launch_raw(args).unwrap_err().to_string();
        assert!(error.contains("launch of `same`") && error.contains(words), "{error}");
    };
    refused(&[(&x).into()], "1 arguments were passed; the kernel takes 3; missing: `y`, `by`");
    refused(&[(&half).into(), (&y).into(), 1f32.into()], "argument `x` has elements of type f16; the kernel takes f32");
    refused(&[(&x).into(), (&square).into(), 1f32.into()], "argument `y` has 2 axes [2, 2]; the kernel takes 1: [n]");
    refused(&[(&x).into(), (&long).into(), 1f32.into()], "`n` is 4 from axis 0 of argument `x`, but 5 from axis 0 of");
    refused(&[(&x).into(), (&y).into(), 1i32.into()], "argument `by` has type i32; the kernel takes f32");
    refused(&[(&x).into(), (&y).into(), (&x).into()], "`by`, is a tensor [4]; the kernel takes a number");
    kernel.launch_raw(&[(&x).into(), (&y).into(), 1f32.into()]).unwrap();
    let stream = device.stream().unwrap();
    kernel.on(&stream).launch_raw(&[(&x).into(), (&y).into(), 1f32.into()]).unwrap();
}

#[test]
fn an_element_type_that_is_a_value_chooses_the_instance() {
    let template = |scalar: Scalar| -> hidet::Result<Template<()>> {
        hidet::dispatch!(scalar; T in [f16, f32, i32] => {
            copy::<T>().bind("copy", move |signature| {
                let extents = dims(signature);
                let [x, y] = [("x", Access::In), ("y", Access::Out)]
                    .map(|(name, access)| signature.param(name, scalar, &extents, access).into());
                vec![x, y]
            })
        })
    };
    for scalar in [Scalar::F16, Scalar::F32, Scalar::I32] {
        assert!(template(scalar).unwrap().build().unwrap().buffers.iter().all(|(_, buffer)| buffer.elem == scalar));
    }
    let error = template(Scalar::Bool).unwrap_err().to_string();
    assert!(error.contains("elements of type bool are not supported here, only f16, f32, i32"), "{error}");
    assert!(error.contains("untyped.rs"), "{error}");
}
