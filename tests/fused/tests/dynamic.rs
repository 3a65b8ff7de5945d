//! A caller that learns types, ranks and number of the inputs only at run time fuses them into a kernel of another crate.

#![allow(clippy::unwrap_used)]

use hidet::device::RawTensor;
use hidet::dsl::{AnyExpr, AnyOperand, AnyView, Binding};
use hidet::ir::{Access, Arch, BinaryOp};
use hidet::kernel::RawArg;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet::{codegen, cuda::nvrtc, passes, testing};
use hidet_examples::row_kernels::{Rows, layer_norm_fast};

/// An extra input: its type, and the axes of the output that its axes follow.
struct Extra {
    elem: Scalar,
    axes: Vec<usize>,
}

impl Extra {
    fn name(at: usize) -> String {
        format!("extra{at}")
    }

    fn operand(&self, view: AnyView) -> AnyOperand {
        view.along(&self.axes)
    }

    fn shape(&self, extents: [usize; 4]) -> Vec<usize> {
        self.axes.iter().map(|axis| extents[*axis]).collect()
    }
}

/// Inputs of rank 0 to 4 and of seven types.
fn extras() -> Vec<Extra> {
    use Scalar::*;
    let types = [F16, BF16, F32, I32, I8, F64, U8];
    let axes: [&[usize]; 20] = [
        &[],
        &[3],
        &[0],
        &[2, 3],
        &[0, 1, 2, 3],
        &[1, 3],
        &[0, 2],
        &[0, 1, 3],
        &[1, 2, 3],
        &[3],
        &[0, 1, 2, 3],
        &[],
        &[2],
        &[1],
        &[0, 3],
        &[0, 1],
        &[0, 2, 3],
        &[0, 1, 2],
        &[2, 3],
        &[3],
    ];
    let each = axes.into_iter().enumerate();
    each.map(|(at, axes)| Extra { elem: types[at % types.len()], axes: axes.to_vec() }).collect()
}

/// y[a, b, m, n] = layer_norm(x + the first extra inputs, gain, bias) + the others, where rows are the last axis.
fn fused(extras: Vec<Extra>, rows: Rows) -> Template<()> {
    layer_norm_fast::<f16>(Some(rows)).bind("layer_norm_fused", move |signature| {
        let extents = ["a", "b", "m", "n"].map(|name| signature.dim(name));
        let x = signature.param("x", Scalar::F16, &extents, Access::In);
        let [gain, bias] = ["gain", "bias"].map(|name| signature.param(name, Scalar::F16, &extents[3..], Access::In));
        let operands = extras.iter().enumerate().map(|(at, extra)| {
            let shape: Vec<IndexExpr> = extra.axes.iter().map(|axis| extents[*axis].clone()).collect();
            extra.operand(signature.param(&Extra::name(at), extra.elem, &shape, Access::In))
        });
        let operands: Vec<AnyOperand> = operands.collect();
        let y = signature.param("y", Scalar::F16, &extents, Access::Out);
        let epsilon = signature.number("epsilon", Scalar::F32);
        let (before, after) = operands.split_at(operands.len() / 2);
        let x = x.map(Scalar::F16, before, sum);
        let y = y.map_store(Scalar::F16, after, sum);
        let [x, y] = [x, y].map(as_rows);
        vec![x.into(), gain.into(), bias.into(), y.into(), Binding::from(epsilon)]
    })
}

/// The sum of a value and the elements of the operands, in f32.
fn sum(value: AnyExpr, operands: &[AnyExpr], _: &[Expr<i32>]) -> AnyExpr {
    let wide = |value: AnyExpr| value.cast(Scalar::F32);
    operands.iter().fold(wide(value), |sum, operand| sum.binary(BinaryOp::Add, wide(*operand))).cast(value.scalar())
}

