//! [`Bert`]: the encoder of BERT, as `BertModel` of the library transformers has it.
//!
//! Names of weights are that library's: `encoder.layer.0.attention.self.query.weight`.

use crate::attention::SelfAttention;
use crate::embedding::Embedding;
use crate::ended::ended;
use crate::error::{Error, Result};
use crate::given;
use crate::inputs;
use crate::linear::Linear;
use crate::load::{Load, placed};
use crate::norm::LayerNorm;
use crate::sequences::{Ranges, Sequences};
use crate::weights::{Draw, Weights};
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::{Attention, Tensor, Traced};
use std::path::Path;

/// The sizes of a BERT.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
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
    /// The kinds of tokens: two for pairs of sentences.
    pub kinds: usize,
    /// If there are weights for [`Bert::pooled`].
    pub pooler: bool,
    /// The type of weights and activations: `f32`, `f16` or `bf16`.
    pub dtype: Scalar,
}

impl BertConfig {
    /// Returns the sizes of the base model without case in `f32`.
    pub fn paper() -> BertConfig {
        BertConfig {
            vocabulary: 30522,
            hidden: 768,
            layers: 12,
            heads: 12,
            intermediate: 3072,
            positions: 512,
            kinds: 2,
            pooler: true,
            dtype: Scalar::F32,
        }
    }

