//! Elements at indices, in order, and products by equations, beside results written by hand or by a loop.

#![allow(clippy::unwrap_used, clippy::panic)]

mod known;

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Result, ScatterMode, Tensor};
use known::{counted, is, says, tensor};

#[test]
fn elements_are_taken_at_indices() -> Result<()> {
    let device = Device::best()?;
    let m = counted(&device, &[3, 4]);
    let rows = tensor(&device, &[2i64, 0, -1, -3], &[2, 2]);
    is(m.take(&rows, 0), &[2, 2, 4], &[8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3]);
    is(m.take(&tensor(&device, &[1i32], &[]), 1), &[3], &[1, 5, 9]);
    is(m.embedding(&tensor(&device, &[1i32, 1], &[2])), &[2, 4], &[4, 5, 6, 7, 4, 5, 6, 7]);
    // Outside: before the first, behind the last, and far away.
    let outside = tensor(&device, &[1i64, -4, 3, i64::MIN, i64::MAX, 1 << 32], &[6]);
    let column = counted(&device, &[3]);
    let none = i32::MIN;
    is(column.take(&outside, 0), &[6], &[1, none, none, none, none, none]);
    is(column.cast(Scalar::U8)?.take(&outside, 0), &[6], &[1u8, 255, 255, 255, 255, 255]);
    is(column.cast(Scalar::U64)?.take(&outside, 0), &[6], &[1u64, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX]);
    is(column.cast(Scalar::I64)?.take(&outside, 0)?.slice(&[(0, 0, 2, 1)]), &[2], &[1i64, i64::MIN]);
    is(column.cast(Scalar::Bool)?.take(&outside, 0), &[6], &[true, false, false, false, false, false]);
    let floats = column.cast(Scalar::F16)?.take(&outside, 0)?.elements()?;
    assert!(floats[0] == 1.0 && floats[1..].iter().all(|x| x.is_nan()), "{floats:?}");
    is(counted(&device, &[0]).take(&tensor(&device, &[0i64], &[1]), 0), &[1], &[none]);
    is(m.gather(&tensor(&device, &[0i64, 3, -1, 1], &[2, 2]), 1), &[2, 2], &[0, 3, 7, 5]);
    is(m.gather(&tensor(&device, &[2i64, 0, -1], &[1, 3]), 0), &[1, 3], &[8, 1, 10]);
    is(m.gather(&tensor(&device, &[3i64, 0, -9], &[1, 3]), 0), &[1, 3], &[none, 1, none]);
    // What is fused into it is computed at indices alone.
    let y = m.add(1.0)?.take(&rows, 0)?.mul(2.0)?;
    assert_eq!(y.kernels(), ["add_take_mul"]);
    is(y.sum(&[0, 1], false), &[4], &[40, 48, 56, 64]);
    says(m.take(&rows, 2), "`take` of i32[3, 4]: it has no axis 2: axes are 0 to 1");
    let floats = rows.cast(Scalar::F32)?;
    let wanted = "indices are i32 or i64, not f32; convert them with `cast(Scalar::I64)`";
    says(m.take(&floats, 0), &format!("`take` of i32[3, 4] and f32[2, 2]: {wanted}"));
    says(m.gather(&floats, 0), &format!("`gather` of i32[3, 4] and f32[2, 2]: {wanted}"));
    says(m.embedding(&floats), &format!("`embedding` of i32[3, 4] and f32[2, 2]: {wanted}"));
    says(floats.one_hot(3, Scalar::F32), &format!("`one_hot` of f32[2, 2]: {wanted}"));
    says(
        column.embedding(&rows),
        "`embedding` of i32[3] and i64[2, 2]: the table must have two axes, rows and their elements",
    );
    says(m.gather(&rows, 2), "`gather` of i32[3, 4]: it has no axis 2: axes are 0 to 1");
    says(
        m.gather(&tensor(&device, &[1i64], &[1]), 0),
        "`gather` of i32[3, 4] and i64[1]: indices must have 2 axes as the tensor, not 1",
    );
    says(
        column.unsqueeze(1)?.gather(&rows, 0),
        "`gather` of i32[3, 1] and i64[2, 2]: along axis 1 there may be at most 1 indices, not 2",
    );
    Ok(())
}

