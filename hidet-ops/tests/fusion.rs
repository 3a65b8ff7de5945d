//! Chains of operators: how many kernels they become, and that the results are those of the definitions on the host.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::prelude::{bf16, f16};
use hidet::types::{Element, Number, Scalar};
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{ReduceOp, Replay, Result, Tensor, TensorType};

/// Small numbers, many of them different, exact in every type.
fn tensor<T: Element>(device: &Device, shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let value = |at: usize| T::from_number(Number::Float((((at * 7 + seed * 5) % 11) as f64 - 5.0) / 4.0));
    let values: Vec<T> = (0..count).map(value).collect();
    let flat = device.tensor(&values, [count]).unwrap();
    Tensor::from(flat.raw().view(0, shape).unwrap())
}

fn values(tensor: &Tensor) -> Vec<f64> {
    match tensor.dtype() {
        Scalar::F16 => tensor.to_vec::<f16>().unwrap().iter().map(|v| v.to_f64()).collect(),
        Scalar::BF16 => tensor.to_vec::<bf16>().unwrap().iter().map(|v| v.to_f64()).collect(),
        Scalar::F32 => tensor.to_vec::<f32>().unwrap().iter().map(|v| f64::from(*v)).collect(),
        Scalar::F64 => tensor.to_vec::<f64>().unwrap(),
        Scalar::I32 => tensor.to_vec::<i32>().unwrap().iter().map(|v| f64::from(*v)).collect(),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn agrees(tensor: &Tensor, wanted: &[f64], relative: f64) {
    let found = values(tensor);
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let error = (found - wanted).abs();
        assert!(error <= relative * wanted.abs().max(1.0), "element {at} is {found} instead of {wanted}");
    }
}

/// max(a @ b + bias, 0) of matrices, on the host.
fn linear(a: &Tensor, b: &Tensor, bias: &Tensor) -> Vec<f64> {
    let ([.., m, k], [.., n]) = (a.shape(), b.shape()) else { panic!() };
    let (va, vb, vbias) = (values(a), values(b), values(bias));
    let sum = |i: usize, j: usize| (0..*k).map(|p| va[i * k + p] * vb[p * n + j]).sum::<f64>();
    (0..m * n).map(|at| (sum(at / n, at % n) + vbias[at % n]).max(0.0)).collect()
}

#[test]
fn a_linear_layer_is_one_kernel_of_any_type_and_shape() -> Result<()> {
    fn check<T: Element>(device: &Device, relative: f64) -> Result<()> {
        for [m, n, k] in [[1, 1, 1], [5, 7, 3], [33, 70, 9], [64, 130, 40], [1, 19, 8]] {
            let (x, w, b) =
                (tensor::<T>(device, &[m, k], 1), tensor::<T>(device, &[k, n], 2), tensor::<T>(device, &[n], 3));
            let y = x.matmul(&w)?.add(&b)?.relu()?;
            assert_eq!(y.kernels(), ["matmul_add_relu"]);
            agrees(&y, &linear(&x, &w, &b), relative);
        }
        Ok(())
    }
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    check::<f32>(&device, 1e-6)?;
    check::<f16>(&device, 2e-3)?;
    check::<bf16>(&device, 1.6e-2)?;
    check::<f64>(&device, 1e-14)
}

#[test]
fn batches_are_broadcast() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    let (m, n, k) = (6, 10, 5);
    let b = tensor::<f32>(&device, &[k, n], 2);
    for (front, other) in [(vec![3], vec![]), (vec![2, 3], vec![3]), (vec![2, 1], vec![2, 3]), (vec![], vec![2, 2])] {
        let a = tensor::<f32>(&device, &[front.clone(), vec![m, k]].concat(), 1);
        let b = match other.is_empty() {
            true => b.clone(),
            false => tensor::<f32>(&device, &[other.clone(), vec![k, n]].concat(), 4),
        };
        let y = a.matmul(&b)?;
        let ([batch @ .., _, _], va, vb) = (y.shape(), values(&a), values(&b)) else { panic!() };
        let mut wanted = Vec::new();
        for number in 0..batch.iter().product() {
            // The coordinates of the batch, and from them the matrix of each input.
            let matrix = |own: &[usize]| {
                let (mut at, mut stride, mut rest) = (0, 1, number);
                for axis in (0..batch.len()).rev() {
                    let coordinate = rest % batch[axis];
                    rest /= batch[axis];
                    if let Some(own_axis) = (axis + own.len()).checked_sub(batch.len()) {
                        at += if own[own_axis] == 1 { 0 } else { coordinate * stride };
                        stride *= own[own_axis];
                    }
                }
                at
            };
            let (a0, b0) = (matrix(&front) * m * k, matrix(&other) * k * n);
            for i in 0..m {
                wanted.extend((0..n).map(|j| (0..k).map(|p| va[a0 + i * k + p] * vb[b0 + p * n + j]).sum::<f64>()));
            }
        }
        agrees(&y, &wanted, 1e-6);
    }
    Ok(())
}

