//! Recurrent layers over a sequence, as ONNX defines them: what all have, plain ones and GRU.
//!
//! The products of all inputs are one product of matrices; each step has the product of the state before, and what follows.

use super::matmul::summed_in;
use super::refused;
use super::steps::{self, Steps};
use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

/// In which direction a recurrent layer goes along the sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first element to the last.
    #[default]
    Forward,
    /// From the last element to the first.
    Reverse,
    /// Both; the first weights are those of the forward direction.
    Both,
}

/// What a recurrent layer has besides its weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recurrent<'a> {
    /// The direction.
    pub direction: Direction,
    /// Two numbers that are added to each product, `[directions, 2 * gates * hidden]`: first those of the inputs, then
    /// those of the states. 0 if nothing is given.
    pub bias: Option<&'a Tensor>,
    /// The first states, `[directions, batch, hidden]`; 0 if nothing is given.
    pub initial: Option<&'a Tensor>,
    /// The first cells of an LSTM, as the states.
    pub initial_cell: Option<&'a Tensor>,
    /// The lengths of the sequences, `i32[batch]` or `i64[batch]`: elements behind do not change the state, and their
    /// results are 0. All are whole if nothing is given.
    pub lengths: Option<&'a Tensor>,
    /// If true, a GRU multiplies the product of the state by the reset gate, instead of the state.
    pub linear_before_reset: bool,
}

impl Tensor {
    /// Returns the results of a GRU over a sequence `[length, batch, features]`: all states `[length, directions, batch,
    /// hidden]` and the last ones `[directions, batch, hidden]`. Weights are those of the inputs, `[directions, 3 * hidden,
    /// features]`, and of the states, `[directions, 3 * hidden, hidden]`, with gates in the order update, reset, hidden.
    /// Products are added in `f32` if the elements are `f16`, `bf16` or `f32`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::lstm`].
    pub fn gru(&self, weight: &Tensor, states: &Tensor, how: &Recurrent) -> Result<[Tensor; 2]> {
        let layer = Layer::of("gru", 3, self, [weight, states], how)?;
        let (y, last) = layer.run(|direction| {
            let mut state = layer.first(how.initial, direction)?;
            // The last of the numbers that are added to products of states is inside of what is reset.
            let (after, at_once) = if how.linear_before_reset { (3, 2) } else { (2, 3) };
            let inputs = layer.inputs(direction, at_once)?;
            let weight = layer.weight(direction, [0, after])?;
            let hidden = layer.weight(direction, [2, 3])?;
            let bias = layer.bias(direction, [5, 6])?;
            let mut all = Vec::new();
            for step in layer.steps(direction)? {
                let product = state.matmul_rows(&weight)?;
                let gate =
                    |inputs: &Elements, number: usize| sigmoid(&(inputs.gate(0, number) + inputs.gate(1, number)));
                let mixed = |inputs: &Elements, hidden: ScalarExpr| {
                    let (update, hidden) = (gate(inputs, 0), hidden.unary(UnaryOp::Tanh));
                    (update.same(1.0) - &update) * hidden + update * inputs.state(2)
                };
                let next = if how.linear_before_reset {
                    layer.next("gru_state", &[&inputs, &product, &state, &bias], &state, &step, |inputs| {
                        let hidden = gate(inputs, 1) * (inputs.gate(1, 2) + inputs.number(3));
                        mixed(inputs, inputs.gate(0, 2) + hidden)
                    })?
                } else {
                    let ty = state.ty().clone();
                    let reset = layer.define("gru_reset", &[&inputs, &product, &state], ty, &step, |inputs| {
                        gate(inputs, 1) * inputs.state(2)
                    })?;
                    let reset = reset.matmul_rows(&hidden)?;
                    layer.next("gru_state", &[&inputs, &product, &state, &reset], &state, &step, |inputs| {
                        mixed(inputs, inputs.gate(0, 2) + inputs.state(3))
                    })?
                };
                all.push(next.clone());
                state = next;
            }
            Ok((layer.stacked(direction, all)?, vec![state]))
        })?;
        let [last] = <[Tensor; 1]>::try_from(last).map_err(|_| layer.refused("a GRU has one state"))?;
        Ok([y, last])
    }

