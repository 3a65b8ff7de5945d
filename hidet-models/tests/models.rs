//! The five models at reduced sizes on the simulated device, beside their operators on the host in `f64`.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_models::{
    Bert, BertConfig, Draw, Gpt2, Gpt2Config, Inception, InceptionConfig, Mobilenet, MobilenetConfig, Random, Resnet,
    ResnetConfig, Result, Weights,
};
use hidet_ops::{Replay, Tensor};
use std::time::Instant;

const RANDOM: Random = Random { seed: 1 };

fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

/// Compares the output of an input with the reference, and with that of another input, which is computed by the same
/// launches. Returns the number of kernels.
fn kernels(what: &str, inputs: [Tensor; 2], forward: impl Fn(&Tensor) -> Result<Tensor>) -> usize {
    let begin = Instant::now();
    let output = forward(&inputs[0]).unwrap();
    let wanted = output.reference().unwrap();
    let on_host = begin.elapsed();
    let replay = Replay::of(&[&inputs[0]], &[&output]).unwrap();
    let found = replay.results().unwrap().remove(0).elements().unwrap();
    let other = replay.run(&[&inputs[1]]).unwrap().remove(0).elements().unwrap();
    let kernels = output.kernels();
    assert_eq!((found.len(), other.len()), (wanted.len(), wanted.len()));
    let all = norm(wanted.iter().copied());
    let away = |from: &[f64]| norm(from.iter().zip(&wanted).map(|(from, wanted)| from - wanted)) / all;
    let (error, differs, size) = (away(&found), away(&other), all / (wanted.len() as f64).sqrt());
    println!(
        "{what}: {} kernels, {} launches, error {error:.1e}, another input is {differs:.2} away, elements {size:.2}, \
         {:.1} s, of these {:.1} s in f64",
        kernels.len(),
        replay.launches(),
        begin.elapsed().as_secs_f64(),
        on_host.as_secs_f64()
    );
    assert!(error <= 1e-5, "{what}: the difference from the reference is {error} of its norm");
    assert!(differs > 0.01, "{what}: outputs of different inputs differ by {differs} of their norm");
    assert!((0.05..20.0).contains(&size), "{what}: elements are of the order {size}");
    kernels.len()
}

/// Draws nothing: for what does not depend on weights.
struct Zeros;

impl Weights for Zeros {
    fn tensor(&mut self, _: &str, shape: &[usize], _: Draw) -> Result<Vec<f32>> {
        Ok(vec![0.0; shape.iter().product()])
    }
}

/// Returns the kernels with products that compute an output, and what implements each.
fn kernels_of_products(output: &Tensor) -> Vec<(String, &'static str)> {
    let all: Vec<_> = output.kernels().into_iter().zip(output.templates().unwrap()).collect();
    let is_product = |name: &str| name.contains("conv") || name.contains("matmul");
    all.into_iter().filter(|(name, _)| is_product(name)).collect()
}

/// Stem and head, 16 bottlenecks of 3 convolutions, 4 shortcuts: one kernel for each; images with channels last, two pools.
#[test]
fn resnet50() {
    let device = Device::sim();
    let config = ResnetConfig::reduced();
    let model = Resnet::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 1, seed).unwrap());
    assert_eq!(kernels("resnet50", inputs, |x| model.forward(x)), 1 + 16 * 3 + 4 + 1 + 3);
}

/// Stem and head, 17 blocks of 3 convolutions of which the first has 2; images with channels last, a mean.
#[test]
fn mobilenet_v2() {
    let device = Device::sim();
    let config = MobilenetConfig::reduced();
    let model = Mobilenet::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 1, seed).unwrap());
    assert_eq!(kernels("mobilenet_v2", inputs, |x| model.forward(x)), 2 + 17 * 3 - 1 + 1 + 2);
}

/// 94 convolutions and a product, 4 pools for largest elements and 10 for means, 11 joins; images with channels last.
#[test]
fn inception_v3() {
    let device = Device::sim();
    let config = InceptionConfig::reduced();
    let model = Inception::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 1, seed).unwrap());
    assert_eq!(kernels("inception_v3", inputs, |x| model.forward(x)), 94 + 1 + 4 + 10 + 11 + 1);
}

/// The embedding; in each layer six products, in f32 three kernels of attention, and two normalisations.
#[test]
fn bert() {
    let device = Device::sim();
    let config = BertConfig::reduced();
    let model = Bert::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 1, 16, seed).unwrap());
    assert_eq!(kernels("bert", inputs.clone(), |x| model.forward(x)), 1 + 2 * (6 + 3 + 2));
}

/// Sequences that end with tokens that the mask hides are the shorter ones; the kinds of tokens differ.
#[test]
fn masks_of_bert() {
    let device = Device::sim();
    let config = BertConfig { layers: 1, hidden: 16, intermediate: 16, ..BertConfig::reduced() };
    let model = Bert::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let of = |ids: &[i64]| Tensor::from(&device.tensor(ids, [1, ids.len()]).unwrap());
    let short = model.forward(&of(&[5, 17, 3])).unwrap();
    let (long, mask, kinds) = (of(&[5, 17, 3, 40, 41]), of(&[1, 1, 1, 0, 0]), of(&[0, 0, 1, 1, 1]));
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let short = short.elements().unwrap();
    let hidden = model.encode(&long, None, Some(&mask)).unwrap().elements().unwrap();
    assert!(near(&short, &hidden[..short.len()]));
    let seen = model.encode(&long, None, None).unwrap().elements().unwrap();
    assert!(!near(&short, &seen[..short.len()]));
    let other = model.encode(&long, Some(&kinds), Some(&mask)).unwrap().elements().unwrap();
    assert!(!near(&short, &other[..short.len()]));
}