#[test]
fn elementwise_operators_are_one_kernel() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    for shape in [vec![], vec![1], vec![7], vec![3, 16], vec![2, 3, 5], vec![4, 1, 8], vec![0, 3]] {
        let last: Vec<usize> = shape.last().copied().into_iter().collect();
        let (x, y) = (tensor::<f32>(&device, &shape, 1), tensor::<f32>(&device, &last, 2));
        let z = x.mul(&y)?.add(0.5)?.tanh()?.maximum(&x)?;
        assert_eq!(z.kernels(), ["mul_add_tanh_maximum"]);
        let (vx, vy) = (values(&x), values(&y));
        let each = vx.iter().enumerate().map(|(at, x)| (x * vy[at % vy.len()] + 0.5).tanh().max(*x));
        agrees(&z, &each.collect::<Vec<_>>(), 1e-6);
    }
    Ok(())
}

/// A tensor that two kernels read is computed once; so is one that is read at other coordinates than its own.
#[test]
fn what_cannot_be_fused_is_a_kernel_of_its_own() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    let (x, w) = (tensor::<f32>(&device, &[8, 8], 1), tensor::<f32>(&device, &[8, 8], 2));
    let product = x.matmul(&w)?;
    let twice = product.add(&product)?;
    assert_eq!(twice.kernels(), ["matmul_add"]);
    let squared = product.matmul(&product)?;
    assert_eq!(squared.kernels(), ["matmul", "matmul"]);
    // A product reads elements many times: what is cheap is computed each time, an exponential once.
    let before = x.relu()?.matmul(&w.exp()?)?;
    assert_eq!(before.kernels(), ["exp", "relu_matmul"]);
    let both = x.matmul(&w)?.add(&w.matmul(&x)?)?;
    assert_eq!(both.kernels().len(), 2);
    let (vx, vw) = (values(&x), values(&w));
    let times = |a: &[f64], b: &[f64]| -> Vec<f64> {
        (0..64).map(|at| (0..8).map(|p| a[at / 8 * 8 + p] * b[p * 8 + at % 8]).sum()).collect()
    };
    let xw = times(&vx, &vw);
    agrees(&twice, &xw.iter().map(|v| v * 2.0).collect::<Vec<_>>(), 1e-6);
    agrees(&squared, &times(&xw, &xw), 1e-5);
    let (relu, exp): (Vec<f64>, Vec<f64>) =
        (vx.iter().map(|v| v.max(0.0)).collect(), vw.iter().map(|v| v.exp()).collect());
    agrees(&before, &times(&relu, &exp), 1e-5);
    agrees(&both, &xw.iter().zip(times(&vw, &vx)).map(|(a, b)| a + b).collect::<Vec<_>>(), 1e-6);
    Ok(())
}

#[test]
fn long_chains_are_several_kernels_and_overflow_nothing() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    let mut x = tensor::<f32>(&device, &[3], 1);
    for _ in 0..2000 {
        x = x.add(1.0)?;
    }
    assert!((5..200).contains(&x.kernels().len()), "{}", x.kernels().len());
    agrees(&x, &[1998.75, 2000.5, 1999.5], 1e-3);
    let mut unused = tensor::<f32>(&device, &[3], 1);
    for _ in 0..200_000 {
        unused = unused.add(1.0)?;
    }
    drop(unused);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    let (x, y) = (tensor::<f32>(&device, &[2, 3], 1), tensor::<f32>(&device, &[4, 5], 2));
    let says = |result: Result<Tensor>, message: &str| assert_eq!(result.unwrap_err().to_string(), message);
    says(
        x.matmul(&y),
        "`matmul` of f32[2, 3] and f32[4, 5]: the second must have as many rows as the first has columns, 3, but has 4",
    );
    says(
        x.add(&y),
        "`add` of f32[2, 3] and f32[4, 5]: the shapes do not fit: from the last axis on, extents must be equal, or one of \
         them 1",
    );
    says(
        x.add(&tensor::<f16>(&device, &[3], 1)),
        "`add` of f32[2, 3] and f16[3]: their elements have different types; convert one with `cast(Scalar::F32)`",
    );
    says(
        tensor::<i32>(&device, &[3], 1).exp(),
        "`exp` of i32[3]: it is defined for floats; convert the tensor with `cast` before",
    );
    let whole = tensor::<i32>(&device, &[3], 1);
    says(whole.mul(0.5), "`mul` of i32[3]: i32 has no 0.5; convert the tensor with `cast` before");
    let sums: Vec<i32> = whole.to_vec::<i32>()?.iter().map(|v| v + 7).collect();
    assert_eq!(whole.add(7.0)?.to_vec::<i32>()?, sums);
    let flags = Tensor::from(&device.tensor(&[true, false], [2])?);
    for refused in [flags.add(&flags), flags.relu(), flags.mul(1.0)] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("of bool[2]: ") && error.ends_with("convert the tensor with `cast` before"), "{error}");
    }
    assert_eq!(x.to_vec::<f16>().unwrap_err().to_string(), "a tensor f32[2, 3] is read as f16[..]");
    Ok(())
}

