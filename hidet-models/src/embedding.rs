//! [`Embedding`]: rows of a table for tokens, and for their positions.

use crate::error::{Error, Result};
use crate::load::Load;
use crate::weights::Draw;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::Tensor;
use std::ops::RangeInclusive;

/// The tables of tokens and positions.
pub(crate) struct Embedding {
    model: &'static str,
    /// `[vocabulary, width]`.
    words: Tensor,
    /// `[positions, width]`.
    positions: Tensor,
}

impl Embedding {
    /// Takes two tables with these names and rows.
    pub(crate) fn new(
        model: &'static str,
        load: &mut Load,
        [words, positions]: [(&str, usize); 2],
        width: usize,
    ) -> Result<Embedding> {
        let mut table = |(name, rows): (&str, usize)| {
            load.tensor(&format!("{name}.weight"), &[rows, width], Draw::of_sums(width, 1.0))
        };
        Ok(Embedding { model, words: table(words)?, positions: table(positions)? })
    }

    /// Returns the number of sequences and of the tokens of each.
    pub(crate) fn extents(&self, tokens: &Tensor) -> Result<[usize; 2]> {
        let most = self.positions.shape()[0];
        match *tokens.shape() {
            [batch, length] if tokens.dtype() == Scalar::I64 && length <= most => Ok([batch, length]),
            _ => {
                let wanted = format!("it takes tokens i64[sequences, tokens], of which a sequence has at most {most}");
                Err(Error::Input { model: self.model, found: tokens.ty().clone(), wanted })
            }
        }
    }

    /// Returns an error if sequences of these lengths have more tokens than there are positions.
    pub(crate) fn holds(&self, lengths: &RangeInclusive<usize>) -> Result<()> {
        let most = self.positions.shape()[0];
        if *lengths.end() <= most {
            return Ok(());
        }
        Err(Error::Config {
            field: "tokens",
            why: format!("there are at most {most} in a sequence, not {}", lengths.end()),
        })
    }

    /// Returns the device of the tables.
    pub(crate) fn device(&self) -> &Device {
        self.words.device()
    }

    /// Returns the rows of tokens plus those of their positions, `[sequences, tokens, width]`.
    pub(crate) fn of(&self, tokens: &Tensor) -> Result<Tensor> {
        let [_, length] = self.extents(tokens)?;
        let positions = self.positions.slice(&[(0, 0, length as i64, 1)])?;
        Ok(self.words.take(tokens, 0)?.add(&positions)?)
    }

    /// Returns the products of rows `[rows, width]` and the table of tokens, `[rows, vocabulary]`.
    pub(crate) fn scores(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.words.t()?)?)
    }
}
