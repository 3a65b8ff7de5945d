//! Cases of operators that move elements, and of those that are made of them.

use super::{ALL, Case, Inputs, NUMBERS, SUMMED};
use crate::error::Result;
use crate::ops::{PadMode, ScatterMode};
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// An awkward shape with that many axes or more, of at most `most` elements.
fn shape(i: &mut Inputs, least: usize, most: usize) -> Vec<usize> {
    let rank = least + i.below(4 - least);
    let mut shape = i.shape_of(rank);
    while shape.iter().product::<usize>() > most {
        let at = i.below(rank);
        shape[at] = shape[at].div_ceil(2);
    }
    shape
}

/// A tensor that is in memory, or computed by an operator that is fused, of which 0 does not become 0.
fn given(i: &mut Inputs, shape: &[usize]) -> Result<Tensor> {
    let x = i.tensor(shape)?;
    if i.dtype() != Scalar::Bool && i.below(3) == 0 { x.add(1.0) } else { Ok(x) }
}

/// A tensor with that many axes or more, and one of its axes.
fn with_axis(i: &mut Inputs, most: usize) -> Result<(Tensor, usize)> {
    let shape = shape(i, 1, most);
    let axis = i.below(shape.len());
    Ok((given(i, &shape)?, axis))
}

/// Some of the axes of a tensor.
fn some_axes(i: &mut Inputs, x: &Tensor) -> Vec<usize> {
    (0..x.ty().rank()).filter(|_| i.below(2) == 0).collect()
}

/// Indices from -1 to the extent, which is outside, of both types.
fn indices(i: &mut Inputs, shape: &[usize], extent: usize) -> Result<Tensor> {
    let indices = i.indices(shape, extent + 2)?.sub(1.0)?;
    if i.below(2) == 0 { indices.cast(Scalar::I32) } else { Ok(indices) }
}

/// Extents that are at most those of a shape, but for one axis.
fn part_of(i: &mut Inputs, shape: &[usize], axis: usize) -> Vec<usize> {
    let mut part: Vec<usize> =
        shape.iter().map(|extent| if i.below(3) == 0 { i.below(extent + 1) } else { *extent }).collect();
    part[axis] = i.below(9);
    part
}

fn slice(i: &mut Inputs) -> Result<Tensor> {
    let shape = i.shape();
    let x = given(i, &shape)?;
    let mut parts = Vec::new();
    for axis in some_axes(i, &x) {
        let extent = x.shape()[axis];
        let mut bound = || i.below(3 * extent + 4) as i64 - extent as i64 - 2;
        let (start, end) = (bound(), bound());
        let step = [1, 1, 2, 3, 7, -1, -2, -5][i.below(8)];
        parts.push((axis, start, end, step));
    }
    x.slice(&parts)
}

fn concat(i: &mut Inputs) -> Result<Tensor> {
    let mut shape = shape(i, 1, 300);
    let axis = i.below(shape.len());
    let count = [1, 2, 3, 5, 16, 17, 35][i.below(7)];
    let mut tensors = Vec::new();
    for _ in 0..count {
        shape[axis] = i.below(5);
        tensors.push(given(i, &shape)?);
    }
    Tensor::concat(&tensors.iter().collect::<Vec<_>>(), axis)
}

fn pad(i: &mut Inputs) -> Result<Tensor> {
    let shape = shape(i, 0, 300);
    let x = given(i, &shape)?;
    let mode =
        [PadMode::Constant(1.0), PadMode::Constant(0.0), PadMode::Reflect, PadMode::Edge, PadMode::Wrap][i.below(5)];
    let mut number = |extent: usize| match mode {
        PadMode::Constant(_) => i.below(5),
        PadMode::Reflect => i.below(extent.min(5)),
        PadMode::Edge | PadMode::Wrap if extent == 0 => 0,
        PadMode::Edge | PadMode::Wrap => i.below(2 * extent + 1).min(9),
    };
    let before: Vec<usize> = shape.iter().map(|extent| number(*extent)).collect();
    let after: Vec<usize> = shape.iter().map(|extent| number(*extent)).collect();
    x.pad(&before, &after, mode)
}

