//! Recurrent layers, as `hidet-ops` has them: with their usual activations.

use super::Row;
use super::tools::unsupported;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet_ops::{Direction, Recurrent, Tensor};

const COMMON: &[&str] =
    &["activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "layout"];
const GRU: &[&str] = &[
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "layout",
    "linear_before_reset",
];
const LSTM: &[&str] = &[
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
];

pub(super) const ROWS: &[Row] = &[
    Row("GRU", 7, GRU, |call| layer(call, &["Sigmoid", "Tanh"], |x, w, r, how| Ok(x.gru(w, r, how)?.to_vec()))),
    Row("LSTM", 7, LSTM, |call| {
        if call.given(7).is_some() {
            return Err("weights of peepholes are not supported".into());
        }
        if call.int("input_forget", 0)? != 0 {
            return unsupported("input_forget", 1);
        }
        layer(call, &["Sigmoid", "Tanh", "Tanh"], |x, w, r, how| Ok(x.lstm(w, r, how)?.to_vec()))
    }),
    Row("RNN", 7, COMMON, |call| layer(call, &["Tanh"], |x, w, r, how| Ok(x.rnn_tanh(w, r, how)?.to_vec()))),
];

/// Returns the results of a layer whose activations, in each direction, must be these.
fn layer(
    call: &Call,
    activations: &[&str],
    run: impl FnOnce(&Tensor, &Tensor, &Tensor, &Recurrent) -> NodeResult<Vec<Tensor>>,
) -> NodeResult<Vec<Value>> {
    let direction = match call.text("direction", "forward")?.as_str() {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Both,
        other => return unsupported("direction", other),
    };
    let directions = if direction == Direction::Both { 2 } else { 1 };
    if let Some(given) = call.node.attributes.texts("activations")? {
        // Some programs name those of both directions for one.
        let usual = activations.iter().cycle().zip(&given).all(|(own, given)| own.eq_ignore_ascii_case(given));
        if !usual || given.len() < directions * activations.len() {
            return unsupported("activations", given.join(", "));
        }
    }
    if let Some(clip) = call.node.attributes.float("clip")? {
        return unsupported("clip", clip);
    }
    let batch_first = match call.int("layout", 0)? {
        0 => false,
        1 => true,
        other => return unsupported("layout", other),
    };
    let turned = |x: Tensor| if batch_first { x.permute(&[1, 0, 2]) } else { Ok(x) };
    let state = |input: usize| -> NodeResult<Option<Tensor>> { Ok(call.optional(input)?.map(turned).transpose()?) };
    let x = turned(call.tensor(0)?)?;
    let (bias, lengths) = (call.optional(3)?, call.optional(4)?);
    // Only an LSTM has cells, and only its input 6 is there.
    let (initial, cells) = (state(5)?, state(6)?);
    let how = Recurrent {
        direction,
        bias: bias.as_ref(),
        initial: initial.as_ref(),
        initial_cell: cells.as_ref(),
        lengths: lengths.as_ref(),
        linear_before_reset: call.flag("linear_before_reset", false)?,
    };
    let results = run(&x, &call.tensor(1)?, &call.tensor(2)?, &how)?;
    let turned_back = |(at, result): (usize, Tensor)| match (batch_first, at) {
        (false, _) => Ok(result),
        // All states: [length, directions, batch, hidden] becomes [batch, length, directions, hidden].
        (true, 0) => result.permute(&[2, 0, 1, 3]),
        (true, _) => result.permute(&[1, 0, 2]),
    };
    // Kernels of many steps are behind each: what follows is not fused with the last of them, which would compute it again.
    if !call.on_host {
        results.iter().try_for_each(|result| result.compute().map(|_| ()))?;
    }
    let results = results.into_iter().enumerate().map(turned_back).collect::<hidet_ops::Result<Vec<Tensor>>>()?;
    Ok(results.into_iter().map(Value::from).collect())
}