    /// Returns the results of a plain recurrent layer over a sequence, `h = tanh(x @ w.t() + h @ r.t() + bias)`; shapes are those
    /// of [`Tensor::gru`] with one gate instead of three.
    ///
    /// # Errors
    ///
    /// As [`Tensor::lstm`].
    pub fn rnn_tanh(&self, weight: &Tensor, states: &Tensor, how: &Recurrent) -> Result<[Tensor; 2]> {
        let layer = Layer::of("rnn_tanh", 1, self, [weight, states], how)?;
        let (y, last) = layer.run(|direction| {
            let mut state = layer.first(how.initial, direction)?;
            let (inputs, weight) = (layer.inputs(direction, 1)?, layer.weight(direction, [0, 1])?);
            let mut all = Vec::new();
            for step in layer.steps(direction)? {
                let product = state.matmul_rows(&weight)?;
                state = layer.next("rnn_state", &[&inputs, &product], &state, &step, |inputs| {
                    (inputs.gate(0, 0) + inputs.gate(1, 0)).unary(UnaryOp::Tanh)
                })?;
                all.push(state.clone());
            }
            Ok((layer.stacked(direction, all)?, vec![state]))
        })?;
        let [last] = <[Tensor; 1]>::try_from(last).map_err(|_| layer.refused("a plain layer has one state"))?;
        Ok([y, last])
    }
}

pub(super) fn sigmoid(x: &ScalarExpr) -> ScalarExpr {
    x.same(1.0) / (x.same(1.0) + x.unary(UnaryOp::Neg).unary(UnaryOp::Exp))
}

/// The number of a step: in memory, so that all steps have the same kernels, or known.
pub(super) enum Step {
    Memory(Tensor),
    Number(usize),
}

/// The elements of which one of the next state is computed.
pub(super) struct Elements<'a> {
    inputs: &'a [super::Input],
    at: &'a [ScalarExpr],
    hidden: usize,
    step: ScalarExpr,
    sums: Scalar,
}

impl Elements<'_> {
    /// Returns the element of a gate: of an input with those of all gates, at this step if it has steps.
    pub(super) fn gate(&self, input: usize, number: usize) -> ScalarExpr {
        let input = &self.inputs[input];
        let (batch, at) = (self.at[0].clone(), &self.at[1] + number * self.hidden);
        let step = (input.shape().len() == 3).then(|| self.step.clone());
        input.at(step.into_iter().chain([batch, at])).cast(self.sums)
    }

    /// Returns the element of an input that is a state.
    pub(super) fn state(&self, input: usize) -> ScalarExpr {
        self.inputs[input].at(self.at.to_vec()).cast(self.sums)
    }

    /// Returns the number of an input that is the same for all of the batch.
    fn number(&self, input: usize) -> ScalarExpr {
        self.inputs[input].at([self.at[1].clone()]).cast(self.sums)
    }
}

/// A recurrent layer whose shapes and types fit.
pub(super) struct Layer<'a> {
    name: &'static str,
    gates: usize,
    pub(super) x: &'a Tensor,
    weights: [&'a Tensor; 2],
    pub(super) how: &'a Recurrent<'a>,
    pub(super) length: usize,
    pub(super) batch: usize,
    pub(super) hidden: usize,
    directions: usize,
    pub(super) sums: Scalar,
}