#[test]
fn elements_are_updated_at_indices() -> Result<()> {
    let device = Device::best()?;
    let x = tensor(&device, &[10i32, 20, 30, 40], &[4]);
    let indices = tensor(&device, &[1i64, -1, 1, 9, -9], &[5]);
    let updates = tensor(&device, &[2, 3, 4, 5, 6], &[5]);
    let scattered = |mode| x.scatter(&indices, &updates, 0, mode);
    is(scattered(ScatterMode::Set), &[4], &[10, 4, 30, 3]);
    is(scattered(ScatterMode::Add), &[4], &[10, 26, 30, 43]);
    is(scattered(ScatterMode::Mul), &[4], &[10, 160, 30, 120]);
    is(scattered(ScatterMode::Max), &[4], &[10, 20, 30, 40]);
    is(scattered(ScatterMode::Min), &[4], &[10, 2, 30, 3]);
    // Bytes go around as bytes.
    let bytes = x.cast(Scalar::U8)?.scatter(&indices, &updates.mul(50.0)?.cast(Scalar::U8)?, 0, ScatterMode::Mul);
    let wanted = (20u8).wrapping_mul(100).wrapping_mul(200);
    is(bytes, &[4], &[10u8, wanted, 30, 40u8.wrapping_mul(150)]);
    let m = counted(&device, &[2, 3]);
    let rows = tensor(&device, &[1i32, 0], &[1, 2]);
    is(m.scatter(&rows, &tensor(&device, &[7, 8], &[1, 2]), 0, ScatterMode::Set), &[2, 3], &[0, 8, 2, 7, 4, 5]);
    let none = counted(&device, &[0]);
    for mode in [ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul, ScatterMode::Max, ScatterMode::Min] {
        is(x.scatter(&none, &none, 0, mode), &[4], &[10, 20, 30, 40]);
    }
    let flags = tensor(&device, &[true, false], &[2]);
    is(
        flags.scatter(&tensor(&device, &[0i32], &[1]), &tensor(&device, &[false], &[1]), 0, ScatterMode::Set),
        &[2],
        &[false, false],
    );
    says(
        x.scatter(&indices, &x, 0, ScatterMode::Set),
        "`scatter` of i32[4], i64[5] and i32[4]: updates must be i32[5]",
    );
    says(x.scatter(&indices, &updates, 1, ScatterMode::Set), "`scatter` of i32[4]: it has no axis 1: axes are 0 to 0");
    says(
        x.scatter(&flags, &updates, 0, ScatterMode::Set),
        "`scatter` of i32[4], bool[2] and i32[5]: indices are i32 or i64, not bool; convert them with `cast(Scalar::I64)`",
    );
    says(
        m.scatter(&indices, &updates, 0, ScatterMode::Set),
        "`scatter` of i32[2, 3], i64[5] and i32[5]: indices must have 2 axes as the tensor, not 1",
    );
    says(
        flags.scatter(&indices, &updates.cast(Scalar::Bool)?, 0, ScatterMode::Add),
        "`scatter` of bool[2], i64[5] and bool[5]: bool can only be updated by `ScatterMode::Set`",
    );
    Ok(())
}