    /// Returns 2 layers of 64 features in 2 heads, for 100 different tokens and sequences of up to 16.
    pub fn reduced() -> BertConfig {
        let (layers, heads) = (2, 2);
        let few = BertConfig { vocabulary: 100, hidden: 64, intermediate: 256, positions: 16, ..BertConfig::paper() };
        BertConfig { layers, heads, ..few }
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

const MODEL: &str = "BERT";

const EPSILON: f64 = 1e-12;

/// A BERT.
pub struct Bert {
    embedding: Embedding,
    /// `[kinds, hidden]`.
    kinds: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Option<Linear>,
}

impl Bert {
    /// Makes a model on a device.
    ///
    /// # Errors
    ///
    /// If a size cannot be, a weight is missing or has another shape, or memory is missing.
    pub fn new(device: &Device, config: &BertConfig, weights: &mut dyn Weights) -> Result<Bert> {
        let BertConfig { vocabulary, hidden, positions, kinds, .. } = *config;
        if kinds == 0 {
            return Err(Error::Config { field: "kinds", why: "there must be at least one kind of tokens".to_owned() });
        }
        let mut load = Load::new(device, config.dtype, weights);
        let mut part = load.at("embeddings");
        let tables = [("word_embeddings", vocabulary), ("position_embeddings", positions)];
        let embedding = Embedding::new(MODEL, &mut part, tables, hidden)?;
        let kinds = part.tensor("token_type_embeddings.weight", &[kinds, hidden], Draw::of_sums(hidden, 1.0))?;
        let norm = LayerNorm::new(&mut part, "LayerNorm", hidden, EPSILON)?;
        let layer = |number: usize| Layer::new(&mut load.at(format!("encoder.layer.{number}")), config);
        let layers = (0..config.layers).map(layer).collect::<Result<_>>()?;
        let pooler = config.pooler.then(|| Linear::new(&mut load, "pooler.dense", [hidden, hidden], 1.0));
        Ok(Bert { embedding, kinds, norm, layers, pooler: pooler.transpose()? })
    }

    /// Makes a model on a device of the weights of a `.safetensors` file, as transformers writes it for `BertModel`, or for a model of a
    /// task, whose further layers (`cls`, `classifier`, `qa_outputs`) are left out. Floats of other types than the configuration's are
    /// converted.
    ///
    /// # Errors
    ///
    /// As [`Bert::new`], and if the file cannot be read, or has weights that the model does not take.
    pub fn load(device: &Device, config: &BertConfig, path: impl AsRef<Path>) -> Result<Bert> {
        given::load(path.as_ref(), |own| name(config, own), |weights| Bert::new(device, config, weights))
    }

    /// Returns the last hidden state of tokens `i64[sequences, tokens]`, all of the first kind: `[sequences, tokens, hidden]`.
    /// Tokens outside of the vocabulary give NaN.
    ///
    /// # Errors
    ///
    /// If the input has another type, or sequences have more tokens than there are positions.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.encode(tokens, None, None)
    }

    /// Returns the same of tokens of these kinds, `i64[sequences, tokens]`, of which all attend only to those where the mask,
    /// `i64[sequences, tokens]`, is not 0.
    ///
    /// # Errors
    ///
    /// As [`Bert::forward`], and if the kinds or the mask have another type.
    pub fn encode(&self, tokens: &Tensor, kinds: Option<&Tensor>, mask: Option<&Tensor>) -> Result<Tensor> {
        let extents = self.embedding.extents(tokens)?;
        if let Some(other) = kinds.into_iter().chain(mask).find(|other| other.ty() != tokens.ty()) {
            let wanted = format!("kinds and the mask must be {} as the tokens are", tokens.ty());
            return Err(Error::Input { model: MODEL, found: other.ty().clone(), wanted });
        }
        let [sequences, length] = extents;
        let mask = mask.map(|mask| mask.reshape(&[sequences, 1, 1, length])?.not_equal(0.0)).transpose()?;
        let kinds = match kinds {
            Some(kinds) => self.kinds.take(kinds, 0)?,
            None => self.kinds.slice(&[(0, 0, 1, 1)])?,
        };
        let x = self.norm.of(&self.embedding.of(tokens)?.add(&kinds)?)?;
        let hidden = x.shape()[2];
        let mut x = x.reshape(&[sequences * length, hidden])?;
        for layer in &self.layers {
            x = layer.of(&x, extents, mask.as_ref())?;
        }
        Ok(x.reshape(&[sequences, length, hidden])?)
    }

    /// Compiles the model for all numbers and lengths of sequences in ranges. The outputs are the last hidden state, and of a model with
    /// a pooler the pooled output.
    ///
    /// # Errors
    ///
    /// If a range is empty or goes beyond the positions, or a kernel cannot be compiled or launched.
    pub fn compiled(&self, ranges: &Ranges) -> Result<Sequences> {
        self.embedding.holds(&ranges.tokens)?;
        let device = self.kinds.device();
        Sequences::of(ranges, |[batch, length]| {
            let ids = |id: i64| placed(device, &vec![id; batch * length], &[batch, length]);
            let (tokens, mask, count) = (ids(0)?, ids(1)?, placed(device, &[length as i64], &[1])?);
            // Tokens behind those of a request do not count, whatever their mask is.
            let places = placed(device, &(0..length as i64).collect::<Vec<i64>>(), &[1, length])?;
            let seen = ended(&places.less(&count)?.cast(Scalar::I64)?.mul(&mask)?)?;
            let state = self.encode(&tokens, None, Some(&seen))?;
            let pooled = self.pooler.is_some().then(|| self.pooled(&state)).transpose()?;
            let outputs = [state].into_iter().chain(pooled).collect();
            Ok(Traced { inputs: vec![tokens, mask, count], outputs, parts: Vec::new() })
        })
    }

    /// Returns the pooled output of a last hidden state: `[sequences, hidden]`, made of the first tokens.
    ///
    /// # Errors
    ///
    /// If the state has another shape or type, or the model has no pooler.
    pub fn pooled(&self, state: &Tensor) -> Result<Tensor> {
        let Some(pooler) = &self.pooler else {
            return Err(Error::Config { field: "pooler", why: "it is false, so that there are no weights".to_owned() });
        };
        let hidden = self.kinds.shape()[1];
        match *state.shape() {
            [sequences, length, own] if own == hidden && length > 0 => {
                let rows = (sequences * length) as i64;
                let first = state.reshape(&[sequences * length, hidden])?.slice(&[(0, 0, rows, length as i64)])?;
                Ok(pooler.of(&first)?.tanh()?)
            }
            _ => {
                let wanted = format!("it pools last hidden states [sequences, tokens, {hidden}]");
                Err(Error::Input { model: MODEL, found: state.ty().clone(), wanted })
            }
        }
    }
}

/// Returns the name of a weight in a file, if it is not that of a layer for a task, or of the numbers of positions, which some files
/// have.
fn name(config: &BertConfig, own: &str) -> Option<String> {
    let own = own.strip_prefix("bert.").unwrap_or(own);
    let is_other = ["cls.", "classifier.", "qa_outputs."].iter().any(|front| own.starts_with(front));
    if is_other || own == "embeddings.position_ids" || (!config.pooler && own.starts_with("pooler.")) {
        return None;
    }
    // Files that were made of the first one have the names of TensorFlow there.
    Some(own.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
}

/// A layer: attention, and two products, each with a residual that is normalised.
struct Layer {
    attention: SelfAttention,
    from_heads: Linear,
    up: Linear,
    down: Linear,
    norms: [LayerNorm; 2],
}

impl Layer {
    fn new(load: &mut Load, config: &BertConfig) -> Result<Layer> {
        let BertConfig { hidden, heads, intermediate, .. } = *config;
        let square = [hidden, hidden];
        let mut own = load.at("attention.self");
        let product = |part: usize| Linear::new(&mut own, ["query", "key", "value"][part], square, 1.0);
        Ok(Layer {
            attention: SelfAttention::new([heads, hidden], product)?,
            from_heads: Linear::new(load, "attention.output.dense", square, 1.0)?,
            up: Linear::new(load, "intermediate.dense", [hidden, intermediate], 1.0)?,
            down: Linear::new(load, "output.dense", [intermediate, hidden], 1.0)?,
            norms: [
                LayerNorm::new(load, "attention.output.LayerNorm", hidden, EPSILON)?,
                LayerNorm::new(load, "output.LayerNorm", hidden, EPSILON)?,
            ],
        })
    }

    fn of(&self, x: &Tensor, extents: [usize; 2], mask: Option<&Tensor>) -> Result<Tensor> {
        let how = Attention { mask, ..Attention::default() };
        let mixed = self.attention.of(x, extents, &how)?;
        let x = self.norms[0].of(&self.from_heads.of(&mixed)?.add(x)?)?;
        let inner = self.up.of(&x)?.gelu()?;
        self.norms[1].of(&self.down.of(&inner)?.add(&x)?)
    }
}