fn scatter(i: &mut Inputs) -> Result<Tensor> {
    let (x, axis) = with_axis(i, 400)?;
    let part = part_of(i, x.shape(), axis);
    let (indices, updates) = (indices(i, &part, x.shape()[axis])?, given(i, &part)?);
    let mode = match i.dtype() {
        Scalar::Bool => ScatterMode::Set,
        _ => [ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul, ScatterMode::Max, ScatterMode::Min][i.below(5)],
    };
    x.scatter(&indices, &updates, axis, mode)
}

fn einsum(i: &mut Inputs) -> Result<Tensor> {
    let equations: [(&str, &[&str]); 14] = [
        ("ij,jk->ik", &["ij", "jk"]),
        ("ij,kj", &["ij", "kj"]),
        ("bij,bjk->bik", &["bij", "bjk"]),
        ("...ij,...jk", &["bij", "bjk"]),
        ("...ij,jk->...ki", &["bij", "jk"]),
        ("bhqd,bhkd->bhqk", &["bhqd", "bhkd"]),
        ("ii->i", &["ii"]),
        ("ii,ij->j", &["ii", "ij"]),
        ("ij->", &["ij"]),
        ("ji", &["ji"]),
        ("i,j->ij", &["i", "j"]),
        (",i", &["", "i"]),
        ("ij,jk,kl->il", &["ij", "jk", "kl"]),
        ("a,ab,bc,c->", &["a", "ab", "bc", "c"]),
    ];
    let (equation, operands) = equations[i.below(equations.len())];
    let extents: Vec<usize> = (0..26).map(|_| [1, 2, 3, 4, 7, 8, 9][i.below(7)]).collect();
    let mut tensors = Vec::new();
    for labels in operands {
        let mut shape: Vec<usize> = labels.bytes().map(|label| extents[usize::from(label - b'a')]).collect();
        // Axes of an ellipsis are broadcast.
        if equation.starts_with("...") && shape.len() == 3 && i.below(3) == 0 {
            shape[0] = 1;
        }
        tensors.push(i.tensor(&shape)?);
    }
    Tensor::einsum(equation, &tensors.iter().collect::<Vec<_>>())
}

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    [shapes(), joins(), indexed(), ordered()].into_iter().flatten().collect()
}

/// Other shapes, parts and orders.
fn shapes() -> Vec<Case> {
    let case = |operator, apply| Case { operator, dtypes: ALL, apply };
    vec![
        case("permute", |i| {
            let shape = i.shape();
            let x = given(i, &shape)?;
            let mut order: Vec<usize> = (0..shape.len()).collect();
            (1..shape.len()).for_each(|at| order.swap(at, i.below(at + 1)));
            x.permute(&order)
        }),
        case("t", |i| {
            let shape = shape(i, 2, 3000);
            given(i, &shape)?.t()
        }),
        case("cast", |i| {
            let (x, to) = (i.any()?, ALL[i.below(ALL.len())]);
            x.cast(to)
        }),
        case("squeeze", |i| {
            let mut shape = i.shape();
            let axes: Vec<usize> = (0..shape.len()).filter(|_| i.below(2) == 0).collect();
            axes.iter().for_each(|axis| shape[*axis] = 1);
            given(i, &shape)?.squeeze(&axes)
        }),
        case("unsqueeze", |i| {
            let shape = i.shape();
            let axis = i.below(shape.len() + 1);
            given(i, &shape)?.unsqueeze(axis)
        }),
        case("flatten", |i| {
            let shape = i.shape();
            let from = i.below(shape.len());
            given(i, &shape)?.flatten(from)
        }),
        case("expand", |i| {
            let to = i.shape();
            let mut shape: Vec<usize> = to.iter().map(|extent| if i.below(2) == 0 { 1 } else { *extent }).collect();
            shape.drain(..i.below(to.len() + 1));
            given(i, &shape)?.expand(&to)
        }),
        case("slice", slice),
        case("flip", |i| {
            let shape = i.shape();
            let x = given(i, &shape)?;
            x.flip(&some_axes(i, &x))
        }),
        case("roll", |i| {
            let (x, axis) = with_axis(i, 3000)?;
            let shift = i.below(100) as i64 - 50;
            x.roll(shift, axis)
        }),
        case("split", |i| {
            let (x, axis) = with_axis(i, 3000)?;
            let first = i.below(x.shape()[axis] + 1);
            let second = i.below(x.shape()[axis] - first + 1);
            let parts = x.split(axis, &[first, second, x.shape()[axis] - first - second])?;
            Ok(parts[i.below(3)].clone())
        }),
        case("triu", |i| {
            let shape = shape(i, 2, 3000);
            let diagonal = i.below(20) as i64 - 10;
            given(i, &shape)?.triu(diagonal)
        }),
        case("tril", |i| {
            let shape = shape(i, 2, 3000);
            let diagonal = i.below(20) as i64 - 10;
            given(i, &shape)?.tril(diagonal)
        }),
    ]
}