#[test]
fn triangles_and_places_are_selected() -> Result<()> {
    let device = Device::best()?;
    let m = counted(&device, &[2, 3]).add(1.0)?;
    is(m.triu(0), &[2, 3], &[1, 2, 3, 0, 5, 6]);
    is(m.triu(1), &[2, 3], &[0, 2, 3, 0, 0, 6]);
    is(m.tril(0), &[2, 3], &[1, 0, 0, 4, 5, 0]);
    is(m.tril(-1), &[2, 3], &[0, 0, 0, 4, 0, 0]);
    is(m.tril(i64::MAX), &[2, 3], &[1, 2, 3, 4, 5, 6]);
    is(m.triu(i64::MAX), &[2, 3], &[0; 6]);
    says(m.flatten(0)?.triu(0), "`triu` of i32[6]: it needs two axes or more");
    says(m.flatten(0)?.tril(0), "`tril` of i32[6]: it needs two axes or more");
    let ids = tensor(&device, &[0i64, 2, -1, 3, -4], &[5]);
    is(ids.one_hot(3, Scalar::F32), &[5, 3], &[1f32, 0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 0., 0., 0., 0.]);
    is(tensor(&device, &[1i32], &[]).one_hot(2, Scalar::Bool), &[2], &[false, true]);
    says(
        ids.one_hot(usize::MAX, Scalar::F32),
        "`one_hot` of i64[5]: the result f32[5, 18446744073709551615] would have more than 2^40 elements",
    );
    Ok(())
}

#[test]
fn sums_up_to_each_element() -> Result<()> {
    let device = Device::best()?;
    let x = tensor(&device, &[1i64, 2, 3, 4], &[4]);
    is(x.cumsum(0, false, false), &[4], &[1i64, 3, 6, 10]);
    is(x.cumsum(0, true, false), &[4], &[0i64, 1, 3, 6]);
    is(x.cumsum(0, false, true), &[4], &[10i64, 9, 7, 4]);
    is(x.cumsum(0, true, true), &[4], &[9i64, 7, 4, 0]);
    let m = counted(&device, &[2, 2, 2]);
    is(m.cumsum(1, false, false), &[2, 2, 2], &[0, 1, 2, 4, 4, 5, 10, 12]);
    is(m.add(1.0)?.cumsum(0, true, true), &[2, 2, 2], &[5, 6, 7, 8, 0, 0, 0, 0]);
    is(counted(&device, &[0]).cumsum(0, true, true), &[0], &[0; 0]);
    says(m.cumsum(3, false, false), "`cumsum` of i32[2, 2, 2]: it has no axis 3: axes are 0 to 2");
    says(
        m.cast(Scalar::I8)?.cumsum(0, false, false),
        "`cumsum` of i8[2, 2, 2]: sums of i8 are not supported; convert the tensor with `cast` before",
    );
    Ok(())
}

/// The order of the host: stable, and NaN larger than any number.
fn sorted(values: &[f32], descending: bool) -> Vec<i64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let less = |a: f32, b: f32| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        _ => a.partial_cmp(&b).unwrap(),
    };
    order.sort_by(|a, b| if descending { less(values[*b], values[*a]) } else { less(values[*a], values[*b]) });
    order.iter().map(|at| *at as i64).collect()
}