/// Parts of tensors, whose rows are apart or begin anywhere, and results that are used as other types.
#[test]
fn parts_of_tensors_are_inputs() -> Result<()> {
    let device = Device::best()?;
    let all: Vec<f32> = (0..80).map(|at| at as f32 / 8.0).collect();
    let whole = device.tensor(&all, [8, 10])?;
    let part = whole.slice([1..5, 1..9])?;
    let x = Tensor::from(&part);
    let w = tensor::<f32>(&device, &[8, 3], 2);
    let wanted: Vec<f64> = (0..32).map(|at| f64::from(all[(at / 8 + 1) * 10 + at % 8 + 1])).collect();
    agrees(&x.add(1.0)?, &wanted.iter().map(|x| x + 1.0).collect::<Vec<_>>(), 0.0);
    let vw = values(&w);
    let product = (0..12).map(|at| (0..8).map(|p| wanted[at / 3 * 8 + p] * vw[p * 3 + at % 3]).sum::<f64>());
    agrees(&x.matmul(&w)?, &product.collect::<Vec<_>>(), 1e-6);
    // 64 elements from the second one on: addresses are multiples of 4 bytes only.
    let odd = Tensor::from(whole.raw().view(1, &[64])?);
    agrees(&odd.mul(2.0)?, &all[1..65].iter().map(|x| f64::from(*x) * 2.0).collect::<Vec<_>>(), 0.0);
    let typed = x.add(1.0)?.typed::<f32, 2>()?;
    assert_eq!(typed.shape(), [4, 8]);
    let error = x.typed::<f32, 1>().unwrap_err().to_string();
    assert_eq!(error, "a tensor f32[4, 8] is read as f32[..] with 1 axes");
    Ok(())
}

#[test]
fn sums_and_permutations_fuse() -> Result<()> {
    let device = Device::best()?;
    let x = tensor::<f32>(&device, &[3, 5, 7], 1);
    for (axes, shape) in [(vec![2], vec![3, 5]), (vec![0], vec![5, 7]), (vec![2, 0], vec![5]), (vec![0, 1, 2], vec![])]
    {
        let y = x.mul(&x)?.mean(&axes, false)?.sqrt()?;
        assert_eq!((y.shape(), y.kernels()), (shape.as_slice(), vec!["mul_sum_div_sqrt".to_owned()]));
        agrees(&y, &y.reference()?, 1e-6);
    }
    let centred = x.sub(&x.mean(&[2], true)?)?;
    assert_eq!(centred.kernels(), ["sum_div_sub"]);
    agrees(&centred, &centred.reference()?, 1e-6);
    let turned = x.permute(&[2, 0, 1])?.add(1.0)?;
    assert_eq!((turned.shape(), turned.kernels()), ([7, 3, 5].as_slice(), vec!["permute_add".to_owned()]));
    agrees(&turned, &turned.reference()?, 0.0);
    let (a, b) = (tensor::<f16>(&device, &[2, 6, 9], 3), tensor::<f16>(&device, &[4, 6], 4));
    let product = a.t()?.matmul(&b.t()?)?;
    assert_eq!((product.shape(), product.kernels().len()), ([2, 9, 4].as_slice(), 1));
    agrees(&product, &product.reference()?, 1e-3);
    let says = |result: Result<Tensor>, message: &str| assert_eq!(result.unwrap_err().to_string(), message);
    says(x.sum(&[3], false), "`sum` of f32[3, 5, 7]: [3] are not different axes of 3 axes, counted from 0");
    says(
        x.permute(&[0, 0, 1]),
        "`permute` of f32[3, 5, 7]: [0, 0, 1] does not name each of the 3 axes once, counted from 0",
    );
    Ok(())
}

