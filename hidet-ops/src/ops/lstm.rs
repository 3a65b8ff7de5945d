//! LSTM layers over a sequence, as ONNX defines them: by one kernel for all steps if there is one, else step by step.

use super::recurrent::{Elements, Layer, Recurrent, Step, sigmoid};
use crate::composed::composed;
use crate::error::Result;
use crate::templates::{LstmSchedule, lstm_mma};
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;
use hidet::types::{Scalar, bf16, f16};

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
        let (y, last) = layer.run(|direction| layer.lstm(direction))?;
        let [last, cells] = <[Tensor; 2]>::try_from(last).map_err(|_| layer.refused("an LSTM has two states"))?;
        Ok([y, last, cells])
    }
}

impl Layer<'_> {
    /// Returns the states of an LSTM along the sequence, and the last state and cell: by one kernel if there is one for the
    /// case, else step by step.
    fn lstm(&self, direction: usize) -> Result<(Tensor, Vec<Tensor>)> {
        let (inputs, weight) = (self.inputs(direction, 4)?, self.weight(direction, [0, 4])?);
        let first = self.first(self.how.initial, direction)?;
        let cell = self.first(self.how.initial_cell, direction)?;
        let (device, dtype, reverse) = (self.x.device(), self.x.dtype(), self.is_reverse(direction));
        let shape = [self.length, self.batch, self.hidden];
        let given = [&inputs, &weight, &first, &cell];
        let schedule = LstmSchedule::of(device, dtype, shape, reverse).filter(|_| self.how.lengths.is_none());
        let Some(schedule) = schedule else {
            let (all, state) = self.lstm_steps(self.steps(direction)?, given)?;
            return Ok((self.stacked(direction, all)?, state));
        };
        let planes = composed("lstm_steps", &[reverse.into(), schedule.units()], &given, || {
            let (mut all, state) = self.lstm_steps(self.order(direction).map(Step::Number), given)?;
            all.insert(0, first.clone());
            let states = self.stacked(direction, all)?;
            let meaning = Tensor::concat(&[&states, &state[1].cast(dtype)?.unsqueeze(0)?], 0)?;
            match dtype {
                Scalar::BF16 => Tensor::by_kernel("lstm", &given, &meaning, schedule, lstm_mma::<bf16>),
                _ => Tensor::by_kernel("lstm", &given, &meaning, schedule, lstm_mma::<f16>),
            }
        })?;
        let length = self.length;
        let plane = |number: usize| planes.slice(&[(0, number as i64, number as i64 + 1, 1)])?.squeeze(&[0]);
        let (from, last) = if reverse { (0, 0) } else { (1, length) };
        let states = planes.slice(&[(0, from, from + length as i64, 1)])?;
        Ok((states, vec![plane(last)?, plane(length + 1)?]))
    }

    /// Returns the states of an LSTM step by step, and the last state and cell.
    fn lstm_steps(
        &self,
        steps: impl IntoIterator<Item = Step>,
        [inputs, weight, first, cell]: [&Tensor; 4],
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let mut state = vec![first.clone(), cell.cast(self.sums)?];
        let mut all = Vec::new();
        for step in steps {
            let product = state[0].matmul_rows(weight)?;
            let gate = |inputs: &Elements, number: usize| inputs.gate(0, number) + inputs.gate(1, number);
            let from = [inputs, &product, &state[1]];
            let cell = self.next("lstm_cell", &from, &state[1], &step, |inputs| {
                let kept = sigmoid(&gate(inputs, 2)) * inputs.state(2);
                kept + sigmoid(&gate(inputs, 0)) * gate(inputs, 3).unary(UnaryOp::Tanh)
            })?;
            let next = self.next("lstm_state", &[inputs, &product, &cell], &state[0], &step, |inputs| {
                sigmoid(&gate(inputs, 1)) * inputs.state(2).unary(UnaryOp::Tanh)
            })?;
            all.push(next.clone());
            state = vec![next, cell];
        }
        Ok((all, state))
    }
}