impl<'a> Layer<'a> {
    pub(super) fn of(
        name: &'static str,
        gates: usize,
        x: &'a Tensor,
        weights: [&'a Tensor; 2],
        how: &'a Recurrent<'a>,
    ) -> Result<Layer<'a>> {
        let dtype = x.dtype();
        let refused = |why: String| Err(refused(name, &[x.ty(), weights[0].ty(), weights[1].ty()], why));
        let Some(sums) = summed_in(dtype).filter(|_| dtype.is_float()) else {
            return refused(
                "it is defined for f16, bf16, f32 and f64; convert the tensors with `cast` before".to_owned(),
            );
        };
        let ([length, batch, features], [_, _, hidden]) = (x.shape(), weights[1].shape()) else {
            return refused("each needs three axes: the sequence [length, batch, features] and two weights".to_owned());
        };
        let directions = if how.direction == Direction::Both { 2 } else { 1 };
        let Some(rows) = gates.checked_mul(*hidden).filter(|rows| *rows < 1 << 30) else {
            return refused(format!("{hidden} elements of a state are too many"));
        };
        let wanted: [(&str, Option<&Tensor>, Vec<usize>); 5] = [
            ("the weight of the inputs", Some(weights[0]), vec![directions, rows, *features]),
            ("the weight of the states", Some(weights[1]), vec![directions, rows, *hidden]),
            ("the bias", how.bias, vec![directions, 2 * rows]),
            ("the first states", how.initial, vec![directions, *batch, *hidden]),
            ("the first cells", how.initial_cell, vec![directions, *batch, *hidden]),
        ];
        for (what, tensor, shape) in wanted {
            let fits = TensorType::new(dtype, &shape);
            if let Some(tensor) = tensor.filter(|tensor| *tensor.ty() != fits) {
                return refused(format!("{what} must be {fits}, not {}", tensor.ty()));
            }
        }
        if let Some(lengths) = how.lengths
            && (!matches!(lengths.dtype(), Scalar::I32 | Scalar::I64) || lengths.shape() != [*batch])
        {
            return refused(format!("the lengths must be i32[{batch}] or i64[{batch}], not {}", lengths.ty()));
        }
        let (length, batch, hidden) = (*length, *batch, *hidden);
        Ok(Layer { name, gates, x, weights, how, length, batch, hidden, directions, sums })
    }

    pub(super) fn refused(&self, why: &str) -> Error {
        refused(self.name, &[self.x.ty(), self.weights[0].ty(), self.weights[1].ty()], why)
    }

    /// Runs each direction, which returns the states along the sequence and the last ones, and puts the results together.
    pub(super) fn run(&self, one: impl Fn(usize) -> Result<(Tensor, Vec<Tensor>)>) -> Result<(Tensor, Vec<Tensor>)> {
        let (mut all, mut last): (Vec<Tensor>, Vec<Vec<Tensor>>) = (Vec::new(), Vec::new());
        for direction in 0..self.directions {
            let (states, own) = one(direction)?;
            all.push(self.ended(&states)?);
            for (number, state) in own.into_iter().enumerate() {
                if last.len() <= number {
                    last.push(Vec::new());
                }
                last[number].push(state.cast(self.x.dtype())?);
            }
        }
        let ty = TensorType::new(self.x.dtype(), &[self.batch, self.hidden]);
        let last: Result<Vec<Tensor>> =
            last.iter().map(|states| steps::stacked(self.x.device(), &ty, states)).collect();
        Ok((Tensor::stack(&all.iter().collect::<Vec<_>>(), 1)?, last?))
    }

    pub(super) fn is_reverse(&self, direction: usize) -> bool {
        direction == 1 || self.how.direction == Direction::Reverse
    }

    /// Returns states in the order of their steps as one tensor, in the order of the sequence.
    pub(super) fn stacked(&self, direction: usize, mut states: Vec<Tensor>) -> Result<Tensor> {
        if self.is_reverse(direction) {
            states.reverse();
        }
        let ty = TensorType::new(self.x.dtype(), &[self.batch, self.hidden]);
        steps::stacked(self.x.device(), &ty, &states)
    }

    /// Returns all states, 0 behind the end of a sequence.
    fn ended(&self, states: &Tensor) -> Result<Tensor> {
        let Some(lengths) = self.how.lengths else { return Ok(states.clone()) };
        Tensor::define("ended", &[states, lengths], states.ty().clone(), |inputs, at| {
            let state = inputs[0].at(at.to_vec());
            at[0].lt(inputs[1].at([at[1].clone()]).cast(Scalar::I32)).select(&state, &state.same(0.0))
        })
    }

    /// Returns the first state of a direction.
    pub(super) fn first(&self, given: Option<&Tensor>, direction: usize) -> Result<Tensor> {
        let ty = TensorType::new(self.x.dtype(), &[self.batch, self.hidden]);
        match given {
            Some(given) => steps::part(given, direction, [0, self.batch]),
            None => steps::zeros(self.x.device(), &ty),
        }
    }

