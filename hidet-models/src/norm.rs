//! [`LayerNorm`]: each row with the mean 0 and the variance 1, times a scale and plus a bias.

use crate::ended::ended;
use crate::error::Result;
use crate::load::Load;
use crate::weights::Draw;
use hidet_ops::Tensor;

/// A normalisation of rows.
pub(crate) struct LayerNorm {
    scale: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// Takes `name.weight` and `name.bias`.
    pub(crate) fn new(load: &mut Load, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm> {
        let mut load = load.at(name);
        let scale = load.tensor("weight", &[width], Draw::near(1.0, 0.1))?;
        Ok(LayerNorm { scale, bias: load.tensor("bias", &[width], Draw::near(0.0, 0.1))?, epsilon })
    }

    /// Normalises the last axis.
    pub(crate) fn of(&self, x: &Tensor) -> Result<Tensor> {
        ended(&x.layer_norm(1, Some(&self.scale), Some(&self.bias), self.epsilon)?)
    }
}