/// A tensor [a, b, m, n] as one of rows [a * b * m, n].
fn as_rows(view: AnyView) -> AnyView {
    let [a, b, m, n] = <[IndexExpr; 4]>::try_from(view.shape()).unwrap();
    let (inner, last) = (view.extent(1), view.extent(2));
    view.remap(&[a * b * m, n], 16, move |at| vec![at[0] / (inner * last), at[0] / last % inner, at[0] % last, at[1]])
}

const EXTENTS: [usize; 4] = [2, 3, 2, 64];

/// Small whole numbers, exact in every type.
fn values(seed: usize, shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product::<usize>()).map(|i| ((i * 7 + seed * 3) % 5) as f32).collect()
}

/// A tensor of a type and shape that are values.
fn raw(device: &Device, elem: Scalar, shape: &[usize], values: &[f32]) -> RawTensor {
    fn of<T: Element>(device: &Device, shape: &[usize], values: &[f32]) -> RawTensor {
        let values: Vec<T> =
            values.iter().map(|value| T::from_number(hidet::types::Number::Float(f64::from(*value)))).collect();
        let flat = device.tensor(&values, [values.len()]).unwrap();
        let raw = flat.raw();
        RawTensor::new(device, raw.storage().clone(), 0, T::SCALAR, shape).unwrap()
    }
    match elem {
        Scalar::F16 => of::<f16>(device, shape, values),
        Scalar::BF16 => of::<bf16>(device, shape, values),
        Scalar::F32 => of::<f32>(device, shape, values),
        Scalar::F64 => of::<f64>(device, shape, values),
        Scalar::I32 => of::<i32>(device, shape, values),
        Scalar::I8 => of::<i8>(device, shape, values),
        _ => of::<u8>(device, shape, values),
    }
}

/// The schedule of rows of 64 elements: 8 lanes per access.
fn rows() -> Rows {
    Rows::of::<f16>(EXTENTS[3], 16).unwrap()
}

/// Launches the kernel with extra inputs of these shapes.
fn launch(kernel: &Kernel<()>, shapes: &[Vec<usize>], y: &RawTensor) -> hidet::Result<()> {
    let device = Device::sim();
    let f16 = |seed: usize, shape: &[usize]| raw(&device, Scalar::F16, shape, &values(seed, shape));
    let (x, gain, bias) = (f16(100, &EXTENTS), f16(101, &EXTENTS[3..]), f16(102, &EXTENTS[3..]));
    let inputs = extras().into_iter().zip(shapes).enumerate();
    let inputs: Vec<RawTensor> =
        inputs.map(|(at, (extra, shape))| raw(&device, extra.elem, shape, &values(at, shape))).collect();
    let mut args: Vec<RawArg> = vec![(&x).into(), (&gain).into(), (&bias).into()];
    args.extend(inputs.iter().map(RawArg::from));
    args.extend([RawArg::from(y), RawArg::from(1e-5f32)]);
    kernel.launch_raw(&args)
}

/// What the kernel computes, in f64.
fn expected() -> Vec<f64> {
    let [a, b, m, n] = EXTENTS;
    let extras: Vec<(Vec<usize>, Vec<f32>)> = extras()
        .iter()
        .enumerate()
        .map(|(at, extra)| (extra.axes.clone(), values(at, &extra.shape(EXTENTS))))
        .collect();
    let sum = |of: &[(Vec<usize>, Vec<f32>)], index: [usize; 4]| -> f64 {
        let each = of.iter().map(|(axes, values)| {
            f64::from(values[axes.iter().fold(0, |at, axis| at * EXTENTS[*axis] + index[*axis])])
        });
        each.sum()
    };
    let (before, after) = extras.split_at(extras.len() / 2);
    let (x, gain, bias) = (values(100, &EXTENTS), values(101, &[n]), values(102, &[n]));
    let mut y = Vec::new();
    for row in 0..a * b * m {
        let index = |j: usize| [row / (b * m), row / m % b, row % m, j];
        let row: Vec<f64> = (0..n).map(|j| f64::from(x[row * n + j]) + sum(before, index(j))).collect();
        let mean = row.iter().sum::<f64>() / n as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        let normal = |v: f64| (v - mean) / (variance + 1e-5).sqrt();
        y.extend((0..n).map(|j| normal(row[j]) * f64::from(gain[j]) + f64::from(bias[j]) + sum(after, index(j))));
    }
    y
}

