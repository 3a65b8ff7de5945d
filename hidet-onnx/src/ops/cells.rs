//! Recurrent layers step by step, for what `hidet-ops` does not have: other activations, bounds, and peepholes.

use super::tools::{unsupported, wide, zeros};
use crate::error::NodeResult;
use crate::value::computed;
use hidet::types::Scalar;
use hidet_ops::{Direction, Recurrent, Result, Tensor};

/// A kind of layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }
}

/// A layer, with what is not usual about it.
pub(super) struct Layer<'a> {
    pub(super) kind: Kind,
    /// Names of activations, those of one direction behind those of the other.
    pub(super) activations: Vec<String>,
    pub(super) clip: Option<f64>,
    /// Weights of the cells in the gates of an LSTM, `[directions, 3 * hidden]`.
    pub(super) peepholes: Option<Tensor>,
    /// If true, an LSTM forgets as much as its input gate lets in.
    pub(super) input_forget: bool,
    pub(super) how: &'a Recurrent<'a>,
}

/// What one direction has.
struct Own<'a> {
    layer: &'a Layer<'a>,
    activations: &'a [String],
    hidden: usize,
    /// The weights of the states, transposed: `[hidden, gates * hidden]`.
    states: Tensor,
    /// What is added to the products of the states, `[gates * hidden]`.
    bias: Option<Tensor>,
    peepholes: Option<Tensor>,
}

/// States and cells of a step.
type State = (Tensor, Option<Tensor>);

impl Layer<'_> {
    /// Returns all states `[length, directions, batch, hidden]`, the last ones, and the last cells if it has any.
    pub(super) fn run(&self, x: &Tensor, weight: &Tensor, states: &Tensor) -> NodeResult<Vec<Tensor>> {
        let directions: &[bool] = match self.how.direction {
            Direction::Forward => &[false],
            Direction::Reverse => &[true],
            Direction::Both => &[false, true],
        };
        let gates = self.kind.gates();
        let ([length, batch, _], [count, rows, _]) = (x.shape(), weight.shape()) else {
            return Err(format!("{} and {} must have three axes", x.ty(), weight.ty()).into());
        };
        let hidden = rows / gates;
        if *count != directions.len() || states.shape() != [*count, *rows, hidden] || *length == 0 {
            return Err(format!("{}, {} and {} do not fit", x.ty(), weight.ty(), states.ty()).into());
        }
        let real = wide(x.dtype());
        let (mut all, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        let of = |tensor: &Tensor, direction: usize| -> Result<Tensor> {
            tensor.slice(&[(0, direction as i64, direction as i64 + 1, 1)])?.squeeze(&[0])?.cast(real)
        };
        for (direction, reverse) in directions.iter().enumerate() {
            let each = self.activations.len() / directions.len();
            let bias = self.how.bias.map(|bias| of(bias, direction)).transpose()?;
            let part = |from: usize, len: usize, list: &Tensor| list.slice(&[(0, from as i64, (from + len) as i64, 1)]);
            let bias_of = |from: usize| bias.as_ref().map(|bias| part(from, *rows, bias)).transpose();
            let own = Own {
                layer: self,
                activations: &self.activations[direction * each..(direction + 1) * each],
                hidden,
                states: of(states, direction)?.t()?,
                bias: bias_of(*rows)?,
                peepholes: self.peepholes.as_ref().map(|weights| of(weights, direction)).transpose()?,
            };
            let mut products = x.cast(real)?.matmul(&of(weight, direction)?.t()?)?;
            if let Some(bias) = bias_of(0)? {
                products = products.add(&bias)?;
            }
            computed(&products)?;
            let first = |given: Option<&Tensor>| match given {
                Some(given) => of(given, direction),
                None => zeros(x.device(), real, &[*batch, hidden]),
            };
            let cell = if self.kind == Kind::Lstm { Some(first(self.how.initial_cell)?) } else { None };
            let (results, (state, cell)) = own.steps(&products, (first(self.how.initial)?, cell), *reverse)?;
            all.push(Tensor::stack(&results.iter().collect::<Vec<&Tensor>>(), 0)?);
            last.push(state);
            cells.extend(cell);
        }
        let stacked = |list: &[Tensor], axis: usize| -> Result<Tensor> {
            Tensor::stack(&list.iter().collect::<Vec<&Tensor>>(), axis)?.cast(x.dtype())
        };
        let mut results = vec![stacked(&all, 1)?, stacked(&last, 0)?];
        if !cells.is_empty() {
            results.push(stacked(&cells, 0)?);
        }
        Ok(results)
    }
}

