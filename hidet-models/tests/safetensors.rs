//! Models made of `.safetensors` files with the names of transformers, torchvision and timm: equal to those whose weights were written,
//! bit for bit; and what files do not fit.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::prelude::{Device, bf16, f16};
use hidet::sim::Options;
use hidet::types::Scalar;
use hidet_models::{
    Bert, BertConfig, Draw, Gpt2, Gpt2Config, Inception, InceptionConfig, Mobilenet, MobilenetConfig, Random, Resnet,
    ResnetConfig, Result, Weights,
};
use hidet_ops::{Tensor, TensorType, safetensors};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The weights of a file, as numbers and as bytes of a type.
#[derive(Clone, Default)]
struct Written(BTreeMap<String, (TensorType, Vec<u8>)>);

/// Draws weights as elements of a type, and remembers them.
struct Drawn {
    dtype: Scalar,
    all: Written,
}

impl Weights for Drawn {
    fn tensor(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Vec<f32>> {
        let numbers = Random { seed: 3 }.tensor(name, shape, draw)?;
        let (numbers, bytes): (Vec<f32>, Vec<Vec<u8>>) = match self.dtype {
            Scalar::F16 => {
                numbers.into_iter().map(f16::from_f32).map(|x| (x.to_f32(), x.to_le_bytes().to_vec())).unzip()
            }
            Scalar::BF16 => {
                numbers.into_iter().map(bf16::from_f32).map(|x| (x.to_f32(), x.to_le_bytes().to_vec())).unzip()
            }
            _ => numbers.into_iter().map(|x| (x, x.to_le_bytes().to_vec())).unzip(),
        };
        self.all.add(name, self.dtype, shape, bytes.concat());
        Ok(numbers)
    }
}

impl Written {
    fn add(&mut self, name: &str, dtype: Scalar, shape: &[usize], bytes: Vec<u8>) {
        self.0.insert(name.to_owned(), (TensorType::new(dtype, shape), bytes));
    }

    /// Adds zeros, which no model takes.
    fn with(mut self, name: &str, dtype: Scalar, shape: &[usize]) -> Written {
        self.add(name, dtype, shape, vec![0; shape.iter().product::<usize>() * dtype.bytes()]);
        self
    }

    fn without(mut self, name: &str) -> Written {
        self.0.remove(name).unwrap();
        self
    }

    fn renamed(self, name: impl Fn(&str) -> String) -> Written {
        Written(self.0.into_iter().map(|(own, weight)| (name(&own), weight)).collect())
    }

