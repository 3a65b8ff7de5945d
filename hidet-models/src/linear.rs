//! [`Linear`]: a matrix and a bias.

use crate::error::Result;
use crate::load::Load;
use crate::weights::Draw;
use hidet_ops::Tensor;

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
    pub(crate) fn new(load: &mut Load, name: &str, sizes: [usize; 2], deviation: f32) -> Result<Linear> {
        Linear::joined(load, &[name], sizes, deviation)
    }

    /// Takes several of the same sizes as one, whose outputs are beside each other.
    pub(crate) fn joined(
        load: &mut Load,
        names: &[&str],
        [input, output]: [usize; 2],
        deviation: f32,
    ) -> Result<Linear> {
        let columns = names.len() * output;
        let (mut weight, mut bias) = (vec![0.0; input * columns], Vec::new());
        for (number, name) in names.iter().enumerate() {
            let mut load = load.at(name);
            let rows = load.numbers("weight", &[output, input], Draw::of_sums(input, deviation))?;
            for (at, element) in rows.iter().enumerate() {
                weight[at % input * columns + number * output + at / input] = *element;
            }
            bias.extend(load.numbers("bias", &[output], Draw::near(0.0, 0.1))?);
        }
        Ok(Linear { weight: load.store(&weight, &[input, columns])?, bias: load.store(&bias, &[columns])? })
    }

    /// Returns the products of `[rows, input]`: `[rows, output]`.
    pub(crate) fn of(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.weight)?.add(&self.bias)?)
    }
}