/// The pooled output is another copy and product.
#[test]
fn bert_pooled() {
    let device = Device::sim();
    let config = BertConfig { layers: 1, hidden: 16, intermediate: 16, ..BertConfig::reduced() };
    let model = Bert::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 3, 4, seed).unwrap());
    assert_eq!(kernels("bert, pooled", inputs, |x| model.pooled(&model.forward(x)?)), 1 + 11 + 2);
}

/// As of BERT, and the last normalisation and the scores.
#[test]
fn gpt2() {
    let device = Device::sim();
    let config = Gpt2Config::reduced();
    let model = Gpt2::new(&device, &config, &mut RANDOM.clone()).unwrap();
    let inputs = [1, 2].map(|seed| config.input(&device, 1, 16, seed).unwrap());
    assert_eq!(kernels("gpt2", inputs, |x| model.forward(x)), 1 + 2 * (6 + 3 + 2) + 2);
}

/// In half precision, where products run on tensor cores: elements are rounded between kernels, to 2^-11 each.
#[test]
fn half_precision() {
    let device = Device::sim();
    let near = |what: &str, output: Tensor| {
        let begin = Instant::now();
        let wanted = output.reference().unwrap();
        let found = output.elements().unwrap();
        let error = norm(found.iter().zip(&wanted).map(|(found, wanted)| found - wanted));
        let error = error / norm(wanted.iter().copied());
        println!("{what}: error {error:.1e}, {:.1} s", begin.elapsed().as_secs_f64());
        assert!(error < 4e-3, "{what}: the difference from the reference is {error} of its norm");
    };
    let dtype = Scalar::F16;
    let config = BertConfig { dtype, layers: 1, ..BertConfig::reduced() };
    let model = Bert::new(&device, &config, &mut RANDOM.clone()).unwrap();
    near("bert", model.forward(&config.input(&device, 1, 16, 1).unwrap()).unwrap());
    let config = ResnetConfig { dtype, blocks: [1, 1, 1, 1], ..ResnetConfig::reduced() };
    let model = Resnet::new(&device, &config, &mut RANDOM.clone()).unwrap();
    near("resnet", model.forward(&config.input(&device, 1, 1).unwrap()).unwrap());
}

/// At the paper's sizes, with fewer layers of transformers, in half precision all products run on tensor cores, except for depthwise convolutions.
#[test]
fn products_run_on_tensor_cores() {
    let device = Device::sim();
    let begin = Instant::now();
    let check = |what: &str, output: Tensor, count: usize, depthwise: usize| {
        let products = kernels_of_products(&output);
        println!("{what}: {} products after {:.1} s", products.len(), begin.elapsed().as_secs_f64());
        let is_by_wgmma = |template: &str| template.ends_with("wgmma") || template == "conv_patch";
        let others: Vec<_> = products.iter().filter(|(_, template)| !is_by_wgmma(template)).collect();
        assert_eq!((products.len(), others.len()), (count, depthwise), "{what}: {others:?}");
        assert!(others.iter().all(|(_, template)| *template == "windows"), "{what}: {others:?}");
    };
    let dtype = Scalar::F16;
    let config = ResnetConfig { dtype, ..ResnetConfig::paper() };
    let model = Resnet::new(&device, &config, &mut Zeros).unwrap();
    check("resnet50", model.forward(&config.input(&device, 1, 1).unwrap()).unwrap(), 54, 0);
    let config = MobilenetConfig { dtype, ..MobilenetConfig::paper() };
    let model = Mobilenet::new(&device, &config, &mut Zeros).unwrap();
    check("mobilenet_v2", model.forward(&config.input(&device, 1, 1).unwrap()).unwrap(), 53, 17);
    let config = InceptionConfig { dtype, ..InceptionConfig::paper() };
    let model = Inception::new(&device, &config, &mut Zeros).unwrap();
    check("inception_v3", model.forward(&config.input(&device, 1, 1).unwrap()).unwrap(), 95, 0);
    let config = BertConfig { dtype, layers: 2, ..BertConfig::paper() };
    let model = Bert::new(&device, &config, &mut Zeros).unwrap();
    let state = model.forward(&config.input(&device, 1, 128, 1).unwrap()).unwrap();
    check("bert", model.pooled(&state).unwrap(), 2 * 7 + 1, 0);
    let config = Gpt2Config { dtype, layers: 2, ..Gpt2Config::paper() };
    let model = Gpt2::new(&device, &config, &mut Zeros).unwrap();
    check("gpt2", model.forward(&config.input(&device, 1, 128, 1).unwrap()).unwrap(), 2 * 7 + 1, 0);
}