    /// Writes a file for a test.
    fn file(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.safetensors"));
        let weights = self.0.iter().map(|(name, (ty, bytes))| (name.as_str(), ty, bytes.as_slice()));
        fs::write(&path, safetensors::write(weights).unwrap()).unwrap();
        path
    }
}

/// Makes a model of drawn weights, and returns it with them.
fn drawn<M>(dtype: Scalar, make: impl FnOnce(&mut dyn Weights) -> Result<M>) -> (M, Written) {
    let mut weights = Drawn { dtype, all: Written::default() };
    (make(&mut weights).unwrap(), weights.all)
}

/// Kernels of operators are checked where they are made.
fn device() -> Device {
    Device::sim_with(Options::fast())
}

fn bits(output: Result<Tensor>) -> Vec<u8> {
    output.unwrap().compute().unwrap().to_bytes().unwrap()
}

#[test]
fn bert_is_that_of_its_file() {
    let device = device();
    for dtype in [Scalar::F32, Scalar::F16] {
        let small = BertConfig { layers: 1, hidden: 16, intermediate: 32, vocabulary: 20, ..BertConfig::reduced() };
        let config = BertConfig { dtype, ..small };
        let (model, weights) = drawn(dtype, |weights| Bert::new(&device, &config, weights));
        let tokens = config.input(&device, 2, 3, 1).unwrap();
        let wanted = [bits(model.forward(&tokens)), bits(model.pooled(&model.forward(&tokens).unwrap()))];
        // As `BertModel` has them, and as the file of bert-base-uncased does.
        let with_heads = |weights: Written| {
            let old = |name: &str| {
                name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            };
            let weights = weights.renamed(|name| format!("bert.{}", old(name)));
            let weights = weights.with("bert.embeddings.position_ids", Scalar::I64, &[1, 16]);
            weights.with("cls.predictions.bias", dtype, &[20]).with("cls.seq_relationship.weight", dtype, &[2, 16])
        };
        for (number, weights) in [weights.clone(), with_heads(weights.clone())].iter().enumerate() {
            let model = Bert::load(&device, &config, weights.file(&format!("bert_{dtype}_{number}"))).unwrap();
            let state = model.forward(&tokens).unwrap();
            assert_eq!([bits(Ok(state.clone())), bits(model.pooled(&state))], wanted);
        }
        let without = BertConfig { pooler: false, ..config };
        assert!(
            Bert::load(&device, &without, weights.file(&format!("bert_{dtype}"))).unwrap().pooled(&tokens).is_err()
        );
    }
}

#[test]
fn gpt2_is_that_of_its_file() {
    let device = device();
    for dtype in [Scalar::F32, Scalar::BF16] {
        let small = Gpt2Config { layers: 1, hidden: 16, intermediate: 32, vocabulary: 20, ..Gpt2Config::reduced() };
        // Elements of a file are converted.
        let config = Gpt2Config { dtype: Scalar::F32, ..small };
        let (model, weights) = drawn(dtype, |weights| Gpt2::new(&device, &config, weights));
        let tokens = config.input(&device, 2, 3, 1).unwrap();
        let wanted = bits(model.forward(&tokens));
        // As `GPT2LMHeadModel` has them, with the table of scores as well, and as the file of gpt2 does, with masks.
        let mut scores = weights.clone();
        let table = scores.0["transformer.wte.weight"].1.clone();
        scores.add("lm_head.weight", dtype, &[20, 16], table);
        let bare = weights.clone().renamed(|name| name.strip_prefix("transformer.").unwrap().to_owned());
        let bare = bare.with("h.0.attn.bias", dtype, &[1, 1, 16, 16]);
        for (number, weights) in [weights, scores, bare].iter().enumerate() {
            let model = Gpt2::load(&device, &config, weights.file(&format!("gpt2_{dtype}_{number}"))).unwrap();
            assert_eq!(bits(model.forward(&tokens)), wanted);
        }
    }
}

/// Counts of batches, as each normalisation has one.
fn with_counts(mut weights: Written) -> Written {
    let names: Vec<String> =
        weights.0.keys().filter_map(|name| Some(name.strip_suffix("running_var")?.to_owned())).collect();
    for name in names {
        weights = weights.with(&format!("{name}num_batches_tracked"), Scalar::I64, &[]);
    }
    weights
}

#[test]
fn resnet_is_that_of_its_file() {
    let device = device();
    let config = ResnetConfig { blocks: [1, 1, 1, 1], ..ResnetConfig::reduced() };
    let (model, weights) = drawn(Scalar::F32, |weights| Resnet::new(&device, &config, weights));
    let images = config.input(&device, 1, 1).unwrap();
    let wanted = bits(model.forward(&images));
    let path = with_counts(weights).file("resnet");
    assert_eq!(bits(Resnet::load(&device, &config, path).unwrap().forward(&images)), wanted);
}

#[test]
fn inception_is_that_of_its_file() {
    let device = device();
    let config = InceptionConfig::reduced();
    let (model, weights) = drawn(Scalar::F32, |weights| Inception::new(&device, &config, weights));
    let images = config.input(&device, 1, 1).unwrap();
    let wanted = bits(model.forward(&images));
    let weights = with_counts(weights).with("AuxLogits.conv0.conv.weight", Scalar::F32, &[2, 2, 1, 1]);
    let model = Inception::load(&device, &config, weights.file("inception")).unwrap();
    assert_eq!(bits(model.forward(&images)), wanted);
}

/// Returns the name of timm for one of torchvision.
fn timm(name: &str) -> String {
    let first_blocks = [1, 2, 4, 7, 11, 14, 17, 18];
    let (layer, weight) = name.rsplit_once('.').unwrap();
    let Some((block, part)) = layer.strip_prefix("features.").and_then(|rest| rest.split_once('.')) else {
        return format!("classifier.{weight}");
    };
    let block: usize = block.parse().unwrap();
    let layer = match (block, part) {
        (0, "0") => "conv_stem".to_owned(),
        (0, _) => "bn1".to_owned(),
        (18, "0") => "conv_head".to_owned(),
        (18, _) => "bn2".to_owned(),
        _ => {
            let stage = first_blocks.iter().rposition(|first| *first <= block).unwrap();
            let part = match (stage, part) {
                (0, "conv.0.0") => "conv_dw",
                (0, "conv.0.1") => "bn1",
                (0, "conv.1") => "conv_pw",
                (0, "conv.2") => "bn2",
                (_, "conv.0.0") => "conv_pw",
                (_, "conv.0.1") => "bn1",
                (_, "conv.1.0") => "conv_dw",
                (_, "conv.1.1") => "bn2",
                (_, "conv.2") => "conv_pwl",
                (_, "conv.3") => "bn3",
                _ => panic!("{name}"),
            };
            format!("blocks.{stage}.{}.{part}", block - first_blocks[stage])
        }
    };
    format!("{layer}.{weight}")
}

#[test]
fn mobilenet_is_that_of_its_file() {
    let device = device();
    let config = MobilenetConfig::reduced();
    let (model, weights) = drawn(Scalar::F32, |weights| Mobilenet::new(&device, &config, weights));
    let images = config.input(&device, 1, 1).unwrap();
    let wanted = bits(model.forward(&images));
    let weights = with_counts(weights);
    let of_timm = weights.clone().renamed(timm);
    assert!(
        of_timm.0.contains_key("blocks.3.1.conv_pwl.weight") && of_timm.0.contains_key("blocks.6.0.bn3.running_mean")
    );
    for (number, weights) in [weights, of_timm].iter().enumerate() {
        let model = Mobilenet::load(&device, &config, weights.file(&format!("mobilenet_{number}"))).unwrap();
        assert_eq!(bits(model.forward(&images)), wanted);
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let device = device();
    let config = Gpt2Config { layers: 2, ..Gpt2Config::reduced() };
    let (_, weights) = drawn(Scalar::F16, |weights| Gpt2::new(&device, &config, weights));
    let load = |config: &Gpt2Config, path: &Path| Gpt2::load(&device, config, path).err().unwrap().to_string();
    let error = |name: &str, weights: Written| load(&config, &weights.file(name));
    let name = "transformer.h.0.mlp.c_fc.weight";
    assert_eq!(
        error("missing", weights.clone().without(name)),
        format!("weight `{name}`: it is not among the 27 given ones")
    );
    assert_eq!(
        error("shape", weights.clone().with(name, Scalar::F16, &[256, 64])),
        format!("weight `{name}`: it is f16[256, 64], but the model needs [64, 256]")
    );
    assert_eq!(
        error("type", weights.clone().with(name, Scalar::I8, &[64, 256])),
        format!("weight `{name}`: it is i8[64, 256], but the model needs floats")
    );
    assert_eq!(
        error("twice", weights.clone().with("wte.weight", Scalar::F16, &[100, 64])),
        "weight `transformer.wte.weight`: it is given twice, as `transformer.wte.weight` and as `wte.weight`"
    );
    assert_eq!(
        error("scores", weights.clone().with("lm_head.weight", Scalar::F16, &[100, 64])),
        "weight `lm_head.weight`: it differs from `transformer.wte.weight`, but scores are products with the table of tokens"
    );
    // Fewer layers than the file has would be another model.
    let path = weights.file("layers");
    let fewer = Gpt2Config { layers: 1, ..config.clone() };
    let wanted = "`transformer.h.1.attn.c_attn.bias`, `transformer.h.1.attn.c_attn.weight`, \
        `transformer.h.1.attn.c_proj.bias`, `transformer.h.1.attn.c_proj.weight` and 8 more";
    assert_eq!(
        load(&fewer, &path),
        format!("{}: the model of this configuration does not take {wanted}", path.display())
    );
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(load(&config, &path).contains("the file is cut off, or damaged"));
    assert!(load(&config, Path::new("/nowhere/x.safetensors")).starts_with("/nowhere/x.safetensors: "));
}
