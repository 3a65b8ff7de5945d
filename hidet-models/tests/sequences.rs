//! BERT and GPT-2 compiled for ranges of the number of sequences and of their tokens: right at each, whatever is behind the tokens of a
//! request, and without a new plan or kernel.
//!
//! At full size, on a device for which that is little work: `HIDET_DEVICE=cuda HIDET_FULL=1 cargo test --release -p hidet-models --test
//! sequences -- --nocapture full`; `HIDET_DTYPE=f16` chooses the floats.

#![allow(clippy::panic, clippy::unwrap_used)]

use hidet::device::Device;
use hidet::types::Scalar;
use hidet_models::{Bert, BertConfig, Gpt2, Gpt2Config, Random, Ranges, Result, Sequences};
use hidet_ops::{Tensor, testing};
use std::env;
use std::path::Path;
use std::time::Instant;

const RANDOM: Random = Random { seed: 1 };

fn ids(device: &Device, rows: &[&[i64]]) -> Tensor {
    Tensor::from(&device.tensor(&rows.concat(), [rows.len(), rows[0].len()]).unwrap())
}

/// Returns the largest difference, beside the norm of elements.
fn away(found: &Tensor, wanted: &Tensor) -> f64 {
    assert_eq!(found.ty(), wanted.ty());
    let (found, wanted) = (found.elements().unwrap(), wanted.elements().unwrap());
    let size = (wanted.iter().map(|x| x * x).sum::<f64>() / wanted.len() as f64).sqrt();
    let far = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    // NaN is a difference of any size.
    far.fold(0.0, |most: f64, x| if x <= most { most } else { x }) / size
}

fn small_bert(device: &Device) -> (BertConfig, Bert) {
    let config = BertConfig { layers: 1, hidden: 8, intermediate: 8, vocabulary: 50, ..BertConfig::reduced() };
    let model = Bert::new(device, &config, &mut RANDOM.clone()).unwrap();
    (config, model)
}

fn small_gpt2(device: &Device) -> (Gpt2Config, Gpt2) {
    let config = Gpt2Config { layers: 1, hidden: 8, intermediate: 8, vocabulary: 50, ..Gpt2Config::reduced() };
    let model = Gpt2::new(device, &config, &mut RANDOM.clone()).unwrap();
    (config, model)
}

fn saved(device: &Device, compiled: &Sequences, name: &str) -> Sequences {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    compiled.save(&path).unwrap();
    Sequences::load(device, &path).unwrap()
}

#[test]
fn bert_is_right_for_each_number_and_length() -> Result<()> {
    let device = Device::sim();
    let (config, model) = small_bert(&device);
    let compiled = model.compiled(&Ranges { batch: 5..=7, tokens: 5..=7 })?;
    let loaded = saved(&device, &compiled, "bert.hidet");
    for (batch, length) in [(6, 6), (5, 5), (5, 6), (6, 7)] {
        let tokens = config.input(&device, batch, length, 7)?;
        let state = model.forward(&tokens)?;
        let wanted = [state.clone(), model.pooled(&state)?];
        wanted.iter().try_for_each(|wanted| wanted.compute().map(|_| ()))?;
        let before = testing::made();
        for compiled in [&compiled, &loaded] {
            let found = compiled.run(&tokens, None)?;
            for (found, wanted) in found.iter().zip(&wanted) {
                let error = away(found, wanted);
                assert!(error < 1e-4, "{batch} sequences of {length} tokens: {error}");
            }
        }
        assert_eq!(testing::made(), before);
    }
    // Masks of a request count too.
    let (row, other) = (&[5, 17, 3, 40, 41][..], &[9, 8, 7, 6, 5][..]);
    let (tokens, mask) = (
        ids(&device, &[row, other, row, row, other]),
        ids(&device, &[&[1, 1, 1, 0, 0], &[1; 5], &[0, 1, 1, 1, 1], &[1; 5], &[1; 5]]),
    );
    let wanted = model.encode(&tokens, None, Some(&mask))?;
    assert!(away(&loaded.run(&tokens, Some(&mask))?[0], &wanted) < 1e-4);
    assert!(away(&loaded.run(&tokens, None)?[0], &wanted) > 1e-2);
    Ok(())
}

#[test]
fn gpt2_is_right_for_each_number_and_length() -> Result<()> {
    let device = Device::sim();
    let (config, model) = small_gpt2(&device);
    let compiled = model.compiled(&Ranges { batch: 5..=7, tokens: 5..=7 })?;
    let loaded = saved(&device, &compiled, "gpt2.hidet");
    for (batch, length) in [(6, 6), (5, 5), (5, 6), (6, 7)] {
        let tokens = config.input(&device, batch, length, 7)?;
        let wanted = model.forward(&tokens)?;
        wanted.compute()?;
        let before = testing::made();
        for compiled in [&compiled, &loaded] {
            let error = away(&compiled.run(&tokens, None)?[0], &wanted);
            assert!(error < 1e-4, "{batch} sequences of {length} tokens: {error}");
        }
        assert_eq!(testing::made(), before);
    }
    let says = |batch: usize, length: usize, words: &str| {
        let error = loaded.run(&config.input(&device, batch, length, 1).unwrap(), None).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), words);
    };
    says(8, 5, "extent `batch`: it is 8, but kernels were compiled for 5 to 7");
    says(5, 8, "extent `tokens`: it is 8, but kernels were compiled for 5 to 7");
    let tokens = config.input(&device, 5, 5, 1)?;
    let error = loaded.run(&tokens, Some(&tokens)).map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("the model takes no mask"), "{error}");
    let error = model.compiled(&Ranges { batch: 1..=1, tokens: 3..=17 }).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "`tokens`: there are at most 16 in a sequence, not 17");
    Ok(())
}

