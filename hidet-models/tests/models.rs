//! The five models at reduced sizes on the simulated device, beside their operators on the host in `f64`.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_models::{
    Draw, Inception, InceptionConfig, Mobilenet, MobilenetConfig, Random, Resnet, ResnetConfig, Result, Weights,
};
use hidet_ops::{Replay, Tensor};
use std::time::Instant;

const RANDOM: Random = Random { seed: 1 };

fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

/// Compares the outputs of two inputs with the reference, and with each other, and returns the number of kernels. The second
/// input is computed by the launches of the first one.
fn kernels(what: &str, inputs: [Tensor; 2], forward: impl Fn(&Tensor) -> Result<Tensor>) -> usize {
    let begin = Instant::now();
    let outputs = inputs.each_ref().map(|input| forward(input).unwrap());
    let references = outputs.each_ref().map(|output| output.reference().unwrap());
    let on_host = begin.elapsed();
    let replay = Replay::of(&[&inputs[0]], &[&outputs[0]]).unwrap();
    let first = replay.results().unwrap().remove(0).elements().unwrap();
    let second = replay.run(&[&inputs[1]]).unwrap().remove(0).elements().unwrap();
    let mut errors = Vec::new();
    for (found, wanted) in [&first, &second].into_iter().zip(&references) {
        assert_eq!(found.len(), wanted.len());
        let all = norm(wanted.iter().copied());
        let size = all / (wanted.len() as f64).sqrt();
        assert!((0.05..20.0).contains(&size), "{what}: elements of the size {size}");
        errors.push(norm(found.iter().zip(wanted).map(|(found, wanted)| found - wanted)) / all);
    }
    let differ = norm(references[0].iter().zip(&references[1]).map(|(a, b)| a - b));
    let differ = differ / norm(references[0].iter().copied());
    let kernels = outputs[0].kernels();
    println!(
        "{what}: {} kernels, {} launches, errors {:.1e} and {:.1e}, outputs differ by {differ:.2}, {:.1} s, of these {:.1} s in f64",
        kernels.len(),
        replay.launches(),
        errors[0],
        errors[1],
        begin.elapsed().as_secs_f64(),
        on_host.as_secs_f64()
    );
    assert!(errors.iter().all(|error| *error <= 1e-5), "{what}: {errors:?} of the norm of the reference");
    assert!(differ > 0.01, "{what}: outputs of different inputs differ by {differ}");
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

/// At the paper's sizes in half precision all products run on tensor cores, except for depthwise convolutions.
#[test]
fn products_run_on_tensor_cores() {
    let device = Device::sim();
    let begin = Instant::now();
    let check = |what: &str, output: Tensor, count: usize, depthwise: usize| {
        let products = kernels_of_products(&output);
        println!("{what}: {} products after {:.1} s", products.len(), begin.elapsed().as_secs_f64());
        let others: Vec<_> = products.iter().filter(|(_, template)| !template.ends_with("wgmma")).collect();
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
}
