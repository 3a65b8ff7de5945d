//! Kernels of the examples, untouched, used from this other crate with prologues and epilogues of its own.

use hidet::prelude::*;
use hidet_examples::{matmul_tiled::matmul_tiled, softmax::softmax};

/// y = softmax(scale * x)
pub fn scaled_softmax<T: Float>() -> Template<(In<T, 2>, Expr<T>, Out<T, 2>)> {
    softmax::<T>().fuse("scaled_softmax", ["x", "scale", "y"], |(x, scale, y): (In<T, 2>, Expr<T>, Out<T, 2>)| {
        (x.map(move |v, _| v * scale), y)
    })
}

/// y = softmax(scale * x) of an `f16` x in `f32`: a prologue may change the type.
pub fn widened_softmax() -> Template<(In<f16, 2>, Expr<f32>, Out<f32, 2>)> {
    softmax::<f32>().fuse(
        "widened_softmax",
        ["x", "scale", "y"],
        |(x, scale, y): (In<f16, 2>, Expr<f32>, Out<f32, 2>)| (x.map(move |v, _| v.to::<f32>() * scale), y),
    )
}

/// Parameters of [`linear`]: scale, a, b, bias, residual, c.
pub type Linear = (Expr<f32>, In<f32, 2>, In<f32, 2>, In<f32, 1>, In<f32, 2>, Out<f32, 2>);

/// c = gelu((scale * a) * b + bias) + residual, in one launch.
pub fn linear() -> Template<Linear> {
    let names = ["scale", "a", "b", "bias", "residual", "c"];
    matmul_tiled::<f32>().fuse("linear", names, |(scale, a, b, bias, residual, c): Linear| {
        let gelu = |x: Expr<f32>| x * 0.5 * ((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0);
        let c = c.map_store(move |v, [i, j]| gelu(v + bias.read((j,))) + residual.read((i, j)));
        (a.map(move |v, _| v * scale), b, c)
    })
}
