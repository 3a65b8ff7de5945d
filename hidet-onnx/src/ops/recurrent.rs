//! Recurrent layers: as `hidet-ops` has them where they are usual, else step by step.

use super::Row;
use super::cells::{Kind, Layer};
use super::tools::unsupported;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::{Value, computed};
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
    Row("GRU", 7, GRU, |call| layer(call, Kind::Gru, &["Sigmoid", "Tanh"])),
    Row("LSTM", 7, LSTM, |call| layer(call, Kind::Lstm, &["Sigmoid", "Tanh", "Tanh"])),
    Row("RNN", 7, COMMON, |call| layer(call, Kind::Rnn, &["Tanh"])),
];

/// Returns the results of a layer, whose usual activations in each direction are these.
fn layer(call: &Call, kind: Kind, activations: &[&str]) -> NodeResult<Vec<Value>> {
    let direction = match call.text("direction", "forward")?.as_str() {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Both,
        other => return unsupported("direction", other),
    };
    let directions = if direction == Direction::Both { 2 } else { 1 };
    for name in ["activation_alpha", "activation_beta"] {
        if call.node.attributes.floats(name)?.is_some_and(|list| !list.is_empty()) {
            return Err(format!("`{name}` is not supported").into());
        }
    }
    let usual = activations.iter().cycle().take(directions * activations.len()).map(|name| (*name).to_owned());
    let usual: Vec<String> = usual.collect();
    // Some programs name those of both directions for one.
    let named = match call.node.attributes.texts("activations")? {
        Some(given) if given.len() >= usual.len() => given[..usual.len()].to_vec(),
        Some(given) => return unsupported("activations", given.join(", ")),
        None => usual.clone(),
    };
    let is_usual = named.iter().zip(&usual).all(|(own, usual)| own.eq_ignore_ascii_case(usual));
    let batch_first = match call.int("layout", 0)? {
        0 => false,
        1 => true,
        other => return unsupported("layout", other),
    };
    let turned = |x: Tensor| if batch_first { x.permute(&[1, 0, 2]) } else { Ok(x) };
    let state = |input: usize| -> NodeResult<Option<Tensor>> { Ok(call.optional(input)?.map(turned).transpose()?) };
    let (x, weight, states) = (turned(call.tensor(0)?)?, call.tensor(1)?, call.tensor(2)?);
    let (bias, lengths) = (call.optional(3)?, call.optional(4)?);
    // The product of all inputs is one of matrices if they are in memory as they are.
    if !call.on_host {
        computed(&x)?;
    }
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
    let own = Layer {
        kind,
        activations: named,
        clip: call.node.attributes.float("clip")?.map(f64::from),
        peepholes: call.optional(7)?,
        input_forget: call.flag("input_forget", false)?,
        how: &how,
    };
    let results = match kind {
        _ if !is_usual || own.clip.is_some() || own.peepholes.is_some() || own.input_forget => {
            own.run(&x, &weight, &states)?
        }
        Kind::Rnn => x.rnn_tanh(&weight, &states, &how)?.to_vec(),
        Kind::Gru => x.gru(&weight, &states, &how)?.to_vec(),
        Kind::Lstm => x.lstm(&weight, &states, &how)?.to_vec(),
    };
    let turned_back = |(at, result): (usize, Tensor)| match (batch_first, at) {
        (false, _) => Ok(result),
        // All states: [length, directions, batch, hidden] becomes [batch, length, directions, hidden].
        (true, 0) => result.permute(&[2, 0, 1, 3]),
        (true, _) => result.permute(&[1, 0, 2]),
    };
    // Kernels of many steps are behind each: what follows is not fused with the last of them, which would compute it again.
    if !call.on_host {
        results.iter().try_for_each(computed)?;
    }
    let results = results.into_iter().enumerate().map(turned_back).collect::<hidet_ops::Result<Vec<Tensor>>>()?;
    Ok(results.into_iter().map(Value::from).collect())
}
