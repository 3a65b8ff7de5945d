//! Recurrent layers over a sequence, as ONNX defines them: plain ones, GRU and LSTM.
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
    /// Returns the results of an LSTM over a sequence `[length, batch, features]`: all states `[length, directions, batch,
    /// hidden]`, the last states and the last cells `[directions, batch, hidden]`. Weights are those of the inputs,
    /// `[directions, 4 * hidden, features]`, and of the states, `[directions, 4 * hidden, hidden]`, with gates in the order
    /// input, output, forget, cell. Products are added in `f32` if the elements are `f16`, `bf16` or `f32`, and so are cells.
    ///
    /// # Errors
    ///
    /// If the shapes or the types do not fit, or elements are not `f16`, `bf16`, `f32` or `f64`.
    pub fn lstm(&self, weight: &Tensor, states: &Tensor, how: &Recurrent) -> Result<[Tensor; 3]> {
        let layer = Layer::of("lstm", 4, self, [weight, states], how)?;
        let (y, last) = layer.run(|direction| {
            let first = [layer.first(how.initial, direction)?, layer.first(how.initial_cell, direction)?];
            let [first, cell] = first;
            let mut state = vec![first, cell.cast(layer.sums)?];
            let (inputs, weight) = (layer.inputs(direction, 4)?, layer.weight(direction, [0, 4])?);
            let mut all = Vec::new();
            for step in layer.steps(direction)? {
                let product = state[0].matmul_rows(&weight)?;
                let gate = |inputs: &Elements, number: usize| inputs.gate(0, number) + inputs.gate(1, number);
                let from = [&inputs, &product, &state[1]];
                let cell = layer.next("lstm_cell", &from, &state[1], &step, |inputs| {
                    let kept = sigmoid(&gate(inputs, 2)) * inputs.state(2);
                    kept + sigmoid(&gate(inputs, 0)) * gate(inputs, 3).unary(UnaryOp::Tanh)
                })?;
                let next = layer.next("lstm_state", &[&inputs, &product, &cell], &state[0], &step, |inputs| {
                    sigmoid(&gate(inputs, 1)) * inputs.state(2).unary(UnaryOp::Tanh)
                })?;
                all.push(next.clone());
                state = vec![next, cell];
            }
            Ok((all, state))
        })?;
        let [last, cells] = <[Tensor; 2]>::try_from(last).map_err(|_| layer.refused("an LSTM has two states"))?;
        Ok([y, last, cells])
    }

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
            Ok((all, vec![state]))
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
            Ok((all, vec![state]))
        })?;
        let [last] = <[Tensor; 1]>::try_from(last).map_err(|_| layer.refused("a plain layer has one state"))?;
        Ok([y, last])
    }
}

fn sigmoid(x: &ScalarExpr) -> ScalarExpr {
    x.same(1.0) / (x.same(1.0) + x.unary(UnaryOp::Neg).unary(UnaryOp::Exp))
}

/// The elements of which one of the next state is computed.
struct Elements<'a> {
    inputs: &'a [super::Input],
    at: &'a [ScalarExpr],
    hidden: usize,
    step: ScalarExpr,
    sums: Scalar,
}

impl Elements<'_> {
    /// Returns the element of a gate: of an input with those of all gates, at this step if it has steps.
    fn gate(&self, input: usize, number: usize) -> ScalarExpr {
        let input = &self.inputs[input];
        let (batch, at) = (self.at[0].clone(), &self.at[1] + number * self.hidden);
        let step = (input.shape().len() == 3).then(|| self.step.clone());
        input.at(step.into_iter().chain([batch, at])).cast(self.sums)
    }

    /// Returns the element of an input that is a state.
    fn state(&self, input: usize) -> ScalarExpr {
        self.inputs[input].at(self.at.to_vec()).cast(self.sums)
    }

    /// Returns the number of an input that is the same for all of the batch.
    fn number(&self, input: usize) -> ScalarExpr {
        self.inputs[input].at([self.at[1].clone()]).cast(self.sums)
    }
}

/// A recurrent layer whose shapes and types fit.
struct Layer<'a> {
    name: &'static str,
    gates: usize,
    x: &'a Tensor,
    weights: [&'a Tensor; 2],
    how: &'a Recurrent<'a>,
    length: usize,
    batch: usize,
    hidden: usize,
    directions: usize,
    sums: Scalar,
}

impl<'a> Layer<'a> {
    fn of(
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

    fn refused(&self, why: &str) -> Error {
        refused(self.name, &[self.x.ty(), self.weights[0].ty(), self.weights[1].ty()], why)
    }

    /// Runs each direction, which returns the states of all steps and the last ones, and puts the results together.
    fn run(&self, one: impl Fn(usize) -> Result<(Vec<Tensor>, Vec<Tensor>)>) -> Result<(Tensor, Vec<Tensor>)> {
        let (mut all, mut last): (Vec<Tensor>, Vec<Vec<Tensor>>) = (Vec::new(), Vec::new());
        for direction in 0..self.directions {
            let (mut states, own) = one(direction)?;
            if self.is_reverse(direction) {
                states.reverse();
            }
            let ty = TensorType::new(self.x.dtype(), &[self.batch, self.hidden]);
            all.push(self.ended(&steps::stacked(self.x.device(), &ty, &states)?)?);
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

    fn is_reverse(&self, direction: usize) -> bool {
        direction == 1 || self.how.direction == Direction::Reverse
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
    fn first(&self, given: Option<&Tensor>, direction: usize) -> Result<Tensor> {
        let ty = TensorType::new(self.x.dtype(), &[self.batch, self.hidden]);
        match given {
            Some(given) => steps::part(given, direction, [0, self.batch]),
            None => steps::zeros(self.x.device(), &ty),
        }
    }

    /// Returns the weight of states of some gates of a direction, from one to another.
    fn weight(&self, direction: usize, [from, to]: [usize; 2]) -> Result<Tensor> {
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
    fn inputs(&self, direction: usize, added: usize) -> Result<Tensor> {
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

    /// Returns the steps of a direction in order.
    fn steps(&self, direction: usize) -> Result<Vec<Tensor>> {
        let steps = Steps::of(self.x.device(), self.length)?;
        let number = |at: usize| if self.is_reverse(direction) { self.length - 1 - at } else { at };
        (0..self.length).map(|at| steps.step(number(at))).collect()
    }

    /// Returns a tensor whose elements `value` computes of those of inputs at a step.
    fn define(
        &self,
        name: &'static str,
        inputs: &[&Tensor],
        ty: TensorType,
        step: &Tensor,
        value: impl FnOnce(&Elements) -> ScalarExpr,
    ) -> Result<Tensor> {
        let (all, dtype) = ([inputs, &[step]].concat(), ty.dtype);
        Tensor::define(name, &all, ty, |all, at| {
            let step = all[inputs.len()].at([ScalarExpr::constant(Scalar::I32, 0.0)]);
            value(&Elements { inputs: all, at, hidden: self.hidden, step, sums: self.sums }).cast(dtype)
        })
    }

    /// Returns the state after a step, which is the one before where a sequence has ended.
    fn next(
        &self,
        name: &'static str,
        inputs: &[&Tensor],
        before: &Tensor,
        step: &Tensor,
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
