//! Attention: softmax(q * transposed k / sqrt(d)) * v, for 16-bit floats and heads of 64 and 128, causal or not.

use super::contestant::Contestant;
use super::problem::{Engine, Family, Make, Problem, Work, random, say, share};
use super::sample::{Elements, error, judge, on_all_cores, places};
use crate::check::numbers::{Real, ulp};
use crate::examples::hard::flash_attention::flash_attention;
use hidet::prelude::*;

/// The families: each type, extent of a head and mask.
pub fn families() -> Vec<Family> {
    [family::<f16, 64>(), family::<bf16, 64>(), family::<f16, 128>(), family::<bf16, 128>()]
        .into_iter()
        .flatten()
        .collect()
}

fn family<T: Real + Float, const D: i32>() -> [Family; 2] {
    let family = |causal: bool, open| Family {
        kernels: vec![name::<T, D>(causal)],
        baselines: &[],
        axes: &["heads", "len"],
        // 8 x 16 heads of 64, and 4 x 32 heads of 128.
        shapes: vec![vec![128, 2048]],
        small: vec![2, 200],
        open,
    };
    [family(false, open::<T, D, false>), family(true, open::<T, D, true>)]
}

fn name<T: Real, const D: i32>(causal: bool) -> String {
    format!("flash_attention<{}, {D}{}>", T::NAME, if causal { ", causal" } else { "" })
}

fn open<T: Real + Float, const D: i32, const CAUSAL: bool>(
    device: &Device,
    shape: &[usize],
) -> Result<Problem, String> {
    let &[heads, len] = shape else { return Err("attention has two extents, as in 128x2048".to_owned()) };
    let shape = [heads, len, D as usize];
    let inputs = [1, 2, 3].map(|seed| random::<T, 3>(device, shape, seed));
    let [q, k, v] = inputs;
    let (q, k, v) = (q?, k?, v?);
    let o: Tensor<T, 3> = device.empty(shape).map_err(say)?;
    let name = name::<T, D>(CAUSAL);
    let make: Make = {
        let (device, name) = (device.clone(), name.clone());
        let (q, k, v, o) = (share(&q)?, share(&k)?, share(&v)?, share(&o)?);
        Box::new(move || {
            let (q, k, v, mut o) = (share(&q)?, share(&k)?, share(&v)?, share(&o)?);
            let scale = 1.0 / (D as f32).sqrt();
            let launch = move |kernel: &Kernel<(In<T, 3>, In<T, 3>, In<T, 3>, Expr<f32>, Out<T, 3>)>| {
                kernel.launch(&q, &k, &v, scale, &mut o)
            };
            Contestant::kernel(&name, &device, flash_attention::<T, D>(CAUSAL), launch)
        })
    };
    // Of a causal product half of the scores count, as is the custom.
    let flops = 4.0 * (heads * len * len * D as usize) as f64 / if CAUSAL { 2.0 } else { 1.0 };
    let bytes = 4.0 * o.raw().bytes() as f64;
    Ok(Problem {
        work: Work { flops, engine: Engine::Tensor, bytes },
        kernels: vec![(name, make)],
        output: o.raw().clone(),
        gemm: None,
        check: Box::new(move || check(&q, &k, &v, &o, CAUSAL)),
    })
}

/// Checks one element of each of 512 parts of the result, chosen at random. Powers are rounded to the type of the inputs.
fn check<T: Real>(
    q: &Tensor<T, 3>,
    k: &Tensor<T, 3>,
    v: &Tensor<T, 3>,
    o: &Tensor<T, 3>,
    causal: bool,
) -> Result<f64, String> {
    let [_, len, d] = o.shape();
    let (host_q, host_k, host_v, host_o) = (Elements::all(q)?, Elements::all(k)?, Elements::all(v)?, Elements::all(o)?);
    let places = places(o.len(), 512);
    judge(on_all_cores(places.len(), |index| {
        let place = places[index];
        let (head, row, column) = (place / (len * d), place / d % len, place % d);
        let seen = if causal { row + 1 } else { len };
        let at = |host: &Elements<T>, row: usize, i: usize| host.at((head * len + row) * d + i);
        let score = |key| (0..d).map(|i| at(&host_q, row, i) * at(&host_k, key, i)).sum::<f64>() / (d as f64).sqrt();
        let scores: Vec<f64> = (0..seen).map(score).collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        let (mut sum, mut size) = (0.0, 0.0);
        for (key, score) in scores.iter().enumerate() {
            let term = (score - top).exp() / total * at(&host_v, key, column);
            sum += term;
            size += term.abs();
        }
        let slack = 0.55 * ulp::<T>(1.0) * size + (64.0 + len as f64) * ulp::<f32>(1.0);
        let got = host_o.at(place);
        (error::<T>(got, sum, slack), format!("o[{head}, {row}, {column}] is {got}, expected {sum}"))
    }))
}
