//! Attention and recurrent layers beside loops in `f64`, and inputs that do not fit.

#![allow(clippy::unwrap_used, clippy::panic)]

mod known;

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Attention, Direction, Recurrent, Result, Tensor};

/// Returns numbers between -1 and 1 on a device and on the host.
fn tensor(shape: &[usize], seed: usize) -> Result<(Tensor, Vec<f64>)> {
    known::numbers(shape, seed, 1.0 / 12.0)
}

#[track_caller]
fn agrees(tensor: &Tensor, shape: &[usize], wanted: &[f64]) {
    assert_eq!(tensor.shape(), shape);
    let found = tensor.elements().unwrap();
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() <= 2e-5, "element {at} of {tensor:?} is {found} instead of {wanted}");
    }
}

#[test]
fn attention_is_a_mean_of_values() -> Result<()> {
    for ([heads, kv, lq, lk, d, e], causal, masked, scale) in [
        ([2, 2, 5, 5, 4, 3], true, 0, None),
        ([4, 2, 3, 7, 8, 8], true, 1, Some(0.5)),
        ([3, 1, 6, 2, 1, 2], false, 2, None),
        ([1, 1, 4, 2, 3, 1], true, 0, None),
        ([6, 3, 1, 9, 5, 4], false, 1, None),
    ] {
        let ((q, vq), (k, vk), (v, vv)) =
            (tensor(&[2, heads, lq, d], 1)?, tensor(&[2, kv, lk, d], 2)?, tensor(&[2, kv, lk, e], 3)?);
        let keep: Vec<bool> = (0..lq * lk).map(|at| (at * 5 + 1) % 3 > 0).collect();
        let flags = Tensor::from(&Device::best()?.tensor(&keep, [lq, lk])?);
        let (added, numbers) = tensor(&[heads, 1, lk], 4)?;
        let mask = [None, Some(&flags), Some(&added)][masked];
        let mut wanted = Vec::new();
        for at in 0..2 * heads * lq {
            let (batch, head, i) = (at / (heads * lq), at / lq % heads, at % lq);
            let of = batch * kv + head / (heads / kv);
            let weight = |j: usize| {
                let score: f64 = (0..d).map(|at_d| vq[at * d + at_d] * vk[(of * lk + j) * d + at_d]).sum();
                let mut score = score * scale.unwrap_or(1.0 / (d as f64).sqrt());
                score += if masked == 2 { numbers[head * lk + j] } else { 0.0 };
                let seen = (!causal || j + lq <= i + lk) && (masked != 1 || keep[i * lk + j]);
                if seen { score.exp() } else { 0.0 }
            };
            let weights: Vec<f64> = (0..lk).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            for f in 0..e {
                let all: f64 = (0..lk).map(|j| weights[j] * vv[(of * lk + j) * e + f]).sum();
                wanted.push(if sum == 0.0 { 0.0 } else { all / sum });
            }
        }
        let y = q.attention(&k, &v, &Attention { scale, causal, mask })?;
        agrees(&y, &[2, heads, lq, e], &wanted);
    }
    Ok(())
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The weights and the extents of a layer on the host.
struct Layer {
    gates: usize,
    directions: usize,
    batch: usize,
    features: usize,
    hidden: usize,
    weight: Vec<f64>,
    states: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    /// Returns the product of a gate for an element of the input and of the state, with what is added to each.
    fn gate(&self, direction: usize, x: &[f64], h: &[f64], gate: usize, at: usize) -> [f64; 2] {
        let row = gate * self.hidden + at;
        let rows = self.gates * self.hidden;
        let dot = |all: &[f64], x: &[f64]| {
            let first = (direction * rows + row) * x.len();
            all[first..first + x.len()].iter().zip(x).map(|(a, b)| a * b).sum::<f64>()
        };
        let bias = |half: usize| self.bias[(direction * 2 + half) * rows + row];
        [dot(&self.weight, x) + bias(0), dot(&self.states, h) + bias(1)]
    }

    /// Returns all states, and the last state and cell.
    fn run(
        &self,
        x: &[f64],
        first: &[f64],
        lengths: &[i32],
        reverse: bool,
        reset_last: bool,
    ) -> (Vec<f64>, [Vec<f64>; 2]) {
        let Layer { directions, batch, features, hidden, .. } = *self;
        let length = x.len() / (batch * features);
        let mut y = vec![0.0; length * directions * batch * hidden];
        let mut last = [first.to_vec(), first.to_vec()];
        for direction in 0..directions {
            for b in 0..batch {
                let from = (direction * batch + b) * hidden;
                let mut order: Vec<usize> = (0..lengths[b] as usize).collect();
                if reverse || direction == 1 {
                    order.reverse();
                }
                for step in order {
                    let x = &x[(step * batch + b) * features..][..features];
                    let (h, c) = (last[0][from..from + hidden].to_vec(), last[1][from..from + hidden].to_vec());
                    let sum =
                        |gate: usize, h: &[f64], at: usize| self.gate(direction, x, h, gate, at).iter().sum::<f64>();
                    let reset: Vec<f64> = (0..hidden)
                        .map(|at| if self.gates == 3 { sigmoid(sum(1, &h, at)) * h[at] } else { 0.0 })
                        .collect();
                    for at in 0..hidden {
                        let next = match self.gates {
                            4 => {
                                let kept = sigmoid(sum(2, &h, at)) * c[at];
                                let cell = kept + sigmoid(sum(0, &h, at)) * sum(3, &h, at).tanh();
                                last[1][from + at] = cell;
                                sigmoid(sum(1, &h, at)) * cell.tanh()
                            }
                            3 => {
                                let update = sigmoid(sum(0, &h, at));
                                let [own, of_state] = self.gate(direction, x, &h, 2, at);
                                let inner = if reset_last {
                                    own + sigmoid(sum(1, &h, at)) * of_state
                                } else {
                                    sum(2, &reset, at)
                                };
                                (1.0 - update) * inner.tanh() + update * h[at]
                            }
                            _ => sum(0, &h, at).tanh(),
                        };
                        last[0][from + at] = next;
                        y[((step * directions + direction) * batch + b) * hidden + at] = next;
                    }
                }
            }
        }
        (y, last)
    }
}

#[test]
fn recurrent_layers_are_loops_over_steps() -> Result<()> {
    let all = [Direction::Forward, Direction::Reverse, Direction::Both];
    for (number, gates) in [4, 4, 4, 3, 3, 3, 1, 1, 1].into_iter().enumerate() {
        let direction = all[number % 3];
        let reset_last = number % 2 == 0;
        let directions = if direction == Direction::Both { 2 } else { 1 };
        let [length, batch, features, hidden] = [[3, 2, 4, 5], [10, 1, 3, 2], [2, 3, 1, 4]][number % 3];
        let rows = gates * hidden;
        let ((x, vx), (w, vw)) = (tensor(&[length, batch, features], 1)?, tensor(&[directions, rows, features], 2)?);
        let ((r, vr), (b, vb)) = (tensor(&[directions, rows, hidden], 3)?, tensor(&[directions, 2 * rows], 4)?);
        let (h, vh) = tensor(&[directions, batch, hidden], 5)?;
        let short: Vec<i32> = (0..batch).map(|at| (length - at % length) as i32 - 1).collect();
        let lengths = Tensor::from(&Device::best()?.tensor(&short, [batch])?);
        for whole in [false, true] {
            let how = Recurrent {
                direction,
                bias: whole.then_some(&b),
                initial: whole.then_some(&h),
                initial_cell: whole.then_some(&h),
                lengths: (!whole).then_some(&lengths),
                linear_before_reset: reset_last,
            };
            let bias = if whole { vb.clone() } else { vec![0.0; vb.len()] };
            let (weight, states) = (vw.clone(), vr.clone());
            let layer = Layer { gates, directions, batch, features, hidden, weight, states, bias };
            let first = if whole { vh.clone() } else { vec![0.0; vh.len()] };
            let lengths = if whole { vec![length as i32; batch] } else { short.clone() };
            let (y, last) = layer.run(&vx, &first, &lengths, direction == Direction::Reverse, reset_last);
            let found: Vec<Tensor> = match gates {
                4 => x.lstm(&w, &r, &how)?.to_vec(),
                3 => x.gru(&w, &r, &how)?.to_vec(),
                _ => x.rnn_tanh(&w, &r, &how)?.to_vec(),
            };
            agrees(&found[0], &[length, directions, batch, hidden], &y);
            for (found, wanted) in found[1..].iter().zip(last) {
                agrees(found, &[directions, batch, hidden], &wanted);
            }
        }
    }
    Ok(())
}

/// All steps of an LSTM of 16-bit floats are one kernel, each with a barrier of the grid.
#[test]
fn steps_of_an_lstm_are_one_kernel() -> Result<()> {
    let cases = [
        (Scalar::F16, Direction::Forward, [3, 2, 4, 32]),
        (Scalar::BF16, Direction::Reverse, [2, 17, 3, 64]),
        (Scalar::F16, Direction::Both, [2, 1, 5, 128]),
    ];
    for (dtype, direction, [length, batch, features, hidden]) in cases {
        let directions = if direction == Direction::Both { 2 } else { 1 };
        let rows = 4 * hidden;
        // Numbers that 16 bits have, as many elements of a state are added.
        let of = |shape: &[usize], seed| {
            let (x, host) = known::numbers(shape, seed, 1.0 / 64.0)?;
            Ok::<_, hidet_ops::Error>((x.cast(dtype)?, host))
        };
        let ((x, vx), (w, vw)) = (of(&[length, batch, features], 1)?, of(&[directions, rows, features], 2)?);
        let ((r, vr), (b, vb)) = (of(&[directions, rows, hidden], 3)?, of(&[directions, 2 * rows], 4)?);
        let (h, vh) = of(&[directions, batch, hidden], 5)?;
        let how =
            Recurrent { direction, bias: Some(&b), initial: Some(&h), initial_cell: Some(&h), ..Recurrent::default() };
        let (gates, lengths) = (4, vec![length as i32; batch]);
        let layer = Layer { gates, directions, batch, features, hidden, weight: vw, states: vr, bias: vb };
        let (y, last) = layer.run(&vx, &vh, &lengths, direction == Direction::Reverse, false);
        let [all, state, cell] = x.lstm(&w, &r, &how)?;
        let kernels = all.kernels();
        assert_eq!(kernels.iter().filter(|name| name.contains("lstm")).count(), directions, "{kernels:?}");
        for (found, wanted) in [(&all, &y), (&state, &last[0]), (&cell, &last[1])] {
            let elements = found.elements()?;
            assert_eq!(elements.len(), wanted.len());
            let bound = if dtype == Scalar::F16 { 1e-3 } else { 8e-3 };
            for (at, (found, wanted)) in elements.iter().zip(wanted).enumerate() {
                assert!((found - wanted).abs() <= bound, "{dtype} {direction:?}: {at} is {found} instead of {wanted}");
            }
        }
    }
    Ok(())
}

/// No steps, or no sequences.
#[test]
fn empty_sequences_have_results() -> Result<()> {
    for [length, batch] in [[0, 2], [3, 0]] {
        let (x, w, r) = (tensor(&[length, batch, 3], 1)?.0, tensor(&[1, 8, 3], 2)?.0, tensor(&[1, 8, 2], 3)?.0);
        let [y, h, c] = x.lstm(&w, &r, &Recurrent::default())?;
        agrees(&y, &[length, 1, batch, 2], &[]);
        agrees(&h, &[1, batch, 2], &vec![0.0; batch * 2]);
        agrees(&c, &[1, batch, 2], &vec![0.0; batch * 2]);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let of = |shape: &[usize]| tensor(shape, 1).map(|(x, _)| x);
    let says = |result: Result<Tensor>, message: &str| assert_eq!(result.unwrap_err().to_string(), message);
    let (q, k, v) = (of(&[3, 4, 2])?, of(&[2, 5, 2])?, of(&[2, 5, 7])?);
    let all = "`attention` of f32[3, 4, 2], f32[2, 5, 2] and f32[2, 5, 7]";
    says(
        q.attention(&k, &v, &Attention::default()),
        &format!("{all}: the 3 heads of the queries are not a multiple of the 2 of the keys"),
    );
    says(
        q.attention(&q, &v, &Attention::default()),
        "`attention` of f32[3, 4, 2], f32[3, 4, 2] and f32[2, 5, 7]: there must be as many values as keys, 3 heads of 4, not 2 \
         of 5",
    );
    let mask = of(&[5])?;
    let how = Attention { mask: Some(&mask), ..Attention::default() };
    says(
        q.attention(&q, &q, &how),
        "`attention` of f32[3, 4, 2], f32[3, 4, 2] and f32[3, 4, 2]: the mask f32[5] cannot be broadcast to the scores [3, 4, 4]",
    );
    says(
        q.attention(&of(&[2])?, &v, &Attention::default()),
        "`attention` of f32[3, 4, 2], f32[2] and f32[2, 5, 7]: each needs three axes or more: heads, elements of a sequence, \
         features",
    );
    let (w, r) = (of(&[1, 8, 2])?, of(&[1, 8, 2])?);
    let first = |result: Result<[Tensor; 2]>| result.map(|[y, _]| y);
    let all = "of f32[3, 4, 2], f32[1, 8, 2] and f32[1, 8, 2]";
    says(
        first(q.gru(&w, &r, &Recurrent::default())),
        &format!("`gru` {all}: the weight of the inputs must be f32[1, 6, 2], not f32[1, 8, 2]"),
    );
    let both = Recurrent { direction: Direction::Both, ..Recurrent::default() };
    says(
        q.lstm(&w, &r, &both).map(|[y, ..]| y),
        &format!("`lstm` {all}: the weight of the inputs must be f32[2, 8, 2], not f32[1, 8, 2]"),
    );
    let lengths = Recurrent { lengths: Some(&mask), ..Recurrent::default() };
    says(
        q.lstm(&w, &r, &lengths).map(|[y, ..]| y),
        &format!("`lstm` {all}: the lengths must be i32[4] or i64[4], not f32[5]"),
    );
    says(
        first(of(&[2])?.rnn_tanh(&w, &r, &Recurrent::default())),
        "`rnn_tanh` of f32[2], f32[1, 8, 2] and f32[1, 8, 2]: each needs three axes: the sequence [length, batch, features] and \
         two weights",
    );
    Ok(())
}
