//! Vector accesses survive fusion: a kernel that loads and stores vectors does so too when it is built with computed
//! views, and loads vectors of their operands.

#![allow(clippy::unwrap_used)]

use hidet::ir::Arch;
use hidet::prelude::*;
use hidet::{codegen, cuda::nvrtc, passes, testing};

kernel! {
    #[launch(grid = m, block = 32)]
    fn copy<T: Float, const N: usize>(x: In<T, [m, n]>, y: Out<T, [m, n]>) {
        let i = block_idx().x;
        for j in (thread_idx().x * N as i32..n).step_by(32 * N as i32) {
            y.store((i, j), x.load::<N>((i, j)));
        }
    }
}

/// x, row, full, scalar, y.
type Outer<T> = (In<T, 2>, In<T, 1>, In<T, 2>, Expr<f32>, Out<T, 2>);
const NAMES: [&str; 5] = ["x[m, n]", "row[n]", "full[m, n]", "scalar", "y[m, n]"];

/// What both closures compute, in `f32`.
fn combine<T: Float>(value: Expr<T>, row: Expr<T>, full: Expr<T>, scalar: Expr<f32>) -> Expr<T> {
    ((value.to::<f32>() + row.to::<f32>()) * scalar + full.to::<f32>()).to::<T>()
}

fn prologue<T: Float, const N: usize>() -> Template<Outer<T>> {
    copy::<T, N>().fuse("prologue", NAMES, |(x, row, full, scalar, y): Outer<T>| {
        let operands = (row.along([1]), full);
        (x.map_with(operands, move |value, (row, full), _| combine(value, row, full, scalar)), y)
    })
}

fn epilogue<T: Float, const N: usize>() -> Template<Outer<T>> {
    copy::<T, N>().fuse("epilogue", NAMES, |(x, row, full, scalar, y): Outer<T>| {
        let operands = (row.along([1]), full);
        (x, y.map_store_with(operands, move |value, (row, full), _| combine(value, row, full, scalar)))
    })
}

/// The bytes of each load from global memory, and of each store, in PTX.
fn accesses<Args>(template: Template<Args>) -> [Vec<usize>; 2] {
    let arch = Arch { number: 90, specific: true };
    let function = passes::lower(&template.build().unwrap(), &Default::default()).unwrap();
    let ptx = nvrtc::ptx(&codegen::cuda(&function, arch).unwrap(), arch).unwrap();
    // `ld.global.nc.v4.u32` is an access of 16 bytes.
    let bytes = |name: &str| {
        let numbers = |first: &'static [char]| {
            name.split('.').filter_map(move |part| part.strip_prefix(first)?.parse::<usize>().ok())
        };
        numbers(&['v']).product::<usize>() * numbers(&['b', 'u', 's', 'f']).product::<usize>() / 8
    };
    ["ld.global", "st.global"].map(|kind| {
        let names = ptx.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| name.starts_with(kind)).map(bytes).collect()
    })
}

fn check<T: Float, const N: usize>() {
    // 16 bytes at most are one access.
    let width = (std::mem::size_of::<T>() * N).min(16);
    let all = |accesses: &[usize]| !accesses.is_empty() && accesses.iter().all(|bytes| *bytes == width);
    let [loads, stores] = accesses(copy::<T, N>());
    assert!(all(&loads) && all(&stores) && loads.len() == stores.len(), "{} x {N}: {loads:?} {stores:?}", T::SCALAR);
    for template in [prologue::<T, N>(), epilogue::<T, N>()] {
        let name = template.name().to_owned();
        // The loops may be unrolled differently; each iteration loads x, the row and the full operand.
        let [loads, stores] = accesses(template);
        let fused = all(&loads) && all(&stores) && loads.len() == 3 * stores.len();
        assert!(fused, "{name} of {} x {N}: {loads:?} {stores:?}", T::SCALAR);
    }
}

#[test]
fn fused_kernels_access_the_vectors_of_the_unfused_one() {
    if testing::nvrtc::available().unwrap() {
        check::<f32, 2>();
        check::<f32, 4>();
        check::<f32, 8>();
        check::<f16, 2>();
        check::<f16, 4>();
        check::<f16, 8>();
        check::<bf16, 2>();
        check::<bf16, 4>();
        check::<bf16, 8>();
    }
}