#[test]
fn elements_are_sorted() -> Result<()> {
    let device = Device::best()?;
    let values = [3.0, f32::NAN, -1.0, 3.0, f32::INFINITY, 0.0, -0.0, f32::NAN, f32::NEG_INFINITY, 2.5];
    let x = tensor(&device, &values, &[10]);
    for descending in [false, true] {
        let order = sorted(&values, descending);
        is(x.argsort(0, descending), &[10], &order);
        let (found, numbers) = x.sort(0, descending)?;
        is(Ok(numbers), &[10], &order);
        let wanted: Vec<f32> = order.iter().map(|at| values[*at as usize]).collect();
        let found: Vec<f32> = found.to_vec()?;
        assert!(found.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits()), "{found:?} instead of {wanted:?}");
        let (best, numbers) = x.topk(3, 0, descending)?;
        is(Ok(numbers), &[3], &order[..3]);
        assert_eq!(best.shape(), [3]);
    }
    let many: Vec<f32> = (0..200).map(|at| ((at * 37) % 61) as f32).collect();
    is(tensor(&device, &many, &[200]).argsort(0, false), &[200], &sorted(&many, false));
    // Columns next to each other, each in its own order.
    let columns: Vec<f32> =
        (0..8).flat_map(|c| sorted(&many[c * 20..c * 20 + 20], false)).map(|at| at as f32).collect();
    let columns = tensor(&device, &columns, &[8, 20]).t()?;
    let wanted: Vec<f32> = (0..160).map(|at| (at / 8) as f32).collect();
    is(Ok(Tensor::from(columns.add(0.0)?.compute()?).sort(0, false)?.0), &[20, 8], &wanted);
    // So many that they are exchanged in pairs.
    let more: Vec<f32> = (0..1500).map(|at| if at % 97 == 5 { f32::NAN } else { ((at * 37) % 611) as f32 }).collect();
    for descending in [false, true] {
        let x = tensor(&device, &more, &[1500]);
        let order = sorted(&more, descending);
        is(x.argsort(0, descending), &[1500], &order);
        is(Ok(x.topk(7, 0, descending)?.1), &[7], &sorted(&more, descending)[..7]);
        let rows = tensor(&device, &more, &[2, 750]);
        let both = [sorted(&more[..750], descending), sorted(&more[750..], descending)].concat();
        is(rows.argsort(1, descending), &[2, 750], &both);
        is(Tensor::from(rows.t()?.mul(1.0)?.compute()?).argsort(0, descending)?.t(), &[2, 750], &both);
    }
    let m = tensor(&device, &[3, 1, 2, 1, 1, 0], &[2, 3]);
    is(Ok(m.sort(1, false)?.0), &[2, 3], &[1, 2, 3, 0, 1, 1]);
    is(Ok(m.sort(0, true)?.0), &[2, 3], &[3, 1, 2, 1, 1, 0]);
    is(Ok(m.topk(1, 1, false)?.0), &[2, 1], &[1, 0]);
    is(Ok(m.topk(0, 1, true)?.0), &[2, 0], &[0; 0]);
    is(tensor(&device, &[true, false, true], &[3]).argsort(0, false), &[3], &[1i64, 0, 2]);
    is(tensor(&device, &[u64::MAX, 0, 1 << 63], &[3]).argsort(0, true), &[3], &[0i64, 2, 1]);
    says(m.argsort(2, true), "`argsort` of i32[2, 3]: it has no axis 2: axes are 0 to 1");
    says(m.sort(2, true), "`sort` of i32[2, 3]: it has no axis 2: axes are 0 to 1");
    says(m.topk(1, 2, true), "`topk` of i32[2, 3]: it has no axis 2: axes are 0 to 1");
    says(m.topk(4, 1, true), "`topk` of i32[2, 3]: axis 1 has 3 elements, of which 4 cannot be taken");
    Ok(())
}

