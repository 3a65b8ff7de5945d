//! [`Gpt2`]: GPT-2 with the scores of the next token, as `GPT2LMHeadModel` of the library transformers has it.
//!
//! Names of weights are that library's: `transformer.h.0.attn.c_attn.weight`. The scores are products with the table of
//! tokens, so `lm_head.weight`, which is the same one, need not be there.

use crate::attention::SelfAttention;
use crate::embedding::Embedding;
use crate::error::{Error, Result};
use crate::given::{self, Given};
use crate::inputs;
use crate::linear::Linear;
use crate::load::{Load, placed};
use crate::norm::LayerNorm;
use crate::sequences::{Ranges, Sequences};
use crate::weights::{Draw, Weights};
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Attention, Tensor, Traced};
use std::ops::Range;
use std::path::Path;

/// The sizes of a GPT-2.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2Config {
    /// The number of tokens that there are.
    pub vocabulary: usize,
    /// The features of a token between layers.
    pub hidden: usize,
    /// The layers.
    pub layers: usize,
    /// The heads of attention, which share the features equally.
    pub heads: usize,
    /// The features inside of a layer, behind attention.
    pub intermediate: usize,
    /// The most tokens of a sequence.
    pub positions: usize,
    /// The type of weights and activations: `f32`, `f16` or `bf16`.
    pub dtype: Scalar,
}

impl Gpt2Config {
    /// Returns the sizes of the smallest GPT-2 in `f32`, which is the paper's.
    pub fn paper() -> Gpt2Config {
        Gpt2Config {
            vocabulary: 50257,
            hidden: 768,
            layers: 12,
            heads: 12,
            intermediate: 3072,
            positions: 1024,
            dtype: Scalar::F32,
        }
    }

    /// Returns 2 layers of 64 features in 2 heads, for 100 different tokens and sequences of up to 16.
    pub fn reduced() -> Gpt2Config {
        let (layers, heads) = (2, 2);
        let few = Gpt2Config { vocabulary: 100, hidden: 64, intermediate: 256, positions: 16, ..Gpt2Config::paper() };
        Gpt2Config { layers, heads, ..few }
    }

    /// Returns random sequences, `i64[batch, tokens]`.
    ///
    /// # Errors
    ///
    /// As [`inputs::tokens`].
    pub fn input(&self, device: &Device, batch: usize, tokens: usize, seed: u64) -> Result<Tensor> {
        inputs::tokens(device, batch, tokens, self.vocabulary, seed)
    }
}

const EPSILON: f64 = 1e-5;

/// A GPT-2.
pub struct Gpt2 {
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: LayerNorm,
}

impl Gpt2 {
    /// Makes a model on a device.
    ///
    /// # Errors
    ///
    /// If a size cannot be, a weight is missing or has another shape, or memory is missing.
    pub fn new(device: &Device, config: &Gpt2Config, weights: &mut dyn Weights) -> Result<Gpt2> {
        let Gpt2Config { vocabulary, hidden, positions, .. } = *config;
        let mut load = Load::new(device, config.dtype, weights);
        let mut load = load.at("transformer");
        let embedding = Embedding::new("GPT-2", &mut load, [("wte", vocabulary), ("wpe", positions)], hidden)?;
        let layer = |number: usize| Layer::new(&mut load.at(format!("h.{number}")), config);
        let layers = (0..config.layers).map(layer).collect::<Result<_>>()?;
        Ok(Gpt2 { embedding, layers, norm: LayerNorm::new(&mut load, "ln_f", hidden, EPSILON)? })
    }

    /// Makes a model on a device of the weights of a `.safetensors` file, as transformers writes it for `GPT2LMHeadModel` or
    /// `GPT2Model`. Floats of other types than the configuration's are converted.
    ///
    /// # Errors
    ///
    /// As [`Gpt2::new`], and if the file cannot be read, or has weights that the model does not take, or another table for the
    /// scores than that of tokens.
    pub fn load(device: &Device, config: &Gpt2Config, path: impl AsRef<Path>) -> Result<Gpt2> {
        given::load(path.as_ref(), name, |weights| {
            let model = Gpt2::new(device, config, weights)?;
            if weights.has(SCORES) {
                check_scores(config, weights)?;
            }
            Ok(model)
        })
    }