impl Own<'_> {
    /// Returns the results of all steps, in the order of the sequence, and the last state.
    fn steps(&self, products: &Tensor, mut state: State, reverse: bool) -> NodeResult<(Vec<Tensor>, State)> {
        let length = products.shape()[0];
        let mut results = Vec::new();
        for step in 0..length {
            let at = if reverse { length - 1 - step } else { step } as i64;
            let product = products.slice(&[(0, at, at + 1, 1)])?.squeeze(&[0])?;
            let next = self.step(&product, &state)?;
            let mut result = next.0.clone();
            state = match self.layer.how.lengths {
                None => next,
                Some(lengths) => {
                    // Behind the end of a sequence its state stays, and results are 0.
                    let goes_on = lengths.cast(Scalar::I64)?.greater(at as f64)?.unsqueeze(1)?;
                    result = goes_on.choose(&result, &result.mul(0.0)?)?;
                    let kept = |new: &Tensor, old: &Tensor| goes_on.choose(new, old);
                    let cell = next.1.as_ref().zip(state.1.as_ref()).map(|(new, old)| kept(new, old)).transpose()?;
                    (kept(&next.0, &state.0)?, cell)
                }
            };
            // The next step reads them several times.
            computed(&state.0)?;
            if let Some(cell) = &state.1 {
                computed(cell)?;
            }
            results.push(result);
        }
        if reverse {
            results.reverse();
        }
        Ok((results, state))
    }

    /// Returns the gate with a number of all gates, `[batch, gates * hidden]`.
    fn gate(&self, all: &Tensor, number: usize) -> Result<Tensor> {
        let begin = (number * self.hidden) as i64;
        all.slice(&[(1, begin, begin + self.hidden as i64, 1)])
    }

    fn step(&self, product: &Tensor, (state, cell): &State) -> NodeResult<State> {
        let mut of_state = state.matmul(&self.states)?;
        if let Some(bias) = &self.bias {
            of_state = of_state.add(bias)?;
        }
        let sum = |number: usize| self.gate(product, number)?.add(&self.gate(&of_state, number)?);
        match (self.layer.kind, cell) {
            (Kind::Lstm, Some(cell)) => {
                let seen = |gate: Tensor, number: usize, cell: &Tensor| match &self.peepholes {
                    Some(weights) => {
                        let begin = (number * self.hidden) as i64;
                        gate.add(&weights.slice(&[(0, begin, begin + self.hidden as i64, 1)])?.mul(cell)?)
                    }
                    None => Ok(gate),
                };
                let input = self.activated(0, &seen(sum(0)?, 0, cell)?)?;
                let forget = match self.layer.input_forget {
                    true => input.neg()?.add(1.0)?,
                    false => self.activated(0, &seen(sum(2)?, 2, cell)?)?,
                };
                let next = forget.mul(cell)?.add(&input.mul(&self.activated(1, &sum(3)?)?)?)?;
                let output = self.activated(0, &seen(sum(1)?, 1, &next)?)?;
                Ok((output.mul(&self.activated(2, &next)?)?, Some(next)))
            }
            (Kind::Gru, _) => {
                let (update, reset) = (self.activated(0, &sum(0)?)?, self.activated(0, &sum(1)?)?);
                let own = match self.layer.how.linear_before_reset {
                    true => reset.mul(&self.gate(&of_state, 2)?)?,
                    false => {
                        let states = self.gate(&self.states, 2)?;
                        let own = reset.mul(state)?.matmul(&states)?;
                        match &self.bias {
                            Some(bias) => own.add(&bias.slice(&[(0, 2 * self.hidden as i64, i64::MAX, 1)])?)?,
                            None => own,
                        }
                    }
                };
                let new = self.activated(1, &self.gate(product, 2)?.add(&own)?)?;
                Ok((new.add(&update.mul(&state.sub(&new)?)?)?, None))
            }
            _ => Ok((self.activated(0, &sum(0)?)?, None)),
        }
    }

    /// Applies an activation of the direction to what is limited before.
    fn activated(&self, number: usize, x: &Tensor) -> NodeResult<Tensor> {
        let x = match self.layer.clip {
            // As ONNX Runtime has it, the cell of an LSTM is not limited: it is not the sum of a gate.
            Some(clip) if number < 2 => x.clamp(-clip, clip)?,
            _ => x.clone(),
        };
        let name = self.activations.get(number).map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        Ok(match name.as_str() {
            "relu" => x.relu()?,
            "tanh" => x.tanh()?,
            "sigmoid" => x.sigmoid()?,
            "softsign" => x.softsign()?,
            "softplus" => x.softplus()?,
            "leakyrelu" => x.leaky_relu(0.01)?,
            "thresholdedrelu" => x.threshold(1.0, 0.0)?,
            "hardsigmoid" => x.hard_sigmoid(0.2, 0.5)?,
            "elu" => x.elu(1.0)?,
            other => return unsupported("activations", other),
        })
    }
}
