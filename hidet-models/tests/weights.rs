//! Weights by name: what models ask for, and given ones.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_models::{
    Bert, BertConfig, Draw, Given, Gpt2, Gpt2Config, Inception, InceptionConfig, Mobilenet, MobilenetConfig, Random,
    Resnet, ResnetConfig, Result, Weights,
};
use hidet_ops::Tensor;
use std::collections::BTreeMap;

/// Draws weights, and remembers which.
#[derive(Default)]
struct Remembered {
    shapes: BTreeMap<String, Vec<usize>>,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl Weights for Remembered {
    fn tensor(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Vec<f32>> {
        self.shapes.insert(name.to_owned(), shape.to_vec());
        let numbers = Random { seed: 3 }.tensor(name, shape, draw)?;
        self.tensors.insert(name.to_owned(), numbers.clone());
        Ok(numbers)
    }
}

impl Remembered {
    /// Returns them as they would be given.
    fn given(&self, device: &Device) -> Vec<(String, Tensor)> {
        let tensor = |(name, numbers): (&String, &Vec<f32>)| {
            let flat = Tensor::from(&device.tensor(numbers, [numbers.len()]).unwrap());
            (name.clone(), flat.reshape(&self.shapes[name]).unwrap())
        };
        self.tensors.iter().map(tensor).collect()
    }
}

/// Remembers shapes alone.
#[derive(Default)]
struct Shapes(BTreeMap<String, Vec<usize>>);

impl Weights for Shapes {
    fn tensor(&mut self, name: &str, shape: &[usize], _: Draw) -> Result<Vec<f32>> {
        self.0.insert(name.to_owned(), shape.to_vec());
        Ok(vec![0.0; shape.iter().product()])
    }
}

impl Shapes {
    /// Returns the number of weights, and of the elements of those that are learned.
    fn counts(&self) -> (usize, usize) {
        let learned = self.0.iter().filter(|(name, _)| !name.contains("running"));
        (self.0.len(), learned.map(|(_, shape)| shape.iter().product::<usize>()).sum())
    }
}

/// The numbers of weights are those of files of ONNX with the five models; those of parameters are well known.
#[test]
fn models_have_as_many_parameters_as_the_papers() {
    let device = Device::sim();
    let counts = |make: &dyn Fn(&mut Shapes)| {
        let mut shapes = Shapes::default();
        make(&mut shapes);
        shapes.counts()
    };
    let resnet = counts(&|w| drop(Resnet::new(&device, &ResnetConfig::paper(), w).unwrap()));
    assert_eq!(resnet, (267, 25_557_032));
    let inception = counts(&|w| drop(Inception::new(&device, &InceptionConfig::paper(), w).unwrap()));
    assert_eq!(inception, (472, 23_834_568));
    let mobilenet = counts(&|w| drop(Mobilenet::new(&device, &MobilenetConfig::paper(), w).unwrap()));
    assert_eq!(mobilenet, (262, 3_504_872));
    let bert = counts(&|w| drop(Bert::new(&device, &BertConfig::paper(), w).unwrap()));
    assert_eq!(bert, (199, 109_482_240));
    let gpt2 = counts(&|w| drop(Gpt2::new(&device, &Gpt2Config::paper(), w).unwrap()));
    assert_eq!(gpt2, (148, 124_439_808));
}

/// Weights that are given make the model that they are of, and those that it does not need are reported.
#[test]
fn given_weights_are_taken_by_name() {
    let device = Device::sim();
    let config = BertConfig { layers: 1, hidden: 16, intermediate: 32, ..BertConfig::reduced() };
    let tokens = config.input(&device, 1, 3, 1).unwrap();
    let mut drawn = Remembered::default();
    let wanted = Bert::new(&device, &config, &mut drawn).unwrap().forward(&tokens).unwrap().reference().unwrap();
    let further = ("embeddings.position_ids".to_owned(), tokens.clone());
    let mut given = Given::new(drawn.given(&device).into_iter().chain([further]));
    assert_eq!(given.unused().len(), 24);
    let model = Bert::new(&device, &config, &mut given).unwrap();
    assert_eq!(given.unused(), ["embeddings.position_ids"]);
    assert_eq!(model.forward(&tokens).unwrap().reference().unwrap(), wanted);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let device = Device::sim();
    let config = Gpt2Config { layers: 1, ..Gpt2Config::reduced() };
    let mut drawn = Remembered::default();
    Gpt2::new(&device, &config, &mut drawn).unwrap();
    let all = drawn.given(&device);
    let message = |config: &Gpt2Config, given: Vec<(String, Tensor)>| {
        Gpt2::new(&device, config, &mut Given::new(given)).err().unwrap().to_string()
    };
    let name = "transformer.h.0.mlp.c_fc.bias";
    let without = all.iter().filter(|(own, _)| own != name).cloned().collect();
    assert_eq!(message(&config, without), format!("weight `{name}`: it is not among the 15 given ones"));
    let prefixed = all.iter().map(|(own, tensor)| (format!("m.{own}"), tensor.clone())).collect();
    assert_eq!(
        message(&config, prefixed),
        "weight `transformer.wte.weight`: it is not among the 16 given ones; there is `m.transformer.wte.weight`"
    );
    let wider = Gpt2Config { intermediate: 128, ..config.clone() };
    assert_eq!(
        message(&wider, all),
        "weight `transformer.h.0.mlp.c_fc.weight`: it is f32[64, 256], but the model needs [64, 128]"
    );
}

#[test]
fn sizes_and_inputs_that_cannot_be_are_refused() {
    let device = Device::sim();
    let mut random = Random { seed: 1 };
    let config = ResnetConfig { divisor: 3, ..ResnetConfig::reduced() };
    let message = Resnet::new(&device, &config, &mut random).err().unwrap().to_string();
    assert_eq!(message, "`divisor`: 3 does not divide all numbers of channels; 1, 2, 4 and 8 do");
    let config = BertConfig { heads: 3, ..BertConfig::reduced() };
    let message = Bert::new(&device, &config, &mut random).err().unwrap().to_string();
    assert_eq!(message, "`heads`: 3 heads cannot share 64 features equally");
    let config = MobilenetConfig { dtype: Scalar::F64, ..MobilenetConfig::reduced() };
    let message = Mobilenet::new(&device, &config, &mut random).err().unwrap().to_string();
    assert_eq!(message, "`dtype`: models compute in f32, f16 and bf16, not in f64");

    let config = InceptionConfig { image: 64, ..InceptionConfig::reduced() };
    let model = Inception::new(&device, &config, &mut random).unwrap();
    let message = model.forward(&config.input(&device, 1, 1).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "Inception of f32[1, 3, 64, 64]: it takes images of at least 75 rows and columns");
    let config = Gpt2Config::reduced();
    let model = Gpt2::new(&device, &config, &mut random).unwrap();
    let message = model.forward(&config.input(&device, 1, 17, 1).unwrap()).unwrap_err().to_string();
    let wanted = "it takes tokens i64[sequences, tokens], of which a sequence has at most 16";
    assert_eq!(message, format!("GPT-2 of i64[1, 17]: {wanted}"));
}