    /// Returns the weight of states of some gates of a direction, from one to another.
    pub(super) fn weight(&self, direction: usize, [from, to]: [usize; 2]) -> Result<Tensor> {
        steps::part(self.weights[1], direction, [from * self.hidden, (to - from) * self.hidden])
    }

    /// Returns some numbers of the bias of a direction, counted as gates, as a tensor with one axis; 0 if there is no bias.
    fn bias(&self, direction: usize, [from, to]: [usize; 2]) -> Result<Tensor> {
        let (first, count) = (from * self.hidden, (to - from) * self.hidden);
        match self.how.bias {
            Some(bias) => Tensor::define("bias", &[bias], TensorType::new(bias.dtype(), &[count]), |inputs, at| {
                inputs[0].at([ScalarExpr::constant(Scalar::I32, direction as f64), &at[0] + first])
            }),
            None => steps::zeros(self.x.device(), &TensorType::new(self.x.dtype(), &[count])),
        }
    }

    /// Returns the products of all inputs of a direction, with the bias of them and of the states of the first gates, as many
    /// as `added`.
    pub(super) fn inputs(&self, direction: usize, added: usize) -> Result<Tensor> {
        let weight = steps::part(self.weights[0], direction, [0, self.gates * self.hidden])?;
        let products = self.x.matmul_rows(&weight)?;
        let Some(bias) = self.how.bias else { return Ok(products) };
        let rows = self.gates * self.hidden;
        let sum = Tensor::define("bias", &[bias], TensorType::new(self.sums, &[rows]), |inputs, at| {
            let direction = ScalarExpr::constant(Scalar::I32, direction as f64);
            let number = |at: ScalarExpr| inputs[0].at([direction.clone(), at]).cast(self.sums);
            let (own, of_state) = (number(&at[0] + 0usize), number(&at[0] + rows));
            let end = at[0].lt(added * self.hidden);
            own + end.select(&of_state, &of_state.same(0.0))
        })?;
        products.add(&sum)
    }

    /// Returns the elements of the sequence in the order of a direction.
    pub(super) fn order(&self, direction: usize) -> impl Iterator<Item = usize> {
        let (reverse, length) = (self.is_reverse(direction), self.length);
        (0..length).map(move |at| if reverse { length - 1 - at } else { at })
    }

    /// Returns the steps of a direction in order, whose kernels are the same ones.
    pub(super) fn steps(&self, direction: usize) -> Result<Vec<Step>> {
        let steps = Steps::of(self.x.device(), self.length)?;
        self.order(direction).map(|at| steps.step(at).map(Step::Memory)).collect()
    }

    /// Returns a tensor whose elements `value` computes of those of inputs at a step.
    fn define(
        &self,
        name: &'static str,
        inputs: &[&Tensor],
        ty: TensorType,
        step: &Step,
        value: impl FnOnce(&Elements) -> ScalarExpr,
    ) -> Result<Tensor> {
        let dtype = ty.dtype;
        let all = match step {
            Step::Memory(step) => [inputs, &[step]].concat(),
            Step::Number(_) => inputs.to_vec(),
        };
        Tensor::define(name, &all, ty, |all, at| {
            let step = match step {
                Step::Memory(_) => all[inputs.len()].at([ScalarExpr::constant(Scalar::I32, 0.0)]),
                Step::Number(number) => ScalarExpr::constant(Scalar::I32, *number as f64),
            };
            value(&Elements { inputs: all, at, hidden: self.hidden, step, sums: self.sums }).cast(dtype)
        })
    }

    /// Returns the state after a step, which is the one before where a sequence has ended.
    pub(super) fn next(
        &self,
        name: &'static str,
        inputs: &[&Tensor],
        before: &Tensor,
        step: &Step,
        value: impl FnOnce(&Elements) -> ScalarExpr,
    ) -> Result<Tensor> {
        let Some(lengths) = self.how.lengths else {
            return self.define(name, inputs, before.ty().clone(), step, value);
        };
        let all = [inputs, &[before, lengths]].concat();
        self.define(name, &all, before.ty().clone(), step, |elements| {
            let length = elements.inputs[inputs.len() + 1].at([elements.at[0].clone()]).cast(Scalar::I32);
            elements.step.lt(length).select(&value(elements), &elements.state(inputs.len()))
        })
    }
}