#[test]
fn products_are_summed_by_equations() -> Result<()> {
    let device = Device::best()?;
    let (a, b) = (counted(&device, &[2, 3]), counted(&device, &[3, 2]));
    is(Tensor::einsum("ij,jk->ik", &[&a, &b]), &[2, 2], &[10, 13, 28, 40]);
    is(Tensor::einsum(" ij, jk ", &[&a, &b]), &[2, 2], &[10, 13, 28, 40]);
    is(Tensor::einsum("ij->ji", &[&a]), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    is(Tensor::einsum("ji", &[&a]), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    // Capital letters come first.
    is(Tensor::einsum("aB", &[&a]), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    is(Tensor::einsum("ij->", &[&a]), &[], &[15]);
    is(Tensor::einsum("ij,ij->i", &[&a, &a]), &[2], &[5, 50]);
    let square = counted(&device, &[3, 3]);
    is(Tensor::einsum("ii->i", &[&square]), &[3], &[0, 4, 8]);
    is(Tensor::einsum("ii", &[&square]), &[], &[12]);
    is(Tensor::einsum("ii,i->", &[&square, &counted(&device, &[3])]), &[], &[20]);
    let (u, v) = (counted(&device, &[2]), counted(&device, &[3]));
    is(Tensor::einsum("i,j", &[&u, &v]), &[2, 3], &[0, 0, 0, 0, 1, 2]);
    is(Tensor::einsum(",i", &[&tensor(&device, &[3], &[]), &v]), &[3], &[0, 3, 6]);
    // Three and four operands, one of which has a label that no other has.
    is(Tensor::einsum("ij,jk,kl->il", &[&a, &b, &a]), &[2, 3], &[39, 62, 85, 120, 188, 256]);
    is(Tensor::einsum("i,ij,j,k->", &[&u, &a, &v, &v]), &[], &[42]);
    // Axes of an ellipsis are broadcast, and are summed over if the result lacks them.
    let batch = counted(&device, &[2, 2, 3]);
    let wanted: Vec<i32> = (0..2)
        .flat_map(|n| {
            (0..2).flat_map(move |i| (0..2).map(move |k| (0..3).map(|j| (n * 6 + i * 3 + j) * (j * 2 + k)).sum()))
        })
        .collect();
    is(Tensor::einsum("...ij,...jk", &[&batch, &b]), &[2, 2, 2], &wanted);
    is(Tensor::einsum("...ij,jk->...ik", &[&batch, &b]), &[2, 2, 2], &wanted);
    is(Tensor::einsum("...ij,...jk", &[&batch, &b.unsqueeze(0)?]), &[2, 2, 2], &wanted);
    is(Tensor::einsum("...i->i", &[&a]), &[3], &[3, 5, 7]);
    is(Tensor::einsum("...", &[&a]), &[2, 3], &[0, 1, 2, 3, 4, 5]);
    // Sums of f16 are not rounded in between: 2048 + 1 is 2048 in f16.
    let ones = tensor(&device, &[1f32; 2050], &[2050]).cast(Scalar::F16)?;
    assert_eq!(Tensor::einsum("i,i->", &[&ones, &ones])?.elements()?, [2050.0]);
    // The second matrix has its columns next to each other.
    let (f, g) = (a.cast(Scalar::F32)?, b.t()?.cast(Scalar::F32)?);
    f.compute()?;
    g.compute()?;
    for product in [Tensor::einsum("ij,kj->ik", &[&f, &g]), f.matmul(&g.t()?)] {
        is(product, &[2, 2], &[10f32, 13.0, 28.0, 40.0]);
    }
    is(Tensor::einsum("ij->i", &[&counted(&device, &[2, 0])]), &[2], &[0, 0]);
    let says = |equation: &str, why: &str| {
        says(Tensor::einsum(equation, &[&a, &b]), &format!("`einsum` of i32[2, 3] and i32[3, 2]: {why}"));
    };
    says("ij", "`ij` has labels of 1 operands, but there are 2");
    says("ij,jk->iq", "`q` of the result is not a label of an operand");
    says("ij,jk->ii", "`i` is twice in the result");
    says("ij,ik", "axes `i` have 2 and 3 elements: they must be equal");
    says("ij,jkl", "3 letters are given for the axes of i32[3, 2]; `...` stands for other axes");
    says("ij,j", "1 letters are given for the axes of i32[3, 2]; `...` stands for other axes");
    says("i1,jk", "`i1` has `1`, but labels are letters, and `...` once for other axes");
    says("...i...,jk", "`i...` has `.`, but labels are letters, and `...` once for other axes");
    says("...,...", "axes of `...` have 2 and 3 elements: extents must be equal, or one of them 1");
    let refused = |tensors: &[&Tensor]| Tensor::einsum("i,i", tensors).unwrap_err().to_string();
    assert_eq!(refused(&[]), "`einsum` of : it needs one tensor or more");
    assert_eq!(
        refused(&[&u, &u.cast(Scalar::F32)?]),
        "`einsum` of i32[2] and f32[2]: their elements have different types; convert them with `cast(Scalar::I32)`"
    );
    let bytes = u.cast(Scalar::U8)?;
    assert_eq!(
        refused(&[&bytes, &bytes]),
        "`einsum` of u8[2] and u8[2]: products of u8 are not supported; convert them with `cast(Scalar::F32)`"
    );
    Ok(())
}

/// More elements than a block sorts: chunks are merged, or keep as many as are wanted; keys of 32 and of 64 bits.
#[test]
fn many_elements_are_sorted() -> Result<()> {
    let device = Device::best()?;
    for len in [4097, 9000] {
        let values: Vec<f32> = (0..len).map(|at| ((at * 7919 + 13) % 1009) as f32 - 500.0).collect();
        let mut wide: Vec<(i64, i64)> = values.iter().enumerate().map(|(at, v)| (*v as i64 * 3, at as i64)).collect();
        let x = tensor(&device, &values, &[len]);
        for descending in [false, true] {
            let order = sorted(&values, descending);
            is(x.argsort(0, descending), &[len], &order);
            is(Ok(x.topk(70, 0, descending)?.1), &[70], &order[..70]);
            is(Ok(x.topk(2000, 0, descending)?.1), &[2000], &order[..2000]);
        }
        let keys: Vec<i64> = wide.iter().map(|(key, _)| *key << 20).collect();
        wide.sort();
        let order: Vec<i64> = wide.into_iter().map(|(_, at)| at).collect();
        let y = tensor(&device, &keys, &[len]);
        is(y.argsort(0, false), &[len], &order);
        is(Ok(y.topk(100, 0, false)?.1), &[100], &order[..100]);
    }
    Ok(())
}

/// Lines of which a block adds the terms, several per thread and in several steps; along the last axis and another one.
#[test]
fn long_lines_are_added() -> Result<()> {
    let device = Device::best()?;
    for (shape, axis) in [([2, 33], 1), ([3, 1000], 1), ([1, 5000], 1), ([77, 3], 0), ([4100, 2], 0)] {
        let values: Vec<i64> = (0..shape[0] * shape[1]).map(|at| (at * 37 % 101) as i64 - 50).collect();
        let x = tensor(&device, &values, &shape).cast(Scalar::F32)?;
        let at =
            |line: usize, number: usize| if axis == 1 { line * shape[1] + number } else { number * shape[1] + line };
        let mut wanted = vec![0.0f32; values.len()];
        for line in 0..shape[1 - axis] {
            let mut sum = 0;
            for number in 0..shape[axis] {
                sum += values[at(line, number)] + 1;
                wanted[at(line, number)] = sum as f32;
            }
        }
        is(x.add(1.0)?.cumsum(axis, false, false), &shape, &wanted);
    }
    Ok(())
}

/// Parts of tensors that begin anywhere, read at computed places and converted to narrower elements, of which more are stored
/// at once than are read.
#[test]
fn parts_that_begin_anywhere_are_read() -> Result<()> {
    let device = Device::best()?;
    let values: Vec<f32> = (0..4 * 64 + 8).map(|at| (at % 100) as f32).collect();
    let flat = device.tensor(&values, [values.len()])?;
    for first in 0..5 {
        let x = Tensor::from(flat.raw().view(first, &[4, 64])?);
        for (from, to) in [(0, 64), (4, 36), (8, 40), (16, 64)] {
            for dtype in [Scalar::U8, Scalar::F16, Scalar::I32] {
                let y = x.slice(&[(1, from, to, 1)])?.cast(dtype)?;
                assert_eq!(y.elements()?, y.reference()?, "{dtype}, {from} to {to} of what begins at {first}");
            }
        }
    }
    Ok(())
}