/// No elements, and sums of none.
#[test]
fn empty_tensors_are_tensors() -> Result<()> {
    let device = Device::best()?;
    for [m, n, k] in [[0, 5, 3], [4, 0, 3], [4, 5, 0], [0, 0, 0]] {
        let (x, w, b) =
            (tensor::<f32>(&device, &[m, k], 1), tensor::<f32>(&device, &[k, n], 2), tensor::<f32>(&device, &[n], 3));
        agrees(&x.matmul(&w)?.add(&b)?.relu()?, &linear(&x, &w, &b), 0.0);
        agrees(&x.sum(&[1], false)?, &x.sum(&[1], false)?.reference()?, 1e-6);
    }
    Ok(())
}

/// What is read outside of a tensor is 0, also if its elements are computed where they are read.
#[test]
fn outside_of_computed_tensors_is_0() -> Result<()> {
    let device = Device::best()?;
    let x = tensor::<f32>(&device, &[6], 1);
    let wanted = values(&x);
    let shifted =
        |x: &Tensor, by: i64| Tensor::define("shifted", &[x], x.ty().clone(), |inputs, at| inputs[0].at([&at[0] + by]));
    let both = shifted(&x.add(1.0)?, -2)?;
    assert_eq!(both.kernels(), ["add_shifted"]);
    agrees(&both, &[0.0, 0.0, wanted[0] + 1.0, wanted[1] + 1.0, wanted[2] + 1.0, wanted[3] + 1.0], 1e-6);
    // What has left the tensor does not come back.
    let back = shifted(&shifted(&x, -2)?, 2)?;
    assert_eq!(back.kernels(), ["shifted_shifted"]);
    agrees(&back, &[wanted[0], wanted[1], wanted[2], wanted[3], 0.0, 0.0], 1e-6);
    Ok(())
}

/// Terms may ask for coordinates, whichever of the kernel they are.
#[test]
fn terms_of_coordinates_are_those_of_their_operator() -> Result<()> {
    let device = Device::best()?;
    let before = |x: &Tensor| {
        let rank = x.ty().rank();
        let mut output = x.ty().clone();
        let count = output.shape.pop().unwrap();
        Tensor::define_reduction("before", &[x], output, (ReduceOp::Sum, &[count]), |inputs, at| {
            let element = inputs[0].at(at.to_vec());
            at[rank - 1].lt(&at[rank - 2]).select(&element, &element.same(0.0))
        })
    };
    let sums = |x: &Tensor, n: usize| {
        let x = values(x);
        (0..x.len() / n).map(|row| (0..row % n).map(|at| x[row * n + at]).sum()).collect::<Vec<f64>>()
    };
    let x = tensor::<f32>(&device, &[5, 5], 1);
    let (y, all) = (before(&x)?, sums(&x, 5));
    agrees(&y, &all, 1e-6);
    let v = values(&x);
    let y = before(&x)?;
    let columns = Tensor::define("less", &[&x, &y], x.ty().clone(), |inputs, at| {
        inputs[0].at([at[1].clone(), at[0].clone()]) - inputs[1].at([at[1].clone()])
    })?;
    assert_eq!(columns.kernels(), ["before_less"]);
    agrees(&columns, &(0..25).map(|at| v[at % 5 * 5 + at / 5] - all[at % 5]).collect::<Vec<_>>(), 1e-6);
    // Neither axis may be counted as one with another.
    let batch = tensor::<f32>(&device, &[3, 4, 4], 2);
    agrees(&before(&batch)?, &sums(&batch, 4), 1e-6);
    Ok(())
}

/// The first element of an axis is a part of it.
#[test]
fn an_axis_may_be_read_at_0() -> Result<()> {
    let device = Device::best()?;
    let x = tensor::<f32>(&device, &[3, 4], 1);
    let first = Tensor::define("first", &[&x], TensorType::new(Scalar::F32, &[3]), |inputs, at| {
        inputs[0].at([at[0].clone(), ScalarExpr::constant(Scalar::I32, 0.0)])
    })?;
    let v = values(&x);
    agrees(&first, &[v[0], v[4], v[8]], 0.0);
    // A matrix whose columns are contiguous is not copied as one whose rows are.
    let product = x.matmul(&tensor::<f32>(&device, &[5, 4], 2).t()?)?;
    agrees(&product, &product.reference()?, 1e-6);
    Ok(())
}

