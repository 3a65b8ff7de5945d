//! [`Linear`]: a matrix and a bias.

use crate::error::Result;
use crate::load::Load;
use crate::weights::Draw;
use hidet_ops::Tensor;
use std::ops::Range;

/// A product with a matrix, and a bias.
pub(crate) struct Linear {
    /// `[input, output]`.
    weight: Tensor,
    /// `[output]`.
    bias: Tensor,
}

impl Linear {
    /// Takes `name.weight`, a row per output as `Linear` of PyTorch has them, and `name.bias`. Drawn ones make results with
    /// this deviation of inputs of order 1.
    pub(crate) fn new(load: &mut Load, name: &str, [input, output]: [usize; 2], deviation: f32) -> Result<Linear> {
        let mut load = load.at(name);
        let rows = load.numbers("weight", &[output, input], Draw::of_sums(input, deviation))?;
        let bias = load.numbers("bias", &[output], Draw::near(0.0, 0.1))?;
        let columns = |row: usize| rows[row..].iter().step_by(input).copied();
        let weight: Vec<f32> = (0..input).flat_map(columns).collect();
        Ok(Linear { weight: load.store(&weight, &[input, output])?, bias: load.store(&bias, &[output])? })
    }

    /// Takes some of the outputs of `name.weight`, a column per output as `Conv1D` of GPT-2 has them, and of `name.bias`.
    pub(crate) fn of_columns(
        load: &mut Load,
        name: &str,
        [input, all]: [usize; 2],
        columns: Range<usize>,
        deviation: f32,
    ) -> Result<Linear> {
        let mut load = load.at(name);
        let weight = load.numbers("weight", &[input, all], Draw::of_sums(input, deviation))?;
        let bias = load.numbers("bias", &[all], Draw::near(0.0, 0.1))?;
        let output = columns.len();
        let weight: Vec<f32> = weight.chunks_exact(all).flat_map(|row| &row[columns.clone()]).copied().collect();
        Ok(Linear { weight: load.store(&weight, &[input, output])?, bias: load.store(&bias[columns], &[output])? })
    }

    /// Returns the products of `[rows, input]`: `[rows, output]`.
    pub(crate) fn of(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.weight)?.add(&self.bias)?)
    }
}