#[test]
fn twenty_inputs_of_mixed_rank_and_type_are_fused_by_one_caller() {
    let device = Device::sim();
    let kernel = fused(extras(), rows()).compile(&device).unwrap();
    assert_eq!(kernel.function().params.len(), 25);
    let shapes: Vec<Vec<usize>> = extras().iter().map(|extra| extra.shape(EXTENTS)).collect();
    let y = device.empty::<f16, 4>(EXTENTS).unwrap();
    launch(&kernel, &shapes, y.raw()).unwrap();
    for (at, (found, wanted)) in y.to_vec().unwrap().iter().zip(expected()).enumerate() {
        let error = (f64::from(f32::from(*found)) - wanted).abs();
        assert!(error <= 2e-3 * wanted.abs().max(4.0), "element {at} is {found} instead of {wanted}");
    }
}

#[test]
fn a_wrong_extent_of_each_input_is_refused_by_name() {
    let device = Device::sim();
    let kernel = fused(extras(), rows()).compile(&device).unwrap();
    let y = device.empty::<f16, 4>(EXTENTS).unwrap();
    let right: Vec<Vec<usize>> = extras().iter().map(|extra| extra.shape(EXTENTS)).collect();
    for (at, extra) in extras().iter().enumerate() {
        let name = format!("argument `{}`", Extra::name(at));
        for (axis, of) in extra.axes.iter().enumerate() {
            let (mut shapes, extent) = (right.clone(), ["a", "b", "m", "n"][*of]);
            shapes[at][axis] += 8;
            let (known, given) = (EXTENTS[*of], EXTENTS[*of] + 8);
            let words =
                format!("`{extent}` is {known} from axis {of} of argument `x`, but {given} from axis {axis} of {name}");
            let error = launch(&kernel, &shapes, y.raw()).unwrap_err().to_string();
            assert!(error.contains(&words), "{error}");
        }
        // Another rank.
        let mut shapes = right.clone();
        shapes[at].push(1);
        let error = launch(&kernel, &shapes, y.raw()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} has {} axes", extra.axes.len() + 1)), "{error}");
    }
}

/// The bytes of each load from global memory in PTX, in ascending order.
fn loads(template: Template<()>) -> Vec<usize> {
    let arch = Arch { number: 90, specific: true };
    let function = passes::lower(&template.build().unwrap(), &Default::default()).unwrap();
    let ptx = nvrtc::ptx(&codegen::cuda(&function, arch).unwrap(), arch).unwrap();
    let names = ptx.lines().filter_map(|line| line.split_whitespace().next());
    let loads = names.filter(|name| name.starts_with("ld.global"));
    // `ld.global.nc.v4.u32` is a load of 16 bytes.
    let bytes = |name: &str| {
        let number = |first: &[char]| name.split('.').find_map(|part| part.strip_prefix(first)?.parse::<usize>().ok());
        number(&['v']).unwrap_or(1) * number(&['b', 'u', 's', 'f']).unwrap_or(0) / 8
    };
    let mut loads: Vec<usize> = loads.map(bytes).collect();
    loads.sort_unstable();
    loads
}

#[test]
fn inputs_along_the_last_axis_are_loaded_in_vectors() {
    if !testing::nvrtc::available().unwrap() {
        return;
    }
    let lanes = rows().lanes as usize;
    let vectors = |bytes: usize| vec![(bytes * lanes).min(16); (bytes * lanes).div_ceil(16)];
    let mut expected: Vec<usize> = [2, 2, 2].into_iter().flat_map(vectors).collect();
    for extra in extras() {
        let bytes = extra.elem.bytes();
        expected.extend(if extra.axes.contains(&3) { vectors(bytes) } else { vec![bytes] });
    }
    expected.sort_unstable();
    assert_eq!(loads(fused(extras(), rows())), expected);
}