/// Sums of what is not a product of two elements, though it reads two, are not taken for products.
#[test]
fn sums_of_two_elements_are_what_they_say() -> Result<()> {
    let device = Device::best().map_err(hidet_ops::Error::from)?;
    for dtype in [Scalar::F32, Scalar::F16] {
        let [x, y] = [tensor::<f16>(&device, &[40, 72], 1), tensor::<f16>(&device, &[24, 72], 2)];
        let [x, y] = [x.cast(dtype)?.compute()?, y.cast(dtype)?.compute()?].map(Tensor::from);
        let output = TensorType::new(dtype, &[40, 24]);
        let apart = Tensor::define_reduction("apart", &[&x, &y], output.clone(), (ReduceOp::Sum, &[72]), |i, at| {
            let a = i[0].at([at[0].clone(), at[2].clone()]).cast(Scalar::F32);
            let b = i[1].at([at[1].clone(), at[2].clone()]).cast(Scalar::F32);
            (&a - &b).max(&b - &a)
        })?;
        let whole = Tensor::define_reduction("whole", &[&x, &y], output, (ReduceOp::Sum, &[72]), |i, at| {
            // Conversions that lose something are part of a factor.
            let a = i[0].at([at[0].clone(), at[2].clone()]).cast(Scalar::I32).cast(Scalar::F32);
            a * i[1].at([at[1].clone(), at[2].clone()]).cast(Scalar::F32)
        })?;
        for result in [&apart, &whole] {
            let (found, wanted) = (result.elements()?, result.reference()?);
            let right = |(found, wanted): (&f64, &f64)| (found - wanted).abs() <= 0.02 * wanted.abs().max(1.0);
            assert!(found.iter().zip(&wanted).all(right), "{dtype}: {:?} instead of {:?}", &found[..4], &wanted[..4]);
        }
    }
    Ok(())
}

/// Several results of one graph, repeated for other inputs, by several threads; work that they share is done once.
#[test]
fn results_are_computed_again_for_other_inputs() -> Result<()> {
    let device = Device::best()?;
    let tensor = |values: &[f32]| Ok::<Tensor, hidet_ops::Error>(Tensor::from(&device.tensor(values, [2, 2])?));
    let (x, w) = (tensor(&[1.0, 2.0, 3.0, 4.0])?, tensor(&[1.0, 1.0, 0.0, -1.0])?);
    let product = x.matmul(&w)?;
    let (y, z) = (product.relu()?, product.sum(&[1], false)?);
    let replay = Replay::of(&[&x], &[&y, &z, &x])?;
    assert_eq!(replay.results()?[0].to_vec::<f32>()?, [1.0, 0.0, 3.0, 0.0]);
    let first = replay.run(&[&tensor(&[0.0, 1.0, 2.0, 0.0])?])?;
    // Rows may be apart: a transposed tensor is copied.
    let again = replay.run(&[&tensor(&[1.0, 0.0, 0.0, 1.0])?.t()?])?;
    assert_eq!(first[0].to_vec::<f32>()?, [0.0, 0.0, 2.0, 2.0]);
    assert_eq!(first[1].to_vec::<f32>()?, [-1.0, 4.0]);
    assert_eq!(first[2].to_vec::<f32>()?, [0.0, 1.0, 2.0, 0.0]);
    assert_eq!(again[0].to_vec::<f32>()?, [1.0, 1.0, 0.0, 0.0]);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4i16)
            .map(|at| {
                let (replay, x) = (&replay, tensor(&[f32::from(at), 0.0, 0.0, 0.0]).unwrap());
                scope.spawn(move || replay.run(&[&x]).unwrap()[1].to_vec::<f32>().unwrap())
            })
            .collect();
        for (at, run) in runs.into_iter().enumerate() {
            assert_eq!(run.join().unwrap(), [2.0 * at as f32, 0.0]);
        }
    });
    let says = |result: Result<()>, message: &str| assert_eq!(result.unwrap_err().to_string(), message);
    let wrong = replay.run(&[&x.sum(&[1], false)?]).map(|_| ());
    says(wrong, "`replay` of f32[2]: the launches are for f32[2, 2]");
    says(Replay::of(&[&x], &[]).map(|_| ()), "`replay` of f32[2, 2]: there is no output");
    Ok(())
}