/// Tensors that are joined, repeated and padded.
fn joins() -> Vec<Case> {
    let case = |operator, apply| Case { operator, dtypes: ALL, apply };
    vec![
        case("concat", concat),
        case("stack", |i| {
            let shape = shape(i, 0, 300);
            let axis = i.below(shape.len() + 1);
            let count = [1, 2, 3, 7, 18][i.below(5)];
            let tensors = (0..count).map(|_| given(i, &shape)).collect::<Result<Vec<Tensor>>>()?;
            Tensor::stack(&tensors.iter().collect::<Vec<_>>(), axis)
        }),
        case("tile", |i| {
            let shape = shape(i, 0, 200);
            let repeats: Vec<usize> = shape.iter().map(|_| [1, 2, 3, 1, 0, 5][i.below(6)]).collect();
            given(i, &shape)?.tile(&repeats)
        }),
        case("repeat_interleave", |i| {
            let (x, axis) = with_axis(i, 500)?;
            let count = [1, 2, 3, 0, 7][i.below(5)];
            x.repeat_interleave(count, axis)
        }),
        case("pad", pad),
    ]
}

/// Elements at indices.
fn indexed() -> Vec<Case> {
    let case = |operator, apply| Case { operator, dtypes: ALL, apply };
    vec![
        case("take", |i| {
            let (x, axis) = with_axis(i, 200)?;
            let shape: Vec<usize> = (0..i.below(3)).map(|_| i.below(7)).collect();
            let indices = indices(i, &shape, x.shape()[axis])?;
            x.take(&indices, axis)
        }),
        case("gather", |i| {
            let (x, axis) = with_axis(i, 1000)?;
            let part = part_of(i, x.shape(), axis);
            let indices = indices(i, &part, x.shape()[axis])?;
            x.gather(&indices, axis)
        }),
        case("scatter", scatter),
        case("one_hot", |i| {
            let (shape, depth) = (shape(i, 0, 100), i.below(10));
            let dtype = i.dtype();
            indices(i, &shape, depth)?.one_hot(depth, dtype)
        }),
        case("embedding", |i| {
            let table = i.shape_of(2);
            let shape: Vec<usize> = (0..i.below(3)).map(|_| i.below(7)).collect();
            let (x, ids) = (given(i, &table)?, indices(i, &shape, table[0])?);
            x.embedding(&ids)
        }),
    ]
}

/// Sums up to each element, elements in order, and products by equations.
fn ordered() -> Vec<Case> {
    vec![
        Case {
            operator: "cumsum",
            dtypes: SUMMED,
            apply: |i| {
                let (x, axis) = with_axis(i, 600)?;
                x.cumsum(axis, i.below(2) == 0, i.below(2) == 0)
            },
        },
        Case {
            operator: "argsort",
            dtypes: ALL,
            apply: |i| {
                let (x, axis) = with_axis(i, 200)?;
                x.argsort(axis, i.below(2) == 0)
            },
        },
        Case {
            operator: "sort",
            dtypes: ALL,
            apply: |i| {
                let (x, axis) = with_axis(i, 200)?;
                let (values, numbers) = x.sort(axis, i.below(2) == 0)?;
                Ok(if i.below(3) == 0 { numbers } else { values })
            },
        },
        Case {
            operator: "topk",
            dtypes: NUMBERS,
            apply: |i| {
                let (x, axis) = with_axis(i, 200)?;
                let k = i.below(x.shape()[axis] + 1);
                let (values, numbers) = x.topk(k, axis, i.below(2) == 0)?;
                Ok(if i.below(3) == 0 { numbers } else { values })
            },
        },
        Case { operator: "einsum", dtypes: SUMMED, apply: einsum },
    ]
}