#[test]
fn they_compute_what_the_closure_says() {
    let device = Device::sim();
    let (m, n) = (3, 80);
    let host = |count: usize, step: usize| (0..count).map(move |i| (i * step % 17) as f32 - 8.0).collect::<Vec<f32>>();
    let (x, row, full) = (host(m * n, 5), host(n, 3), host(m * n, 7));
    for template in [prologue::<f32, 4>(), epilogue::<f32, 4>(), prologue::<f32, 2>(), epilogue::<f32, 1>()] {
        let mut y = device.empty([m, n]).unwrap();
        let kernel = template.compile(&device).unwrap();
        let [tx, tf] = [&x, &full].map(|values| device.tensor(values, [m, n]).unwrap());
        kernel.launch(&tx, &device.tensor(&row, [n]).unwrap(), &tf, 0.5, &mut y).unwrap();
        let expected: Vec<f32> = (0..m * n).map(|at| (x[at] + row[at % n]) * 0.5 + full[at]).collect();
        assert_eq!(y.to_vec().unwrap(), expected);
    }
}

#[test]
fn an_operand_of_another_extent_is_refused_by_name() {
    let device = Device::sim();
    let (m, n) = (3, 80);
    let kernel = epilogue::<f32, 4>().compile(&device).unwrap();
    let (x, full) = (device.zeros([m, n]).unwrap(), device.zeros([m, n]).unwrap());
    let (row, mut y) = (device.zeros([n - 1]).unwrap(), device.empty([m, n]).unwrap());
    let error = kernel.launch(&x, &row, &full, 0.5, &mut y).unwrap_err().to_string();
    assert!(error.contains("`row`") && error.contains("79"), "{error}");
}

#[test]
fn an_operand_along_an_axis_that_does_not_exist_is_a_mistake_at_its_line() {
    let template = copy::<f32, 4>().fuse(
        "wrong",
        ["x[m, n]", "row[n]", "y[m, n]"],
        |(x, row, y): (In<f32, 2>, In<f32, 1>, Out<f32, 2>)| {
            (x.map_with((row.along([2]),), |value, (row,), _| value + row), y)
        },
    );
    let error = template.build().unwrap_err().to_string();
    assert!(
        error.contains("an operand along axis 2 of a tensor with 2 axes") && error.contains("vectors.rs"),
        "{error}"
    );
}

type Two = (In<f32, 2>, In<f32, 2>, Out<f32, 2>);

#[test]
fn an_operand_may_be_transposed() {
    let template = copy::<f32, 4>().fuse("transposed", ["x[m, n]", "other[n, m]", "y[m, n]"], |(x, other, y): Two| {
        (x.map_with((other.along([1, 0]),), |value, (other,), _| value + other), y)
    });
    let device = Device::sim();
    let (m, n) = (3, 8);
    let other: Vec<f32> = (0..m * n).map(|i| i as f32).collect();
    let mut y = device.empty([m, n]).unwrap();
    let (x, tensor) = (device.zeros([m, n]).unwrap(), device.tensor(&other, [n, m]).unwrap());
    template.compile(&device).unwrap().launch(&x, &tensor, &mut y).unwrap();
    let expected: Vec<f32> = (0..m * n).map(|at| other[at % n * m + at / n]).collect();
    assert_eq!(y.to_vec().unwrap(), expected);
}

#[test]
fn an_operand_has_the_extents_of_the_axes_that_it_follows() {
    // The bias of the columns, by mistake along the rows.
    let template = copy::<f32, 4>().fuse(
        "rows",
        ["x[m, n]", "bias[n]", "y[m, n]"],
        |(x, bias, y): (In<f32, 2>, In<f32, 1>, Out<f32, 2>)| {
            (x.map_with((bias.along([0]),), |value, (bias,), _| value + bias), y)
        },
    );
    let device = Device::sim();
    let mut y = device.empty([4, 8]).unwrap();
    let (x, bias) = (device.zeros([4, 8]).unwrap(), device.zeros([8]).unwrap());
    let error = template.compile(&device).unwrap().launch(&x, &bias, &mut y).unwrap_err().to_string();
    assert!(error.contains("axis 0 of the operand `bias` follows axis 0"), "{error}");
}
