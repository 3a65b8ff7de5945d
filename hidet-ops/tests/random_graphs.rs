//! Random graphs of operators: fused, each operator by itself, and on the host in f64.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::prelude::{bf16, f16};
use hidet::types::{Element, Number, Scalar};
use hidet_ops::{Replay, Result, Tensor, Window};

/// A generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// A tensor of small numbers.
    fn tensor(&mut self, device: &Device, dtype: Scalar, shape: &[usize]) -> Tensor {
        fn of<T: Element>(random: &mut Random, device: &Device, shape: &[usize]) -> Tensor {
            let value = |_| T::from_number(Number::Float((random.below(33) as f64 - 16.0) / 16.0));
            let values: Vec<T> = (0..shape.iter().product()).map(value).collect();
            let flat = device.tensor(&values, [values.len()]).unwrap();
            Tensor::from(flat.raw().view(0, shape).unwrap())
        }
        match dtype {
            Scalar::F16 => of::<f16>(self, device, shape),
            Scalar::BF16 => of::<bf16>(self, device, shape),
            _ => of::<f32>(self, device, shape),
        }
    }
}

/// Returns matrices as images with 4 axes.
fn images(tensor: &Tensor) -> Result<Tensor> {
    let missing = vec![1; 4 - tensor.shape().len()];
    tensor.reshape(&[missing.as_slice(), tensor.shape()].concat())
}

/// A random graph: its result. With `apart`, each tensor is computed before the next one is made.
fn graph(seed: u64, device: &Device, apart: bool) -> Result<Tensor> {
    Ok(graph_of(seed, device, apart, &[])?.pop().unwrap())
}

/// All tensors of a random graph, in order; the first four are its inputs, unless others are given.
fn graph_of(seed: u64, device: &Device, apart: bool, given: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut random = Random(seed);
    let dtype = [Scalar::F32, Scalar::F16, Scalar::BF16][random.below(3)];
    let extent = |random: &mut Random| [1, 2, 3, 5, 8, 16, 17, 33][random.below(8)];
    let size = extent(&mut random);
    let batch = [vec![], vec![], vec![2], vec![3, 2]][random.below(4)].clone();
    let mut made: Vec<Tensor> = Vec::new();
    for _ in 0..3 {
        // Square matrices, some broadcast, so that all operators fit.
        let shape = match random.below(4) {
            0 => vec![size],
            1 => vec![size, 1],
            _ => [batch.clone(), vec![size, size]].concat(),
        };
        made.push(random.tensor(device, dtype, &shape));
    }
    made.push(random.tensor(device, dtype, &[batch.clone(), vec![size, size]].concat()));
    made.iter_mut().zip(given).for_each(|(own, given)| *own = given.clone());
    for _ in 0..random.below(8) + 1 {
        let a = made[random.below(made.len())].clone();
        // The last tensor is used often, so that chains become long.
        let b = made[if random.below(2) == 0 { made.len() - 1 } else { random.below(made.len()) }].clone();
        let is_matrix = |tensor: &Tensor| tensor.shape().ends_with(&[size, size]);
        let next = match random.below(15) {
            0 => b.add(&a)?,
            1 => b.sub(&a)?,
            2 => b.mul(&a)?,
            3 => b.maximum(&a)?,
            4 => b.relu()?,
            5 => b.tanh()?,
            6 => b.sigmoid()?,
            7 if is_matrix(&b) => b.t()?,
            8 if is_matrix(&b) => b.sub(&b.mean(&[b.shape().len() - 1], true)?)?,
            9 | 10 if is_matrix(&b) => b.softmax(b.shape().len() - 1)?,
            11 if is_matrix(&b) => {
                let images = images(&b)?;
                let channels = images.shape()[3];
                let weight = random.tensor(device, dtype, &[channels, 3, 3, channels]);
                let y = images.conv_channels_last(&weight, &Window::new(2).padding(&[1, 1]), 1)?;
                y.mul(1.0 / (9 * channels) as f64)?.reshape(b.shape())?
            }
            12 if is_matrix(&b) => {
                let window = Window::new(2).padding(&[1, 1]);
                let y = match random.below(2) {
                    0 => images(&b)?.max_pool(&[3, 3], &window, false)?,
                    _ => {
                        let images = images(&b)?;
                        let channels = images.shape()[1];
                        images
                            .conv(&random.tensor(device, dtype, &[channels, 1, 3, 3]), &window, channels)?
                            .mul(1.0 / 9.0)?
                    }
                };
                y.reshape(b.shape())?
            }
            13 if is_matrix(&b) => b.cumsum(b.shape().len() - 1, false, false)?.mul(1.0 / size as f64)?,
            _ if is_matrix(&a) && is_matrix(&b) => b.matmul(&a)?.mul(1.0 / size as f64)?,
            _ => b.add(0.25)?,
        };
        if apart {
            next.compute()?;
        }
        made.push(next);
    }
    Ok(made)
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(match tensor.dtype() {
        Scalar::F16 => tensor.to_vec::<f16>()?.iter().map(|v| v.to_f64()).collect(),
        Scalar::BF16 => tensor.to_vec::<bf16>()?.iter().map(|v| v.to_f64()).collect(),
        _ => tensor.to_vec::<f32>()?.iter().map(|v| f64::from(*v)).collect(),
    })
}