    /// Returns the scores of what follows each of the tokens `i64[sequences, tokens]`, which see those before them:
    /// `[sequences, tokens, vocabulary]`. Tokens outside of the vocabulary give NaN.
    ///
    /// # Errors
    ///
    /// If the input has another type, or sequences have more tokens than there are positions.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let extents = self.embedding.extents(tokens)?;
        let x = self.embedding.of(tokens)?;
        let [sequences, length] = extents;
        let mut x = x.reshape(&[sequences * length, x.shape()[2]])?;
        for layer in &self.layers {
            x = layer.of(&x, extents)?;
        }
        let scores = self.embedding.scores(&self.norm.of(&x)?)?;
        Ok(scores.reshape(&[sequences, length, scores.shape()[1]])?)
    }

    /// Compiles the model for all numbers and lengths of sequences in ranges. The output is that of [`Gpt2::forward`].
    ///
    /// # Errors
    ///
    /// If a range is empty or goes beyond the positions, or a kernel cannot be compiled or launched.
    pub fn compiled(&self, ranges: &Ranges) -> Result<Sequences> {
        self.embedding.holds(&ranges.tokens)?;
        let device = self.embedding.device();
        // Tokens see those before them, so that what is behind those of a request changes nothing.
        Sequences::of(ranges, |[batch, length]| {
            let tokens = placed(device, &vec![0i64; batch * length], &[batch, length])?;
            let outputs = vec![self.forward(&tokens)?];
            Ok(Traced { inputs: vec![tokens], outputs, parts: Vec::new() })
        })
    }
}

/// The tables of scores and of tokens.
const SCORES: &str = "lm_head.weight";
const TOKENS: &str = "transformer.wte.weight";

/// Returns the name of a weight in a file, if it is not that of a mask of attention, which some files have.
fn name(own: &str) -> Option<String> {
    if own.ends_with(".attn.bias") || own.ends_with(".attn.masked_bias") {
        return None;
    }
    let is_whole = own == SCORES || own.starts_with("transformer.");
    Some(if is_whole { own.to_owned() } else { format!("transformer.{own}") })
}

/// Returns an error if the table of scores is not that of tokens.
fn check_scores(config: &Gpt2Config, weights: &mut Given) -> Result<()> {
    let mut table = |name| weights.tensor(name, &[config.vocabulary, config.hidden], Draw::near(0.0, 1.0));
    if table(SCORES)? == table(TOKENS)? {
        return Ok(());
    }
    let why = format!("it differs from `{TOKENS}`, but scores are products with the table of tokens");
    Err(Error::Weight { name: SCORES.to_owned(), why })
}

/// A layer: attention, and two products, each of normalised tokens, to which it is added.
struct Layer {
    attention: SelfAttention,
    from_heads: Linear,
    up: Linear,
    down: Linear,
    norms: [LayerNorm; 2],
}

impl Layer {
    fn new(load: &mut Load, config: &Gpt2Config) -> Result<Layer> {
        let Gpt2Config { hidden, heads, intermediate, .. } = *config;
        let mut linear = |name: &str, sizes: [usize; 2], columns: Range<usize>, deviation: f32| {
            Linear::of_columns(load, name, sizes, columns, deviation)
        };
        let product =
            |part: usize| linear("attn.c_attn", [hidden, 3 * hidden], part * hidden..(part + 1) * hidden, 1.0);
        Ok(Layer {
            attention: SelfAttention::new([heads, hidden], product)?,
            // Less than 1: sums over all layers stay of order 1.
            from_heads: linear("attn.c_proj", [hidden, hidden], 0..hidden, 0.3)?,
            up: linear("mlp.c_fc", [hidden, intermediate], 0..intermediate, 1.0)?,
            down: linear("mlp.c_proj", [intermediate, hidden], 0..hidden, 0.3)?,
            norms: [LayerNorm::new(load, "ln_1", hidden, EPSILON)?, LayerNorm::new(load, "ln_2", hidden, EPSILON)?],
        })
    }

    fn of(&self, x: &Tensor, extents: [usize; 2]) -> Result<Tensor> {
        let how = Attention { causal: true, ..Attention::default() };
        let mixed = self.attention.of(&self.norms[0].of(x)?, extents, &how)?;
        let x = self.from_heads.of(&mixed)?.add(x)?;
        let inner = self.up.of(&self.norms[1].of(&x)?)?.gelu_tanh()?;
        Ok(self.down.of(&inner)?.add(&x)?)
    }
}