/// What is in a bucket behind the tokens of a request, as other tokens and other sequences, changes no bit of what is before it.
/// A request fills the bucket with its own tokens; here the bucket is filled by hand.
#[test]
fn no_bit_depends_on_what_is_behind() -> Result<()> {
    let device = Device::sim();
    let front = |x: &Tensor, batch: i64, length: i64| x.slice(&[(0, 0, batch, 1), (1, 0, length, 1)])?.to_vec::<f32>();
    let (_, gpt2) = small_gpt2(&device);
    let whole = |model: &Gpt2, rows: &[&[i64]]| {
        front(&model.forward(&ids(&device, rows))?.reshape(&[2, 8, 50])?, 1, 5).map_err(hidet_models::Error::from)
    };
    let zeros = whole(&gpt2, &[&[5, 17, 3, 40, 41, 0, 0, 0], &[0; 8]])?;
    for behind in [1, 49] {
        assert!(whole(&gpt2, &[&[5, 17, 3, 40, 41, behind, 7, behind], &[behind; 8]])? == zeros, "{behind}");
    }
    // A bucket of BERT: its outputs for the first 5 tokens of the first sequence.
    let (_, bert) = small_bert(&device);
    let compiled = bert.compiled(&Ranges { batch: 2..=2, tokens: 8..=8 })?;
    let (_, bucket) = compiled.buckets().runs().next().unwrap();
    let run = |behind: i64, mask: i64| {
        let tokens = ids(&device, &[&[5, 17, 3, 40, 41, behind, 7, behind], &[behind; 8]]);
        let mask = ids(&device, &[&[1, 1, 1, 1, 1, mask, 1, mask], &[1; 8]]);
        let length = Tensor::from(&device.tensor(&[5i64], [1]).unwrap());
        front(&bucket.run(&[&tokens, &mask, &length])?[0], 1, 5)
    };
    let zeros = run(0, 0)?;
    assert!(zeros.iter().all(|x| x.is_finite()));
    for behind in [1, 49] {
        for mask in [0, 1, 99] {
            assert!(run(behind, mask)? == zeros, "{behind}, {mask}");
        }
    }
    Ok(())
}

/// At the paper's sizes, beside runs at exact sizes.
#[test]
fn full_size() -> Result<()> {
    if env::var("HIDET_FULL").is_err() {
        return Ok(());
    }
    let device = Device::best().unwrap();
    let dtype = env::var("HIDET_DTYPE").map_or(Scalar::F32, |name| Scalar::from_name(&name).unwrap());
    let most = if dtype == Scalar::F32 { 1e-3 } else { 0.1 };
    let ranges = Ranges { batch: 1..=16, tokens: 16..=512 };
    let sizes: Vec<(usize, usize)> = (1..=16).zip((0..16).map(|at| 16 + at * 33).rev()).collect();
    let sizes = [&sizes[..], &[(1, 16), (16, 512), (16, 17), (3, 129), (7, 500)]].concat();
    let check = |name: &str,
                 compile: &dyn Fn() -> Result<Sequences>,
                 input: &dyn Fn(usize, usize) -> Result<Tensor>,
                 forward: &dyn Fn(&Tensor) -> Result<Tensor>|
     -> Result<()> {
        let begin = Instant::now();
        let compiled = compile()?;
        let compiled_in = begin.elapsed();
        let begin = Instant::now();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.hidet"));
        compiled.save(&path)?;
        let loaded = Sequences::load(&device, &path)?;
        let bytes = std::fs::metadata(&path).unwrap().len();
        std::fs::remove_file(&path).unwrap();
        println!(
            "{name} {dtype} on {device}: compiled in {compiled_in:.1?}, {bytes} bytes, saved and loaded in {:.1?}",
            begin.elapsed()
        );
        for (batch, length) in &sizes {
            let tokens = input(*batch, *length)?;
            let before = testing::made();
            let begin = Instant::now();
            let found = compiled.run(&tokens, None)?;
            found[0].elements()?;
            let took = begin.elapsed();
            let again = loaded.run(&tokens, None)?;
            assert_eq!(testing::made(), before);
            assert!(again[0].compute()?.to_bytes().unwrap() == found[0].compute()?.to_bytes().unwrap());
            let error = away(&found[0], &forward(&tokens)?);
            println!(
                "{name}: {batch} sequences of {length} tokens: {took:.2?}, largest difference from the exact size {error:.1e}"
            );
            assert!(error < most, "{name}: {batch} sequences of {length} tokens: {error}");
        }
        Ok(())
    };
    let config = BertConfig { dtype, ..BertConfig::paper() };
    let model = Bert::new(&device, &config, &mut RANDOM.clone())?;
    check("bert", &|| model.compiled(&ranges), &|batch, length| config.input(&device, batch, length, 3), &|x| {
        model.forward(x)
    })?;
    let config = Gpt2Config { dtype, ..Gpt2Config::paper() };
    let model = Gpt2::new(&device, &config, &mut RANDOM.clone())?;
    check("gpt2", &|| model.compiled(&ranges), &|batch, length| config.input(&device, batch, length, 3), &|x| {
        model.forward(x)
    })
}