/// `HIDET_SEEDS=N` runs that many graphs, from the one with the number `HIDET_FIRST` on.
#[test]
fn fused_graphs_agree_with_the_same_operators_apart_and_with_the_host() -> Result<()> {
    let device = Device::best()?;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seeds) = (number("HIDET_FIRST").unwrap_or(0), number("HIDET_SEEDS").unwrap_or(40));
    let (mut kernels, mut operators) = (0, 0);
    for seed in first..first + seeds {
        let fused = graph(seed, &device, false)?;
        let wanted = fused.reference()?;
        let names = fused.kernels();
        kernels += names.len();
        operators += names.iter().map(|name| name.split('_').count()).sum::<usize>();
        let (together, apart) = (values(&fused)?, values(&graph(seed, &device, true)?)?);
        // Values are at most a few units; each of at most 16 operators rounds to the type once.
        let bound = match fused.dtype() {
            Scalar::F16 => 16.0 / 1024.0,
            Scalar::BF16 => 16.0 / 128.0,
            _ => 1e-5,
        };
        for (at, wanted) in wanted.iter().enumerate() {
            for (what, found) in [("fused", together[at]), ("apart", apart[at])] {
                let error = (found - wanted).abs();
                assert!(
                    error <= bound * wanted.abs().max(1.0),
                    "seed {seed}, {what}, element {at}: {found}, not {wanted}: {names:?}"
                );
            }
        }
    }
    println!("{seeds} graphs: {operators} operators in {kernels} kernels");
    assert!(kernels < operators, "{operators} operators in {kernels} kernels");
    Ok(())
}

/// Tensors between launches share memory in a replay, and the simulated device sees every use of it: the results are
/// those of the same launches with memory for each, for the inputs that the replay was made with and for others.
#[test]
fn replayed_graphs_have_the_results_of_launches_with_memory_of_their_own() -> Result<()> {
    let device = Device::best()?;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, seeds) = (number("HIDET_FIRST").unwrap_or(0), number("HIDET_SEEDS").unwrap_or(40));
    let (mut arena, mut apart, mut least) = (0, 0, 0);
    // Two results, of which one may be on the way to the other.
    let replay = |made: &[Tensor]| {
        let outputs = [made.last().unwrap(), &made[made.len().div_ceil(2) + 1]];
        Replay::of(&made[..4].iter().collect::<Vec<_>>(), &outputs)
    };
    for seed in first..first + seeds {
        let made = graph_of(seed, &device, false, &[])?;
        let copies = |by: f64| {
            let copy = |input: &Tensor| {
                let copy = input.mul(by)?;
                copy.compute().map(|_| copy)
            };
            made[..4].iter().map(copy).collect::<Result<Vec<Tensor>>>()
        };
        let bits = |results: Vec<Tensor>| {
            results.iter().map(|result| Ok(result.compute()?.to_bytes()?)).collect::<Result<Vec<Vec<u8>>>>()
        };
        let (same, others) = (copies(1.0)?, copies(-0.5)?);
        let own = replay(&made)?;
        // The first results of a replay are those of launches before memory was shared.
        let (first, other) =
            (bits(own.results()?)?, replay(&graph_of(seed, &device, false, &copies(-0.5)?)?)?.results()?);
        let other = bits(other)?;
        // What was saved and loaded is the same.
        let loaded = (seed % 3 == 0).then(|| Replay::from_bytes(&device, &own.to_bytes()?)).transpose()?;
        for (inputs, wanted) in [(&same, &first), (&others, &other), (&same, &first)] {
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            for replay in [Some(&own), loaded.as_ref()].into_iter().flatten() {
                assert!(bits(replay.run(&inputs)?)? == *wanted, "seed {seed}: results of a replay are other ones");
            }
        }
        let memory = own.memory();
        assert!(memory.least <= memory.arena && memory.arena <= memory.apart, "seed {seed}: {memory:?}");
        arena += memory.arena;
        apart += memory.apart;
        least += memory.least;
    }
    println!("{seeds} graphs: arenas of {arena} bytes instead of {apart}; at least {least}");
    assert!(arena < apart);
    Ok(())
}
