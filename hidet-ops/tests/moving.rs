//! Operators that move elements, beside results written by hand.

#![allow(clippy::unwrap_used, clippy::panic)]

mod known;

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{PadMode, Result, Tensor};
use known::{counted, is, says, tensor};

#[test]
fn shapes_change() -> Result<()> {
    let device = Device::best()?;
    let x = counted(&device, &[2, 1, 3]);
    let all = [0, 1, 2, 3, 4, 5];
    is(x.squeeze(&[1]), &[2, 3], &all);
    is(x.squeeze(&[]), &[2, 1, 3], &all);
    is(x.unsqueeze(3), &[2, 1, 3, 1], &all);
    is(x.unsqueeze(0), &[1, 2, 1, 3], &all);
    is(x.flatten(1), &[2, 3], &all);
    is(x.flatten(0), &[6], &all);
    let scalar = tensor(&device, &[7], &[]);
    is(scalar.flatten(0), &[1], &[7]);
    is(scalar.unsqueeze(0), &[1], &[7]);
    is(scalar.expand(&[2, 2]), &[2, 2], &[7; 4]);
    is(x.expand(&[2, 2, 3]), &[2, 2, 3], &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
    is(x.expand(&[0, 2, 1, 3]), &[0, 2, 1, 3], &[0; 0]);
    // A tensor that is given is squeezed in memory.
    assert_eq!(x.squeeze(&[1])?.add(1.0)?.unsqueeze(1)?.kernels(), ["add_unsqueeze"]);
    says(x.squeeze(&[0]), "`squeeze` of i32[2, 1, 3]: axis 0 has 2 elements: only axes with one can be removed");
    says(x.squeeze(&[1, 1]), "`squeeze` of i32[2, 1, 3]: [1, 1] are not different axes of 3 axes, counted from 0");
    says(x.unsqueeze(4), "`unsqueeze` of i32[2, 1, 3]: the result has no axis 4: the new axis is one of 0 to 3");
    says(x.flatten(3), "`flatten` of i32[2, 1, 3]: it has no axis 3: axes are 0 to 2");
    says(scalar.flatten(1), "`flatten` of i32[]: it has no axis 1: it is a scalar");
    says(
        x.expand(&[2, 4]),
        "`expand` of i32[2, 1, 3]: it cannot be broadcast to [2, 4]: from the last axis on, its extents must be equal to \
         those, or 1",
    );
    says(
        scalar.expand(&[usize::MAX, 2]),
        "`expand` of i32[]: the result i32[18446744073709551615, 2] would have more than 2^40 elements",
    );
    Ok(())
}

#[test]
fn parts_are_taken_as_in_numpy() -> Result<()> {
    let device = Device::best()?;
    let x = counted(&device, &[10]);
    // As Python's range of `slice.indices`.
    let parts: [([i64; 3], &[i32]); 14] = [
        ([2, 5, 1], &[2, 3, 4]),
        ([2, 100, 3], &[2, 5, 8]),
        ([-3, -1, 1], &[7, 8]),
        ([-100, 2, 1], &[0, 1]),
        ([5, 2, 1], &[]),
        ([5, 2, -1], &[5, 4, 3]),
        ([100, -100, -4], &[9, 5, 1]),
        ([-1, -4, -1], &[9, 8, 7]),
        ([0, i64::MIN, -1], &[0]),
        ([i64::MAX, i64::MIN, i64::MIN], &[9]),
        ([i64::MIN, i64::MAX, i64::MAX], &[0]),
        ([0, 10, 1], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ([0, 9, 1], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ([10, 20, 1], &[]),
    ];
    for ([start, end, step], wanted) in parts {
        is(x.slice(&[(0, start, end, step)]), &[wanted.len()], wanted);
    }
    let m = counted(&device, &[3, 4]);
    is(m.slice(&[(1, -1, i64::MIN, -2), (0, 1, 3, 1)]), &[2, 2], &[7, 5, 11, 9]);
    is(counted(&device, &[0]).slice(&[(0, 0, 5, 1)]), &[0], &[0; 0]);
    is(m.flip(&[0]), &[3, 4], &[8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]);
    is(m.flip(&[1, 0]), &[3, 4], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    is(m.flip(&[]), &[3, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    is(m.roll(1, 1), &[3, 4], &[3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10]);
    for shift in [-1, 2, -4, i64::MIN + 2, i64::MAX] {
        let wanted: Vec<i32> =
            (0..12).map(|at| (i128::from(at) - i128::from(shift) * 4).rem_euclid(12) as i32).collect();
        let wanted: Vec<i32> = (0..12).map(|at| wanted[at as usize / 4 * 4] + at % 4).collect();
        is(m.roll(shift, 0), &[3, 4], &wanted);
    }
    is(counted(&device, &[0]).roll(3, 0), &[0], &[0; 0]);
    let parts = m.split(1, &[1, 0, 3])?;
    is(Ok(parts[0].clone()), &[3, 1], &[0, 4, 8]);
    is(Ok(parts[1].clone()), &[3, 0], &[0; 0]);
    is(Ok(parts[2].clone()), &[3, 3], &[1, 2, 3, 5, 6, 7, 9, 10, 11]);
    says(m.slice(&[(2, 0, 1, 1)]), "`slice` of i32[3, 4]: [2] are not different axes of 2 axes, counted from 0");
    says(
        m.slice(&[(1, 0, 1, 1), (1, 0, 1, 1)]),
        "`slice` of i32[3, 4]: [1, 1] are not different axes of 2 axes, counted from 0",
    );
    says(m.slice(&[(1, 0, 1, 0)]), "`slice` of i32[3, 4]: the step along axis 1 is 0: it must be positive or negative");
    says(m.flip(&[0, 3]), "`flip` of i32[3, 4]: [0, 3] are not different axes of 2 axes, counted from 0");
    says(m.roll(1, 2), "`roll` of i32[3, 4]: it has no axis 2: axes are 0 to 1");
    says(m.split(0, &[1, 1]), "`split` of i32[3, 4]: parts of [1, 1] elements are not together the 3 of axis 0");
    says(
        m.split(0, &[usize::MAX, 4]),
        "`split` of i32[3, 4]: parts of [18446744073709551615, 4] elements are not together the 3 of axis 0",
    );
    Ok(())
}

#[test]
fn tensors_are_joined() -> Result<()> {
    let device = Device::best()?;
    let (a, b) = (counted(&device, &[2, 2]), counted(&device, &[2, 3]));
    is(Tensor::concat(&[&a, &b], 1), &[2, 5], &[0, 1, 0, 1, 2, 2, 3, 3, 4, 5]);
    is(Tensor::concat(&[&a, &a], 0), &[4, 2], &[0, 1, 2, 3, 0, 1, 2, 3]);
    is(Tensor::concat(&[&a], 0), &[2, 2], &[0, 1, 2, 3]);
    let none = counted(&device, &[2, 0]);
    is(Tensor::concat(&[&none, &a, &none], 1), &[2, 2], &[0, 1, 2, 3]);
    is(Tensor::concat(&[&none, &none], 1), &[2, 0], &[0; 0]);
    is(Tensor::stack(&[&a, &a.add(5.0)?], 0), &[2, 2, 2], &[0, 1, 2, 3, 5, 6, 7, 8]);
    is(Tensor::stack(&[&a, &a.add(5.0)?], 2), &[2, 2, 2], &[0, 5, 1, 6, 2, 7, 3, 8]);
    // More than one kernel joins: 300 tensors of one to three elements.
    let parts: Vec<Tensor> =
        (0..300).map(|at| tensor(&device, &vec![at; at as usize % 3 + 1], &[at as usize % 3 + 1])).collect();
    let wanted: Vec<i32> = (0..300).flat_map(|at| vec![at; at as usize % 3 + 1]).collect();
    is(Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0), &[600], &wanted);
    // What is fused is computed of elements alone: of none, 4 / 0 would be a fault.
    let quotient = tensor(&device, &[4, 4], &[2]).div(&tensor(&device, &[1, 2], &[2]))?;
    let both = Tensor::concat(&[&quotient, &quotient], 0)?;
    assert_eq!(both.kernels().len(), 1);
    is(Ok(both), &[4], &[4, 2, 4, 2]);
    says(Tensor::concat(&[], 0), "`concat` of : it needs one tensor or more");
    says(
        Tensor::concat(&[&a, &b], 0),
        "`concat` of i32[2, 2] and i32[2, 3]: i32[2, 2] and i32[2, 3] differ in more than axis 0",
    );
    says(Tensor::concat(&[&a, &b], 2), "`concat` of i32[2, 2]: it has no axis 2: axes are 0 to 1");
    says(
        Tensor::concat(&[&a, &b.cast(Scalar::F32)?], 1),
        "`concat` of i32[2, 2] and f32[2, 3]: their elements have different types; convert them with `cast(Scalar::I32)`",
    );
    let scalar = tensor(&device, &[7], &[]);
    says(Tensor::concat(&[&scalar], 0), "`concat` of i32[]: it has no axis 0: it is a scalar");
    is(Tensor::stack(&[&scalar, &scalar], 0), &[2], &[7, 7]);
    says(Tensor::stack(&[], 0), "`stack` of : it needs one tensor or more");
    says(
        Tensor::stack(&[&a, &b], 0),
        "`stack` of i32[2, 2] and i32[2, 3]: i32[2, 2] and i32[2, 3] have different shapes",
    );
    says(Tensor::stack(&[&a], 3), "`stack` of i32[2, 2]: the result has no axis 3: the new axis is one of 0 to 2");
    Ok(())
}

#[test]
fn elements_are_repeated_and_padded() -> Result<()> {
    let device = Device::best()?;
    let (x, m) = (counted(&device, &[3]), counted(&device, &[2, 2]));
    is(x.tile(&[2]), &[6], &[0, 1, 2, 0, 1, 2]);
    is(m.tile(&[2, 2]), &[4, 4], &[0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3]);
    is(x.tile(&[0]), &[0], &[0; 0]);
    is(x.repeat_interleave(2, 0), &[6], &[0, 0, 1, 1, 2, 2]);
    is(m.repeat_interleave(3, 1), &[2, 6], &[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    is(x.add(1.0)?.pad(&[2], &[1], PadMode::Constant(9.0)), &[6], &[9, 9, 1, 2, 3, 9]);
    is(x.pad(&[2], &[2], PadMode::Reflect), &[7], &[2, 1, 0, 1, 2, 1, 0]);
    is(x.pad(&[2], &[1], PadMode::Edge), &[6], &[0, 0, 0, 1, 2, 2]);
    is(x.pad(&[4], &[4], PadMode::Wrap), &[11], &[2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    is(m.pad(&[1, 0], &[0, 1], PadMode::Constant(-1.0)), &[3, 3], &[-1, -1, -1, 0, 1, -1, 2, 3, -1]);
    is(m.pad(&[1, 1], &[1, 1], PadMode::Reflect), &[4, 4], &[3, 2, 3, 2, 1, 0, 1, 0, 3, 2, 3, 2, 1, 0, 1, 0]);
    is(counted(&device, &[0]).pad(&[1], &[1], PadMode::Constant(3.0)), &[2], &[3, 3]);
    is(counted(&device, &[1]).pad(&[2], &[1], PadMode::Wrap), &[4], &[0; 4]);
    is(tensor(&device, &[true], &[1]).pad(&[1], &[0], PadMode::Constant(0.0)), &[2], &[false, true]);
    // A sum of the part that is padded has no elements of the padding that is not 0.
    is(x.add(1.0)?.pad(&[2], &[2], PadMode::Constant(0.0))?.sum(&[0], false), &[], &[6]);
    says(x.tile(&[1, 2]), "`tile` of i32[3]: 2 repeats are given for 1 axes: each axis needs one");
    says(x.tile(&[usize::MAX]), "`tile` of i32[3]: the result would have more than 2^40 elements");
    says(x.tile(&[1 << 30]), "`tile` of i32[3]: an extent of the result is 3221225472: extents are less than 2^31");
    says(x.repeat_interleave(2, 1), "`repeat_interleave` of i32[3]: it has no axis 1: axes are 0 to 0");
    says(
        x.repeat_interleave(usize::MAX, 0),
        "`repeat_interleave` of i32[3]: the result would have more than 2^40 elements",
    );
    says(
        x.pad(&[], &[1], PadMode::Edge),
        "`pad` of i32[3]: 0 numbers of elements before are given for 1 axes: each axis needs one",
    );
    says(
        x.pad(&[1], &[1, 1], PadMode::Edge),
        "`pad` of i32[3]: 2 numbers of elements after are given for 1 axes: each axis needs one",
    );
    says(
        x.pad(&[1], &[1], PadMode::Constant(0.5)),
        "`pad` of i32[3]: i32 has no 0.5; convert the tensor with `cast` before",
    );
    says(
        x.pad(&[1], &[3], PadMode::Reflect),
        "`pad` of i32[3]: axis 0 has 3 elements, of which at most all but one can be reflected on a side, not 3",
    );
    says(
        counted(&device, &[0]).pad(&[1], &[0], PadMode::Wrap),
        "`pad` of i32[0]: axis 0 has no elements to repeat; pad with `PadMode::Constant`",
    );
    says(x.pad(&[usize::MAX], &[1], PadMode::Edge), "`pad` of i32[3]: the result would have more than 2^40 elements");
    Ok(())
}

/// Elements outside of a tensor are 0, also of one that is computed of others in the same kernel.
#[test]
fn what_is_read_outside_of_fused_operators_is_0() -> Result<()> {
    let device = Device::best()?;
    let x = counted(&device, &[3]).add(5.0)?;
    let around = Tensor::define("around", &[&x], x.ty().clone(), |inputs, at| {
        inputs[0].at([&at[0] - 1i64]) + inputs[0].at([&at[0] + 1i64])
    })?;
    assert_eq!(around.kernels(), ["add_around"]);
    is(Ok(around), &[3], &[6, 12, 6]);
    Ok(())
}

/// Terms of reductions compute with coordinates, in a kernel whose own are others or merged.
#[test]
fn terms_of_reductions_compute_with_coordinates() -> Result<()> {
    let device = Device::best()?;
    let x = counted(&device, &[2, 3, 4]);
    let ty = |shape: &[usize]| hidet_ops::TensorType::new(Scalar::I32, shape);
    let over = (hidet_ops::ReduceOp::Sum, [3, 4]);
    let sums = Tensor::define_reduction("weighted", &[&x], ty(&[2]), (over.0, &over.1), |inputs, at| {
        inputs[0].at(at.to_vec()) * &at[2]
    })?;
    let wanted: Vec<i32> = (0..2).map(|n| (0..12).map(|at| (n * 12 + at) * (at % 4)).sum()).collect();
    is(Ok(sums.clone()), &[2], &wanted);
    // The sums are subtracted from the elements that they are of, which are at coordinates in another order.
    let turned = x.permute(&[1, 2, 0])?.sub(&sums)?;
    let order: Vec<i32> = (0..24).map(|at| at % 2 * 12 + at / 2 - wanted[at as usize % 2]).collect();
    is(Ok(turned), &[3, 4, 2], &order);
    // Each element of a row has another weight, by its distance to the element of the result.
    let m = counted(&device, &[3, 3]);
    let near = Tensor::define_reduction("near", &[&m], ty(&[3, 3]), (over.0, &[3]), |inputs, at| {
        at[2].le(&at[1]).select(&inputs[0].at([at[0].clone(), at[2].clone()]), &at[0])
    })?;
    let rows = |at: i32| (0..3).map(|k| if k <= at % 3 { at / 3 * 3 + k } else { at / 3 }).sum::<i32>();
    let wanted: Vec<i32> = (0..9).map(rows).collect();
    is(near.t(), &[3, 3], &(0..9).map(|at| wanted[at as usize % 3 * 3 + at as usize / 3]).collect::<Vec<_>>());
    is(Ok(near), &[3, 3], &wanted);
    Ok(())
}

#[test]
fn permutations_and_conversions() -> Result<()> {
    let device = Device::best()?;
    let x = counted(&device, &[2, 3]);
    is(x.t(), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    is(x.permute(&[1, 0]), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    is(x.cast(Scalar::F32)?.sub(1.5)?.cast(Scalar::I8), &[2, 3], &[-1i8, 0, 0, 1, 2, 3]);
    says(counted(&device, &[3]).t(), "`t` of i32[3]: it needs two axes or more");
    Ok(())
}
