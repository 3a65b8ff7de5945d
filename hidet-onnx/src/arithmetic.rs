//! [`Arithmetic`]: in which floats a model is computed.

use hidet::types::Scalar;
use hidet_ops::Precision;
use std::fmt;
use std::str::FromStr;

/// In which floats a model is computed, where it says `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// As the model says.
    #[default]
    F32,
    /// Matrix products and convolutions of images of `f32` as three products of tf32, which is about as exact.
    Tf32x3,
    /// Matrix products of `f32` as products of tf32, which has 10 bits of fraction.
    Tf32,
    /// Tensors of `f16`, with products and sums in `f32`. Inputs are converted, and outputs back.
    F16,
    /// The same with `bf16`.
    Bf16,
}

const NAMES: [(&str, Arithmetic); 5] = [
    ("f32", Arithmetic::F32),
    ("tf32x3", Arithmetic::Tf32x3),
    ("tf32", Arithmetic::Tf32),
    ("f16", Arithmetic::F16),
    ("bf16", Arithmetic::Bf16),
];

impl Arithmetic {
    /// Returns the type of tensors, if it is not that of the model.
    pub(crate) fn narrow(self) -> Option<Scalar> {
        match self {
            Arithmetic::F16 => Some(Scalar::F16),
            Arithmetic::Bf16 => Some(Scalar::BF16),
            _ => None,
        }
    }

    /// Returns how products of `f32` are computed.
    pub(crate) fn products(self) -> Precision {
        match self {
            Arithmetic::Tf32x3 => Precision::Tf32x3,
            Arithmetic::Tf32 => Precision::Tf32,
            _ => Precision::F32,
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, own)| own == self).map_or("", |(name, _)| name);
        write!(f, "{name}")
    }
}

impl FromStr for Arithmetic {
    type Err = String;

    fn from_str(text: &str) -> Result<Arithmetic, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, own)| *own);
        found.ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("`{text}` is not an arithmetic; it is one of {}", names.join(", "))
        })
    }
}
