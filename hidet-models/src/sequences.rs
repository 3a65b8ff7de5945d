//! [`Sequences`]: a model of sequences, compiled for ranges of their number and their length.

use crate::error::{Error, Result};
use crate::load::placed;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Buckets, Extent, ReplayMemory, Tensor, Traced};
use std::ops::RangeInclusive;
use std::path::Path;

/// The names of extents: how many sequences there are, and how many tokens each has.
const EXTENTS: [&str; 2] = ["batch", "tokens"];

/// The sizes for which a model of sequences is compiled.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// Of the number of sequences.
    pub batch: RangeInclusive<usize>,
    /// Of their tokens.
    pub tokens: RangeInclusive<usize>,
}

/// A model of sequences, compiled for all numbers and lengths of them in ranges: [`Bert::compiled`](crate::Bert::compiled) and
/// [`Gpt2::compiled`](crate::Gpt2::compiled). Kernels for a few sizes, the buckets, run for all; nothing is compiled for a request.
/// That sequences are computed independently of each other is proved of the operators. That tokens in a bucket behind those of a
/// request change nothing is what the models are written for: those of BERT are masked, and GPT-2 looks only back.
///
/// ```
/// use hidet::prelude::Device;
/// use hidet_models::{Gpt2, Gpt2Config, Random, Ranges};
///
/// let device = Device::sim();
/// let config = Gpt2Config { layers: 1, hidden: 16, intermediate: 16, ..Gpt2Config::reduced() };
/// let model = Gpt2::new(&device, &config, &mut Random { seed: 1 })?;
/// let compiled = model.compiled(&Ranges { batch: 1..=2, tokens: 4..=6 })?;
/// for (batch, tokens) in [(1, 4), (2, 5), (1, 6)] {
///     let scores = compiled.run(&config.input(&device, batch, tokens, 7)?, None)?;
///     assert_eq!(scores[0].shape(), [batch, tokens, 100]);
/// }
/// # Ok::<(), hidet_models::Error>(())
/// ```
pub struct Sequences {
    buckets: Buckets,
}

impl Sequences {
    /// Compiles what `trace` returns for numbers and lengths of sequences: an input `i64[batch, tokens]`, and perhaps further ones,
    /// which [`Sequences::run`] gives: a mask of this type, and the number of tokens, `i64[1]`, behind which none counts.
    pub(crate) fn of(ranges: &Ranges, mut trace: impl FnMut([usize; 2]) -> Result<Traced>) -> Result<Sequences> {
        let extents =
            [Extent::rows(EXTENTS[0], ranges.batch.clone()), Extent::masked(EXTENTS[1], ranges.tokens.clone())];
        Ok(Sequences { buckets: Buckets::of(&extents, |sizes| trace([sizes[0], sizes[1]]))? })
    }

    /// Returns the outputs for tokens `i64[batch, tokens]`, of which only those count where the mask, of the same type, is not 0:
    /// those of the model for exactly these sizes, up to the order of additions.
    ///
    /// # Errors
    ///
    /// If there are more or fewer sequences or tokens than the model was compiled for, the input has another type, a mask is given
    /// to a model without one, or the device fails.
    pub fn run(&self, tokens: &Tensor, mask: Option<&Tensor>) -> Result<Vec<Tensor>> {
        let refused = |found: &Tensor, wanted: String| {
            Err(Error::Input { model: "compiled sequences", found: found.ty().clone(), wanted })
        };
        let [batch, length] = match *tokens.shape() {
            [batch, length] if tokens.dtype() == Scalar::I64 => [batch, length],
            _ => return refused(tokens, "it takes tokens i64[batch, tokens]".to_owned()),
        };
        let takes_mask = self.buckets.inputs().len() > 1;
        match mask {
            Some(mask) if !takes_mask => return refused(mask, "the model takes no mask".to_owned()),
            Some(mask) if mask.ty() != tokens.ty() => {
                return refused(mask, format!("the mask must be {} as the tokens are", tokens.ty()));
            }
            _ => {}
        }
        if !takes_mask {
            return Ok(self.buckets.run(&[tokens])?);
        }
        let device = tokens.device();
        let ones = match mask {
            Some(mask) => mask.clone(),
            None => placed(device, &vec![1i64; batch * length], &[batch, length])?,
        };
        let length = placed(device, &[length as i64], &[1])?;
        Ok(self.buckets.run(&[tokens, &ones, &length])?)
    }

    /// Returns the extents, `batch` and `tokens`, with the sizes of their buckets.
    pub fn extents(&self) -> &[Extent] {
        self.buckets.extents()
    }

    /// Returns the kept runs.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Returns the memory for tensors between kernels.
    pub fn memory(&self) -> ReplayMemory {
        self.buckets.memory()
    }

    /// Writes the compiled model to a file, which [`Sequences::load`] loads without the model and without compiling anything.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.buckets.save(path)?)
    }

    /// Reads a compiled model from a file, on a device of the architecture for which it was compiled. Load only a file that you
    /// would run as a program.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a compiled model of sequences, or is for another build of hidet or another device.
    pub fn load(device: &Device, path: impl AsRef<Path>) -> Result<Sequences> {
        let buckets = Buckets::load(device, path)?;
        let is_own = buckets.extents().iter().map(Extent::name).eq(EXTENTS);
        let takes = buckets.inputs();
        let (one, more) = (["i64[batch, tokens]"; 1], ["i64[batch, tokens]", "i64[batch, tokens]", "i64[1]"]);
        if is_own && (takes == one || takes == more) {
            return Ok(Sequences { buckets });
        }
        let why = format!("it is not a model of sequences: it takes {}", takes.join(", "));
        Err(hidet_ops::Error::Program(why).into())
    }
}
